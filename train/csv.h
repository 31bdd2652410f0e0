/* Class and file names are written into files of comma-separated values by this function. */
#ifndef FCNN_TRAIN_CSV_H
#define FCNN_TRAIN_CSV_H

#include <stdio.h>

/* Writes a field. One with a separator, a quote or a line end stands in quotes (RFC 4180). */
void csv_write_text(FILE *out, const char *text);

#endif
