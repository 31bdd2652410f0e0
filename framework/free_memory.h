/* How much memory a process may still take. */
#ifndef FCNN_FREE_MEMORY_H
#define FCNN_FREE_MEMORY_H

#include <stddef.h>

#include "status.h"

FCNN_C_BEGIN

/* Returns the least of what the machine has free or could free, what control groups leave, and what
 * ulimit -v and ulimit -d leave, in bytes; SIZE_MAX where none of it is known. *by becomes which it
 * is, for messages: "by ulimit -v". `root` stands before /proc and /sys: "" but in
 * tests. */
size_t fcnn_free_memory(const char *root, const char **by);

FCNN_C_END
#endif
