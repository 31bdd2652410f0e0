/* The layer interface: what a file in layers/ provides, and what the graph
 * offers it. A layer type turns a cfg section into nodes, checks shapes, asks
 * for parameters and buffers, and calls the backend. */
#ifndef FCNN_LAYER_H
#define FCNN_LAYER_H

#include "graph.h"

typedef struct fcnn_layer_type fcnn_layer_type;

enum {
    FCNN_INPUTS_MAX = 2,
    /* The output is the input's memory (a prefix of it for a band): no kernel runs. */
    FCNN_LAYER_VIEW = 1,
    /* The view is a crop to a smaller radius. */
    FCNN_LAYER_CROP = 2,
    /* Directly followed by a crop, the crop comes first (a batch norm, by definition). */
    FCNN_LAYER_AFTER_CROP = 4,
    /* The backward pass reads the input, or the output. */
    FCNN_LAYER_KEEPS_INPUT = 8,
    FCNN_LAYER_KEEPS_OUTPUT = 16,
    /* The layer that a network ends with. */
    FCNN_LAYER_ENDS = 32,
    /* The layer that a network begins with: it has no input. */
    FCNN_LAYER_BEGINS = 64,
    FCNN_NEED_ALL = -1 /* of a need: the whole input */
};

/* How long a buffer must keep its contents. */
typedef enum {
    FCNN_LIFE_FORWARD,  /* during the node's forward pass */
    FCNN_LIFE_BACKWARD, /* during its backward pass */
    FCNN_LIFE_STEP,     /* from its forward to its backward pass */
    FCNN_LIFE_SPECTRUM  /* always; counted as FCNN_MEMORY_SPECTRA */
} fcnn_lifetime;

struct fcnn_node {
    const fcnn_layer_type *type;
    const fcnn_section *section; /* the section it came from */
    char name[48];               /* "conv1", "conv1.norm", or of a pair "conv1.norm+activation" */
    char parts[2][48];           /* Name prefixes of its parameters: first and second layer of a
                                  * pair, else both its own. */
    int index;
    int input_count;
    int inputs[FCNN_INPUTS_MAX]; /* node indices, each smaller than this one's */
    int consumer_count;
    bool needs_gradient; /* it, or a node above it, has trained parameters */
    bool forgets_input;  /* set by plan: its backward pass does without, whatever its type says */
    fcnn_tensor output;
    fcnn_tensor gradient; /* of the loss in the output; data NULL where not needed */
    void *state;          /* type->state_bytes, zeroed; the layer's own */
    /* The graph's own: */
    int need;        /* radius of the output that is needed */
    int full_radius; /* that radius without a band fraction: what parameters are shaped by */
    fcnn_node_time time;
    int output_buffer, gradient_buffer, extra_gradient_buffer;
    fcnn_tensor extra_gradient;
    int backward_writers;
};

struct fcnn_layer_type {
    const char *name; /* of the section, or of the node alone */
    unsigned flags;
    size_t state_bytes;
    const fcnn_layer_type *in_space; /* what a section becomes with domain=space; NULL: the same */
    /* Adds the section's nodes (fcnn_graph_add). NULL: one of this type. */
    fcnn_status (*build)(fcnn_graph *graph, const fcnn_section *section);
    /* Checks the inputs' types and sets node->output's layout, channels and size. */
    fcnn_status (*shape)(fcnn_graph *graph, fcnn_node *node);
    /* Radius needed of input i when radius `need` of the output is; NULL: the same. */
    int (*need)(const fcnn_graph *graph, const fcnn_node *node, int input, int need);
    /* Declares parameters, and buffers; the stored radii are known. NULL: none. */
    fcnn_status (*plan)(fcnn_graph *graph, fcnn_node *node);
    /* Sets initial values that are neither normal nor constant. NULL: none. */
    fcnn_status (*initialise)(fcnn_graph *graph, fcnn_node *node, uint64_t seed);
    fcnn_status (*forward)(fcnn_graph *graph, fcnn_node *node);
    /* Writes the gradients of its parameters, and of each input that has one. */
    fcnn_status (*backward)(fcnn_graph *graph, fcnn_node *node);
    /* Adds to a zeroed cost; parameters and bytes are counted by the graph. */
    void (*cost)(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost);
    /* Frees what the state owns. NULL: nothing. */
    void (*destroy)(fcnn_node *node);
    /* Spectral form. A convolution has `spectrum`: h [F][C_out][C_in] and its bias [C_out] (0
     * where it has none), to host memory. A norm has `affine`: in inference it is
     * y = scale x + shift at DC, per channel. Where a norm alone reads a convolution, the graph
     * of a spectral model leaves it out and its affine map is folded into h and bias. */
    fcnn_status (*spectrum)(fcnn_graph *graph, fcnn_node *node, fcnn_complex *h, float *bias);
    int64_t (*spectrum_bins)(const fcnn_node *node);
    fcnn_status (*affine)(fcnn_graph *graph, fcnn_node *node, float *scale, float *shift);
    /* [channels], device memory: the sum of |y_k|^2 over images and bins k > 0 that the last
     * pass of a training graph left of its output; NULL where it leaves none. */
    const double *(*energy)(const fcnn_node *node);
};

/* A layer that stands for two that follow each other, the first of which the second alone reads:
 * the graph puts it in their place. Its parameters have the names that the two would give them. */
typedef struct {
    const fcnn_layer_type *first, *second, *both;
    /* Whether it can stand for these nodes on the graph's device. */
    bool (*fits)(const fcnn_graph *graph, const fcnn_node *first, const fcnn_node *second);
} fcnn_layer_pair;

/* Every layer type, NULL-terminated. Defined in layers/. */
extern const fcnn_layer_type *const fcnn_layer_types[];
/* And every pair. */
extern const fcnn_layer_pair *const fcnn_layer_pairs[];

/* ---- While building ---- */

/* Appends a node after the last one; suffix NULL or ".norm" and the like. *node may be NULL. */
fcnn_status fcnn_graph_add(fcnn_graph *graph, const fcnn_layer_type *type,
                           const fcnn_section *section, const char *suffix, fcnn_node **node);
/* Last node of an earlier section, by "conv2" or "-1" (the section before). */
fcnn_status fcnn_graph_find(const fcnn_graph *graph, const fcnn_section *section, const char *name,
                            int *node);

/* The options it was created with. */
const fcnn_graph_options *fcnn_graph_get_options(const fcnn_graph *graph);
/* A FCNN_ERROR_CONFIG message at the node's section, or at one of its keys. */
fcnn_status fcnn_node_error(const fcnn_graph *graph, const fcnn_node *node, const char *key,
                            const char *format, ...) FCNN_PRINTF(4, 5);

/* The `need` of layers whose every output depends on the whole input. */
int fcnn_need_all(const fcnn_graph *graph, const fcnn_node *node, int input, int need);

/* How images enter, said by the input layer; otherwise stretched, without a frame. */
void fcnn_graph_set_placement(fcnn_graph *graph, const fcnn_placement *placement);

/* ---- While planning ---- */

typedef struct {
    const char *name; /* "weight" */
    int rank;
    int64_t shape[6];
    bool trained, decayed;
    bool half;   /* kept in half precision */
    bool affine; /* a spectral model has it folded into a convolution's spectrum */
    int part;    /* of node->parts: 1 for the second layer of a pair */
    float deviation, constant;
    int64_t degrees; /* 0: all of them */
} fcnn_parameter_options;

/* Declares a parameter; *index finds it with fcnn_graph_parameter. */
fcnn_status fcnn_graph_declare(fcnn_graph *graph, fcnn_node *node,
                               const fcnn_parameter_options *options, int *index);
/* Plans memory; *address is set by fcnn_graph_allocate. */
fcnn_status fcnn_graph_plan_buffer(fcnn_graph *graph, fcnn_node *node, int64_t bytes,
                                   fcnn_lifetime lifetime, void **address);
/* ---- While running ---- */

/* What the current pass works on. */
typedef struct {
    bool training;
    int images;
    const fcnn_image *pixels;
    const int32_t *labels; /* NULL: none */
    uint64_t seed;
    int64_t step;
    int64_t version; /* changes whenever parameters do */
    fcnn_score *score;
    int node;                   /* whose pass runs; -1 between passes */
    const float *class_weights; /* [classes] or NULL */
    int part, parts;            /* of the batch; 0 of 1 where it is not split */
    int shards;                 /* of the batch; a norm's running statistics see one of them */
    const float *shares;  /* [images] of training images that are mixed (mixup.h); NULL: none are */
    bool estimates_norms; /* norms take the batch's statistics and keep them as running ones */
} fcnn_pass;

const fcnn_pass *fcnn_graph_pass(const fcnn_graph *graph);
fcnn_device *fcnn_graph_device(const fcnn_graph *graph);
const fcnn_node *fcnn_graph_input(const fcnn_graph *graph, const fcnn_node *node, int i);
/* The energy of input i's bins, as fcnn_layer_type.energy says, through views of all of them. */
const double *fcnn_graph_input_energy(const fcnn_graph *graph, const fcnn_node *node, int i);
/* Gradient to write for input i; NULL where none is needed. */
fcnn_tensor *fcnn_graph_input_gradient(fcnn_graph *graph, const fcnn_node *node, int i);
/* Number of its stream of initial values. Only weights are counted, so that networks which
 * differ in norms, activations, pools or domain start from the same ones. */
uint64_t fcnn_graph_parameter_stream(const fcnn_graph *graph, int parameter);
float *fcnn_graph_value(const fcnn_graph *graph, int parameter);
float *fcnn_graph_gradient(const fcnn_graph *graph, int parameter);

/* fcnn_call_NAME(graph, ...): an operation of the graph's backend, timed, or an error that names it
 * where the backend lacks it. */
#define OPERATION(name, phase, flops, bytes, parameters, arguments)                                \
    fcnn_status fcnn_call_##name(fcnn_graph *graph, FCNN_LIST parameters);
#include "operations.def"

/* Returns from the calling function if an operation fails. */
#define FCNN_CALL(graph, name, ...) FCNN_TRY(fcnn_call_##name(graph, __VA_ARGS__))

#endif
