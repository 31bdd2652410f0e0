/* fcnn-bench: times layers, whole training steps and inference. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "program_ranks.h"
#include "signals.h"
#include "train/bench/commands.h"

static const struct {
    const char *name, *help;
    fcnn_status (*run)(int argc, char **argv, bench_session *session);
} commands[] = {
    {"conv", "one convolution layer by each algorithm, in space and in frequency",
     bench_conv_command},
    {"train", "training steps of a cfg's network, by phase and by layer", bench_train_command},
    {"infer", "inference by a saved model, by phase and by layer", bench_infer_command},
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static const program_info program = {.name = "fcnn-bench"};

static void print_help(void) {
    puts("usage: fcnn-bench COMMAND [options]\n\nTimes layers, training steps and "
         "inference.\n\ncommands:");
    for (int i = 0; i < COMMANDS; i++) printf("  %-8s %s\n", commands[i].name, commands[i].help);
    puts("\n`fcnn-bench COMMAND --help` lists a command's options.");
}

static fcnn_status run_command(int argc, char **argv, bench_session *session) {
    if (argc < 2)
        return fcnn_status_set(FCNN_ERROR_USAGE, "expected what to time: conv, train or infer; "
                                                 "see --help");
    if (!strcmp(argv[1], "--help")) return print_help(), FCNN_OK;
    if (!strcmp(argv[1], "--version")) return program_print_version(&program), FCNN_OK;
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(argv[1], commands[i].name)) return commands[i].run(argc - 1, argv + 1, session);
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "'%s' cannot be timed: expected conv, train or infer first; see "
                           "--help",
                           argv[1]);
}

int main(int argc, char **argv) {
    unsetenv("OPENBLAS_CORETYPE"); /* each library chooses for the processor, a peer's too */
    program_start(argv);
    /* A command then ends after its current pass, with what it has. */
    signals_catch(&(signals_options){.restart = false});
    bench_session session = {.interrupted = &signals_interrupted};
    fcnn_status status = run_command(argc, argv, &session);
    return program_ranks_end(&program, session.ranks, status,
                             signals_interrupted ? EXIT_INTERRUPTED : EXIT_SUCCESS);
}
