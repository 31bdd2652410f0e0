/* Names that several readers give: a growing list of class names found in a
 * text, and the names of images that have a number alone. */
#ifndef FCNN_DATA_NAMES_H
#define FCNN_DATA_NAMES_H

#include <stdio.h>

#include "dataset.h"

enum { FCNN_NAMES_MAX = 256 };

typedef struct {
    int count;
    char *names[FCNN_NAMES_MAX];
} fcnn_names;

/* Copies a name, as models, tables and terminals can hold it: what is not visible UTF-8 (text.h) is
 * written as \xe9. `where` is for the message. */
fcnn_status fcnn_names_add(fcnn_names *names, const char *name, const char *where);
/* Splits `text` at '|'. */
fcnn_status fcnn_names_split(fcnn_names *names, const char *text, const char *where);
/* Reads one name a line, which may end with a carriage return; a byte order mark is passed over,
 * and empty lines may stand at the end alone. */
fcnn_status fcnn_names_read(fcnn_names *names, FILE *file, const char *path);
void fcnn_names_clear(fcnn_names *names);

/* fcnn_dataset.describe for images that have a number alone: "train 12", "test 12", "val 12". */
void fcnn_describe_number(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                          size_t bytes);

#endif
