/* These are the commands of fcnn-bench. Each reads its own options, from argv[1] on, and ends after
 * its current pass, with what it has, once *interrupted is not 0. One that works on several ranks
 * opens them; its caller closes them. */
#ifndef FCNN_TRAIN_BENCH_COMMANDS_H
#define FCNN_TRAIN_BENCH_COMMANDS_H

#include "fcnn.h"
#include "ranks/ranks.h"

typedef struct {
    const volatile int *interrupted;
    fcnn_ranks *ranks;
} bench_session;

fcnn_status bench_conv_command(int argc, char **argv, bench_session *session);
fcnn_status bench_train_command(int argc, char **argv, bench_session *session);
fcnn_status bench_infer_command(int argc, char **argv, bench_session *session);

#endif
