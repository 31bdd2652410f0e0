/* The passes over a built graph. */
#include <stdlib.h>
#include <string.h>

#include "graph_internal.h"
#include "mixup.h"

/* ---- Passes ---- */

static fcnn_status begin(fcnn_graph *graph, const fcnn_image *images, int count) {
    if (count < 1 || count > graph->options.batch)
        return fcnn_status_set(FCNN_ERROR_USAGE, "a pass takes 1 to %d images; got %d",
                               graph->options.batch, count);
    if (!graph->arena)
        return fcnn_status_set(FCNN_ERROR_USAGE, "the graph has no memory: allocate it first");
    graph->pass.images = count;
    graph->pass.pixels = images;
    for (int i = 0; i < graph->node_count; i++) {
        fcnn_node *node = graph->nodes[i];
        node->output.images = node->gradient.images = node->extra_gradient.images = count;
        node->backward_writers = 0;
    }
    return FCNN_OK;
}

/* Says whose operations follow, and where their time is added up. */
static void set_node(fcnn_graph *graph, int node, double *clock) {
    graph->pass.node = node;
    graph->clock = clock;
}

/* From node `first` through node `last`; `visit` may be NULL. */
static fcnn_status forward(fcnn_graph *graph, int first, int last, fcnn_visit visit, void *user) {
    for (int i = first; i <= last; i++) {
        fcnn_node *node = graph->nodes[i];
        if (!(node->type->flags & FCNN_LAYER_VIEW)) {
            set_node(graph, i, &node->time.forward);
            fcnn_status status = node->type->forward(graph, node);
            if (status) return fcnn_status_prefix(status, "%s", node->name);
        }
        set_node(graph, -1, NULL);
        if (visit) FCNN_TRY(visit(user, graph, i));
    }
    return FCNN_OK;
}

/* Writes or adds this node's share to its inputs' gradients. */
static fcnn_status backward_node(fcnn_graph *graph, fcnn_node *node) {
    bool view = node->type->flags & FCNN_LAYER_VIEW;
    if (view) {
        fcnn_tensor *dx = fcnn_graph_input_gradient(graph, node, 0);
        if (dx && dx->data != node->gradient.data) FCNN_CALL(graph, copy, &node->gradient, dx);
    } else {
        FCNN_TRY(node->type->backward(graph, node));
    }
    for (int j = 0; j < node->input_count; j++) {
        fcnn_node *input = graph->nodes[node->inputs[j]];
        if (!input->needs_gradient) continue;
        if (input->backward_writers++)
            FCNN_CALL(graph, add, &input->extra_gradient, &input->gradient);
    }
    return FCNN_OK;
}

static fcnn_status backward(fcnn_graph *graph) {
    for (int i = graph->node_count - 1; i >= 0; i--) {
        fcnn_node *node = graph->nodes[i];
        if (!node->needs_gradient) continue;
        set_node(graph, i, &node->time.backward);
        fcnn_status status = backward_node(graph, node);
        if (status) return fcnn_status_prefix(status, "%s, backward", node->name);
        set_node(graph, -1, NULL);
        FCNN_TRY(fcnn_graph_end_node(graph, i));
    }
    return FCNN_OK;
}

/* ---- Inference: where the cfg asks for it, of each image and of its mirror image ---- */

static fcnn_node *logits_node(const fcnn_graph *graph) {
    return graph->nodes[graph->nodes[graph->node_count - 1]->inputs[0]];
}

static size_t logits_floats(const fcnn_graph *graph) {
    return (size_t)fcnn_tensor_floats(&logits_node(graph)->output);
}

static fcnn_status read_logits(fcnn_graph *graph, float *host) {
    FCNN_CALL(graph, download, host, logits_node(graph)->output.data,
              logits_floats(graph) * sizeof *host);
    return FCNN_OK;
}

/* The logits become the mean of the images' own, which are there, and of the others. */
static fcnn_status join_logits(fcnn_graph *graph, const float *other, float *own) {
    const fcnn_tensor *logits = &logits_node(graph)->output;
    FCNN_TRY(read_logits(graph, own));
    for (int c = 0; c < logits->channels; c++)
        for (int n = 0; n < logits->images; n++) {
            int64_t at = (int64_t)c * logits->capacity + n;
            own[at] = 0.5f * (own[at] + other[at]);
        }
    FCNN_CALL(graph, upload, logits->data, own, logits_floats(graph) * sizeof *own);
    return FCNN_OK;
}

/* What inference does with images. */
typedef struct {
    const fcnn_image *images;
    int count;
    fcnn_visit visit; /* or NULL */
    void *user;
} inference_pass;

/* The images themselves pass last, so that every output but the logits is theirs. */
static fcnn_status forward_both(fcnn_graph *graph, const inference_pass *pass,
                                const fcnn_image *mirrored, float *own, float *other) {
    int logits = logits_node(graph)->index;
    FCNN_TRY(begin(graph, mirrored, pass->count));
    FCNN_TRY(forward(graph, 0, logits, NULL, NULL));
    FCNN_TRY(read_logits(graph, other));
    FCNN_TRY(begin(graph, pass->images, pass->count));
    FCNN_TRY(forward(graph, 0, logits, pass->visit, pass->user));
    FCNN_TRY(join_logits(graph, other, own));
    return forward(graph, logits + 1, graph->node_count - 1, pass->visit, pass->user);
}

static fcnn_status forward_mirrored(fcnn_graph *graph, const inference_pass *pass) {
    size_t floats = logits_floats(graph), images = (size_t)pass->count;
    fcnn_image *mirrored = malloc(images * sizeof *mirrored);
    float *own = malloc(2 * floats * sizeof *own);
    fcnn_status status = FCNN_OK;
    if (!mirrored || !own) {
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for mirrored images");
    } else {
        memcpy(mirrored, pass->images, images * sizeof *mirrored);
        for (size_t n = 0; n < images; n++)
            mirrored[n].augmentation.mirror = !mirrored[n].augmentation.mirror;
        status = forward_both(graph, pass, mirrored, own, own + floats);
    }
    free(mirrored);
    free(own);
    return status;
}

/* A pass of inference through node `last`. */
static fcnn_status infer(fcnn_graph *graph, const inference_pass *pass, int last,
                         const int32_t *labels, fcnn_score *score) {
    FCNN_TRY(begin(graph, pass->images, pass->count));
    graph->pass.training = false;
    graph->pass.shares = NULL;
    graph->pass.labels = labels;
    graph->pass.score = score;
    if (graph->scores_mirrored && !graph->pass.estimates_norms && last == graph->node_count - 1)
        return forward_mirrored(graph, pass);
    return forward(graph, 0, last, pass->visit, pass->user);
}

fcnn_status fcnn_graph_forward(fcnn_graph *graph, const fcnn_image *images, int count,
                               const int32_t *labels, fcnn_score *score) {
    const inference_pass pass = {images, count, NULL, NULL};
    return infer(graph, &pass, graph->node_count - 1, labels, score);
}

fcnn_status fcnn_graph_visit(fcnn_graph *graph, const fcnn_image *images, int count, int last,
                             fcnn_visit visit, void *user) {
    const inference_pass pass = {images, count, visit, user};
    if (last < 0 || last >= graph->node_count)
        return fcnn_status_set(FCNN_ERROR_USAGE, "a pass to node %d: the network has %d", last,
                               graph->node_count);
    return infer(graph, &pass, last, NULL, NULL);
}

/* ---- Training ---- */

fcnn_status fcnn_graph_train(fcnn_graph *graph, const fcnn_image *images, int count,
                             const int32_t *labels, uint64_t seed, int64_t step,
                             fcnn_score *score) {
    return fcnn_graph_train_part(graph, images, count, labels, seed, step, 0, 1, score);
}

/* Parts are of equal shards, and only a graph that has room for their sums takes several. */
static fcnn_status check_part(const fcnn_graph *graph, int part, int parts) {
    const fcnn_graph_options *options = &graph->options;
    int shards = fcnn_graph_shards(options);
    if (parts % shards)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%d parts: expected a multiple of %d shards",
                               parts, shards);
    if (part >= 0 && part < parts && (parts == shards || options->accumulate)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "part %d of %d: expected 0 to %d, of a graph that %s",
                           part, parts, parts - 1,
                           parts > shards ? "accumulates gradients" : "takes whole batches");
}

/* What is drawn in a pass depends on these alone. */
static void set_draws(fcnn_graph *graph, uint64_t seed, int64_t step, int part, int parts) {
    fcnn_pass *pass = &graph->pass;
    pass->seed = seed;
    pass->step = step;
    pass->part = part;
    pass->parts = parts;
    pass->shares = graph->shares;
    if (graph->shares) fcnn_mixup_draw(graph->mixup, seed, step, part, pass->images, graph->shares);
}

fcnn_status fcnn_graph_train_part(fcnn_graph *graph, const fcnn_image *images, int count,
                                  const int32_t *labels, uint64_t seed, int64_t step, int part,
                                  int parts, fcnn_score *score) {
    if (!graph->options.training)
        return fcnn_status_set(FCNN_ERROR_USAGE, "the graph was built for inference alone");
    FCNN_TRY(check_part(graph, part, parts));
    FCNN_TRY(begin(graph, images, count));
    graph->pass.training = true;
    graph->pass.labels = labels;
    graph->pass.score = score;
    set_draws(graph, seed, step, part, parts);
    FCNN_TRY(fcnn_graph_begin_part(graph, part, parts));
    FCNN_TRY(forward(graph, 0, graph->node_count - 1, NULL, NULL));
    FCNN_TRY(backward(graph));
    return fcnn_graph_end_part(graph, part, parts);
}

fcnn_status fcnn_graph_take_score(fcnn_graph *graph, fcnn_score *score) {
    return fcnn_call_take_score(graph, score);
}

fcnn_node_time fcnn_graph_node_time(const fcnn_graph *graph, int node) {
    return graph->nodes[node]->time;
}

int64_t fcnn_graph_output_floats(const fcnn_graph *graph, int node) {
    const fcnn_tensor *t = &graph->nodes[node]->output;
    return fcnn_tensor_floats(t) / t->capacity;
}

/* Image n's column of a band's bins [F][channels] becomes [channels][F]. */
static void gather_band(const fcnn_tensor *t, const float *all, int n, float *host) {
    int64_t bins = fcnn_band_count(t->radius), stride = 2 * (int64_t)t->capacity;
    for (int64_t k = 0; k < bins; k++)
        for (int c = 0; c < t->channels; c++)
            memcpy(host + 2 * (c * bins + k), all + (k * t->channels + c) * stride + 2 * n,
                   2 * sizeof *host);
}

fcnn_status fcnn_graph_read_output(fcnn_graph *graph, int node, float *host) {
    const fcnn_tensor *t = &graph->nodes[node]->output;
    size_t count = (size_t)fcnn_tensor_floats(t);
    int64_t rows = fcnn_tensor_rows(t), floats = fcnn_graph_output_floats(graph, node);
    float *all = malloc(count * sizeof *all);
    if (!all)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the output of %s",
                               graph->nodes[node]->name);
    fcnn_status status =
        graph->device->backend->download(graph->device, all, t->data, count * sizeof *all);
    for (int n = 0; !status && n < t->images; n++, host += floats)
        if (t->layout == FCNN_BAND)
            gather_band(t, all, n, host);
        else
            for (int64_t row = 0; row < rows; row++) host[row] = all[row * t->capacity + n];
    free(all);
    return status;
}

fcnn_status fcnn_graph_probabilities(fcnn_graph *graph, float *host) {
    return fcnn_graph_read_output(graph, graph->node_count - 1, host);
}

fcnn_status fcnn_graph_logits(fcnn_graph *graph, float *host) {
    return fcnn_graph_read_output(graph, logits_node(graph)->index, host);
}

/* ---- Where a number that is not finite came from ---- */

static fcnn_status check_output(void *user, fcnn_graph *graph, int index) {
    const fcnn_node *node = graph->nodes[index];
    const fcnn_tensor *t = &node->output;
    (void)user;
    if (node->type->flags & FCNN_LAYER_VIEW) return FCNN_OK; /* checked in its input */
    int64_t width = (int64_t)t->capacity * (t->layout == FCNN_BAND ? 2 : 1);
    int64_t used = (int64_t)t->images * (t->layout == FCNN_BAND ? 2 : 1);
    for (int64_t row = 0; row < fcnn_tensor_rows(t); row++) {
        int64_t bad;
        FCNN_CALL(graph, find_nonfinite, used, t->data + row * width, &bad);
        if (bad >= 0)
            return fcnn_status_set(FCNN_ERROR_NUMERIC,
                                   "parameters are finite: the output of %s is the first tensor "
                                   "that is not finite (row %lld, image %lld of the batch)",
                                   node->name, (long long)row,
                                   (long long)(t->layout == FCNN_BAND ? bad / 2 : bad));
    }
    return FCNN_OK;
}

static fcnn_status check_parameters(fcnn_graph *graph, bool trained) {
    for (int i = 0; i < graph->parameter_count; i++) {
        const fcnn_parameter *p = &graph->parameters[i];
        int64_t bad;
        if (p->trained != trained || p->half) continue; /* halves are of inference */
        FCNN_CALL(graph, find_nonfinite, p->count, p->value, &bad);
        if (bad >= 0)
            return fcnn_status_set(FCNN_ERROR_NUMERIC,
                                   "the parameter %s is not finite at index %lld", p->name,
                                   (long long)bad);
    }
    return FCNN_OK;
}

fcnn_status fcnn_graph_check(fcnn_graph *graph) {
    FCNN_TRY(check_parameters(graph, true));
    return check_parameters(graph, false);
}

fcnn_status fcnn_graph_diagnose(fcnn_graph *graph, const fcnn_image *images, int count,
                                uint64_t seed, int64_t step, int part, int parts) {
    FCNN_TRY(check_parameters(graph, true));
    FCNN_TRY(begin(graph, images, count));
    graph->pass.training = graph->options.training;
    graph->pass.labels = NULL;
    set_draws(graph, seed, step, part, parts);
    FCNN_TRY(forward(graph, 0, graph->node_count - 1, check_output, NULL));
    /* Last: running statistics are not finite because an output was not. */
    FCNN_TRY(check_parameters(graph, false));
    return fcnn_status_set(FCNN_ERROR_NUMERIC,
                           "the loss is not finite, though every parameter and output is");
}
