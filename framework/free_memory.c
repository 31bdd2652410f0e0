/* What systems say of memory. It changes while others run: it tells what cannot be, not what can.
 */
#include "free_memory.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cgroup.h"

/* Bytes that a line of /proc has in KiB, or -1. */
static double kib_line(const char *root, const char *name, const char *key) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/proc", root);
    double kib = fcnn_cgroup_entry(folder, name, key);
    return kib < 0 ? -1 : 1024 * kib;
}

static double free_of_machine(const char *root) {
    double available = kib_line(root, "meminfo", "MemAvailable:");
    double swap = kib_line(root, "meminfo", "SwapFree:");
    return available < 0 ? -1 : available + (swap > 0 ? swap : 0);
}

/* What a group may still take; files that it has read are given up for it. 1 where it is full, 0
 * where it has no limit. */
static double free_of_group(const char *folder) {
    static const struct {
        const char *limit, *used, *files;
    } versions[] = {{"memory.max", "memory.current", "inactive_file"},
                    {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}};
    for (int i = 0; i < 2; i++) {
        double limit = fcnn_cgroup_number(folder, versions[i].limit, NULL);
        double used = fcnn_cgroup_number(folder, versions[i].used, NULL);
        double files = fcnn_cgroup_entry(folder, "memory.stat", versions[i].files);
        if (limit < 0 || used < 0) continue;
        double left = limit - used + (files > 0 ? files : 0);
        return left > 1 ? left : 1;
    }
    return 0;
}

static double free_of_limit(const char *root, int which, const char *key) {
    struct rlimit limit;
    if (getrlimit(which, &limit) || limit.rlim_cur == RLIM_INFINITY) return -1;
    double used = kib_line(root, "self/status", key), left = (double)limit.rlim_cur - used;
    return used < 0 ? -1 : left > 1 ? left : 1;
}

size_t fcnn_free_memory(const char *root, const char **by) {
    double group = fcnn_cgroup_least(root, "memory", free_of_group);
    const struct {
        double bytes;
        const char *by;
    } limits[] = {{free_of_machine(root), "of the machine"},
                  {group > 0 ? group : -1, "by the control group's memory limit"},
                  {free_of_limit(root, RLIMIT_AS, "VmSize:"), "by ulimit -v"},
                  {free_of_limit(root, RLIMIT_DATA, "VmData:"), "by ulimit -d"}};
    size_t least = SIZE_MAX;
    *by = "";
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].bytes < 0 || limits[i].bytes >= (double)least) continue;
        least = (size_t)limits[i].bytes;
        *by = limits[i].by;
    }
    return least;
}
