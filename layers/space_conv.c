/* [conv] with domain=space: the convolution of maps by one of the backend's
 * algorithms. The taps have the names, shapes and initial values that they have
 * in the frequency domain, so that either network can take the other's. */
#include <stdio.h>

#include "layers.h"

typedef struct {
    fcnn_convolution convolution;
    fcnn_convolution_bytes bytes;
    void *kernel, *input, *forward, *backward;
    int weight, bias;       /* parameters */
    int64_t kernel_version; /* of the parameters that `kernel` was made from */
} conv_state;

#define ALGORITHM_NAME(name) #name,
static const char *const algorithm_names[] = {FCNN_CONVOLUTION_ALGORITHMS(ALGORITHM_NAME)};

static int find_algorithm(const fcnn_section *section) {
    for (int i = 0; i < FCNN_CONVOLUTION_COUNT; i++)
        if (fcnn_section_is(section, "algorithm", algorithm_names[i])) return i;
    return -1;
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    FCNN_TRY(fcnn_expect_features(graph, node));
    const fcnn_tensor *input = &fcnn_graph_input(graph, node, 0)->output;
    const fcnn_section *section = node->section;
    const fcnn_graph_options *options = fcnn_graph_get_options(graph);
    int stride = (int)fcnn_section_int(section, "stride"), map = input->size - (stride > 1);
    if (fcnn_section_is(section, "size", "full"))
        return fcnn_node_error(graph, node, "size",
                               "size=full: a learned spectrum has no taps and needs "
                               "domain=frequency; in space size=%d is as large as the map",
                               map);
    int size = (int)fcnn_section_int(section, "size");
    if (size > map)
        return fcnn_node_error(graph, node, "size",
                               "size=%d: the kernel is larger than its input map of %dx%d", size,
                               map, map);
    state->convolution =
        (fcnn_convolution){.size = size,
                           .stride = stride,
                           .wrap = fcnn_section_is(&options->config->sections[0], "border", "wrap"),
                           .channels = input->channels,
                           .filters = (int)fcnn_section_int(section, "filters"),
                           .side = input->size,
                           .capacity = fcnn_tensor_capacity(options->batch),
                           .training = options->training,
                           .tile = (int)fcnn_section_int(section, "tile")};
    node->output = *input;
    node->output.channels = state->convolution.filters;
    node->output.size = input->size / stride;
    return FCNN_OK;
}

/* What measures fastest on two AVX-512 cores: see fcnn-bench conv. */
static fcnn_convolution_algorithm fastest(const fcnn_convolution *convolution) {
    if (convolution->stride > 1) return FCNN_CONVOLUTION_direct;
    if (convolution->size >= 7)
        return convolution->side <= 64 ? FCNN_CONVOLUTION_fft : FCNN_CONVOLUTION_oaa;
    bool wide = convolution->channels >= 16 && convolution->filters >= 16;
    return convolution->size == 3 && wide ? FCNN_CONVOLUTION_winograd : FCNN_CONVOLUTION_direct;
}

/* The layer's own algorithm must do; the network's does where it can. */
static fcnn_status choose_algorithm(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    fcnn_convolution *convolution = &state->convolution;
    const fcnn_config *config = fcnn_graph_get_options(graph)->config;
    int own = find_algorithm(node->section), wanted = find_algorithm(&config->sections[0]);
    if (own >= 0 || fcnn_section_is(node->section, "algorithm", "auto")) wanted = own;
    convolution->algorithm = wanted < 0 ? fastest(convolution) : (fcnn_convolution_algorithm)wanted;
    bool transforms = convolution->algorithm == FCNN_CONVOLUTION_fft ||
                      convolution->algorithm == FCNN_CONVOLUTION_oaa;
    if (!transforms) convolution->tile = 0;
    fcnn_device *device = fcnn_graph_device(graph);
    fcnn_status status = device->backend->convolution_plan(device, convolution, &state->bytes);
    if (status != FCNN_ERROR_UNSUPPORTED) return status;
    bool tile = convolution->tile && fcnn_section_has(node->section, "tile");
    if (own >= 0 || tile)
        return fcnn_node_error(graph, node, tile ? "tile" : "algorithm", "%s",
                               fcnn_status_message());
    convolution->algorithm = FCNN_CONVOLUTION_direct;
    convolution->tile = 0;
    return device->backend->convolution_plan(device, convolution, &state->bytes);
}

static fcnn_status plan_memory(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    const struct {
        int64_t bytes;
        fcnn_lifetime lifetime;
        void **address;
    } rows[] = {{state->bytes.kernel, FCNN_LIFE_SPECTRUM, &state->kernel},
                {state->bytes.input, FCNN_LIFE_STEP, &state->input},
                {state->bytes.forward, FCNN_LIFE_FORWARD, &state->forward},
                {state->bytes.backward, FCNN_LIFE_BACKWARD, &state->backward}};
    for (int i = 0; i < 4; i++)
        if (rows[i].bytes)
            FCNN_TRY(fcnn_graph_plan_buffer(graph, node, rows[i].bytes, rows[i].lifetime,
                                            rows[i].address));
    return FCNN_OK;
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    const fcnn_convolution *c = &state->convolution;
    FCNN_TRY(choose_algorithm(graph, node));
    FCNN_TRY(plan_memory(graph, node));
    FCNN_TRY(fcnn_conv_declare_taps(graph, node, c->size, c->filters, c->channels, &state->weight));
    return fcnn_conv_declare_bias(graph, node, c->filters, &state->bias);
}

static fcnn_convolution_memory memory_of(const conv_state *state, void *work) {
    return (fcnn_convolution_memory){.kernel = state->kernel, .input = state->input, .work = work};
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    const float *w = fcnn_graph_value(graph, state->weight);
    fcnn_convolution_memory memory = memory_of(state, state->forward);
    int64_t version = fcnn_graph_pass(graph)->version;
    if (state->kernel && state->kernel_version != version) {
        FCNN_CALL(graph, convolution_kernel, &state->convolution, w, &memory);
        state->kernel_version = version;
    }
    FCNN_CALL(graph, convolution_forward, &state->convolution, w, &memory,
              &fcnn_graph_input(graph, node, 0)->output, &node->output);
    if (state->bias != FCNN_NO_PARAMETER)
        FCNN_CALL(graph, bias_forward, fcnn_graph_value(graph, state->bias), &node->output);
    return FCNN_OK;
}

static fcnn_status backward(fcnn_graph *graph, fcnn_node *node) {
    conv_state *state = node->state;
    fcnn_convolution_memory memory = memory_of(state, state->backward);
    if (state->bias != FCNN_NO_PARAMETER)
        FCNN_CALL(graph, bias_backward, &node->gradient, fcnn_graph_gradient(graph, state->bias));
    return fcnn_call_convolution_backward(
        graph, &state->convolution, fcnn_graph_value(graph, state->weight), &memory,
        &fcnn_graph_input(graph, node, 0)->output, &node->gradient,
        fcnn_graph_input_gradient(graph, node, 0), fcnn_graph_gradient(graph, state->weight));
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    (void)graph;
    const conv_state *state = node->state;
    const fcnn_convolution *c = &state->convolution;
    int64_t pixels = (int64_t)node->output.size * node->output.size;
    cost->label = "space";
    cost->multiply_adds = pixels * c->size * c->size * c->filters * c->channels;
    cost->spatial_multiply_adds = cost->multiply_adds;
    cost->bytes = state->bytes.kernel + state->bytes.input;
    snprintf(cost->remark, sizeof cost->remark, "%s", algorithm_names[c->algorithm]);
    if (c->tile)
        snprintf(cost->remark, sizeof cost->remark, "%s on %dx%d grids",
                 algorithm_names[c->algorithm], c->tile, c->tile);
}

const fcnn_layer_type fcnn_layer_space_conv = {.name = "conv",
                                               .flags = FCNN_LAYER_KEEPS_INPUT,
                                               .state_bytes = sizeof(conv_state),
                                               .shape = shape,
                                               .plan = plan,
                                               .forward = forward,
                                               .backward = backward,
                                               .cost = cost};
