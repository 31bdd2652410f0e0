/* The groups of a process are found by /proc/self/cgroup, whose lines are "0::/group" of version 2,
 * else "4:cpu,cpuacct:/group". */
#include "cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Files of a group ---- */

static FILE *open_file(const char *folder, const char *name) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "re");
}

double fcnn_cgroup_number(const char *folder, const char *name, double *rest) {
    char line[128] = "", *end;
    FILE *file = open_file(folder, name);
    if (file && !fgets(line, sizeof line, file)) *line = '\0';
    if (file) fclose(file);
    long long number = strtoll(line, &end, 10);
    if (rest) *rest = (double)strtoll(end, NULL, 10);
    return end == line ? -1 : (double)number;
}

double fcnn_cgroup_entry(const char *folder, const char *name, const char *key) {
    char line[128];
    size_t length = strlen(key);
    double found = -1;
    FILE *file = open_file(folder, name);
    while (file && found < 0 && fgets(line, sizeof line, file))
        if (!strncmp(line, key, length) && (line[length] == ' ' || line[length] == '\t'))
            found = (double)strtoll(line + length, NULL, 10);
    if (file) fclose(file);
    return found;
}

/* ---- Groups ---- */

static double lower(double a, double b) { return a > 0 && (b <= 0 || a < b) ? a : b; }

/* The least from a group up to the top of its hierarchy. A container may see its own group as the
 * top, and its path from outside: what is not there is passed over. */
static double least_of_hierarchy(const char *top, const char *group,
                                 double (*read)(const char *folder)) {
    char path[PATH_MAX];
    double least = 0;
    size_t length = strlen(top);
    if (snprintf(path, sizeof path, "%s%s", top, group) >= PATH_MAX) return 0;
    for (;;) {
        least = lower(read(path), least);
        char *slash = strrchr(path, '/');
        if (strlen(path) <= length || !slash) return least;
        *slash = '\0';
    }
}

static bool lists(const char *controllers, const char *wanted) {
    size_t length;
    for (const char *at = controllers; *at; at += length + (at[length] == ',')) {
        length = strcspn(at, ",");
        if (length == strlen(wanted) && !strncmp(at, wanted, length)) return true;
    }
    return false;
}

static double least_of_line(const char *root, const char *controller, char *line,
                            double (*read)(const char *folder)) {
    char top[PATH_MAX];
    double least = 0;
    line[strcspn(line, "\n")] = '\0';
    char *controllers = strchr(line, ':'),
         *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group) return 0;
    *group++ = '\0';
    bool version2 = !*++controllers;
    if (!version2 && !lists(controllers, controller)) return 0;
    /* Version 1 is mounted by the controller's name, or that of all in the line. */
    const char *const folders[] = {version2 ? "" : controller, version2 ? "unified" : controllers};
    for (int i = 0; i < 2; i++) {
        int bytes = snprintf(top, sizeof top, "%s/sys/fs/cgroup%s%s", root, *folders[i] ? "/" : "",
                             folders[i]);
        if (bytes < PATH_MAX) least = lower(least_of_hierarchy(top, group, read), least);
    }
    return least;
}

double fcnn_cgroup_least(const char *root, const char *controller,
                         double (*read)(const char *folder)) {
    char path[PATH_MAX], line[PATH_MAX];
    double least = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        least = lower(least_of_line(root, controller, line, read), least);
    if (file) fclose(file);
    return least;
}
