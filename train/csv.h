/* Texts in files of comma-separated values. */
#ifndef FCNN_TRAIN_CSV_H
#define FCNN_TRAIN_CSV_H

#include <stdio.h>

/* Writes a field; one with a separator, a quote or a line end stands in quotes (RFC 4180). */
void csv_write_text(FILE *out, const char *text);

#endif
