/* The memory that is free, read from made-up machines and control groups, and by this process's
 * own limits; and what is advised where a network does not fit. */
#include "free_memory.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "fcnn.h"
#include "suite.h"
#include "temporary.h"

#define MACHINE "MemTotal: 9 kB\nMemAvailable:      800000 kB\nSwapFree:  200000 kB\n"

typedef struct {
    const char *meminfo, *cgroup;
    struct {
        const char *path, *text; /* below /sys/fs/cgroup */
    } files[6];
    size_t bytes;
    const char *by;
} tree;

static const tree trees[] = {
    {MACHINE, "0::/\n", {{"memory.max", "max\n"}}, 1000000 * 1024ul, "machine"},
    {MACHINE,
     "0::/a/b\n",
     {{"a/memory.max", "5000000\n"}, {"a/memory.current", "2000000\n"}},
     3000000,
     "control group"},
    {MACHINE,
     "0::/a/b\n",
     {{"a/memory.max", "5000000\n"},
      {"a/memory.current", "2000000\n"},
      {"a/memory.stat", "anon 7\ninactive_file 500000\n"},
      {"a/b/memory.max", "3000000\n"},
      {"a/b/memory.current", "1000000\n"}},
     2000000,
     "control group"},
    {MACHINE,
     "4:memory:/m\n3:cpu:/c\n",
     {{"memory/m/memory.limit_in_bytes", "4000000\n"},
      {"memory/m/memory.usage_in_bytes", "3000000\n"},
      {"memory/m/memory.stat", "inactive_file 1\ntotal_inactive_file 250000\n"}},
     1250000,
     "control group"},
    {MACHINE,
     "4:memory:/m\n",
     {{"memory/m/memory.limit_in_bytes", "9223372036854771712\n"},
      {"memory/m/memory.usage_in_bytes", "3000000\n"}},
     1000000 * 1024ul,
     "machine"},
    {MACHINE,
     "0::/\n",
     {{"memory.max", "1000000\n"}, {"memory.current", "2000000\n"}},
     1,
     "control group"},
    {"MemTotal: 9 kB\n", "0::/\n", {{"memory.max", "nonsense\n"}}, SIZE_MAX, ""},
    {"", "", {{NULL, NULL}}, SIZE_MAX, ""},
};

START_TEST(machines_and_groups) {
    const tree *t = &trees[_i];
    const char *path = below("proc/self/cgroup"), *by;
    write_file(path, t->cgroup, strlen(t->cgroup));
    path = below("proc/meminfo");
    write_file(path, t->meminfo, strlen(t->meminfo));
    for (int i = 0; i < 6 && t->files[i].path; i++) {
        path = below("sys/fs/cgroup/%s", t->files[i].path);
        write_file(path, t->files[i].text, strlen(t->files[i].text));
    }
    ck_assert_uint_eq(fcnn_free_memory(root, &by), t->bytes);
    ck_assert_msg(*t->by ? strstr(by, t->by) != NULL : !*by, "%s", by);
}
END_TEST

START_TEST(limits_of_this_process) {
    const char *by, *path = below("proc/self/status");
    /* So many terabytes that the limits are none for this process, be it full of a sanitizer's. */
    const char text[] = "Name:\tx\nVmSize:\t  600000000000 kB\nVmData:\t    400000000000 kB\n";
    struct rlimit limit;
    write_file(path, text, strlen(text));
    ck_assert_int_eq(getrlimit(RLIMIT_DATA, &limit), 0);
    limit.rlim_cur = (rlim_t)500000000000 * 1024;
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
    ck_assert_uint_eq(fcnn_free_memory(root, &by), (size_t)100000000000 * 1024);
    ck_assert_str_eq(by, "by ulimit -d");
    limit.rlim_cur = (rlim_t)300000000000 * 1024;
    ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
    ck_assert_uint_eq(fcnn_free_memory(root, &by), 1);
}
END_TEST

START_TEST(this_machine) {
    const char *by;
    size_t bytes = fcnn_free_memory("", &by);
    ck_assert(bytes > 1 << 20);
    ck_assert(bytes == SIZE_MAX || *by);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("free_memory");
    TCase *tests = add_case(suite, "memory");
    tcase_add_loop_test(tests, machines_and_groups, 0, sizeof trees / sizeof trees[0]);
    tcase_add_test(tests, limits_of_this_process);
    tcase_add_test(tests, this_machine);
    return run_suite(suite);
}
