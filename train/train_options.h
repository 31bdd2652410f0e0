/* What fcnn-train was asked for. */
#ifndef FCNN_TRAIN_TRAIN_OPTIONS_H
#define FCNN_TRAIN_TRAIN_OPTIONS_H

#include <limits.h>

#include "options.h"
#include "ranks/ranks.h"

typedef struct {
    const char *cfg, *device, *init, *out;
    char folder[PATH_MAX], title[PATH_MAX], page[PATH_MAX];
    double started;
    fcnn_ranks *ranks; /* NULL: one */
    const volatile int *interrupted;
    int64_t limit;
    int threads, form;
    bool resume, auto_resume, find_rate, partition, quiet, verbose;
    char command[4 * PATH_MAX], resume_command[4 * PATH_MAX];
    size_t resume_length; /* of that command, without the folder */
} train_options;

extern const program_info train_program;

/* Reads the command line, and the cfg that it names: a file, or that of the run that is resumed.
 * *config stays NULL where --help or its like was answered. */
fcnn_status train_options_read(int argc, char **argv, train_options *options, fcnn_config **config);
/* Where --auto-resume is given, rank 0 looks whether there is something to go on from, for all. */
fcnn_status train_options_decide(train_options *options);
/* Names the folder in the command that goes on with the run: a later run of the cfg would have
 * another one. */
void train_options_name_folder(train_options *options);

#endif
