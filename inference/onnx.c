/* A network as it is now, for other programs. */
#include "network_internal.h"

fcnn_status fcnn_network_export_onnx(fcnn_network *n, const fcnn_onnx_options *options,
                                     const char *path, fcnn_onnx_summary *summary) {
    pthread_mutex_lock(&n->lock);
    fcnn_status status = fcnn_onnx_export_graph(n->graph, (const char *const *)n->class_names,
                                                options, path, summary);
    pthread_mutex_unlock(&n->lock);
    return status;
}
