/* From the logit backwards: `weights` are those that the class has for the numbers of one layer's
 * output; each layer turns them into those for its input. */
#include "classifier.h"

#include <stdlib.h>
#include <string.h>

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the classifier's weights");
}

static fcnn_status read_parameter(fcnn_graph *graph, const char *layer, const char *end,
                                  float **values) {
    const fcnn_parameter *p = fcnn_graph_find_parameter(graph, layer, end);
    *values = NULL;
    if (!p) return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "%s has no parameter %s", layer, end);
    *values = malloc((size_t)p->count * sizeof **values);
    return *values ? fcnn_graph_read(graph, p, *values) : out_of_memory();
}

static int64_t numbers(const layer_feature *layer) { return fcnn_tensor_rows(&layer->shape); }

/* Through a dense layer y = W x + b, W [units][inputs]. */
static fcnn_status through_dense(fcnn_graph *graph, const layer_feature *layer, int64_t count,
                                 double **weights, double *biases) {
    float *w, *b = NULL;
    int units = layer->shape.channels;
    double *inputs = calloc((size_t)count, sizeof *inputs);
    fcnn_status status = read_parameter(graph, layer->name, "weight", &w);
    if (!status) status = read_parameter(graph, layer->name, "bias", &b);
    if (!status && !inputs) status = out_of_memory();
    for (int u = 0; !status && u < units; u++) {
        double weight = (*weights)[u];
        *biases += weight * (double)b[u];
        for (int64_t i = 0; weight != 0 && i < count; i++)
            inputs[i] += weight * (double)w[u * count + i];
    }
    free(w);
    free(b);
    if (status) {
        free(inputs);
        return status;
    }
    free(*weights);
    *weights = inputs;
    return FCNN_OK;
}

/* Through an activation y = g(x) x; where x is 0 nothing passes. */
static void through_activation(const layer_feature *input, const layer_feature *output,
                               double *weights) {
    for (int64_t i = 0; i < numbers(output); i++) {
        double x = (double)input->values[i], y = (double)output->values[i];
        weights[i] = x != 0 ? weights[i] * y / x : 0;
    }
}

static bool is(const layer_feature *layer, const char *type) { return !strcmp(layer->type, type); }

fcnn_status contributions_read(fcnn_graph *graph, const features *f, int class_index,
                               contributions *c) {
    *c = (contributions){.input = f->count - 2}; /* what softmax reads: the logits */
    c->inputs = calloc((size_t)numbers(&f->layers[c->input]), sizeof *c->inputs);
    if (!c->inputs) return out_of_memory();
    c->inputs[class_index] = 1;
    for (; c->input > 0; c->input--) {
        const layer_feature *layer = &f->layers[c->input], *before = layer - 1;
        if (is(layer, "dense"))
            FCNN_TRY(through_dense(graph, layer, numbers(before), &c->inputs, &c->biases));
        else if (is(layer, "activation") && layer->shape.layout == FCNN_VECTOR)
            through_activation(before, layer, c->inputs);
        else if (!is(layer, "dropout")) /* which lets all pass in inference */
            break;
    }
    const layer_feature *input = &f->layers[c->input];
    for (int64_t i = 0; i < numbers(input); i++) c->inputs[i] *= (double)input->values[i];
    return FCNN_OK;
}

void contributions_clear(contributions *c) {
    free(c->inputs);
    *c = (contributions){0};
}
