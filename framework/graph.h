/* A network: nodes in topological order, their parameters, and one arena that
 * holds everything. fcnn_graph_create builds it from a cfg and plans the memory
 * without allocating any; fcnn_graph_allocate takes exactly what the plan says,
 * and passes allocate nothing but what images need on their way in. */
#ifndef FCNN_GRAPH_H
#define FCNN_GRAPH_H

#include "backend.h"
#include "buckets.h"
#include "config.h"
#include "dataloader.h"

FCNN_C_BEGIN

typedef struct fcnn_graph fcnn_graph;
typedef struct fcnn_node fcnn_node;

/* What the convolutions' parameters are. */
typedef enum {
    FCNN_FORM_TRAINABLE, /* as the cfg says: compact taps or free kernels, norms apart */
    FCNN_FORM_SPECTRAL   /* every h_k, with a directly following norm folded in; inference only */
} fcnn_form;

typedef struct {
    const fcnn_config *config; /* must outlive the graph */
    int channels, classes;     /* of the data */
    int batch;                 /* images at a time, the tensors' capacity before rounding */
    bool training;             /* plan gradients and the backward pass */
    int moments;               /* optimizer moments kept with each parameter: 0, 1 or 2 */
    bool accumulate;           /* keep a sum of gradients, for shards trained in parts */
    /* Shards of a batch, a power of two, whose gradients one binary tree adds; 0: 1. Of them
     * shards_here pass through this graph, a power of two, in a run that begins at a multiple of
     * it; 0: all. */
    int shards, shards_here;
    /* Of each bucket of gradients the moments of one rank's part alone are kept, and only those
     * weights are updated here; ranks 0: all. */
    int moment_ranks, moment_rank;
    fcnn_form form;
    bool half_spectra; /* of FCNN_FORM_SPECTRAL: h_k in half precision; the backend has the slot */
    /* Every radius r of a band is cut to round(fraction r), (0, 1]; sizes, taps and the [ifft] grid
     * stay, missing bins are 0, and parameters keep their shapes. 0: what the cfg's bands= ends
     * with, 1 without it. */
    double band_fraction;
} fcnn_graph_options;

/* FCNN_ERROR_CONFIG where a network of this cfg has no such form: in space there are no spectra. */
fcnn_status fcnn_form_check(const fcnn_config *config, fcnn_form form);

/* A parameter, or a buffer such as a running mean. All values lie in one flat
 * buffer, in the order: with weight decay, without, buffers. Complex numbers are
 * a last dimension of 2. */
typedef struct {
    char name[96]; /* "conv1.weight" */
    int rank;
    int64_t shape[6];
    int64_t count;   /* numbers */
    bool half;       /* they are halves (half.h) in the flat buffer, else floats */
    bool affine;     /* a spectral model has it folded into a convolution's spectrum */
    int node;        /* that it belongs to */
    bool trained;    /* has a gradient */
    bool decayed;    /* has weight decay */
    float deviation; /* initial: normal with this deviation, or */
    float constant;  /* this constant, where deviation is 0 */
    int64_t offset;  /* in the flat buffer, in floats */
    int64_t degrees; /* independent real numbers: count without those that are always 0 */
    float *value;    /* device memory, once allocated; of halves, their address */
    float *gradient; /* [count] or NULL */
} fcnn_parameter;

/* A line of the memory plan. */
typedef enum {
    FCNN_MEMORY_PARAMETERS,
    FCNN_MEMORY_GRADIENTS, /* of parameters */
    FCNN_MEMORY_MOMENTS,
    FCNN_MEMORY_SPECTRA, /* h of convolutions */
    FCNN_MEMORY_STEP,    /* activations, their gradients and workspace, sharing memory */
    FCNN_MEMORY_KINDS
} fcnn_memory_kind;

typedef struct {
    int64_t bytes[FCNN_MEMORY_KINDS]; /* disjoint parts of the arena */
    int64_t arena;                    /* their sum: what fcnn_graph_allocate allocates */
    int64_t step_unshared;            /* what FCNN_MEMORY_STEP would take without sharing */
    int64_t scratch;                  /* the device's, all threads together */
} fcnn_memory_plan;

/* What one node costs, per image in multiply-adds. A complex product counts 4. */
typedef struct {
    int64_t parameters;
    int64_t multiply_adds;         /* here, forward */
    int64_t spatial_multiply_adds; /* the same layer in space, at its strided size */
    int64_t bytes;                 /* output, gradient and saved values, for the batch */
    const char *label;             /* "resident", "fused", "input", "output" or "space" */
    char remark[96];               /* "" or what the reader should know */
} fcnn_node_cost;

/* Builds the graph and its plan on a device. Errors name file:line. */
fcnn_status fcnn_graph_create(const fcnn_graph_options *options, fcnn_device *device,
                              fcnn_graph **graph);
/* FCNN_ERROR_MEMORY where what is planned, with the images on their way in, is more than the device
 * has free; it names the batch and the subdivisions that would fit. What passes
 * here of a batch is so many `parts` of the graph's images; nothing is allocated. */
fcnn_status fcnn_graph_check_memory(const fcnn_graph *graph, int parts);
/* Checks that, and allocates the arena and the device's scratch. Parameters are not yet set. */
fcnn_status fcnn_graph_allocate(fcnn_graph *graph);
/* Sets every parameter to its initial value; the same seed gives the same bits. */
fcnn_status fcnn_graph_initialise(fcnn_graph *graph, uint64_t seed);
void fcnn_graph_destroy(fcnn_graph *graph);

const fcnn_memory_plan *fcnn_graph_memory(const fcnn_graph *graph);
/* Bytes fcnn_graph_allocate took: equal to the plan's arena. */
int64_t fcnn_graph_arena_bytes(const fcnn_graph *graph);
/* Lines that say how the graph differs from the cfg's order, one each; "" if not. */
const char *fcnn_graph_notes(const fcnn_graph *graph);

int fcnn_graph_node_count(const fcnn_graph *graph);
const char *fcnn_graph_node_name(const fcnn_graph *graph, int node);
const char *fcnn_graph_node_type(const fcnn_graph *graph, int node);
/* The node of a name, or of the name of a pair's second layer ("conv1.activation"), whose output a
 * pair has; FCNN_ERROR_USAGE lists the names where there is none. */
fcnn_status fcnn_graph_find_node(const fcnn_graph *graph, const char *name, int *node);
/* The section that it came from; of a pair, the second's. */
const fcnn_section *fcnn_graph_node_section(const fcnn_graph *graph, int node);
/* Number of layers with running statistics; norms that a spectral model has folded are none. */
int fcnn_graph_norms(const fcnn_graph *graph);
const fcnn_tensor *fcnn_graph_node_output(const fcnn_graph *graph, int node);
void fcnn_graph_node_cost(const fcnn_graph *graph, int node, fcnn_node_cost *cost);

int fcnn_graph_parameter_count(const fcnn_graph *graph);
fcnn_parameter *fcnn_graph_parameter(fcnn_graph *graph, int index);
/* The parameter "LAYER.END", such as conv1.weight, or NULL. */
fcnn_parameter *fcnn_graph_find_parameter(fcnn_graph *graph, const char *layer, const char *end);
/* Copies a parameter's value to or from host memory of `count` floats; halves are widened, and
 * rounded. */
fcnn_status fcnn_graph_read(fcnn_graph *graph, const fcnn_parameter *parameter, float *host);
fcnn_status fcnn_graph_write(fcnn_graph *graph, fcnn_parameter *parameter, const float *host);
/* From `count` halves; floats are widened. */
fcnn_status fcnn_graph_write_half(fcnn_graph *graph, fcnn_parameter *parameter,
                                  const uint16_t *host);
/* The flat buffers, device memory: trained floats [0, trained), of them [0, decayed) with
 * weight decay. */
typedef struct {
    int64_t decayed, trained, total;
    float *values, *gradients;
} fcnn_flat_parameters;
fcnn_flat_parameters fcnn_graph_flat(const fcnn_graph *graph);
/* The moments that are kept, range by range of the trained floats; moments the optimizer has not
 * are NULL. */
typedef struct {
    fcnn_range range;
    float *moments[2];
} fcnn_kept_moments;
int64_t fcnn_graph_kept_count(const fcnn_graph *graph);
fcnn_kept_moments fcnn_graph_kept(const fcnn_graph *graph, int64_t number);
/* Copies what is kept of a range of a moment (0 or 1) to or from host memory, which holds the
 * range; the rest of it is left alone. */
fcnn_status fcnn_graph_read_moment(fcnn_graph *graph, int moment, fcnn_range range, float *host);
fcnn_status fcnn_graph_write_moment(fcnn_graph *graph, int moment, fcnn_range range,
                                    const float *host);
/* Must follow any change of parameters other than fcnn_graph_write: derived spectra are
 * recomputed at the next forward pass. */
void fcnn_graph_parameters_changed(fcnn_graph *graph);

/* The fraction of its radii that a graph works on. */
double fcnn_graph_band_fraction(const fcnn_graph *graph);
/* Copies parameters, buffers and optimizer moments between graphs of one cfg that differ in
 * band_fraction or batch. */
fcnn_status fcnn_graph_copy_parameters(const fcnn_graph *from, fcnn_graph *to);

/* Radius of the bins that the graph takes of an image; in space, that of its input maps. */
int fcnn_graph_input_radius(const fcnn_graph *graph);
/* How the cfg places images. */
const fcnn_placement *fcnn_graph_placement(const fcnn_graph *graph);
/* Weights of the classes in training, [classes], copied; NULL: all 1. */
fcnn_status fcnn_graph_set_class_weights(fcnn_graph *graph, const float *weights);

/* Statistics that normalise the input; set before the first forward pass. */
void fcnn_graph_set_statistics(fcnn_graph *graph, const fcnn_input_statistics *statistics);
const fcnn_input_statistics *fcnn_graph_statistics(const fcnn_graph *graph);

/* Forward pass over 1 .. batch images. labels (host, or NULL) are scored into *score, which
 * is added to; where it is NULL, on the device, until fcnn_graph_take_score. With the cfg's
 * test_mirror=1 logits are the mean of those of each image and of its mirror image; no other output
 * knows of the latter. */
fcnn_status fcnn_graph_forward(fcnn_graph *graph, const fcnn_image *images, int count,
                               const int32_t *labels, fcnn_score *score);
/* Forward and backward pass in training mode: fills every gradient. step and seed select the
 * dropout masks, and the shares of mixed images. */
fcnn_status fcnn_graph_train(fcnn_graph *graph, const fcnn_image *images, int count,
                             const int32_t *labels, uint64_t seed, int64_t step, fcnn_score *score);
/* The same for part `part` of `parts` equal ones of a batch, one after the other: after the last,
 * the gradients are those of the whole batch. Norms have the statistics of their part. Where a
 * batch has shards, parts are as many of each, and begin with those of the first shard here;
 * running statistics become the mean of what each shard has made of them. Where not all shards are
 * here, gradients and running statistics are left as sums of those that are. */
fcnn_status fcnn_graph_train_part(fcnn_graph *graph, const fcnn_image *images, int count,
                                  const int32_t *labels, uint64_t seed, int64_t step, int part,
                                  int parts, fcnn_score *score);
/* Called from within the last part here of a batch, for each bucket of its gradients, as soon as
 * nothing of it changes any more: mostly the later layers' first, in an order that is the same for
 * all graphs of a cfg. The range then holds what the shards here add up to, until the next part. */
typedef fcnn_status (*fcnn_bucket_ready)(void *user, fcnn_range range);
void fcnn_graph_set_bucket_ready(fcnn_graph *graph, fcnn_bucket_ready ready, void *user);
/* Running statistics, as floats; before fcnn_graph_end_shards they are the sums of the shards here,
 * to which the caller adds those of the others. */
int64_t fcnn_graph_running_floats(const fcnn_graph *graph);
fcnn_status fcnn_graph_read_running(fcnn_graph *graph, float *host);
fcnn_status fcnn_graph_write_running(fcnn_graph *graph, const float *host);
/* Takes the sums of all shards as the gradients and the running statistics of the batch. */
fcnn_status fcnn_graph_end_shards(fcnn_graph *graph);
/* Adds to *score what passes without one have scored since the last call, and waits for them. */
fcnn_status fcnn_graph_take_score(fcnn_graph *graph, fcnn_score *score);
/* Running statistics of the norms over some images, as the cumulative mean over calls: number 0
 * starts anew. The pass is that of inference otherwise. */
fcnn_status fcnn_graph_estimate_norms(fcnn_graph *graph, const fcnn_image *images, int count,
                                      int64_t number);
/* Adds a call's statistics to the mean of `number` earlier ones: what fcnn_graph_estimate_norms
 * does, where each call was number 0 of a graph of its own. */
void fcnn_running_add(float *mean, const float *batch, int64_t count, int64_t number);
/* Seconds a node's operations have taken since the graph was made; 0 on an asynchronous device that
 * no profile waits for. */
typedef struct {
    double forward, backward;
} fcnn_node_time;
fcnn_node_time fcnn_graph_node_time(const fcnn_graph *graph, int node);

/* What operations took, and what they cost at the least. */
typedef struct {
    double seconds;
    double flops; /* 0 where they are not counted: of operations that memory binds */
    double bytes; /* every operand once */
} fcnn_work;
typedef struct {
    fcnn_work phases[FCNN_PHASE_COUNT];
    fcnn_work *nodes; /* [fcnn_graph_node_count], or NULL */
} fcnn_profile;
extern const char *const fcnn_phase_names[FCNN_PHASE_COUNT];
/* From now on every operation is waited for, and added to the profile; NULL ends that. */
void fcnn_graph_set_profile(fcnn_graph *graph, fcnn_profile *profile);
/* The clock of every measurement: seconds from some moment on, never set back. */
double fcnn_seconds(void);

/* Called behind each node of a pass. Outputs share their memory with later ones: what the visit
 * wants of this node's output it must read now. A failure ends the pass. */
typedef fcnn_status (*fcnn_visit)(void *user, fcnn_graph *graph, int node);
/* A forward pass of inference over 1 .. batch images that visits every node and ends behind node
 * `last`. */
fcnn_status fcnn_graph_visit(fcnn_graph *graph, const fcnn_image *images, int count, int last,
                             fcnn_visit visit, void *user);
/* Copies a node's output to host memory: [images] bands [channels][F(radius)] of complex numbers,
 * maps [channels][size][size] or vectors [channels]; so many floats an image. */
fcnn_status fcnn_graph_read_output(fcnn_graph *graph, int node, float *host);
int64_t fcnn_graph_output_floats(const fcnn_graph *graph, int node);

/* Copies the last forward pass's class probabilities, [images][classes], to host memory. */
fcnn_status fcnn_graph_probabilities(fcnn_graph *graph, float *host);
/* And the logits before the softmax, in the same shape. */
fcnn_status fcnn_graph_logits(fcnn_graph *graph, float *host);
/* FCNN_ERROR_NUMERIC, naming the first parameter that is not finite, if one is. */
fcnn_status fcnn_graph_check(fcnn_graph *graph);
/* After a loss that is not finite: runs forward again on the same images of the same part, and sets
 * a FCNN_ERROR_NUMERIC message that names the first layer and tensor that is not finite. */
fcnn_status fcnn_graph_diagnose(fcnn_graph *graph, const fcnn_image *images, int count,
                                uint64_t seed, int64_t step, int part, int parts);

FCNN_C_END
#endif
