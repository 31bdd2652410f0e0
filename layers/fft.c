/* [fft] enters the frequency domain: images of any size become one band. In
 * space that band's map is the input, so that both see the same image. */
#include "layers.h"

#include <stdio.h>
#include <string.h>

#include "number.h"

static const char *const pads[] = {"none", "zero", "reflect"}; /* fcnn_padding, and the key's */

/* Keys that are another key's detail are refused where they would do nothing. */
static fcnn_status set_placement(fcnn_graph *graph, const fcnn_node *node) {
    const fcnn_section *section = node->section;
    fcnn_placement placement = {.crop = fcnn_section_is(section, "placement", "crop"),
                                .crop_fraction = fcnn_section_real(section, "crop"),
                                .padding = (fcnn_padding)fcnn_section_word(section, "pad"),
                                .margin = fcnn_section_real(section, "margin")};
    if (!placement.crop && fcnn_section_has(section, "crop"))
        return fcnn_node_error(graph, node, "crop", "crop=%g: is of placement=crop",
                               placement.crop_fraction);
    if (!placement.padding && fcnn_section_has(section, "margin"))
        return fcnn_node_error(graph, node, "margin", "margin=%g: is of pad=zero and pad=reflect",
                               placement.margin);
    fcnn_graph_set_placement(graph, &placement);
    return FCNN_OK;
}

/* Adds to a remark how images are placed, where that is not the default. */
static void remark_placement(const fcnn_graph *graph, char *remark, size_t bytes) {
    const fcnn_placement *placement = fcnn_graph_placement(graph);
    size_t used = strlen(remark);
    if (placement->crop)
        fcnn_number_format(remark + used, bytes - used, "; crop %g", placement->crop_fraction);
    used = strlen(remark);
    if (placement->padding)
        fcnn_number_format(remark + used, bytes - used, "; pad %s %g", pads[placement->padding],
                           placement->margin);
}

static fcnn_status shape(fcnn_graph *graph, fcnn_node *node) {
    if (node->index != 0)
        return fcnn_node_error(graph, node, NULL, "must be the first layer, once");
    int size;
    FCNN_TRY(fcnn_section_size(graph, node, &size));
    FCNN_TRY(set_placement(graph, node));
    node->output = (fcnn_tensor){
        .layout = FCNN_BAND, .size = size, .channels = fcnn_graph_get_options(graph)->channels};
    return FCNN_OK;
}

/* ---- Cut-out, of the pixels that the band stands for ---- */

typedef struct {
    void *map;
} fft_state;

static bool cuts_out(const fcnn_graph *graph) {
    const fcnn_graph_options *options = fcnn_graph_get_options(graph);
    return options->training &&
           fcnn_section_real(&options->config->sections[0], "augment_cutout") > 0.0;
}

/* The smallest map that has all of the band's bins. */
static fcnn_tensor map_of(const fcnn_tensor *band) {
    fcnn_tensor map = *band;
    map.layout = FCNN_MAP;
    map.size = fcnn_band_size(band->radius);
    return map;
}

static fcnn_status plan(fcnn_graph *graph, fcnn_node *node) {
    fft_state *state = node->state;
    fcnn_tensor map = map_of(&node->output);
    int64_t bytes = fcnn_tensor_floats(&map) * (int64_t)sizeof(float);
    if (!cuts_out(graph)) return FCNN_OK;
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_FORWARD, &state->map));
    return fcnn_plan_grid(graph, node, map.size);
}

static fcnn_status cut_out(fcnn_graph *graph, const fft_state *state, fcnn_tensor *band) {
    fcnn_tensor map = map_of(band);
    map.data = state->map;
    FCNN_CALL(graph, band_to_map, band, 1.0f, &map);
    FCNN_CALL(graph, cut_out, fcnn_graph_pass(graph)->pixels, &map);
    return fcnn_call_map_to_band(graph, &map, 1.0f, band);
}

/* Mixes images in the domain that they have come to. */
static fcnn_status mix(fcnn_graph *graph, fcnn_tensor *x) {
    const fcnn_pass *pass = fcnn_graph_pass(graph);
    return pass->shares ? fcnn_call_mix(graph, pass->shares, x) : FCNN_OK;
}

static fcnn_status forward(fcnn_graph *graph, fcnn_node *node) {
    const fcnn_pass *pass = fcnn_graph_pass(graph);
    FCNN_CALL(graph, images_to_band, pass->pixels, fcnn_graph_placement(graph),
              fcnn_graph_statistics(graph), &node->output);
    if (pass->training && cuts_out(graph)) FCNN_TRY(cut_out(graph, node->state, &node->output));
    return mix(graph, &node->output);
}

static void cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    long long used = fcnn_band_count(node->output.radius);
    long long all = fcnn_band_count((node->output.size - 1) / 2);
    cost->label = "input";
    cost->multiply_adds = node->output.channels * fcnn_transform_cost(node->output.size);
    snprintf(cost->remark, sizeof cost->remark, "input bins used: %lld of %lld, = %d px", used, all,
             fcnn_band_size(node->output.radius));
    remark_placement(graph, cost->remark, sizeof cost->remark);
}

const fcnn_layer_type fcnn_layer_fft = {.name = "fft",
                                        .flags = FCNN_LAYER_BEGINS,
                                        .in_space = &fcnn_layer_space_input,
                                        .state_bytes = sizeof(fft_state),
                                        .shape = shape,
                                        .plan = plan,
                                        .forward = forward,
                                        .cost = cost};

/* ---- In space ---- */

typedef struct {
    fcnn_tensor band;
    void *memory;
} input_state;

static fcnn_status space_shape(fcnn_graph *graph, fcnn_node *node) {
    FCNN_TRY(shape(graph, node));
    node->output.layout = FCNN_MAP;
    return FCNN_OK;
}

static fcnn_status space_plan(fcnn_graph *graph, fcnn_node *node) {
    input_state *state = node->state;
    state->band = node->output;
    state->band.layout = FCNN_BAND;
    state->band.radius = (node->output.size - 1) / 2;
    int64_t bytes = fcnn_tensor_floats(&state->band) * (int64_t)sizeof(float);
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_FORWARD, &state->memory));
    return fcnn_plan_grid(graph, node, node->output.size);
}

static fcnn_status space_forward(fcnn_graph *graph, fcnn_node *node) {
    input_state *state = node->state;
    const fcnn_pass *pass = fcnn_graph_pass(graph);
    state->band.data = state->memory;
    state->band.images = node->output.images;
    FCNN_CALL(graph, images_to_band, pass->pixels, fcnn_graph_placement(graph),
              fcnn_graph_statistics(graph), &state->band);
    FCNN_CALL(graph, band_to_map, &state->band, 1.0f, &node->output);
    if (pass->training && cuts_out(graph)) FCNN_CALL(graph, cut_out, pass->pixels, &node->output);
    return mix(graph, &node->output);
}

static void space_cost(const fcnn_graph *graph, const fcnn_node *node, fcnn_node_cost *cost) {
    cost->label = "input";
    cost->multiply_adds = 2 * node->output.channels * fcnn_transform_cost(node->output.size);
    snprintf(cost->remark, sizeof cost->remark, "input pixels used: %dx%d", node->output.size,
             node->output.size);
    remark_placement(graph, cost->remark, sizeof cost->remark);
}

const fcnn_layer_type fcnn_layer_space_input = {.name = "fft",
                                                .flags = FCNN_LAYER_BEGINS,
                                                .state_bytes = sizeof(input_state),
                                                .shape = space_shape,
                                                .plan = space_plan,
                                                .forward = space_forward,
                                                .cost = space_cost};
