/* Counts the parameters of a cfg's network; built by install.sh against an installed fcnn. */
#include <fcnn.h>
#include <stdio.h>

int main(int argc, char **argv) {
    fcnn_config *config = NULL;
    fcnn_device *device = NULL;
    fcnn_graph *graph = NULL;
    fcnn_graph_options options = {.channels = 1, .classes = 10, .batch = 1};
    fcnn_status status = argc == 2 ? FCNN_OK : fcnn_status_set(FCNN_ERROR_USAGE, "expected a cfg");
    int64_t parameters = 0;
    if (!status) status = fcnn_config_load(argv[1], &config);
    options.config = config;
    if (!status) status = fcnn_device_open("cpu", 1, &device);
    if (!status) status = fcnn_graph_create(&options, device, &graph);
    for (int i = 0; !status && i < fcnn_graph_node_count(graph); i++) {
        fcnn_node_cost cost;
        fcnn_graph_node_cost(graph, i, &cost);
        parameters += cost.parameters;
    }
    if (!status) printf("%lld parameters\n", (long long)parameters);
    if (status) fprintf(stderr, "%s\n", fcnn_status_message());
    fcnn_graph_destroy(graph);
    fcnn_device_close(device);
    fcnn_config_destroy(config);
    return fcnn_status_exit_code(status);
}
