/* Classes matched by their names, where two lists of them need not agree in
 * number or order. */
#ifndef FCNN_CLASS_NAMES_H
#define FCNN_CLASS_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

FCNN_C_BEGIN

typedef struct {
    int count;
    const char *const *names; /* [count] */
} fcnn_class_list;

/* Whether the lists are the same names in the same order. */
bool fcnn_classes_same(fcnn_class_list a, fcnn_class_list b);

/* Finds each class of `from` in `to`: places[i] is its number there, or -1. A name that a list has
 * twice is FCNN_ERROR_FORMAT, unless the lists are the same. The caller frees *places,
 * [from.count]. */
fcnn_status fcnn_classes_match(fcnn_class_list from, fcnn_class_list to, int32_t **places);

/* Writes the names whose place is -1 (`found` false) or is not as "'cat', 'dog' and 7 more", made
 * printable, into a text; returns how many there are. */
int fcnn_classes_write(fcnn_class_list list, const int32_t *places, bool found, char *text,
                       size_t bytes);

FCNN_C_END
#endif
