/* Linux control groups: what limits the processes of a container, or of a batch system's job. */
#ifndef FCNN_CGROUP_H
#define FCNN_CGROUP_H

#include "status.h"

FCNN_C_BEGIN

/* Returns the least number above 0 that `read` finds in the folder of one of this process's groups
 * of a controller, "cpu" or "memory", from its own up to the top of the hierarchy, in version 1 or
 * 2; 0 where there is none. `root` stands before /proc and /sys: "" but in tests. */
double fcnn_cgroup_least(const char *root, const char *controller,
                         double (*read)(const char *folder));

/* Returns the whole number that folder/name begins with, and what stands behind it in `rest` unless
 * that is NULL; -1 where there is none, as for "max". */
double fcnn_cgroup_number(const char *folder, const char *name, double *rest);

/* Returns the number behind `key` and a space or tab at the start of a line of folder/name, or -1.
 */
double fcnn_cgroup_entry(const char *folder, const char *name, const char *key);

FCNN_C_END
#endif
