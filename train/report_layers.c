/* The layer table with measured times, and the memory plan. */
#include "report_internal.h"

#include <stdlib.h>
#include <string.h>

#include "markup.h"
#include "table.h"

typedef struct {
    fcnn_node_cost cost;
    fcnn_node_time time;
} totals;

static totals sum_nodes(const fcnn_graph *graph) {
    totals sum = {0};
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) {
        fcnn_node_cost cost;
        fcnn_graph_node_cost(graph, i, &cost);
        fcnn_node_time time = fcnn_graph_node_time(graph, i);
        sum.cost.parameters += cost.parameters;
        sum.cost.multiply_adds += cost.multiply_adds;
        sum.cost.spatial_multiply_adds += cost.spatial_multiply_adds;
        sum.cost.bytes += cost.bytes;
        sum.time.forward += time.forward;
        sum.time.backward += time.backward;
    }
    return sum;
}

/* The columns from parameters to MiB; nothing where it is 0. */
static void write_cost(FILE *out, const fcnn_node_cost *cost) {
    fputs("<td>", out);
    if (cost->parameters) markup_count(out, cost->parameters);
    fputs("<td>", out);
    if (cost->multiply_adds) markup_large(out, (double)cost->multiply_adds);
    fputs("<td>", out);
    if (cost->spatial_multiply_adds) markup_large(out, (double)cost->spatial_multiply_adds);
    fputs("<td>", out);
    if (cost->bytes) fprintf(out, "%.1f", (double)cost->bytes / 1048576.0);
}

static void write_time(FILE *out, const fcnn_node_time *time, double all) {
    fputs("<td>", out);
    if (time->forward > 0) markup_seconds(out, time->forward);
    fputs("<td>", out);
    if (time->backward > 0) markup_seconds(out, time->backward);
    fputs("<td>", out);
    markup_percent(out, (time->forward + time->backward) / all);
}

static void write_row(FILE *out, const fcnn_graph *graph, int node, double all) {
    const fcnn_tensor *t = fcnn_graph_node_output(graph, node);
    fcnn_node_cost cost;
    fcnn_graph_node_cost(graph, node, &cost);
    fputs("<tr><th>", out);
    markup_text(out, fcnn_graph_node_name(graph, node));
    if (*cost.remark) {
        fputs("<small>", out);
        markup_text(out, cost.remark);
        fputs("</small>", out);
    }
    if (t->layout == FCNN_VECTOR)
        fputs("<td>", out);
    else
        fprintf(out, "<td>%d&times;%d", t->size, t->size);
    if (t->layout == FCNN_BAND) {
        fprintf(out, "<td>%d<td>", t->radius);
        markup_count(out, fcnn_band_count(t->radius));
    } else
        fputs("<td><td>", out);
    fprintf(out, "<td>%d", t->channels);
    write_cost(out, &cost);
    if (all > 0) {
        fcnn_node_time time = fcnn_graph_node_time(graph, node);
        write_time(out, &time, all);
    }
    fputs("<td class=\"text\">", out);
    markup_text(out, cost.label);
    fputc('\n', out);
}

static fcnn_status write_memory(FILE *out, const fcnn_graph *graph, int batch) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *plan = open_memstream(&text, &bytes);
    if (plan) table_print_memory(plan, graph, batch);
    if (!plan || fclose(plan)) {
        free(text);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the memory plan");
    }
    fputs("<h3>Memory</h3>\n<pre>", out);
    markup_lines(out, text);
    fputs("</pre>\n", out);
    free(text);
    return FCNN_OK;
}

fcnn_status report_write_layers(FILE *out, const fcnn_graph *graph, int batch) {
    totals sum = sum_nodes(graph);
    double all = sum.time.forward + sum.time.backward;
    fputs(
        "<section><h2>Layers</h2>\n<div class=\"wide\"><table class=\"numbers layers\"><thead><tr>"
        "<th>layer<th>map<th>radius<th>bins<th>channels<th>parameters<th>multiply-adds"
        "<th>same in space<th>MiB",
        out);
    if (all > 0) fputs("<th>forward<th>backward<th>share", out);
    fputs("<th class=\"text\">kind</thead><tbody>\n", out);
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) write_row(out, graph, i, all);
    fputs("</tbody><tfoot><tr><th>total<td><td><td><td>", out);
    write_cost(out, &sum.cost);
    if (all > 0) write_time(out, &sum.time, all);
    fputs("<td></tfoot></table></div>\n<p class=\"note\">Radius and bins are those computed; "
          "multiply-adds are per image and forward pass, 4 a complex product; MiB are the batch's "
          "outputs, gradients and spectra before sharing",
          out);
    if (all > 0)
        fputs("; times are those of all passes so far, training and validation together", out);
    fputs(".</p>\n", out);
    if (*fcnn_graph_notes(graph)) {
        fputs("<pre>", out);
        markup_lines(out, fcnn_graph_notes(graph));
        fputs("</pre>\n", out);
    }
    FCNN_TRY(write_memory(out, graph, batch));
    fputs("</section>\n", out);
    return FCNN_OK;
}
