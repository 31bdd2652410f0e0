/* What the model of ranks is made of is measured here, or taken as stated. */
#include "ranks_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "ranks_link.h"
#include "training/training_internal.h"

/* Where nothing is stated or measured: 10-gigabit Ethernet over TCP, and ImageNet's images. */
enum { USUAL_GBIT = 10, USUAL_MICROSECONDS = 50, USUAL_IMAGES = 1281167 };
static const double bytes_of_gbit = 1e9 / 8;

/* ---- Steps of one rank ---- */

static fcnn_status take_pass(const bench_train_result *r, int images, ranks_pass *pass) {
    *pass = (ranks_pass){.images = images,
                         .computation = 1e-3 * (r->step_ms - r->update_ms),
                         .lead = malloc((size_t)r->bucket_count * sizeof *pass->lead),
                         .update = 1e-3 * r->update_ms};
    if (!pass->lead) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the times");
    for (int i = 0; i < r->bucket_count; i++) pass->lead[i] = 1e-3 * r->buckets[i].lead_ms;
    return FCNN_OK;
}

static fcnn_status check_complete(const bench_train_options *work, const bench_train_result *r) {
    if (r->steps == work->steps) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_INTERRUPTED, "interrupted before all steps were timed");
}

static fcnn_status time_shard(const bench_train_options *work, fcnn_device *device,
                              ranks_pass *pass) {
    fcnn_graph *graph = NULL;
    bench_train_result result = {0};
    fcnn_status status = bench_train_graph(work, device, &graph);
    if (!status) status = bench_train(work, device, graph, &result);
    if (!status) status = check_complete(work, &result);
    if (!status) status = take_pass(&result, work->batch, pass);
    bench_train_clear(&result);
    fcnn_graph_destroy(graph);
    return status;
}

fcnn_status ranks_time_shards(const ranks_options *options, const bench_train_options *work,
                              fcnn_device *device, ranks_report *report) {
    int levels = 0;
    while (levels < RANKS_LEVELS && work->batch % (2 << levels) == 0) levels++;
    report->pass_count = levels + 1;
    for (; levels; levels--) {
        bench_train_options part = *work;
        part.batch = work->batch >> levels;
        fcnn_status status = time_shard(&part, device, &report->passes[levels]);
        FCNN_TRY(fcnn_ranks_agree(options->ranks, status)); /* the next begins together */
    }
    return FCNN_OK;
}

/* ---- The link and the epoch ---- */

static fcnn_status find_link(const ranks_options *o, double copy_gbytes, ranks_report *report) {
    ranks_link *link = &report->link;
    const char *kind = "stated";
    bool both = o->bandwidth > 0.0 && o->latency > 0.0;
    if (o->ranks && !both) {
        FCNN_TRY(ranks_measure_link(o->ranks, link));
        kind = "measured, rank 0 with its slowest partner";
    } else if (!both) {
        *link = (ranks_link){USUAL_GBIT * bytes_of_gbit, 1e-6 * USUAL_MICROSECONDS, 0.0};
        kind = "as 10-gigabit Ethernet over TCP";
    }
    if (o->bandwidth > 0.0) link->bandwidth = o->bandwidth * bytes_of_gbit;
    if (o->latency > 0.0) link->latency = 1e-6 * o->latency;
    link->memory = 1e9 * copy_gbytes;
    snprintf(report->link_text, sizeof report->link_text, "%s%s", kind,
             both                 ? ""
             : o->bandwidth > 0.0 ? ", bandwidth as stated"
             : o->latency > 0.0   ? ", latency as stated"
                                  : "");
    return FCNN_OK;
}

static fcnn_status count_images(const bench_train_options *work, int64_t *images) {
    fcnn_dataset *dataset = NULL;
    fcnn_training_data data = {0};
    fcnn_training_events silent = {0};
    fcnn_status status = fcnn_training_data_open(work->config, work->interrupted, &dataset);
    if (!status) status = fcnn_training_data_split(work->config, dataset, 0, &silent, &data);
    if (!status) *images = data.train.count;
    fcnn_training_data_clear(&data);
    fcnn_dataset_close(dataset);
    return status;
}

static fcnn_status find_images(const ranks_options *o, const bench_train_options *work,
                               ranks_report *report) {
    char *text = report->images_text;
    report->images = o->images;
    snprintf(text, sizeof report->images_text, "stated");
    if (o->images) return FCNN_OK;
    fcnn_status status = count_images(work, &report->images);
    if (status == FCNN_ERROR_INTERRUPTED || status == FCNN_ERROR_MEMORY) return status;
    snprintf(text, sizeof report->images_text, "data=%s",
             fcnn_section_text(&work->config->sections[0], "data"));
    if (!status) return FCNN_OK;
    report->images = USUAL_IMAGES;
    snprintf(text, sizeof report->images_text, "as ImageNet's; the cfg's data: %s",
             fcnn_status_message());
    return FCNN_OK;
}

/* ---- The predictions ---- */

static fcnn_status find_traffic(const ranks_options *o, const bench_train_options *work,
                                const fcnn_graph *graph, const bench_train_result *r,
                                ranks_traffic *traffic) {
    fcnn_flat_parameters flat = fcnn_graph_flat(graph);
    bool clips = fcnn_section_real(&work->config->sections[0], "clip_norm") > 0.0;
    *traffic = (ranks_traffic){.bucket_count = r->bucket_count,
                               .bytes = malloc((size_t)r->bucket_count * sizeof *traffic->bytes),
                               .report = (int64_t)sizeof(fcnn_score) +
                                         (flat.total - flat.trained) * (int64_t)sizeof(float),
                               .cut_update = o->partition,
                               .gather_sums = !o->partition || clips}; /* their norm is of all */
    if (!traffic->bytes) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the buckets");
    for (int i = 0; i < r->bucket_count; i++) traffic->bytes[i] = r->buckets[i].bytes;
    return FCNN_OK;
}

static void predict(ranks_report *report) {
    const ranks_pass *passes = report->passes;
    for (int k = 0; k < report->pass_count; k++)
        report->strong[k] =
            ranks_predict(&report->traffic, &report->link, &passes[k], &passes[0], 1 << k);
    for (int k = 0; k <= RANKS_LEVELS; k++)
        report->weak[k] =
            ranks_predict(&report->traffic, &report->link, &passes[0], &passes[0], 1 << k);
}

fcnn_status ranks_complete(const ranks_options *options, const bench_train_options *work,
                           const fcnn_graph *graph, const bench_train_result *whole,
                           ranks_report *report) {
    fcnn_status status = check_complete(work, whole);
    if (!status) status = take_pass(whole, work->batch, &report->passes[0]);
    if (!status) status = find_traffic(options, work, graph, whole, &report->traffic);
    FCNN_TRY(fcnn_ranks_agree(options->ranks, status));
    FCNN_TRY(find_link(options, whole->copy_gbytes, report));
    if (fcnn_ranks_number(options->ranks)) return FCNN_OK;
    FCNN_TRY(find_images(options, work, report));
    predict(report);
    return FCNN_OK;
}

double ranks_epoch_seconds(const ranks_report *report, const ranks_step *step) {
    int64_t steps = report->images / ((int64_t)step->images * step->ranks);
    return (double)steps * step->step;
}

int64_t ranks_layer_bytes(const fcnn_graph *graph, int node) {
    int64_t bytes = 0;
    for (int i = 0; i < fcnn_graph_parameter_count(graph); i++) {
        const fcnn_parameter *p = fcnn_graph_parameter((fcnn_graph *)graph, i);
        if (p->node == node && p->trained) bytes += p->count * (int64_t)sizeof(float);
    }
    return bytes;
}

void ranks_clear(ranks_report *report) {
    for (int k = 0; k <= RANKS_LEVELS; k++) free(report->passes[k].lead);
    free(report->traffic.bytes);
    *report = (ranks_report){0};
}
