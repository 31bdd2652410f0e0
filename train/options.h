/* What the programs' command lines share: numbers checked, messages in one
 * form, exit codes 0 ok, 2 wrong options or cfg, 1 anything else, 130
 * interrupted. */
#ifndef FCNN_TRAIN_OPTIONS_H
#define FCNN_TRAIN_OPTIONS_H

#include <getopt.h>

#include "fcnn.h"

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* A program's long options; every one also answers to --help and --version. */
typedef struct {
    const char *name;     /* "fcnn-train" */
    const char *synopsis; /* "CFG [options]" */
    const char *summary;
    const char *options; /* the option lines of --help */
} program_info;

/* Called first by the programs that compute. OpenMP threads that wait for each other spin for
 * milliseconds by default, which beside any other busy process makes a step ten times slower. GNU's
 * runtime reads the length of the spin before main, so the program starts itself once more with a
 * short one, unless the user's environment sets it. */
void program_start(char **argv);

/* Prints --help, with the data sets and devices that this build knows. */
void program_print_help(const program_info *program);
void program_print_version(const program_info *program);

/* Prints "name: message" for the last failure; returns its exit code. */
int program_fail(const program_info *program, fcnn_status status);

/* A whole number low .. high, or a FCNN_ERROR_USAGE message that names the option. */
fcnn_status option_int(const char *option, const char *text, int64_t low, int64_t high,
                       int64_t *value);

/* A fraction above 0 and up to 1, or such a message. */
fcnn_status option_fraction(const char *option, const char *text, double *value);

/* Sets net.key of the cfg, as --key does. */
fcnn_status option_override(fcnn_config *config, const char *key, const char *value);

/* net.data from the command line: a path is made absolute, a name stays. */
fcnn_status option_data(fcnn_config *config, const char *value);

/* net.cache from the command line: a folder, which need not exist, relative to the current one. */
fcnn_status option_cache(fcnn_config *config, const char *value);

/* The message for getopt's '?' and ':'. */
fcnn_status option_unknown(int code, char **argv);

/* Appends a word to a command line that a shell reads back. */
void command_append(char *text, size_t bytes, const char *word);

#endif
