/* Runs a Check suite, each test in a process of its own, under one limit of time that no machine
 * of today is slow enough to reach. */
#ifndef FCNN_TESTS_SUITE_H
#define FCNN_TESTS_SUITE_H

#include <check.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Returns main's exit code. */
int run_suite(Suite *suite);
/* Does the same in this process alone, for suites of a GPU, whose driver does not survive a fork.
 */
int run_suite_here(Suite *suite);

#ifdef __cplusplus
}
#endif

#endif
