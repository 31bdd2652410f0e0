/* This file prints the layer table and the memory plan. Columns are sized by hand for 100
 * characters. */
#include "table.h"

#include <string.h>

#include "layer.h"

static const double mebi = 1048576.0;

const char *const table_memory_names[FCNN_MEMORY_KINDS] = {
    [FCNN_MEMORY_PARAMETERS] = "parameters",
    [FCNN_MEMORY_GRADIENTS] = "their gradients",
    [FCNN_MEMORY_MOMENTS] = "optimizer moments",
    [FCNN_MEMORY_SPECTRA] = "kernels as products need them",
    [FCNN_MEMORY_STEP] = "activations, gradients, workspace (shared)"};

static void map_text(const fcnn_tensor *t, char *text, size_t bytes) {
    if (t->layout == FCNN_VECTOR)
        snprintf(text, bytes, "-");
    else
        snprintf(text, bytes, "%dx%d", t->size, t->size);
}

static void print_row(FILE *out, const fcnn_graph *graph, int node, const fcnn_node_cost *cost) {
    const fcnn_tensor *t = fcnn_graph_node_output(graph, node);
    char map[32], bins[32] = "-", radius[16] = "-";
    map_text(t, map, sizeof map);
    if (t->layout == FCNN_BAND) {
        snprintf(bins, sizeof bins, "%lld", (long long)fcnn_band_count(t->radius));
        snprintf(radius, sizeof radius, "%d", t->radius);
    }
    fprintf(out, "%-22s %9s %6s %7s %8d %11lld %14lld %14lld %8.1f  %-8s %s\n",
            fcnn_graph_node_name(graph, node), map, radius, bins, t->channels,
            (long long)cost->parameters, (long long)cost->multiply_adds,
            (long long)cost->spatial_multiply_adds, (double)cost->bytes / mebi, cost->label,
            cost->remark);
}

/* A norm has the statistics of a part where batches pass in parts, and the user is told so. */
static void print_parts(FILE *out, const fcnn_graph *graph) {
    const fcnn_graph_options *options = fcnn_graph_get_options(graph);
    if (!options->accumulate) return;
    if (fcnn_graph_norms(graph))
        fprintf(out, "norm statistics are of a part of %d images\n", options->batch);
}

fcnn_node_cost table_sum_costs(const fcnn_graph *graph) {
    fcnn_node_cost total = {0};
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) {
        fcnn_node_cost cost;
        fcnn_graph_node_cost(graph, i, &cost);
        total.parameters += cost.parameters;
        total.multiply_adds += cost.multiply_adds;
        total.spatial_multiply_adds += cost.spatial_multiply_adds;
        total.bytes += cost.bytes;
    }
    return total;
}

void table_describe_kind(const fcnn_graph *graph, char *text, size_t bytes) {
    int fused = 0, resident = 0, space = 0;
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) {
        fcnn_node_cost cost;
        fcnn_graph_node_cost(graph, i, &cost);
        fused += !strcmp(cost.label, "fused");
        resident += !strcmp(cost.label, "resident");
        space += !strcmp(cost.label, "space");
    }
    if (space)
        snprintf(text, bytes, "every layer between fft and ifft computes on pixels: domain=space");
    else if (fused)
        snprintf(text, bytes, "%d layers between fft and ifft are resident, %d fused", resident,
                 fused);
    else
        snprintf(text, bytes, "every layer between fft and ifft is resident");
}

void table_print_layers(FILE *out, const fcnn_graph *graph) {
    fcnn_node_cost total = table_sum_costs(graph);
    char kind[96];
    fprintf(out, "%-22s %9s %6s %7s %8s %11s %14s %14s %8s  %-8s\n", "layer", "map", "radius",
            "bins", "channels", "parameters", "multiply-adds", "same in space", "MiB", "kind");
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) {
        fcnn_node_cost cost;
        fcnn_graph_node_cost(graph, i, &cost);
        print_row(out, graph, i, &cost);
    }
    fprintf(out, "%-22s %9s %6s %7s %8s %11lld %14lld %14lld %8.1f\n", "total", "", "", "", "",
            (long long)total.parameters, (long long)total.multiply_adds,
            (long long)total.spatial_multiply_adds, (double)total.bytes / mebi);
    fputs("(radius and bins are those computed; multiply-adds are per image and forward: 4 a "
          "complex product,\n 1.25 n^2 log2 n^2 a transform; MiB are the batch's outputs, "
          "gradients and spectra before sharing)\n",
          out);
    fputs(fcnn_graph_notes(graph), out);
    print_parts(out, graph);
    table_describe_kind(graph, kind, sizeof kind);
    fprintf(out, "%s\n", kind);
}

void table_print_memory(FILE *out, const fcnn_graph *graph, int batch) {
    const fcnn_memory_plan *plan = fcnn_graph_memory(graph);
    fprintf(out, "memory plan, batch %d:\n", batch);
    for (int i = 0; i < FCNN_MEMORY_KINDS; i++)
        fprintf(out, "  %-44s %14lld bytes %9.1f MiB\n", table_memory_names[i],
                (long long)plan->bytes[i], (double)plan->bytes[i] / mebi);
    fprintf(out, "  %-44s %14lld bytes %9.1f MiB\n", "arena, allocated once",
            (long long)plan->arena, (double)plan->arena / mebi);
    fprintf(out, "  %-44s %14lld bytes %9.1f MiB\n", "scratch of all threads",
            (long long)plan->scratch, (double)plan->scratch / mebi);
    fprintf(out, "  (without sharing, the step would take %.1f MiB)\n",
            (double)plan->step_unshared / mebi);
}
