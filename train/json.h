/* JSON on standard output is written by this function. */
#ifndef FCNN_TRAIN_JSON_H
#define FCNN_TRAIN_JSON_H

#include <stdio.h>

/* Writes JSON text that is valid UTF-8. Characters of its strings that are not visible (text.h),
 * which JSON allows as they are, are written as \u202e. */
void json_write(FILE *out, const char *json);

#endif
