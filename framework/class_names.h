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

enum { FCNN_CLASSES_MOST = 1 << 20 };

/* Copies names as they are or, for a data set, with what is not visible (text.h) as \xe9. NULL:
 * "0", "1", ... FCNN_ERROR_USAGE where there are less than one or too many, or a name is missing or
 * not UTF-8. The caller frees *copy by fcnn_class_names_free. */
fcnn_status fcnn_class_names_copy(const char *const *names, int count, bool visible, char ***copy);
void fcnn_class_names_free(char **names, int count);

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
