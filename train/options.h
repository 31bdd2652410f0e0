/* The programs' command lines: one table of options a program, from which they are
 * parsed, checked and printed by --help. Exit codes are 0 ok, 2 wrong options or
 * cfg, 1 anything else, 130 interrupted. */
#ifndef FCNN_TRAIN_OPTIONS_H
#define FCNN_TRAIN_OPTIONS_H

#include <stddef.h>

#include "fcnn.h"
#include "threads.h"

enum { EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

/* What an option's text means, and the type of the field that it goes to. */
typedef enum {
    OPTION_FLAG,     /* bool: set to true, there is no text */
    OPTION_TEXT,     /* const char * */
    OPTION_PAIR,     /* const char *[2]: two arguments follow */
    OPTION_INT,      /* int: a whole number low .. high */
    OPTION_INT64,    /* int64_t: the same */
    OPTION_REAL,     /* double: above 0 and up to high */
    OPTION_FRACTION, /* double: above 0 and up to 1 */
    OPTION_CHOICE,   /* int: the place of the word in the argument, "compact|spectral" */
    OPTION_LIST,     /* bool for each word of the argument, "direct,gemm": whether it is listed */
    OPTION_KEY,      /* net.NAME of the cfg, from here on there is no field */
    OPTION_DATA,     /* net.data of the cfg */
    OPTION_CACHE,    /* net.cache of the cfg */
    OPTION_SET,      /* any key of the cfg */
    OPTION_MANUAL    /* prints the cfg language, as --help prints the options */
} option_kind;

typedef struct {
    const char *name;     /* without its dashes */
    const char *argument; /* as --help calls it; NULL: none is taken */
    option_kind kind;
    size_t field; /* offset within the program's options */
    int64_t low, high;
    const char *help;
} option_row;

#define OPTION_THREADS(type)                                                                       \
    {                                                                                              \
        "threads", "N", OPTION_INT, offsetof(type, threads), 1, FCNN_THREADS_MOST,                 \
            "default: as many as there are processors for it"                                      \
    }
#define OPTION_DEVICE(type)                                                                        \
    {                                                                                              \
        "device", "auto|cpu|cuda", OPTION_TEXT, offsetof(type, device), 0, 0,                      \
            "where it computes (default: auto)"                                                    \
    }

/* A program, or a command of one. Every one also answers to --help and --version. */
typedef struct {
    const char *name;     /* "fcnn-train" */
    const char *synopsis; /* "CFG [options]" */
    const char *summary;
    const char *operand;    /* "cfg": what it takes one of; NULL: nothing */
    bool several;           /* further operands may follow */
    const option_row *rows; /* the last one has no name */
    const char *notes;      /* below the options of --help, or NULL */
} program_info;

/* Called first by every program. Descriptors 0 to 2 that are closed are opened, such that using
 * them is still an error: else a file of the program's would get the number and with it what is
 * printed. OpenMP threads that wait for each other spin for milliseconds by default, which beside
 * any other busy process makes a step ten times slower. GNU's runtime reads the length of the spin
 * before main, so the program starts itself once more with a short one, unless the user's
 * environment sets it. */
void program_start(char **argv);

/* The first reading of a command line. *operands becomes what is no option, ended by NULL, or NULL
 * where --help or its like was answered. FCNN_ERROR_USAGE tells of unknown options, missing values
 * and a wrong number of operands. */
fcnn_status options_scan(const program_info *program, int argc, char **argv, char ***operands);

/* The second reading sets the fields of `options` and the keys of the cfg, which may be NULL:
 * options for it are then passed over. FCNN_ERROR_USAGE names the option. */
fcnn_status options_read(const program_info *program, int argc, char **argv, fcnn_config *config,
                         void *options);

void program_print_version(const program_info *program);

/* Prints "name: message" for the last failure and returns its exit code. */
int program_fail(const program_info *program, fcnn_status status);

/* Ends a program: a failure is printed as above, standard output is written out. Returns the exit
 * code: the failure's, else `code`, and 1 in place of 0 where standard output could not be written.
 */
int program_end(const program_info *program, fcnn_status status, int code);

/* Sets net.key of the cfg, as --key does. */
fcnn_status option_override(fcnn_config *config, const char *key, const char *value);

/* Sets net.data from the command line: a path is made absolute, a name stays. */
fcnn_status option_data(fcnn_config *config, const char *value);

/* Sets net.cache from the command line: a folder, which need not exist, relative to the current
 * one. */
fcnn_status option_cache(fcnn_config *config, const char *value);

/* Appends a word to a command line that a shell reads back and a terminal can show, or " ..." in
 * place of words that do not fit. */
void command_append(char *text, size_t bytes, const char *word);

#endif
