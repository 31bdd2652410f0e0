/* What differs between the data that a run was trained on and the data that it is to go on with:
 * a list that becomes one message. */
#ifndef FCNN_TRAINING_DIFFERENCES_H
#define FCNN_TRAINING_DIFFERENCES_H

#include "class_names.h"

typedef struct {
    int64_t count; /* those behind the first few are counted alone */
    char text[800];
} fcnn_differences;

void fcnn_differences_start(fcnn_differences *d);
/* Adds one, such as "a/1.png is new"; control characters are made printable. */
void fcnn_differences_add(fcnn_differences *d, const char *format, ...) FCNN_PRINTF(2, 3);

/* Adds what differs between the classes of the run and those of the data now: their names, or
 * their order. */
fcnn_status fcnn_differences_of_classes(fcnn_class_list run, fcnn_class_list now,
                                        fcnn_differences *d);

/* Sets and returns FCNN_ERROR_CONFIG, "`where`: the run was trained on other data: ..." and what to
 * do. */
fcnn_status fcnn_differences_refuse(const fcnn_differences *d, const char *where);

#endif
