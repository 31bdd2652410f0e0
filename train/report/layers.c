/* This section shows the layer table with measured times, and the memory plan. */
#include "sections.h"

#include "markup.h"
#include "train/table.h"

static fcnn_node_time sum_times(const fcnn_graph *graph) {
    fcnn_node_time sum = {0};
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) {
        fcnn_node_time time = fcnn_graph_node_time(graph, i);
        sum.forward += time.forward;
        sum.backward += time.backward;
    }
    return sum;
}

/* Writes a cell with a number, or with a dash for the 0 of what is not there. */
static void write_cell(FILE *out, double number, void (*write)(FILE *, double)) {
    fputs("<td>", out);
    if (number > 0)
        write(out, number);
    else
        fputs("&ndash;", out);
}

static void write_parameters(FILE *out, double count) { markup_count(out, (int64_t)count); }

static void write_mebi(FILE *out, double bytes) { fprintf(out, "%.1f", bytes / 1048576.0); }

/* Writes the columns from parameters to MiB. */
static void write_cost(FILE *out, const fcnn_node_cost *cost) {
    write_cell(out, (double)cost->parameters, write_parameters);
    write_cell(out, (double)cost->multiply_adds, markup_large);
    write_cell(out, (double)cost->spatial_multiply_adds, markup_large);
    write_cell(out, (double)cost->bytes, write_mebi);
}

static void write_time(FILE *out, const fcnn_node_time *time, double all) {
    write_cell(out, time->forward, markup_seconds);
    write_cell(out, time->backward, markup_seconds);
    write_cell(out, (time->forward + time->backward) / all, markup_percent);
}

static void write_row(FILE *out, const fcnn_graph *graph, int node, double all) {
    const fcnn_tensor *t = fcnn_graph_node_output(graph, node);
    fcnn_node_cost cost;
    fcnn_graph_node_cost(graph, node, &cost);
    fputs("<tr><th>", out);
    markup_text(out, fcnn_graph_node_name(graph, node));
    if (t->layout == FCNN_VECTOR)
        fputs("<td>&ndash;", out);
    else
        fprintf(out, "<td>%d&times;%d", t->size, t->size);
    if (t->layout == FCNN_BAND) {
        fprintf(out, "<td>%d<td>", t->radius);
        markup_count(out, fcnn_band_count(t->radius));
    } else
        fputs("<td>&ndash;<td>&ndash;", out);
    fprintf(out, "<td>%d", t->channels);
    write_cost(out, &cost);
    if (all > 0) {
        fcnn_node_time time = fcnn_graph_node_time(graph, node);
        write_time(out, &time, all);
    }
    fputs("<td class=\"text\">", out);
    markup_text(out, cost.label);
    if (*cost.remark) {
        fputs("<small>, ", out);
        markup_text(out, cost.remark);
        fputs("</small>", out);
    }
    fputc('\n', out);
}

static void write_memory_row(FILE *out, const char *name, int64_t bytes) {
    fprintf(out, "<tr><th>%s", name);
    write_cell(out, (double)bytes, write_mebi);
    fputc('\n', out);
}

static void write_memory(FILE *out, const fcnn_graph *graph, int batch) {
    const fcnn_memory_plan *plan = fcnn_graph_memory(graph);
    fprintf(out,
            "<h3>Memory plan, batch %d</h3>\n<div class=\"wide\"><table class=\"numbers\">"
            "<thead><tr><th>part<th>MiB</thead><tbody>\n",
            batch);
    for (int i = 0; i < FCNN_MEMORY_KINDS; i++)
        write_memory_row(out, table_memory_names[i], plan->bytes[i]);
    fputs("</tbody><tfoot>", out);
    write_memory_row(out, "arena, allocated once", plan->arena);
    fputs("</tfoot></table></div>\n<p class=\"note\">The threads' scratch takes another ", out);
    write_mebi(out, (double)plan->scratch);
    fputs(" MiB. Without sharing, a step's part would be ", out);
    write_mebi(out, (double)plan->step_unshared);
    fputs(" MiB.</p>\n", out);
}

void report_write_layers(FILE *out, const fcnn_graph *graph, int batch) {
    fcnn_node_cost cost = table_sum_costs(graph);
    fcnn_node_time time = sum_times(graph);
    double all = time.forward + time.backward;
    fputs(
        "<section><h2>Layers</h2>\n<div class=\"wide\"><table class=\"numbers layers\"><thead><tr>"
        "<th>layer<th>map<th>radius<th>bins<th>channels<th>parameters<th>multiply-adds"
        "<th>same in space<th>MiB",
        out);
    if (all > 0) fputs("<th>forward<th>backward<th>share", out);
    fputs("<th class=\"text\">kind</thead><tbody>\n", out);
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) write_row(out, graph, i, all);
    fputs("</tbody><tfoot><tr><th>total<td><td><td><td>", out);
    write_cost(out, &cost);
    if (all > 0) write_time(out, &time, all);
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
    write_memory(out, graph, batch);
    fputs("</section>\n", out);
}
