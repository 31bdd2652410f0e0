/* A network that is ready to use: its cfg, weights, class names and statistics, on a device of its
 * own. It is loaded from a model, made from a cfg, or taken out of a training, and classifies
 * arrays of images, tells what its layers make of them, gives and takes weights, and is saved.
 *
 * Any thread may use a network: its calls wait for each other. Different networks compute side by
 * side. Errors leave results as they were, but for what they have begun to write. */
#ifndef FCNN_INFERENCE_H
#define FCNN_INFERENCE_H

#include "arrays.h"
#include "model.h"
#include "onnx.h"

FCNN_C_BEGIN

typedef struct fcnn_network fcnn_network;

typedef struct {
    const char *device; /* as fcnn_device_open takes; NULL: "auto" */
    int threads;        /* 0: as many as there are processors */
    int batch; /* images that pass at once at the most; 0: 32, or fewer where memory asks */
    double band_fraction; /* of every radius, (0, 1]; 0: as the model was saved. Norms keep their
                           * statistics, which are of the bands that the model was saved at. */
} fcnn_network_options;

/* Loads a model file. options NULL: all 0. */
fcnn_status fcnn_network_load(const char *path, const fcnn_network_options *options,
                              fcnn_network **network);
/* Makes the network of a cfg, which is copied, with initial weights from the cfg's seed, for images
 * of so many channels. class_names NULL: "0", "1", ...; statistics NULL: mean 0, deviation 1. */
fcnn_status fcnn_network_create(const fcnn_config *config, int channels, int classes,
                                const char *const *class_names,
                                const fcnn_input_statistics *statistics,
                                const fcnn_network_options *options, fcnn_network **network);
void fcnn_network_destroy(fcnn_network *network);

/* ---- What it is; valid until it is destroyed ---- */

const fcnn_config *fcnn_network_config(const fcnn_network *network);
fcnn_form fcnn_network_form(const fcnn_network *network);
int fcnn_network_channels(const fcnn_network *network);
int fcnn_network_classes(const fcnn_network *network);
const char *fcnn_network_class_name(const fcnn_network *network, int index);
const fcnn_input_statistics *fcnn_network_statistics(const fcnn_network *network);
/* The part of every radius that it computes. */
double fcnn_network_band_fraction(const fcnn_network *network);
/* A model's metadata of this name, such as training_data; NULL where it has none. */
const char *fcnn_network_metadata(const fcnn_network *network, const char *key);

/* A layer of the graph, in the order of computation. Layers that the graph computes in one, such as
 * a norm and its activation, are one. */
typedef struct {
    const char *name, *type;
    fcnn_layout layout; /* of its output */
    int channels;
    int size;           /* side of the map, or of the map that a band stands for; of a vector 1 */
    int radius;         /* of a band; else 0 */
    int64_t bins;       /* of a band; else 0 */
    int64_t parameters; /* numbers that are trained, as fcnn-info counts them */
    int64_t multiply_adds; /* an image, forward */
} fcnn_layer;

int fcnn_network_layer_count(const fcnn_network *network);
fcnn_layer fcnn_network_layer(const fcnn_network *network, int index);
/* The index of a layer by its name, or that of the last one in it, such as conv1.activation; or -1:
 * fcnn_status_message() then lists the names. */
int fcnn_network_find_layer(const fcnn_network *network, const char *name);

/* ---- What it computes ---- */

typedef enum { FCNN_PROBABILITIES, FCNN_LOGITS } fcnn_prediction;

/* Writes [count][classes]. Images of any size are placed as the cfg says; their channels must be
 * the network's. A result that is not finite is FCNN_ERROR_NUMERIC. */
fcnn_status fcnn_network_predict(fcnn_network *network, const fcnn_image_array *images,
                                 fcnn_prediction kind, float *results);
/* Scores images whose classes are known: *score is set, and confusion, [classes][classes] as label
 * and predicted class, or NULL. */
fcnn_status fcnn_network_score(fcnn_network *network, const fcnn_image_array *images,
                               const int32_t *labels, fcnn_score *score, int64_t *confusion);

typedef enum {
    FCNN_OUTPUT_OWN,  /* as the layer computes it: bands, maps or vectors */
    FCNN_OUTPUT_MAPS, /* bands as maps of the layer's size; others as they are */
    FCNN_OUTPUT_BANDS /* maps as bands, with every bin that they have (an even side's last is left
                         out); a vector is FCNN_ERROR_UNSUPPORTED */
} fcnn_output_kind;

/* Floats that fcnn_network_output writes an image: complex [channels][bins], [channels][size][size]
 * or [channels]. 0 where there is no such output. */
int64_t fcnn_network_output_floats(const fcnn_network *network, int layer, fcnn_output_kind kind);
/* Writes what a layer makes of each image, [count] times that. Numbers that are not finite are
 * written as they are. */
fcnn_status fcnn_network_output(fcnn_network *network, const fcnn_image_array *images, int layer,
                                fcnn_output_kind kind, float *results);

/* ---- Bands and maps ---- */

/* Evaluates `count` bands, complex [count][F(radius)], on a grid of size x size:
 * [count][size][size]; radius <= (size-1)/2. In coordinates of band.h. */
fcnn_status fcnn_bands_to_maps(const float *bands, int64_t count, int radius, int size,
                               float *maps);
/* The other way, the bins of radius <= (size-1)/2. */
fcnn_status fcnn_maps_to_bands(const float *maps, int64_t count, int size, int radius,
                               float *bands);

/* ---- Weights ---- */

typedef struct {
    const char *name; /* "conv1.weight" */
    int rank;
    int64_t shape[6];
    int64_t count; /* numbers */
    bool trained;  /* else a buffer, such as a running mean */
} fcnn_weight;

int fcnn_network_weight_count(const fcnn_network *network);
fcnn_weight fcnn_network_weight(const fcnn_network *network, int index);
/* Copies all numbers of a weight out or in. */
fcnn_status fcnn_network_read_weight(fcnn_network *network, int index, float *values);
fcnn_status fcnn_network_write_weight(fcnn_network *network, int index, const float *values);

/* Saves it as a model file, atomically; half: spectra in half precision, of FCNN_FORM_SPECTRAL. */
fcnn_status fcnn_network_save(fcnn_network *network, const char *path, fcnn_form form, bool half);
/* Writes it as an ONNX file, atomically: see fcnn_onnx_export. */
fcnn_status fcnn_network_export_onnx(fcnn_network *network, const fcnn_onnx_options *options,
                                     const char *path, fcnn_onnx_summary *summary);

FCNN_C_END
#endif
