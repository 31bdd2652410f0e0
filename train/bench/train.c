/* Whole steps of training or of inference are timed here, and the ceilings of the machine that they
 * run on. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "train/progress.h"
#include "train/sample.h"
#include "training/training_internal.h"

enum { COPY_CHANNELS = 8192, COPY_IMAGES = 8192, COPY_ROUNDS = 5 }; /* at the least */

/* ---- Ceilings ---- */

static fcnn_status copy_rate(fcnn_device *device, double seconds, fcnn_tensor *x, fcnn_tensor *y,
                             double *gbytes) {
    const fcnn_backend *backend = device->backend;
    const double bytes = 2.0 * sizeof(float) * COPY_CHANNELS * COPY_IMAGES;
    void *from = NULL, *to = NULL;
    FCNN_TRY(backend->allocate(device, (size_t)bytes / 2, &from));
    x->data = from;
    FCNN_TRY(backend->allocate(device, (size_t)bytes / 2, &to));
    y->data = to;
    FCNN_TRY(backend->clear(device, from, (size_t)bytes / 2));
    const double first = fcnn_seconds();
    for (int i = 0; i <= COPY_ROUNDS || fcnn_seconds() - first < seconds; i++) {
        FCNN_TRY(backend->synchronize(device));
        double started = fcnn_seconds();
        FCNN_TRY(backend->copy(device, x, y));
        FCNN_TRY(backend->synchronize(device));
        double rate = 1e-9 * bytes / (fcnn_seconds() - started);
        if (i && rate > *gbytes) *gbytes = rate; /* the first touches the pages */
    }
    return FCNN_OK;
}

fcnn_status bench_train_ceilings(fcnn_device *device, bench_train_result *r) {
    const double seconds = fmin(fmax(0.25e-3 * r->step_ms * r->steps, 0.5), 3.0);
    fcnn_tensor x = {.layout = FCNN_VECTOR,
                     .channels = COPY_CHANNELS,
                     .images = COPY_IMAGES,
                     .capacity = COPY_IMAGES};
    fcnn_tensor y = x;
    fcnn_status status = copy_rate(device, 0.25 * seconds, &x, &y, &r->copy_gbytes);
    if (x.data) device->backend->release(device, x.data);
    if (y.data) device->backend->release(device, y.data);
    return status ? status : bench_raise_ceilings(device, seconds, &r->ceilings);
}

/* ---- Images ---- */

typedef struct {
    fcnn_image *images;
    int32_t *labels;
    float *bins;
    uint8_t *pixels;
} noise;

static void free_noise(noise *n) {
    free(n->images);
    free(n->labels);
    free(n->bins);
    free(n->pixels);
}

static void fill_pixels(uint64_t index, int64_t count, uint8_t *pixels) {
    fcnn_random random = {.seed = 1, .stream = FCNN_STREAM_DATA, .index = index};
    for (int64_t i = 0; i < count; i += 16) {
        uint32_t bits[4];
        fcnn_random_block(&random, (uint32_t)(i / 16), bits);
        memcpy(pixels + i, bits, (size_t)(count - i < 16 ? count - i : 16));
    }
}

static fcnn_status make_noise(const bench_train_options *o, fcnn_device *device,
                              const fcnn_graph *graph, int size, noise *n) {
    int radius = fcnn_graph_input_radius(graph);
    int64_t numbers = 2 * fcnn_band_count(radius) * o->channels;
    int64_t pixels = (int64_t)size * size * o->channels;
    n->images = calloc((size_t)o->batch, sizeof *n->images);
    n->labels = calloc((size_t)o->batch, sizeof *n->labels);
    n->bins = malloc((size_t)(numbers * o->batch) * sizeof *n->bins);
    n->pixels = malloc((size_t)pixels);
    if (!n->images || !n->labels || !n->bins || !n->pixels)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a batch of images");
    for (int i = 0; i < o->batch; i++) {
        fcnn_image *image = &n->images[i];
        fill_pixels((uint64_t)i, pixels, n->pixels);
        *image = (fcnn_image){
            .height = size, .width = size, .channels = o->channels, .pixels = n->pixels};
        FCNN_TRY(device->backend->image_to_spectrum(device, image, fcnn_graph_placement(graph),
                                                    radius, n->bins + numbers * i,
                                                    &image->spectrum));
        image->pixels = NULL;
        n->labels[i] = i % o->classes;
    }
    return FCNN_OK;
}

/* ---- Steps ---- */

typedef struct {
    const bench_train_options *options;
    fcnn_device *device;
    fcnn_graph *graph;
    fcnn_optimizer optimizer;
    noise noise;
    int64_t step;
    double started, trained; /* of the last step: its start, and the end of its backward pass */
    int bucket_count, bucket;
    int64_t *bytes;   /* [bucket_count], */
    double *complete; /* and when it was, or NULL */
} run;

static fcnn_status note_bucket(void *user, fcnn_range range) {
    run *t = user;
    FCNN_TRY(t->device->backend->synchronize(t->device));
    t->bytes[t->bucket] = fcnn_range_bytes(range);
    t->complete[t->bucket++] = fcnn_seconds();
    return FCNN_OK;
}

static fcnn_status train_step(run *t) {
    t->bucket = 0;
    FCNN_TRY(fcnn_graph_train(t->graph, t->noise.images, t->options->batch, t->noise.labels, 1,
                              t->step, NULL));
    if (t->complete) FCNN_TRY(t->device->backend->synchronize(t->device));
    t->trained = fcnn_seconds();
    return fcnn_optimizer_step(&t->optimizer, t->graph, t->step++, NULL);
}

static fcnn_status step(run *t, double *seconds) {
    t->started = fcnn_seconds();
    if (t->options->config)
        FCNN_TRY(train_step(t));
    else
        FCNN_TRY(fcnn_graph_forward(t->graph, t->noise.images, t->options->batch, t->noise.labels,
                                    NULL));
    FCNN_TRY(t->device->backend->synchronize(t->device));
    *seconds = fcnn_seconds() - t->started;
    return FCNN_OK;
}

/* Times of steps; row by row those of whole steps, updates, and buckets. */
static void take_medians(const run *t, double *times, bench_train_result *r) {
    int steps = t->options->steps;
    r->step_ms = 1e3 * sample_median(times, r->steps);
    r->fastest_ms = 1e3 * times[0]; /* they are sorted now */
    r->update_ms = 1e3 * sample_median(times + steps, r->steps);
    for (int b = 0; b < r->bucket_count; b++)
        r->buckets[b] = (bench_bucket){
            t->bytes[b], 1e3 * sample_median(times + (ptrdiff_t)(2 + b) * steps, r->steps)};
}

static fcnn_status time_steps(run *t, double *times, bench_train_result *r) {
    int steps = t->options->steps;
    double first;
    FCNN_TRY(step(t, &first)); /* touches memory, makes the first spectra */
    while (r->steps < steps && !*t->options->interrupted) {
        double *at = times + r->steps++;
        FCNN_TRY(step(t, at));
        at[steps] = t->options->config ? *at - (t->trained - t->started) : 0.0;
        for (int b = 0; b < t->bucket_count; b++)
            at[(ptrdiff_t)(2 + b) * steps] = t->trained - t->complete[b];
    }
    return FCNN_OK;
}

static fcnn_status time_whole(run *t, bench_train_result *r) {
    if (t->options->buckets) {
        t->bucket_count = (int)fcnn_bucket_count(fcnn_graph_flat(t->graph).trained);
        t->bytes = malloc((size_t)t->bucket_count * sizeof *t->bytes);
        t->complete = malloc((size_t)t->bucket_count * sizeof *t->complete);
        r->buckets = calloc((size_t)t->bucket_count, sizeof *r->buckets);
        r->bucket_count = t->bucket_count;
        fcnn_graph_set_bucket_ready(t->graph, note_bucket, t);
    }
    double *times =
        malloc((size_t)(2 + t->bucket_count) * (size_t)t->options->steps * sizeof *times);
    bool full = times && (!t->bucket_count || (t->bytes && t->complete && r->buckets));
    fcnn_status status = full ? time_steps(t, times, r)
                              : fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the times");
    if (!status && r->steps) take_medians(t, times, r);
    if (t->options->buckets) fcnn_graph_set_bucket_ready(t->graph, NULL, NULL);
    free(times);
    free(t->bytes);
    free(t->complete);
    t->complete = NULL;
    return status;
}

static fcnn_status timed_steps(run *t, const fcnn_profile *profile, bench_train_result *r) {
    for (int i = 0; i < r->layer_count; i++) {
        fcnn_node_time before = fcnn_graph_node_time(t->graph, i);
        r->layers[i] =
            (bench_layer_time){.forward_ms = -before.forward, .backward_ms = -before.backward};
    }
    for (int i = 0; i < r->steps; i++) {
        double seconds;
        FCNN_TRY(step(t, &seconds));
        r->timed_ms += 1e3 * seconds / r->steps;
    }
    double per_step = 1e3 / r->steps;
    for (int i = 0; i < r->layer_count; i++) {
        fcnn_node_time after = fcnn_graph_node_time(t->graph, i);
        r->layers[i].forward_ms = per_step * (r->layers[i].forward_ms + after.forward);
        r->layers[i].backward_ms = per_step * (r->layers[i].backward_ms + after.backward);
        r->layers[i].flops = profile->nodes[i].flops / r->steps;
        r->layers[i].bytes = profile->nodes[i].bytes / r->steps;
    }
    for (int i = 0; i < FCNN_PHASE_COUNT; i++) {
        const fcnn_work *sum = &profile->phases[i];
        r->phases[i] =
            (fcnn_work){sum->seconds / r->steps, sum->flops / r->steps, sum->bytes / r->steps};
    }
    return FCNN_OK;
}

static fcnn_status time_phases(run *t, bench_train_result *r) {
    if (!r->steps) return FCNN_OK;
    r->layer_count = fcnn_graph_node_count(t->graph);
    r->layers = calloc((size_t)r->layer_count, sizeof *r->layers);
    fcnn_profile profile = {.nodes = calloc((size_t)r->layer_count, sizeof *profile.nodes)};
    fcnn_status status = FCNN_OK;
    if (r->layers && profile.nodes) {
        fcnn_graph_set_profile(t->graph, &profile);
        status = timed_steps(t, &profile, r);
        fcnn_graph_set_profile(t->graph, NULL);
    } else {
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the times");
    }
    free(profile.nodes);
    return status;
}

/* Refuses a loss that is not finite, because such numbers take other times. */
static fcnn_status check_loss(run *t) {
    fcnn_score score = {0};
    FCNN_TRY(fcnn_graph_take_score(t->graph, &score));
    if (isfinite(score.loss)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_NUMERIC, "the loss on noise is not finite%s",
                           t->options->config ? ": a lower net.learning_rate helps" : "");
}

fcnn_status bench_train_graph(const bench_train_options *o, fcnn_device *device,
                              fcnn_graph **graph) {
    const fcnn_graph_options options =
        fcnn_training_graph_options(o->config, o->channels, o->classes, o->batch);
    FCNN_TRY(fcnn_graph_create(&options, device, graph));
    FCNN_TRY(fcnn_graph_allocate(*graph));
    return fcnn_graph_initialise(*graph, 1);
}

fcnn_status bench_train(const bench_train_options *options, fcnn_device *device, fcnn_graph *graph,
                        bench_train_result *r) {
    const fcnn_memory_plan *plan = fcnn_graph_memory(graph);
    run t = {.options = options, .device = device, .graph = graph};
    if (options->config)
        t.optimizer = fcnn_optimizer_from_config(&options->config->sections[0], options->steps, 3);
    *r = (bench_train_result){.size = options->size ? options->size
                                                    : 2 * fcnn_graph_input_radius(graph) + 1,
                              .device_mib = (double)(plan->arena + plan->scratch) / 1048576.0};
    fcnn_status status = make_noise(options, device, graph, r->size, &t.noise);
    if (!status) status = time_whole(&t, r);
    if (!status) status = time_phases(&t, r);
    if (!status) status = check_loss(&t);
    struct rusage usage;
    if (!getrusage(RUSAGE_SELF, &usage)) r->peak_mib = (double)usage.ru_maxrss / 1024.0;
    free_noise(&t.noise);
    return status;
}

double bench_train_floor(const bench_train_result *r, const bench_layer_time *layer) {
    double arithmetic = 1e-6 * layer->flops / bench_ceiling_gflops(&r->ceilings);
    double memory = 1e-6 * layer->bytes / r->copy_gbytes;
    return arithmetic > memory ? arithmetic : memory;
}

void bench_train_clear(bench_train_result *r) {
    free(r->layers);
    free(r->buckets);
    *r = (bench_train_result){0};
}
