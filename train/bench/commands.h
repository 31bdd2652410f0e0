/* What fcnn-bench can time; each reads its own options, from argv[1] on. */
#ifndef FCNN_TRAIN_BENCH_COMMANDS_H
#define FCNN_TRAIN_BENCH_COMMANDS_H

#include "train/options.h"

/* The program with the options of one command, for --help. */
program_info bench_program(const char *synopsis, const char *summary, const char *options);

/* Set by Ctrl-C: a command ends after its current pass, with what it has. */
extern volatile int bench_interrupted;

fcnn_status bench_conv_command(int argc, char **argv);
fcnn_status bench_train_command(int argc, char **argv);
fcnn_status bench_infer_command(int argc, char **argv);

#endif
