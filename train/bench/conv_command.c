/* fcnn-bench conv: one convolution layer by every algorithm, side by side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ceiling.h"
#include "commands.h"
#include "print.h"

static const char help[] =
    "  --size N             side of the maps (default 224)\n"
    "  --kernel K,K,...     taps across (default 3,5,7,8,11,15)\n"
    "  --channels N         input channels (default 64)\n"
    "  --filters N          output channels (default: as many)\n"
    "  --batch N            images (default 8)\n"
    "  --border wrap|zero   of the maps (default zero)\n"
    "  --algorithm A,A,...  direct, gemm, winograd, fft, oaa, resident (default: all)\n"
    "  --tile N             oaa: side of the grids that are transformed\n"
    "  --repeats N          rounds, at most (default 5)\n"
    "  --seconds-per-case S seconds an algorithm has for its rounds (default 20)\n"
    "  --peer               PyTorch with oneDNN beside it (Debian's python3-torch)\n"
    "  --threads N          default: as many as there are processors\n"
    "  --device auto|cpu|cuda\n"
    "  --json               one JSON object\n";

enum { KERNELS_MAX = 32, ROUNDS = 5, SECONDS = 20 };

typedef struct {
    bench_shape shape;
    int kernels[KERNELS_MAX];
    int kernel_count;
    const char *kernel_text, *device;
    int64_t threads;
    bool peer, json;
} bench_options;

static const struct option long_options[] = {{"size", required_argument, NULL, 'n'},
                                             {"kernel", required_argument, NULL, 'k'},
                                             {"channels", required_argument, NULL, 'c'},
                                             {"filters", required_argument, NULL, 'f'},
                                             {"batch", required_argument, NULL, 'b'},
                                             {"border", required_argument, NULL, 'B'},
                                             {"algorithm", required_argument, NULL, 'a'},
                                             {"tile", required_argument, NULL, 'T'},
                                             {"repeats", required_argument, NULL, 'r'},
                                             {"seconds-per-case", required_argument, NULL, 's'},
                                             {"peer", no_argument, NULL, 'p'},
                                             {"threads", required_argument, NULL, 't'},
                                             {"device", required_argument, NULL, 'D'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, 'V'},
                                             {NULL, 0, NULL, 0}};

/* ---- Options ---- */

static fcnn_status option_small(const char *option, int64_t high, int *value) {
    int64_t number = 0;
    fcnn_status status = option_int(option, optarg, 1, high, &number);
    *value = (int)number;
    return status;
}

static fcnn_status option_seconds(double *value) {
    char *end;
    *value = strtod(optarg, &end);
    if (end != optarg && !*end && *value > 0.0 && *value <= 1e6) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "--seconds-per-case %s: expected a number above 0",
                           optarg);
}

static fcnn_status option_border(bool *wrap) {
    *wrap = !strcmp(optarg, "wrap");
    if (*wrap || !strcmp(optarg, "zero")) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "--border %s: expected wrap or zero", optarg);
}

static int find_algorithm(const char *name, size_t length) {
    for (int i = 0; i < BENCH_PEER; i++)
        if (strlen(bench_names[i]) == length && !strncmp(bench_names[i], name, length)) return i;
    return -1;
}

static fcnn_status option_algorithms(bool chosen[BENCH_ROWS]) {
    for (int i = 0; i < BENCH_PEER; i++) chosen[i] = false;
    for (const char *name = optarg;;) {
        size_t length = strcspn(name, ",");
        int row = find_algorithm(name, length);
        if (row < 0)
            return fcnn_status_set(FCNN_ERROR_USAGE,
                                   "--algorithm %s: '%.*s' is none of direct, gemm, winograd, fft, "
                                   "oaa, resident",
                                   optarg, (int)length, name);
        chosen[row] = true;
        if (!name[length]) return FCNN_OK;
        name += length + 1;
    }
}

/* After the other options, because a kernel fits into its map. */
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

static fcnn_status apply_option(bench_options *o, int code) {
    bench_shape *s = &o->shape;
    switch (code) {
    case 'n': return option_small("size", 4096, &s->side);
    case 'k': o->kernel_text = optarg; return FCNN_OK;
    case 'c': return option_small("channels", 65536, &s->channels);
    case 'f': return option_small("filters", 65536, &s->filters);
    case 'b': return option_small("batch", 65536, &s->images);
    case 'B': return option_border(&s->wrap);
    case 'a': return option_algorithms(s->chosen);
    case 'T': return option_small("tile", 65536, &s->tile);
    case 'r': return option_small("repeats", BENCH_ROUNDS_MAX, &s->rounds);
    case 's': return option_seconds(&s->seconds);
    case 'p': o->peer = true; return FCNN_OK;
    case 't': return option_int("threads", optarg, 1, 1024, &o->threads);
    case 'D': o->device = optarg; return FCNN_OK;
    default: o->json = true; return FCNN_OK;
    }
}

static fcnn_status parse(int argc, char **argv, const program_info *program, bench_options *o,
                         bool *answered) {
    int code;
    *answered = false;
    for (int i = 0; i < BENCH_PEER; i++) o->shape.chosen[i] = true;
    while ((code = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        if (code == '?' || code == ':') return option_unknown(code, argv);
        *answered = code == 'h' || code == 'V';
        if (code == 'h') return program_print_help(program), FCNN_OK;
        if (code == 'V') return program_print_version(program), FCNN_OK;
        FCNN_TRY(apply_option(o, code));
    }
    if (optind < argc)
        return fcnn_status_set(FCNN_ERROR_USAGE, "unexpected argument '%s'; see --help",
                               argv[optind]);
    if (!o->shape.filters) o->shape.filters = o->shape.channels;
    return read_kernels(o);
}

/* ---- The run ---- */

/* A peer that is not to be had is said, and the rest goes on. */
static void start_peer(bench_options *o, int threads, bench_report *report) {
    if (!o->peer) return;
    if (bench_peer_start(threads, &o->shape.peer)) {
        snprintf(report->peer_missing, sizeof report->peer_missing, "%.255s",
                 fcnn_status_message());
        fprintf(stderr, "fcnn-bench: %s\n", fcnn_status_message());
    }
    o->shape.chosen[BENCH_PEER] = o->shape.peer != NULL;
}

/* Measured again beside every kernel, because other work on the machine only ever lowers it. */
static fcnn_status raise_ceiling(fcnn_device *device, double seconds, bench_report *report) {
    double ceiling;
    FCNN_TRY(bench_ceiling(device, seconds, &ceiling));
    if (ceiling > report->ceiling) report->ceiling = ceiling;
    return FCNN_OK;
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
    for (int i = 0; !status && i < o->kernel_count && !bench_interrupted; i++) {
        status = bench_measure(b, o->kernels[i], report->results[i]);
        progress_clear(&bar);
        if (!status) status = raise_ceiling(device, 0.2, report);
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
    FCNN_TRY(raise_ceiling(device, 0.5, report));
    if (!o->json) bench_print_header(stdout, report);
    fcnn_status status = measure(o, device, report);
    if (!status && !o->json) bench_print_notes(stdout, report);
    if (!status && o->json) status = bench_print_json(stdout, report);
    return status ? status : check_results(report);
}

static fcnn_status bench_conv(bench_options *o) {
    fcnn_device *device;
    FCNN_TRY(fcnn_device_open(o->device, (int)o->threads, &device));
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

fcnn_status bench_conv_command(int argc, char **argv) {
    const program_info program = bench_program(
        "conv [options]", "Times a convolution layer by each algorithm, in space and in frequency.",
        help);
    bench_options options = {.shape = {.side = 224,
                                       .channels = 64,
                                       .images = 8,
                                       .rounds = ROUNDS,
                                       .seconds = SECONDS,
                                       .interrupted = &bench_interrupted},
                             .kernel_text = "3,5,7,8,11,15",
                             .device = "auto"};
    bool answered;
    FCNN_TRY(parse(argc, argv, &program, &options, &answered));
    return answered ? FCNN_OK : bench_conv(&options);
}
