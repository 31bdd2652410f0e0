/* The model of ranks is printed here: what is exchanged, and a row for each number of ranks. */
#include <stdio.h>
#include <string.h>

#include "ranks_report.h"
#include "train/json.h"

static const double megabyte = 1e-6;

/* ---- What is exchanged ---- */

static int64_t kind_bytes(const fcnn_graph *graph, const char *kind) {
    int64_t bytes = 0;
    for (int i = 0; i < fcnn_graph_node_count(graph); i++)
        if (!strcmp(fcnn_graph_node_type(graph, i), kind)) bytes += ranks_layer_bytes(graph, i);
    return bytes;
}

/* Whether a layer is the first of its kind. */
static bool is_first(const fcnn_graph *graph, int node) {
    for (int i = 0; i < node; i++)
        if (!strcmp(fcnn_graph_node_type(graph, i), fcnn_graph_node_type(graph, node)))
            return false;
    return true;
}

static int64_t all_bytes(const ranks_traffic *traffic) {
    int64_t bytes = 0;
    for (int i = 0; i < traffic->bucket_count; i++) bytes += traffic->bytes[i];
    return bytes;
}

static void print_layers(const ranks_report *report, const fcnn_graph *graph,
                         const bench_train_result *whole) {
    double all = (double)all_bytes(&report->traffic);
    printf("\n%-26s %9s %6s %12s\n", "gradients of", "MB", "share", "backward ms");
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) {
        double bytes = (double)ranks_layer_bytes(graph, i);
        if (bytes > 0.0)
            printf("%-26s %9.3f %5.1f%% %12.2f\n", fcnn_graph_node_name(graph, i), megabyte * bytes,
                   100.0 * bytes / all, whole->layers[i].backward_ms);
    }
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) {
        const char *kind = fcnn_graph_node_type(graph, i);
        double bytes = (double)kind_bytes(graph, kind);
        if (bytes > 0.0 && is_first(graph, i))
            printf("all %-22s %9.3f %5.1f%%\n", kind, megabyte * bytes, 100.0 * bytes / all);
    }
}

static void print_traffic(const ranks_report *report) {
    const ranks_traffic *t = &report->traffic;
    const ranks_pass *one = &report->passes[0];
    printf(
        "a step exchanges %.2f MB of gradients in %d bucket%s, and %.1f kB of scores and running "
        "statistics;\nof its %.1f ms to the end of the backward pass, the first bucket is "
        "complete after %.1f\n",
        megabyte * (double)all_bytes(t), t->bucket_count, t->bucket_count == 1 ? "" : "s",
        1e-3 * (double)t->report, 1e3 * one->computation, 1e3 * (one->computation - one->lead[0]));
}

/* ---- The tables ---- */

static void print_step(const ranks_report *report, const ranks_step *s) {
    printf("%5d %6d", s->ranks, s->images);
    for (int i = 0; i < RANKS_PARTS; i++) printf(" %9.2f", 1e3 * s->parts[i]);
    printf(" %9.2f %9.2f", 1e3 * s->step, 1e3 * s->exchange);
    if (s->exchange > 0.0)
        printf(" %5.0f%%", 100.0 * s->hidden / s->exchange);
    else
        printf(" %6s", "-");
    double epoch = ranks_epoch_seconds(report, s);
    if (epoch > 0.0)
        printf(" %9.2f", epoch);
    else
        printf(" %9s", "-");
    printf(" %8.2f %9.1f%%  %s\n", s->speed_up, 100.0 * s->efficiency, ranks_part_names[s->binds]);
}

static void print_steps(const ranks_report *report, const ranks_step *steps, int count) {
    printf("%5s %6s %9s %9s %9s %9s %9s %9s %9s %6s %9s %8s %10s  %s\n", "ranks", "images",
           "compute", "+ shard", "+ bytes", "+ latency", "+ update", "= step ms", "exchange",
           "hidden", "epoch s", "speed-up", "efficiency", "binds");
    for (int k = 0; k < count; k++) print_step(report, &steps[k]);
}

void ranks_print(const ranks_report *report, const fcnn_graph *graph,
                 const bench_train_result *whole) {
    const ranks_step *most = &report->strong[report->pass_count - 1];
    print_layers(report, graph, whole);
    printf("\n");
    print_traffic(report);
    printf("link: %.4g Gbit/s each way at once, %.4g us (%s); sums are added at %.1f GB/s\n",
           8e-9 * report->link.bandwidth, 1e6 * report->link.latency, report->link_text,
           1e-9 * report->link.memory);
    printf("an epoch: %lld images (%s)\n", (long long)report->images,
           FCNN_SHOWN(report->images_text));
    printf("\nstrong scaling, %d images a step, up to %d rank%s\n", report->passes[0].images,
           most->ranks, most->ranks == 1 ? "" : "s");
    print_steps(report, report->strong, report->pass_count);
    printf("\nweak scaling, %d images a rank\n", report->passes[0].images);
    print_steps(report, report->weak, RANKS_LEVELS + 1);
    puts("(predicted; each rank as fast as this one with as many threads, and one shard of the "
         "batch;\n compute: at one rank's images a second; shard: what fewer images take longer, "
         "timed for each number of them;\n bytes, latency: what the backward pass does not hide of "
         "the exchange, which takes it no time;\n an epoch without validation and waiting for "
         "images; -: it has fewer images than a step)");
}

/* ---- JSON ---- */

static bool add_step(cJSON *list, const ranks_report *report, const ranks_step *s) {
    cJSON *object = json_add_object(list);
    return object &&
           JSON_ADD_NUMBERS(object, {"ranks", s->ranks}, {"images", s->images},
                            {"computation_ms", 1e3 * s->parts[RANKS_COMPUTATION]},
                            {"shard_ms", 1e3 * s->parts[RANKS_SHARD]},
                            {"bandwidth_ms", 1e3 * s->parts[RANKS_BANDWIDTH]},
                            {"latency_ms", 1e3 * s->parts[RANKS_LATENCY]},
                            {"update_ms", 1e3 * s->parts[RANKS_UPDATE]}, {"step_ms", 1e3 * s->step},
                            {"exchange_ms", 1e3 * s->exchange}, {"hidden_ms", 1e3 * s->hidden},
                            {"epoch_s", ranks_epoch_seconds(report, s)}, {"speed_up", s->speed_up},
                            {"efficiency", s->efficiency}) &&
           cJSON_AddStringToObject(object, "binds", ranks_part_names[s->binds]);
}

static bool add_steps(cJSON *object, const char *name, const ranks_report *report,
                      const ranks_step *steps, int count) {
    cJSON *list = cJSON_AddArrayToObject(object, name);
    bool good = list != NULL;
    for (int k = 0; good && k < count; k++) good = add_step(list, report, &steps[k]);
    return good;
}

static bool add_buckets(cJSON *object, const ranks_report *report) {
    cJSON *list = cJSON_AddArrayToObject(object, "buckets");
    bool good = list != NULL;
    for (int i = 0; good && i < report->traffic.bucket_count; i++) {
        cJSON *bucket = json_add_object(list);
        good =
            bucket && JSON_ADD_NUMBERS(bucket, {"mb", megabyte * (double)report->traffic.bytes[i]},
                                       {"lead_ms", 1e3 * report->passes[0].lead[i]});
    }
    return good;
}

static bool add_kinds(cJSON *object, const fcnn_graph *graph) {
    cJSON *kinds = cJSON_AddObjectToObject(object, "gradients_mb");
    bool good = kinds != NULL;
    for (int i = 0; good && i < fcnn_graph_node_count(graph); i++) {
        const char *kind = fcnn_graph_node_type(graph, i);
        double bytes = (double)kind_bytes(graph, kind);
        if (bytes > 0.0 && is_first(graph, i))
            good = JSON_ADD_NUMBERS(kinds, {kind, megabyte * bytes});
    }
    return good;
}

bool ranks_add_json(cJSON *object, const ranks_report *report, const fcnn_graph *graph) {
    cJSON *model = cJSON_AddObjectToObject(object, "ranks_model");
    return model &&
           JSON_ADD_NUMBERS(model, {"bandwidth_gbit", 8e-9 * report->link.bandwidth},
                            {"latency_us", 1e6 * report->link.latency},
                            {"images", (double)report->images},
                            {"report_kb", 1e-3 * (double)report->traffic.report}) &&
           cJSON_AddStringToObject(model, "link", report->link_text) &&
           cJSON_AddStringToObject(model, "images_of", FCNN_SHOWN(report->images_text)) &&
           add_kinds(model, graph) && add_buckets(model, report) &&
           add_steps(model, "strong", report, report->strong, report->pass_count) &&
           add_steps(model, "weak", report, report->weak, RANKS_LEVELS + 1);
}
