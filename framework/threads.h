/* How many threads this process should take, and whether it can have them. */
#ifndef FCNN_THREADS_H
#define FCNN_THREADS_H

#include "status.h"

FCNN_C_BEGIN

enum { FCNN_THREADS_MOST = 1024 };

/* Bytes of stack that a thread needs which runs operations or reads images. */
enum { FCNN_STACK_BYTES = 256 << 10 };

/* The number of threads where nobody names one: OMP_NUM_THREADS, else the processors that the
 * process may use, by its affinity and the quota of its control groups; in any case at most
 * OMP_THREAD_LIMIT and FCNN_THREADS_MOST. */
int fcnn_threads_default(void);

/* Lets a forked child compute: OpenMP's threads, which a fork does not copy and GNU's library would
 * wait for, end before it and are started again when they are needed. */
void fcnn_threads_may_fork(void);

/* The processors' time that the control groups of this process allow, in processors: the least of
 * the quotas of its own group and of those above, of version 1 or 2; 0: no limit. `root` is put
 * before /proc and /sys, "" here. */
double fcnn_threads_quota(const char *root);

/* Starts so many threads, at most OMP_THREAD_LIMIT, to see whether they can be had and have stack
 * enough. FCNN_ERROR_MEMORY or FCNN_ERROR_USAGE says what limits them. */
fcnn_status fcnn_threads_check(int threads);

FCNN_C_END
#endif
