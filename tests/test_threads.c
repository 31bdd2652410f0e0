/* The quota of processors that control groups allow, read from made-up trees, and the default
 * number of threads. */
#include "threads.h"

#include <check.h>
#include <omp.h>
#include <stdlib.h>

#include "suite.h"
#include "temporary.h"

typedef struct {
    const char *cgroup; /* what /proc/self/cgroup says */
    struct {
        const char *path, *text; /* below /sys/fs/cgroup */
    } files[6];
    double quota;
} tree;

static const tree trees[] = {
    {"0::/\n", {{"cpu.max", "max 100000\n"}}, 0},
    {"0::/\n", {{"cpu.max", "150000 100000\n"}}, 1.5},
    {"0::/a/b\n", {{"a/b/cpu.max", "max 100000\n"}, {"a/cpu.max", "400000 100000\n"}}, 4},
    {"0::/a/b\n", {{"a/b/cpu.max", "50000 100000\n"}, {"a/cpu.max", "400000 100000\n"}}, 0.5},
    {"0::/a/b\n", {{"a/b/cpu.max", "800000 100000\n"}, {"a/cpu.max", "20000 10000\n"}}, 2},
    /* A container that sees its own group as the top, and its path from outside. */
    {"0::/docker/0123\n", {{"cpu.max", "300000 100000\n"}}, 3},
    {"0::/a\n", {{"other/cpu.max", "100000 100000\n"}}, 0},
    {"4:memory:/m\n3:cpu,cpuacct:/a\n",
     {{"cpu,cpuacct/a/cpu.cfs_quota_us", "250000\n"},
      {"cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"},
      {"memory/m/cpu.cfs_quota_us", "1\n"},
      {"memory/m/cpu.cfs_period_us", "1\n"}},
     2.5},
    {"3:cpu:/a/b\n",
     {{"cpu/a/b/cpu.cfs_quota_us", "-1\n"},
      {"cpu/a/b/cpu.cfs_period_us", "100000\n"},
      {"cpu/a/cpu.cfs_quota_us", "100000\n"},
      {"cpu/a/cpu.cfs_period_us", "50000\n"}},
     2},
    {"3:cpuset:/a\n", {{"cpu/cpu.cfs_quota_us", "1000\n"}, {"cpu/cpu.cfs_period_us", "1000\n"}}, 0},
    /* Both versions at once. */
    {"1:cpu:/\n0::/a\n", {{"unified/a/cpu.max", "700000 100000\n"}}, 7},
    {"0::/\n", {{"cpu.max", "nonsense\n"}}, 0},
    {"0::/\n", {{"cpu.max", ""}}, 0},
    {"nonsense\n", {{"cpu.max", "100000 100000\n"}}, 0},
    {"", {{"cpu.max", "100000 100000\n"}}, 0},
};

START_TEST(quotas_of_control_groups) {
    const tree *t = &trees[_i];
    const char *path = below("proc/self/cgroup");
    write_file(path, t->cgroup, strlen(t->cgroup));
    for (int i = 0; i < 6 && t->files[i].path; i++) {
        path = below("sys/fs/cgroup/%s", t->files[i].path);
        write_file(path, t->files[i].text, strlen(t->files[i].text));
    }
    ck_assert_double_eq_tol(fcnn_threads_quota(root), t->quota, 1e-12);
}
END_TEST

START_TEST(no_groups_no_quota) { ck_assert_double_eq(fcnn_threads_quota(below("nowhere")), 0); }
END_TEST

/* What a program has set for OpenMP counts as if its user had. */
START_TEST(the_default_is_openmps) {
    int before = omp_get_max_threads();
    omp_set_num_threads(omp_get_num_procs() + 2);
    ck_assert_int_eq(fcnn_threads_default(), omp_get_num_procs() + 2);
    omp_set_num_threads(1000000);
    ck_assert_int_le(fcnn_threads_default(), FCNN_THREADS_MOST);
    omp_set_num_threads(before);
    ck_assert_int_ge(fcnn_threads_default(), 1);
    ck_assert_int_eq(fcnn_threads_check(3), FCNN_OK);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("threads");
    TCase *tests = add_case(suite, "threads");
    tcase_add_loop_test(tests, quotas_of_control_groups, 0, sizeof trees / sizeof trees[0]);
    tcase_add_test(tests, no_groups_no_quota);
    tcase_add_test(tests, the_default_is_openmps);
    return run_suite(suite);
}
