/* A data set seen through another: with classes of another order, with images
 * that are gone. */
#ifndef FCNN_DATASET_VIEW_H
#define FCNN_DATASET_VIEW_H

#include "class_names.h"
#include "dataset.h"

FCNN_C_BEGIN

typedef struct {
    int64_t count;
    const int32_t *labels;    /* [count], of the view's classes */
    const uint64_t *contents; /* [count], or NULL */
    const int64_t *places;    /* [count] in the source's split, -1: gone; NULL: as in the source */
    const char *const *paths; /* [count], as fcnn_dataset.path gives; NULL where places is */
} fcnn_split_view;

/* What is seen. Its arrays and names are used as they are until the view is closed, which then
 * calls release(owner). */
typedef struct {
    fcnn_class_list classes;
    fcnn_split_view splits[FCNN_SPLIT_COUNT];
    void *owner;
    void (*release)(void *owner);
} fcnn_view;

/* Opens a view, which then owns the source, its problems and view->owner; after an error the caller
 * keeps them. An image that is gone is FCNN_ERROR_FORMAT when it is read, and names its path. */
fcnn_status fcnn_dataset_view_open(fcnn_dataset *source, const fcnn_view *view, fcnn_dataset **out);

FCNN_C_END
#endif
