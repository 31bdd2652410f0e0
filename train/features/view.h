/* What a page or figure shows of one picture's way through a network: the layers' features, the
 * classes in order, and planes of numbers as colours. */
#ifndef FCNN_TRAIN_FEATURES_VIEW_H
#define FCNN_TRAIN_FEATURES_VIEW_H

#include "classifier.h"

enum { VIEW_CHANNELS = 8 /* shown of a layer */ };

typedef struct {
    const char *model, *file; /* names shown */
    int classes;
    const char *const *class_names;
    const fcnn_image *image;
} features_subject;

typedef struct {
    fcnn_graph *graph;
    const features_subject *subject;
    features features;
    float *probabilities; /* [classes] */
    int *order;           /* [classes] most probable first, of equal ones the lower class */
} feature_view;

/* Passes the subject's image through the graph; cleared by view_clear, also after an error. */
fcnn_status view_open(fcnn_graph *graph, const features_subject *subject, feature_view *view);
void view_clear(feature_view *view);

/* The name of the most probable class but `place` ones, and its probability. */
const char *view_class(const feature_view *view, int place);
double view_probability(const feature_view *view, int place);

bool view_is(const layer_feature *layer, const char *type);
/* Whether a layer's output is shown: not where it is its input's, or has no extent. */
bool view_is_shown(const layer_feature *layer);
/* The layer's pool in frequency, if that is what follows it; else NULL. */
const layer_feature *view_pool_behind(const feature_view *view, int node);
/* Counts the layers that are shown, the input apart; *bands of them give spectra. */
int view_count_layers(const feature_view *view, int *bands);

/* Writes the magnitude of each bin of the input over all channels, [size][size]. */
fcnn_status view_input_spectrum(const feature_view *view, double *plane);

/* The largest magnitude among the spectra of some channels, 0 of a layer without; `plane` has room
 * for [size][size]. */
double view_largest_bin(const layer_feature *layer, const int *channels, int count, double *plane);

/* Adds up what the numbers of each place, over all channels, give a class: [size][size]. */
void view_sum_places(const contributions *contributions, const fcnn_tensor *shape, double *places);
/* Writes what each channel gives, [channels]. */
void view_sum_channels(const contributions *contributions, const fcnn_tensor *shape, double *sums);
/* Returns the channel whose sum has the largest magnitude; *sum is that, and then 0 among the
 * sums. */
int view_take_largest(double *sums, int channels, double *sum);

/* ---- Colours ---- */

double view_largest(const double *values, int64_t count);

/* A square of numbers and how they become colours. */
typedef struct {
    const double *values; /* [size][size] */
    int size;
    double largest; /* of the scale's end */
    void (*colour)(double, uint8_t *);
    bool logarithm; /* VIEW_DECADES of them */
} view_plane;

enum { VIEW_DECADES = 3 };

/* Makes an RGB image, which the caller clears. */
fcnn_status view_colour(const view_plane *plane, fcnn_image *image);

#endif
