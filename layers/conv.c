/* [conv]: convolution as one complex product per bin, Y_k = H_k X_k, with
 * compact taps (size=K), a learned spectrum (size=full), or the taps' exact
 * strided convolution by folding (stride=s). Norm and activation of the section
 * become nodes of their own. */
#include <math.h>
#include <stdlib.h>

#include "layers.h"

/* Inference of at most so many images takes the taps in place of a spectrum of more bytes than
 * caches hold. */
enum { TAPS_IMAGES = 4, SPECTRUM_LARGE = 16 << 20 };

typedef struct {
    fcnn_kernel_shape kernel; /* of the compact taps, or of those a free kernel starts from */
    int channels, filters, stride;
    bool compact;      /* taps are the parameter; else h is */
    int weight, bias;  /* parameters */
    int full_radius;   /* of the spectrum without a band fraction, which parameters have */
    fcnn_fold *fold;   /* with a stride */
    void *h, *dh;      /* a compact kernel's spectrum and its gradient; NULL with from_taps */
    bool from_taps;    /* the backend makes the spectrum as it uses it, */
    bool few;          /* of few images, in inference */
    void *work[2];     /* from_taps: workspace of the forward and the backward pass */
    void *energy;      /* from_taps, in training: the output's energy, [filters] doubles */
    int64_t h_version; /* of the parameters that h was computed from */
} conv_state;

static fcnn_status build(fcnn_graph *graph, const fcnn_section *section) {
    bool space = fcnn_in_space(graph);
    if (space && fcnn_section_int(section, "stride") > 1)
        FCNN_TRY(fcnn_graph_add(graph, &fcnn_layer_resample, section, ".grid", NULL));
    FCNN_TRY(fcnn_graph_add(graph, space ? &fcnn_layer_space_conv : &fcnn_layer_conv, section, NULL,
                            NULL));
    if (fcnn_section_is(section, "norm", "batch"))
        FCNN_TRY(fcnn_graph_add(graph, &fcnn_layer_norm, section, ".norm", NULL));
    return fcnn_add_activation(graph, section, ".activation");
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    FCNN_TRY(fcnn_node_expect(graph, node, FCNN_BAND));
    const fcnn_tensor *input = &fcnn_graph_input(graph, node, 0)->output;
    const fcnn_section *section = node->section;
    const fcnn_section *net = &fcnn_graph_get_options(graph)->config->sections[0];
    if (fcnn_section_is(net, "border", "zero"))
        return fcnn_config_error(fcnn_graph_get_options(graph)->config, net, "border",
                                 "border=zero: a product per bin wraps around; it takes "
                                 "domain=space");
    bool full = fcnn_section_is(section, "size", "full");
    int taps = (int)fcnn_section_int(section, full ? "init_size" : "size");
    if (full && taps > input->size) taps = input->size;
    if (taps > input->size)
        return fcnn_node_error(graph, node, "size",
                               "size=%d: the kernel is larger than its input map of %dx%d", taps,
                               input->size, input->size);
    state->stride = (int)fcnn_section_int(section, "stride");
    int size = input->size;
    if (state->stride > 1) {
        fcnn_status status = fcnn_fold_size(input->size, state->stride, &size);
        if (status) return fcnn_node_error(graph, node, "stride", "%s", fcnn_status_message());
    }
    state->channels = input->channels;
    state->filters = (int)fcnn_section_int(section, "filters");
    state->compact = !full && fcnn_graph_get_options(graph)->form == FCNN_FORM_TRAINABLE;
    state->kernel = (fcnn_kernel_shape){.size = taps,
                                        .grid = input->size + (state->stride > 1),
                                        .pairs = (int64_t)state->filters * state->channels};
    node->output = (fcnn_tensor){.layout = FCNN_BAND, .channels = state->filters, .size = size};
    return FCNN_OK;
}

/* A product per bin needs the bins it gives; a fold needs every alias. */
static int need(const fcnn_graph *graph, const fcnn_node *node, int input, int radius) {
    (void)graph;
    (void)input;
    const conv_state *state = node->state;
    return state->stride > 1 ? FCNN_NEED_ALL : radius;
}

static int64_t spectrum_bins(const fcnn_node *node) {
    const conv_state *state = node->state;
    return fcnn_band_count(state->full_radius);
}

/* Complex numbers of the spectrum's bins that products use, a prefix of it. */
static int64_t used_numbers(const conv_state *state) {
    return fcnn_band_count(state->kernel.radius) * state->kernel.pairs;
}

/* The kernel with the bins of its whole spectrum. */
static fcnn_kernel_shape full_kernel(const conv_state *state) {
    fcnn_kernel_shape full = state->kernel;
    full.radius = state->full_radius;
    return full;
}

fcnn_status fcnn_conv_declare_taps(fcnn_graph *graph, fcnn_node *node, int size, int filters,
                                   int channels, int *index) {
    double fan_in = (double)channels * size * size; /* He et al. 2015 */
    fcnn_parameter_options taps = {.name = "weight",
                                   .rank = 4,
                                   .shape = {size, size, filters, channels},
                                   .trained = true,
                                   .decayed = true,
                                   .deviation = (float)sqrt(2.0 / fan_in)};
    return fcnn_graph_declare(graph, node, &taps, index);
}

fcnn_status fcnn_conv_declare_bias(fcnn_graph *graph, fcnn_node *node, int filters, int *index) {
    bool spectral = fcnn_graph_get_options(graph)->form == FCNN_FORM_SPECTRAL;
    *index = FCNN_NO_PARAMETER;
    if (!fcnn_section_is(node->section, "norm", "none") && !spectral) return FCNN_OK;
    fcnn_parameter_options bias = {.name = "bias", .rank = 1, .shape = {filters}, .trained = true};
    return fcnn_graph_declare(graph, node, &bias, index);
}

static fcnn_status declare(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    const fcnn_kernel_shape *kernel = &state->kernel;
    int64_t bins = spectrum_bins(node);
    fcnn_parameter_options spectrum = {.name = "spectrum",
                                       .rank = 4,
                                       .shape = {bins, state->filters, state->channels, 2},
                                       .trained = true,
                                       .decayed = true,
                                       .half = fcnn_graph_get_options(graph)->half_spectra,
                                       .degrees = (2 * bins - 1) * kernel->pairs};
    if (state->compact)
        FCNN_TRY(fcnn_conv_declare_taps(graph, node, kernel->size, state->filters, state->channels,
                                        &state->weight));
    else
        FCNN_TRY(fcnn_graph_declare(graph, node, &spectrum, &state->weight));
    return fcnn_conv_declare_bias(graph, node, state->filters, &state->bias);
}

static fcnn_taps taps_of(const conv_state *state) {
    return (fcnn_taps){.kernel = state->kernel,
                       .fold = state->fold,
                       .channels = state->channels,
                       .filters = state->filters};
}

/* In training the taps change at every step, so that a stored spectrum is used but once; and few
 * images read more of a large one than they multiply. */
static fcnn_status plan_compact(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    const fcnn_graph_options *options = fcnn_graph_get_options(graph);
    const fcnn_backend *backend = fcnn_graph_device(graph)->backend;
    int64_t bytes = used_numbers(state) * (int64_t)sizeof(fcnn_complex);
    state->few = !options->training && options->batch <= TAPS_IMAGES && bytes > SPECTRUM_LARGE &&
                 backend->taps_few;
    state->from_taps = state->few || (options->training && backend->taps_plan);
    if (!state->from_taps) {
        FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_SPECTRUM, &state->h));
        return fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_BACKWARD, &state->dh);
    }
    fcnn_taps taps = taps_of(state);
    if (state->few) {
        FCNN_CALL(graph, taps_few_plan, &taps, node->output.capacity, &bytes);
        return fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_FORWARD, &state->work[0]);
    }
    FCNN_CALL(graph, taps_plan, &taps, node->output.capacity, &bytes);
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, state->filters * (int64_t)sizeof(double),
                                    FCNN_LIFE_STEP, &state->energy));
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_FORWARD, &state->work[0]));
    return fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_BACKWARD, &state->work[1]);
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    const fcnn_node *from = fcnn_graph_input(graph, node, 0);
    const fcnn_tensor *input = &from->output;
    state->kernel.radius = node->output.radius;
    state->full_radius = node->full_radius;
    if (state->stride > 1) {
        state->kernel.radius = input->radius;
        state->full_radius = from->full_radius;
        FCNN_TRY(fcnn_fold_create(input->size, state->stride, input->radius, node->output.radius,
                                  &state->fold));
    }
    FCNN_TRY(declare(graph, node));
    if (state->compact) FCNN_TRY(plan_compact(graph, node));
    FCNN_CALL(graph, kernel_plan, state->kernel.size, state->kernel.grid);
    return fcnn_call_product_plan(graph, state->fold, state->channels, state->filters,
                                  node->output.capacity);
}

/* A free kernel starts as the spectrum of compact taps. */
static fcnn_status initialise(fcnn_graph *graph, fcnn_node *node, uint64_t seed) {
    conv_state *state = node->state;
    if (state->compact) return FCNN_OK;
    int64_t count = state->kernel.pairs * state->kernel.size * state->kernel.size;
    size_t bytes = (size_t)count * sizeof(float);
    float *host = malloc(bytes);
    void *taps = NULL;
    if (!host) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for initial taps");
    fcnn_random random = {seed, FCNN_STREAM_INIT,
                          fcnn_graph_parameter_stream(graph, state->weight)};
    double fan_in = (double)state->channels * state->kernel.size * state->kernel.size;
    fcnn_random_normal(&random, count, (float)sqrt(2.0 / fan_in), host);

    fcnn_device *device = fcnn_graph_device(graph);
    const fcnn_backend *backend = device->backend;
    fcnn_status status = backend->allocate(device, bytes, &taps);
    if (!status) status = backend->upload(device, taps, host, bytes);
    fcnn_kernel_shape full = full_kernel(state);
    if (!status)
        status = backend->kernel_to_spectrum(device, &full, taps,
                                             (void *)fcnn_graph_value(graph, state->weight));
    if (taps) backend->release(device, taps);
    free(host);
    return status;
}

/* The layer's spectrum, recomputed from compact taps when they have changed. */
static fcnn_status current_spectrum(fcnn_graph *graph, fcnn_node *node, fcnn_complex **h) {
    conv_state *state = node->state;
    float *weight = fcnn_graph_value(graph, state->weight);
    *h = (fcnn_complex *)(state->compact ? state->h : (void *)weight);
    int64_t version = fcnn_graph_pass(graph)->version;
    if (!state->compact || state->h_version == version) return FCNN_OK;
    FCNN_CALL(graph, kernel_to_spectrum, &state->kernel, weight, *h);
    state->h_version = version;
    return FCNN_OK;
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output;
    fcnn_complex *h;
    fcnn_taps taps = taps_of(state);
    if (state->few) {
        FCNN_CALL(graph, taps_few, &taps, fcnn_graph_value(graph, state->weight), state->work[0], x,
                  &node->output);
    } else if (state->from_taps) {
        FCNN_CALL(graph, taps_forward, &taps, fcnn_graph_value(graph, state->weight),
                  state->work[0], x, &node->output, state->energy);
    } else if (fcnn_graph_get_options(graph)->half_spectra) {
        const void *half = fcnn_graph_value(graph, state->weight);
        FCNN_CALL(graph, product_forward_half, state->fold, half, x, &node->output);
    } else {
        FCNN_TRY(current_spectrum(graph, node, &h));
        FCNN_CALL(graph, product_forward, state->fold, h, x, &node->output);
    }
    if (state->bias != FCNN_NO_PARAMETER)
        FCNN_CALL(graph, bias_forward, fcnn_graph_value(graph, state->bias), &node->output);
    return FCNN_OK;
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    const fcnn_tensor *x = &fcnn_graph_input(graph, node, 0)->output, *dy = &node->gradient;
    fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
    float *dweight = fcnn_graph_gradient(graph, state->weight);
    if (state->bias != FCNN_NO_PARAMETER)
        FCNN_CALL(graph, bias_backward, dy, fcnn_graph_gradient(graph, state->bias));
    if (state->from_taps) {
        fcnn_taps taps = taps_of(state);
        FCNN_CALL(graph, taps_backward, &taps, fcnn_graph_value(graph, state->weight),
                  state->work[1], x, dy, dx, dweight);
        return FCNN_OK;
    }
    fcnn_complex *h, *dh = (fcnn_complex *)(state->compact ? state->dh : (void *)dweight);
    FCNN_TRY(current_spectrum(graph, node, &h));
    FCNN_CALL(graph, product_backward_weights, state->fold, x, dy, dh);
    int64_t used = used_numbers(state), all = spectrum_bins(node) * state->kernel.pairs;
    if (!state->compact && used < all)
        FCNN_CALL(graph, clear, dh + used, (size_t)(all - used) * sizeof *dh);
    if (state->compact) FCNN_CALL(graph, spectrum_to_kernel, &state->kernel, dh, dweight);
    return dx ? fcnn_call_product_backward_data(graph, state->fold, h, dy, dx) : FCNN_OK;
}

static const double *energy(const fcnn_node *node) {
    const conv_state *state = node->state;
    return state->energy;
}

/* All bins of compact taps, of which a cut network's products use a part. */
static fcnn_status full_spectrum(fcnn_graph *graph, const conv_state *state, size_t bytes,
                                 fcnn_complex *host) {
    fcnn_device *device = fcnn_graph_device(graph);
    const fcnn_backend *backend = device->backend;
    fcnn_kernel_shape full = full_kernel(state);
    void *h;
    FCNN_TRY(backend->allocate(device, bytes, &h));
    fcnn_status status =
        backend->kernel_to_spectrum(device, &full, fcnn_graph_value(graph, state->weight), h);
    if (!status) status = backend->download(device, host, h, bytes);
    backend->release(device, h);
    return status;
}

static fcnn_status spectrum(fcnn_graph *graph, fcnn_node *node, fcnn_complex *host, float *bias) {
    conv_state *state = node->state;
    fcnn_complex *h;
    size_t bytes = (size_t)(spectrum_bins(node) * state->kernel.pairs) * sizeof *h;
    if (state->from_taps || (state->compact && state->kernel.radius < state->full_radius)) {
        FCNN_TRY(full_spectrum(graph, state, bytes, host));
    } else {
        FCNN_TRY(current_spectrum(graph, node, &h));
        FCNN_CALL(graph, download, host, h, bytes);
    }
    if (state->bias != FCNN_NO_PARAMETER)
        return fcnn_graph_read(graph, fcnn_graph_parameter(graph, state->bias), bias);
    for (int c = 0; c < state->filters; c++) bias[c] = 0.0f;
    return FCNN_OK;
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    (void)graph;
    const conv_state *state = node->state;
    int64_t bins = fcnn_band_count(node->output.radius);
    int64_t products = state->fold ? state->fold->start[bins] : bins;
    int64_t pixels = (int64_t)node->output.size * node->output.size;
    int64_t taps = (int64_t)state->kernel.size * state->kernel.size;
    if (fcnn_section_is(node->section, "size", "full"))
        taps = (int64_t)state->kernel.grid * state->kernel.grid;
    cost->label = "resident";
    cost->multiply_adds = 4 * products * state->kernel.pairs;
    cost->spatial_multiply_adds = pixels * taps * state->kernel.pairs;
    if (state->compact && !state->from_taps)
        cost->bytes = used_numbers(state) * (int64_t)sizeof(fcnn_complex);
}

static void destroy(fcnn_node *node) {
    conv_state *state = node->state;
    fcnn_fold_destroy(state->fold);
}

const fcnn_layer_type fcnn_layer_conv = {.name = "conv",
                                         .flags = FCNN_LAYER_KEEPS_INPUT,
                                         .state_bytes = sizeof(conv_state),
                                         .build = build,
                                         .shape = shape,
                                         .need = need,
                                         .plan = plan,
                                         .initialise = initialise,
                                         .forward = forward,
                                         .backward = backward,
                                         .cost = cost,
                                         .destroy = destroy,
                                         .energy = energy,
                                         .spectrum = spectrum,
                                         .spectrum_bins = spectrum_bins};
