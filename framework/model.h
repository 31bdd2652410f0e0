/* Model files: safetensors that hold the weights and everything inference
 * needs: the cfg, the class names and the input statistics. The compact form
 * holds the parameters as trained; the spectral form holds each convolution's
 * spectrum with the norm folded in ("conv1.spectrum", [bins][C_out][C_in][2] in
 * shell order, and "conv1.bias"; the spectra in half precision where that
 * was asked for). A checkpoint is a compact model with the
 * optimizer's moments and the position of the run; its weights may be those of
 * a model beside it, which it then names and knows by their fingerprint. */
#ifndef FCNN_MODEL_H
#define FCNN_MODEL_H

#include "graph.h"
#include "safetensors.h"

FCNN_C_BEGIN

#define FCNN_FORMAT_VERSION "2"

typedef struct {
    fcnn_safetensors *file;
    fcnn_config *config;
    fcnn_form form;
    int channels, classes;
    double band_fraction; /* that it was saved at: its norms' statistics are of these bands */
    char **class_names;   /* [classes] */
    fcnn_input_statistics statistics;
} fcnn_model;

/* Reads and checks a model file. Its cfg names nothing that is written: such keys are dropped. */
fcnn_status fcnn_model_load(const char *path, fcnn_model **model);
void fcnn_model_destroy(fcnn_model *model);

/* Takes a fingerprint of all tensors' names, shapes and numbers. */
fcnn_status fcnn_safetensors_fingerprint(const fcnn_safetensors *file, uint64_t *fingerprint);

/* Builds, allocates and fills an inference graph; the model must outlive it. */
fcnn_status fcnn_model_graph(const fcnn_model *model, fcnn_device *device, int batch,
                             fcnn_graph **graph);
/* The same with another band fraction than the model's; FCNN_ERROR_USAGE where it is none or the
 * model computes in space. */
fcnn_status fcnn_model_graph_cut(const fcnn_model *model, fcnn_device *device, int batch,
                                 double band_fraction, fcnn_graph **graph);

/* Sets every parameter of a graph of the same cfg from the file; a tensor that is missing or
 * of another shape is an error that names it. */
fcnn_status fcnn_model_restore(const fcnn_model *model, fcnn_graph *graph);

/* Starts a graph from another model's parameters (fine-tuning): those of the same name and shape
 * are copied. Of the classifier, the last dense layer, each class takes the row that the model has
 * under its name; one that the model does not know keeps its fresh row. class_names are those of
 * the graph's classes; with NULL a classifier of the same size is copied as it is. A dense layer of
 * another size keeps its fresh values. *notes tells which layers' parameters were taken and which
 * start fresh, in a few lines (the caller frees it); any other difference, and a model of which
 * nothing fits, is an error. */
fcnn_status fcnn_model_fine_tune(const fcnn_model *model, fcnn_graph *graph,
                                 const char *const *class_names, char **notes);

/* The optimizer's moments, if the file is a checkpoint. */
fcnn_status fcnn_model_restore_moments(const fcnn_model *model, fcnn_graph *graph);
/* One of them (0 or 1), in the places of the graph's flat trained floats; what lies between
 * parameters is left alone. */
fcnn_status fcnn_model_read_moment(const fcnn_model *model, const fcnn_graph *graph, int moment,
                                   float *host);

/* Whether it has all that fcnn_model_restore and the above take, in the graph's shapes. */
fcnn_status fcnn_model_check_checkpoint(const fcnn_model *model, const fcnn_graph *graph);

typedef struct {
    const char *path;
    fcnn_form form;
    bool half;    /* of the spectral form: its spectra in half precision */
    bool moments; /* checkpoint: the optimizer's moments too */
    /* Where the graph keeps a part of them alone, all, in host memory, in the places of its flat
     * trained floats; NULL: the graph's. */
    const float *whole_moments[2];
    /* Checkpoint: its weights are left out, for they are those of this snapshot, which will be
     * written to one of these files of the same folder ("a.safetensors b.safetensors"). */
    const struct fcnn_snapshot *weights;
    const char *weights_files;
    const char *config_text;
    int classes;
    const char *const *class_names;
    int extra_count; /* further metadata */
    const fcnn_metadata *extra;
} fcnn_save_options;

/* What a model tells of the data that it was trained on, among its metadata: training_data and
 * validation_data (image_identity.h) and images_manifest. The pairs point into the metadata;
 * returns how many there are. */
#define FCNN_IDENTITY_TRAINING   "training_data"
#define FCNN_IDENTITY_VALIDATION "validation_data"
#define FCNN_IDENTITY_MANIFEST   "images_manifest"
enum { FCNN_IDENTITY_KEYS = 3 };
int fcnn_model_identity(int count, const fcnn_metadata *metadata,
                        fcnn_metadata identity[FCNN_IDENTITY_KEYS]);

/* Writes a graph atomically. A graph in FCNN_FORM_SPECTRAL has no other form. */
fcnn_status fcnn_model_save(fcnn_graph *graph, const fcnn_save_options *options);

/* A copy of all that a file is to hold, so that another thread may write it while the graph goes
 * on. */
typedef struct fcnn_snapshot fcnn_snapshot;

/* Copies what fcnn_model_save would write; the options' path is for messages. The caller destroys
 * it, and keeps the snapshot of the weights, if any, for longer. */
fcnn_status fcnn_snapshot_take(fcnn_graph *graph, const fcnn_save_options *options,
                               fcnn_snapshot **snapshot);
/* Writes it atomically; no other thread may write the same snapshot. */
fcnn_status fcnn_snapshot_write(const fcnn_snapshot *snapshot, const char *path);
/* The size of its numbers. */
int64_t fcnn_snapshot_bytes(const fcnn_snapshot *snapshot);
void fcnn_snapshot_destroy(fcnn_snapshot *snapshot);

FCNN_C_END
#endif
