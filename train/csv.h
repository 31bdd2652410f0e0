/* Class and file names are written into files of comma-separated values by this function. */
#ifndef FCNN_TRAIN_CSV_H
#define FCNN_TRAIN_CSV_H

#include <stdio.h>

/* Writes a field. One with a separator or a quote stands in quotes (RFC 4180). What is not visible
 * (text.h), a line end among it, is written as \x0a, so that a record is one line. Before a text
 * that a spreadsheet would calculate, such as =A1 or -x, stands an apostrophe; a number such as -5
 * stays one. */
void csv_write_text(FILE *out, const char *text);

#endif
