/* fcnn-bench conv times one convolution layer by every algorithm and prints them side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "print.h"
#include "train/options.h"

enum { KERNELS_MAX = 32, ROUNDS = 5, SECONDS = 20 };

typedef struct {
    bench_shape shape;
    int kernels[KERNELS_MAX];
    int kernel_count;
    const char *kernel_text, *device;
    int threads, border; /* 0: wrap, 1: zero */
    bool peer, json;
} bench_options;

#define FIELD(name) offsetof(bench_options, name)
#define WORD(name)  #name ","
static const option_row rows[] = {
    {"size", "N", OPTION_INT, FIELD(shape.side), 1, 4096, "side of the maps (default 224)"},
    {"kernel", "K,K,...", OPTION_TEXT, FIELD(kernel_text), 0, 0,
     "taps across (default 3,5,7,8,11,15)"},
    {"channels", "N", OPTION_INT, FIELD(shape.channels), 1, 65536, "input channels (default 64)"},
    {"filters", "N", OPTION_INT, FIELD(shape.filters), 1, 65536,
     "output channels (default: as many)"},
    {"batch", "N", OPTION_INT, FIELD(shape.images), 1, 65536, "images (default 8)"},
    {"border", "wrap|zero", OPTION_CHOICE, FIELD(border), 0, 0, "of the maps (default zero)"},
    {"algorithm", FCNN_CONVOLUTION_ALGORITHMS(WORD) "resident", OPTION_LIST, FIELD(shape.chosen), 0,
     0, "those that are timed (default: all)"},
    {"tile", "N", OPTION_INT, FIELD(shape.tile), 1, 65536,
     "oaa: side of the grids that are transformed"},
    {"repeats", "N", OPTION_INT, FIELD(shape.rounds), 1, BENCH_ROUNDS_MAX,
     "rounds, at most (default 5)"},
    {"seconds-per-case", "S", OPTION_REAL, FIELD(shape.seconds), 0, 1000000,
     "seconds an algorithm has for its rounds (default 20)"},
    {"peer", NULL, OPTION_FLAG, FIELD(peer), 0, 0,
     "PyTorch with oneDNN beside it (Debian's python3-torch)"},
    OPTION_THREADS(bench_options),
    OPTION_DEVICE(bench_options),
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "one JSON object"},
    {0}};

static const program_info program = {
    .name = "fcnn-bench",
    .synopsis = "conv [options]",
    .summary = "Times a convolution layer by each algorithm, in space and in frequency.",
    .rows = rows};

/* ---- Options ---- */

/* Kernels are read after the other options, because each must fit into its map. */
static fcnn_status read_kernels(bench_options *o) {
    for (const char *text = o->kernel_text; o->kernel_count < KERNELS_MAX;) {
        char *end;
        long size = strtol(text, &end, 10);
        if (end == text || (*end && *end != ',') || size < 1 || size > o->shape.side) break;
        o->kernels[o->kernel_count++] = (int)size;
        if (!*end) return FCNN_OK;
        text = end + 1;
    }
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "--kernel %s: expected at most %d whole numbers from 1 to the maps' "
                           "side, %d, with commas between them",
                           o->kernel_text, KERNELS_MAX, o->shape.side);
}

/* ---- The run ---- */

/* Where there is no peer the user is told why, and the rest goes on. */
static void start_peer(bench_options *o, int threads, bench_report *report) {
    if (!o->peer) return;
    if (bench_peer_start(threads, &o->shape.peer)) {
        snprintf(report->peer_missing, sizeof report->peer_missing, "%.255s",
                 fcnn_status_message());
        fprintf(stderr, "fcnn-bench: %s\n", fcnn_status_message());
    }
    o->shape.chosen[BENCH_PEER] = o->shape.peer != NULL;
}

static fcnn_status measure(bench_options *o, fcnn_device *device, bench_report *report) {
    bench *b;
    progress bar;
    bench_shape *s = &o->shape;
    int rows = 0;
    for (int i = 0; i < BENCH_ROWS; i++) rows += s->chosen[i];
    progress_start(&bar, "conv", 0, (int64_t)o->kernel_count * rows * (s->rounds + 1));
    s->bar = &bar;
    FCNN_TRY(bench_create(s, device, &b));
    fcnn_status status = FCNN_OK;
    for (int i = 0; !status && i < o->kernel_count && !*s->interrupted; i++) {
        status = bench_measure(b, o->kernels[i], report->results[i]);
        progress_clear(&bar);
        if (!status) status = bench_raise_ceilings(device, 0.2, &report->ceilings);
        if (!status && !o->json) bench_print_kernel(stdout, report, i);
        s->steps = (int64_t)(i + 1) * rows * (s->rounds + 1);
    }
    bench_destroy(b);
    return status;
}

/* An algorithm whose result is wrong is a failure of the run. */
static fcnn_status check_results(const bench_report *report) {
    for (int i = 0; i < report->kernel_count; i++)
        for (int j = 0; j < BENCH_ROWS; j++)
            if (report->results[i][j].wrong)
                return fcnn_status_set(FCNN_ERROR_NUMERIC, "%s %dx%d: %s", bench_names[j],
                                       report->kernels[i], report->kernels[i],
                                       report->results[i][j].reason);
    return FCNN_OK;
}

static fcnn_status run(bench_options *o, fcnn_device *device, bench_report *report) {
    FCNN_TRY(bench_raise_ceilings(device, 1.0, &report->ceilings));
    if (!o->json) bench_print_header(stdout, report);
    fcnn_status status = measure(o, device, report);
    if (!status && !o->json) bench_print_notes(stdout, report);
    if (!status && o->json) status = bench_print_json(stdout, report);
    return status ? status : check_results(report);
}

static fcnn_status bench_conv(bench_options *o) {
    fcnn_device *device;
    FCNN_TRY(fcnn_device_open(o->device, o->threads, &device));
    bench_report report = {.shape = &o->shape,
                           .device = device,
                           .kernel_count = o->kernel_count,
                           .kernels = o->kernels,
                           .results = calloc((size_t)o->kernel_count, sizeof *report.results)};
    fcnn_status status = FCNN_OK;
    if (!report.results) status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for results");
    if (!status) start_peer(o, device->threads, &report);
    if (!status) status = run(o, device, &report);
    bench_peer_stop(o->shape.peer);
    free(report.results);
    fcnn_device_close(device);
    return status;
}

fcnn_status bench_conv_command(int argc, char **argv, bench_session *session) {
    bench_options o = {.shape = {.side = 224,
                                 .channels = 64,
                                 .images = 8,
                                 .rounds = ROUNDS,
                                 .seconds = SECONDS,
                                 .interrupted = session->interrupted},
                       .border = 1,
                       .kernel_text = "3,5,7,8,11,15",
                       .device = "auto"};
    char **operands;
    for (int i = 0; i < BENCH_PEER; i++) o.shape.chosen[i] = true;
    FCNN_TRY(options_scan(&program, argc, argv, &operands));
    if (!operands) return FCNN_OK;
    FCNN_TRY(options_read(&program, argc, argv, NULL, &o));
    o.shape.wrap = o.border == 0;
    if (!o.shape.filters) o.shape.filters = o.shape.channels;
    FCNN_TRY(read_kernels(&o));
    return bench_conv(&o);
}
