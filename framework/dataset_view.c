/* Views of data sets: each image is one of the source's, or is gone. */
#include "dataset_view.h"

#include <stdlib.h>

#include "text.h"

typedef struct {
    fcnn_dataset base;
    fcnn_dataset *source;
    fcnn_view view;
} view_set;

/* The image's place in the source's split, or -1. */
static int64_t place_of(const view_set *set, fcnn_split split, int64_t index) {
    const int64_t *places = set->view.splits[split].places;
    return places ? places[index] : index;
}

static fcnn_status gone(const view_set *set, fcnn_split split, int64_t index) {
    char path[512];
    fcnn_text_printable(set->view.splits[split].paths[index], path, sizeof path);
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: is gone, or is no usable picture any more",
                           path);
}

static fcnn_status read_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                              fcnn_image *image) {
    const view_set *set = (const view_set *)dataset;
    int64_t place = place_of(set, split, index);
    *image = (fcnn_image){0};
    if (place < 0) return gone(set, split, index);
    return set->source->read(set->source, split, place, image);
}

static fcnn_status read_sums(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                             fcnn_image_sums *sums) {
    const view_set *set = (const view_set *)dataset;
    int64_t place = place_of(set, split, index);
    if (place < 0) return gone(set, split, index);
    return set->source->sums(set->source, split, place, sums);
}

static const char *image_path(fcnn_dataset *dataset, fcnn_split split, int64_t index) {
    const view_set *set = (const view_set *)dataset;
    const char *const *paths = set->view.splits[split].paths;
    return paths ? paths[index] : set->source->path(set->source, split, index);
}

static void describe_image(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                           size_t bytes) {
    const view_set *set = (const view_set *)dataset;
    if (set->view.splits[split].paths)
        fcnn_text_printable(set->view.splits[split].paths[index], text, bytes);
    else
        set->source->describe(set->source, split, index, text, bytes);
}

static void close_set(fcnn_dataset *dataset) {
    view_set *set = (view_set *)dataset;
    fcnn_dataset_close(set->source);
    if (set->view.release) set->view.release(set->view.owner);
    fcnn_problems_clear(&set->base.problems);
    free(set);
}

fcnn_status fcnn_dataset_view_open(fcnn_dataset *source, const fcnn_view *view,
                                   fcnn_dataset **out) {
    view_set *set = calloc(1, sizeof *set);
    *out = NULL;
    if (!set) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a view of the data");
    set->source = source;
    set->view = *view;
    set->base = *source;
    source->problems = (fcnn_problems){0};
    set->base.classes = view->classes.count;
    set->base.class_names = view->classes.names;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        set->base.count[s] = view->splits[s].count;
        set->base.labels[s] = view->splits[s].labels;
        set->base.contents[s] = view->splits[s].contents;
    }
    set->base.read = read_image;
    set->base.sums = source->sums ? read_sums : NULL;
    set->base.path = source->path ? image_path : NULL;
    set->base.describe = describe_image;
    set->base.close = close_set;
    *out = &set->base;
    return FCNN_OK;
}
