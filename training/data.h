/* The images of a training: which of a data set's are trained on, which validated on, their spectra
 * and statistics. */
#ifndef FCNN_TRAINING_DATA_H
#define FCNN_TRAINING_DATA_H

#include "spectra.h"
#include "training.h"

FCNN_C_BEGIN

/* Some images of one split. */
typedef struct {
    fcnn_split split;
    int64_t count;
    int64_t *indices; /* NULL: 0 .. count-1 */
    const char *name; /* "test", "validation" or "training" */
} fcnn_image_set;

typedef struct {
    fcnn_dataset *dataset; /* as read from its files; the caller's */
    fcnn_dataset *spectra; /* the same, read as spectra: what loaders take; NULL until opened */
    fcnn_image_set train;
    fcnn_image_set validation; /* count 0 where there is none */
    fcnn_image_set test;       /* scored once, at the end; count 0 where there is none */
    bool may_choose;           /* validation is not a test set: the best epoch may be kept */
    fcnn_input_statistics statistics;
} fcnn_training_data;

/* Writes the paths of the data and of the cache's folder, which are relative to the cfg's, as paths
 * from here, into PATH_MAX bytes each; "" for data that has no path, and for no cache. */
fcnn_status fcnn_training_data_paths(const fcnn_config *config, char *data, char *cache);

/* Opens the data that a cfg names, relative to its folder; *interrupted, or NULL, ends this and
 * what is read of it with FCNN_ERROR_INTERRUPTED. */
fcnn_status fcnn_training_data_open(const fcnn_config *config, const volatile int *interrupted,
                                    fcnn_dataset **dataset);

/* Splits a data set, which outlives the result, as the cfg says; limit 0 takes all images. What the
 * user should know goes to events->message. Cleared also after an error. */
fcnn_status fcnn_training_data_split(const fcnn_config *config, fcnn_dataset *dataset,
                                     int64_t limit, const fcnn_training_events *events,
                                     fcnn_training_data *data);
/* Tells where training would learn less than expected: no validation images, or classes without
 * images, which may be for a limit; a single class is FCNN_ERROR_FORMAT. */
fcnn_status fcnn_training_data_advise(const fcnn_training_data *data, bool limited,
                                      const fcnn_training_events *events);
/* Opens the spectra as a graph's input needs them, with the cfg's cache. The graph may be any of a
 * training's, with the largest of its bands. */
fcnn_status fcnn_training_data_open_spectra(const fcnn_config *config, const fcnn_graph *graph,
                                            fcnn_device *device, const fcnn_training_events *events,
                                            fcnn_training_data *data);
/* Counts the training images of each class, [classes]; the caller frees them. */
fcnn_status fcnn_training_data_count_classes(const fcnn_training_data *data, int64_t **images);
/* Frees all but the data set. */
void fcnn_training_data_clear(fcnn_training_data *data);

FCNN_C_END
#endif
