/* Fourier resampling of maps in space: the bins that both sizes have go from the
 * one grid to the other, y = I_m F_n x. The adjoint of I_m is m^2 F_m and that
 * of F_n is I_n / n^2, so backward is (m^2 / n^2) I_n F_m dy. */
#include "layers.h"

fcnn_status fcnn_resample_plan(fcnn_graph *graph, fcnn_node *node, int from, int to,
                               fcnn_resampling *resampling) {
    fcnn_tensor *band = &resampling->band;
    *band = node->output;
    band->layout = FCNN_BAND;
    band->size = from < to ? from : to;
    band->radius = (band->size - 1) / 2;
    int64_t bytes = fcnn_tensor_floats(band) * (int64_t)sizeof(float);
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_FORWARD, &resampling->forward));
    FCNN_TRY(fcnn_graph_plan_buffer(graph, node, bytes, FCNN_LIFE_BACKWARD, &resampling->backward));
    FCNN_TRY(fcnn_plan_grid(graph, node, from));
    return fcnn_plan_grid(graph, node, to);
}

static fcnn_status resample(fcnn_graph *graph, fcnn_tensor band, void *memory, const fcnn_tensor *x,
                            float scale, fcnn_tensor *y) {
    band.data = memory;
    band.images = x->images;
    FCNN_CALL(graph, map_to_band, x, scale, &band);
    return fcnn_call_band_to_map(graph, &band, 1.0f, y);
}

fcnn_status fcnn_resample_forward(fcnn_graph *graph, const fcnn_resampling *resampling,
                                  const fcnn_tensor *x, fcnn_tensor *y) {
    return resample(graph, resampling->band, resampling->forward, x, 1.0f, y);
}

fcnn_status fcnn_resample_backward(fcnn_graph *graph, const fcnn_resampling *resampling,
                                   const fcnn_tensor *dy, fcnn_tensor *dx) {
    float ratio = (float)dy->size / (float)dx->size;
    return resample(graph, resampling->band, resampling->backward, dy, ratio * ratio, dx);
}
