/* A run works on a data set: this header says which of its images are trained on and which are
 * validated on, and holds their statistics. */
#ifndef FCNN_TRAIN_RUN_DATA_H
#define FCNN_TRAIN_RUN_DATA_H

#include "fcnn.h"
#include "manifest.h"

/* Some images of one split. */
typedef struct {
    fcnn_split split;
    int64_t count;
    int64_t *indices; /* NULL: 0 .. count-1 */
    const char *name; /* "test", "validation" or "training" */
} image_set;

typedef struct {
    fcnn_dataset *dataset; /* as read from its files */
    fcnn_dataset *spectra; /* the same, read as spectra: what loaders take */
    image_set train;
    image_set validation; /* count 0 where there is none */
    image_set test;       /* scored once, at the end; count 0 where there is none */
    bool listed;          /* the images are those of a manifest, of which some may be gone */
    bool may_choose;      /* validation is not a test set: the best epoch may be kept */
    fcnn_input_statistics statistics;
    bool quiet; /* to be set after opening: tells of what is wrong alone */
    /* So many of the data set's and of the spectra's problems are named, in so many lines. */
    int64_t named, spectra_named, lines;
} run_data;

/* Opens net.data, splits it, and names the problems it finds. limit 0 takes all images. With a
 * manifest, which then is the run_data's, the images are those that it lists; NULL: none. A
 * signal ends this, and reading from it, with FCNN_ERROR_INTERRUPTED. */
fcnn_status run_data_open(const fcnn_config *config, int64_t limit, manifest **manifest,
                          run_data *run_data);
/* Tells standard error where training would learn less than expected: no validation images, a
 * single class, or classes without images, which may be for --limit. */
fcnn_status run_data_advise(const run_data *run_data, bool limited);
/* Opens its spectra as a graph's input needs them, with the cfg's cache, and tells standard error
 * about the cache. The graph may be any of the run's, with the largest of its bands. */
fcnn_status run_data_open_spectra(const fcnn_config *config, const fcnn_graph *graph,
                                  fcnn_device *device, run_data *run_data);
/* Does the same, and takes the training images' statistics. */
fcnn_status run_data_prepare(const fcnn_config *config, const fcnn_graph *graph,
                             fcnn_device *device, run_data *run_data);
/* Counts the training images of each class, [classes]; the caller frees them. */
fcnn_status run_data_count_classes(const run_data *run_data, int64_t **images);
void run_data_close(run_data *run_data);

/* Writes the paths of the data and of the cache's folder, which are relative to the cfg's, as paths
 * from here, into PATH_MAX bytes each; "" for data that has no path, and for no cache. */
fcnn_status run_data_paths(const fcnn_config *config, char *data, char *cache);

/* Opens the data that a cfg names, relative to its folder. */
fcnn_status run_data_open_dataset(const fcnn_config *config, fcnn_dataset **dataset);

/* Names on standard error each problem with a file that was found since the last call, in 50 lines
 * a run at most. It is called while no loader reads: between epochs, or once it is destroyed. */
void run_data_name_problems(run_data *run_data);
/* Says at the end of a run how many problems there were, and what the cache did. */
void run_data_summarise(const run_data *run_data);

#endif
