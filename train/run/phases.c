/* The phases of growing bands, as lines for the user. */
#include "phases.h"

#include "train/table.h"
#include "train/terminal.h"

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
        fprintf(out, "from epoch %lld on: bands %g, %lld of %lld input bins, %lld multiply-adds\n",
                (long long)first, bands.fraction[i],
                (long long)fcnn_band_count(fcnn_graph_input_radius(graph)),
                (long long)fcnn_band_count(fcnn_graph_input_radius(largest)),
                (long long)table_sum_costs(graph).multiply_adds);
        fcnn_graph_destroy(graph);
        if (i + 1 < bands.count) first += bands.epochs[i];
    }
    int64_t epochs = fcnn_section_int(&of->config->sections[0], "epochs");
    if (first > epochs)
        terminal_warn("the last of the bands begins with epoch %lld, and epochs=%lld",
                      (long long)first, (long long)epochs);
    return FCNN_OK;
}
