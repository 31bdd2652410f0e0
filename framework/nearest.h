/* The name that was meant by one that is not known. */
#ifndef FCNN_NEAREST_H
#define FCNN_NEAREST_H

#include <stddef.h>

#include "status.h"

FCNN_C_BEGIN

enum { FCNN_NEAREST_BYTES = 64 };

/* It begins with `wanted` set and the rest 0. */
typedef struct {
    const char *wanted;
    char best[FCNN_NEAREST_BYTES]; /* "": none is near enough to be meant */
    int distance;
} fcnn_nearest;

/* Remembers the candidate, of so many bytes, if it is near enough and the nearest so far. */
void fcnn_nearest_consider(fcnn_nearest *nearest, const char *candidate, size_t length);

/* Writes "; did you mean 'x'?", or "" where there is no such name, and returns the text. */
const char *fcnn_nearest_hint(const fcnn_nearest *nearest, char *text, size_t bytes);

/* Does the same for a file that is not there: the nearest with this ending in its folder or, of a
 * name without one, in the folder `also`. */
const char *fcnn_nearest_file_hint(const char *path, const char *also, const char *ending,
                                   char *text, size_t bytes);

FCNN_C_END
#endif
