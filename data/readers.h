/* The readers of data sets. Each opens the data sets of one kind by name or
 * path, and lives in a file of its own; one table lists them all. */
#ifndef FCNN_READERS_H
#define FCNN_READERS_H

#include "dataset.h"

FCNN_C_BEGIN

typedef struct {
    uint64_t seed;                   /* matters to generated data alone */
    const volatile int *interrupted; /* the data set's; it ends the opening too */
} fcnn_dataset_options;

typedef struct {
    const char *name; /* what --data and data= call it */
    const char *help; /* one line for --help */
    bool by_path;     /* the name stands for a path, and is none itself */
    /* Tells whether this reader is meant by `spec`, a name or a path. It fails only where that
     * could not be found out, for want of memory or open files. */
    fcnn_status (*accepts)(const char *spec, bool *accepted);
    /* Opens it. *dataset, NULL before, is then to be closed, after a failure too. */
    fcnn_status (*open)(const char *spec, const fcnn_dataset_options *options,
                        fcnn_dataset **dataset);
} fcnn_reader;

/* Every reader, in the order they are asked, NULL-terminated. */
extern const fcnn_reader *const fcnn_readers[];

/* Whether `spec` is a reader's name, alone or with options after a colon, and not a path. */
bool fcnn_dataset_is_name(const char *spec);
/* Whether some reader accepts `spec`; opens nothing. FCNN_ERROR_USAGE says what was expected. */
fcnn_status fcnn_dataset_check(const char *spec);
/* Opens `spec` with the first reader that accepts it; fcnn_dataset_close closes it. */
fcnn_status fcnn_dataset_open(const char *spec, uint64_t seed, fcnn_dataset **dataset);
/* The same, and a flag may end it and what is read from it. */
fcnn_status fcnn_dataset_open_with(const char *spec, const fcnn_dataset_options *options,
                                   fcnn_dataset **dataset);

FCNN_C_END
#endif
