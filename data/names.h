/* A growing list of class names, for readers that find them in a text. */
#ifndef FCNN_DATA_NAMES_H
#define FCNN_DATA_NAMES_H

#include <stdio.h>

#include "status.h"

enum { FCNN_NAMES_MAX = 256 };

typedef struct {
    int count;
    char *names[FCNN_NAMES_MAX];
} fcnn_names;

/* Copies a name; `where` is for the message. */
fcnn_status fcnn_names_add(fcnn_names *names, const char *name, const char *where);
/* Splits `text` at '|'. */
fcnn_status fcnn_names_split(fcnn_names *names, const char *text, const char *where);
/* Reads one name a line; empty lines may stand at the end alone. */
fcnn_status fcnn_names_read(fcnn_names *names, FILE *file, const char *path);
void fcnn_names_clear(fcnn_names *names);

#endif
