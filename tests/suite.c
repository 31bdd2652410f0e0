/* The one way that suites are run, and the one limit of their tests' time. */
#include "suite.h"

#include <stdlib.h>

/* Check reads the variable when main makes its first group of tests. A limit there must be, for a
 * test that hangs, but Check's own of 4 seconds fails good tests where many programs run. */
__attribute__((constructor)) static void set_limit(void) {
    setenv("CK_DEFAULT_TIMEOUT", "3600", 0);
}

static int run(Suite *suite, enum fork_status fork_status) {
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, fork_status);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int run_suite(Suite *suite) { return run(suite, CK_FORK_GETENV); }

int run_suite_here(Suite *suite) { return run(suite, CK_NOFORK); }
