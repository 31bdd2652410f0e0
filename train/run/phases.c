/* This file makes the graphs of a run's phases. Two are there at once while one takes over from the
 * other. */
#include "phases.h"

#include "train/table.h"
#include "train/terminal.h"

fcnn_graph_options phases_graph_options(const fcnn_config *config, int channels, int classes,
                                        int batch) {
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(&config->sections[0], 1, 1);
    return (fcnn_graph_options){.config = config,
                                .channels = channels,
                                .classes = classes,
                                .batch = batch,
                                .training = true,
                                .moments = fcnn_optimizer_moments(optimizer.rule)};
}

/* Writes "bands 0.7, 1234 of 2345 input bins". */
static void print_bands(FILE *out, double fraction, const fcnn_graph *graph,
                        const fcnn_graph *largest) {
    fprintf(out, "bands %g, %lld of %lld input bins", fraction,
            (long long)fcnn_band_count(fcnn_graph_input_radius(graph)),
            (long long)fcnn_band_count(fcnn_graph_input_radius(largest)));
}

fcnn_status phases_print(FILE *out, const fcnn_graph_options *of, fcnn_device *device,
                         const fcnn_graph *largest) {
    fcnn_bands bands;
    FCNN_TRY(fcnn_bands_from_config(of->config, &bands));
    int64_t first = 1;
    if (bands.count == 1) return FCNN_OK;
    for (int i = 0; i < bands.count; i++) {
        fcnn_graph_options options = *of;
        fcnn_graph *graph;
        options.band_fraction = bands.fraction[i];
        FCNN_TRY(fcnn_graph_create(&options, device, &graph));
        fprintf(out, "from epoch %lld on: ", (long long)first);
        print_bands(out, bands.fraction[i], graph, largest);
        fprintf(out, ", %lld multiply-adds\n", (long long)table_sum_costs(graph).multiply_adds);
        fcnn_graph_destroy(graph);
        if (i + 1 < bands.count) first += bands.epochs[i];
    }
    int64_t epochs = fcnn_section_int(&of->config->sections[0], "epochs");
    if (first > epochs)
        terminal_warn("the last of the bands begins with epoch %lld, and epochs=%lld",
                      (long long)first, (long long)epochs);
    return FCNN_OK;
}

static fcnn_status take_over(const trainer *t, fcnn_graph *graph) {
    FCNN_TRY(fcnn_graph_allocate(graph));
    FCNN_TRY(fcnn_graph_set_class_weights(graph, t->class_weights));
    fcnn_graph_set_statistics(graph, t->graph ? fcnn_graph_statistics(t->graph)
                                              : &t->run_data->statistics);
    return t->graph ? fcnn_graph_copy_parameters(t->graph, graph) : FCNN_OK;
}

fcnn_status phases_enter(trainer *t) {
    bool complete = t->epoch > 0 && trainer_is_complete(t);
    int64_t epoch = complete ? t->epoch - 1 : t->epoch;
    double fraction = fcnn_bands_fraction(&t->bands, epoch);
    if (t->graph && fcnn_graph_band_fraction(t->graph) == fraction) return FCNN_OK;
    fcnn_graph_options options = t->options.graph;
    options.band_fraction = fraction;
    fcnn_graph *graph;
    FCNN_TRY(fcnn_graph_create(&options, t->options.device, &graph));
    fcnn_status status = take_over(t, graph);
    if (status) {
        fcnn_graph_destroy(graph);
        return status;
    }
    fcnn_graph_destroy(t->graph);
    t->graph = graph;
    if (t->bands.count > 1 && !t->options.quiet) {
        fprintf(stderr, "epoch %lld: ", (long long)epoch + 1);
        print_bands(stderr, fraction, graph, t->options.largest);
        fputc('\n', stderr);
    }
    return FCNN_OK;
}
