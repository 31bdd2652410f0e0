/* These are the commands of fcnn-bench. Each reads its own options, from argv[1] on, and ends after
 * its current pass, with what it has, once *interrupted is not 0. */
#ifndef FCNN_TRAIN_BENCH_COMMANDS_H
#define FCNN_TRAIN_BENCH_COMMANDS_H

#include "fcnn.h"

fcnn_status bench_conv_command(int argc, char **argv, const volatile int *interrupted);
fcnn_status bench_train_command(int argc, char **argv, const volatile int *interrupted);
fcnn_status bench_infer_command(int argc, char **argv, const volatile int *interrupted);

#endif
