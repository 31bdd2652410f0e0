/* The formulas of Mathieu, Henaff & LeCun (2013), and the same layers measured by
 * direct, gemm and fft. Their formulas are of outputs of n' = n-k+1; a layer here
 * keeps the map's size by a border, on a grid that fft chooses, so both are
 * printed. */
#include "cost.h"

#include <math.h>
#include <string.h>

#include "conv.h"

enum { ROUNDS = 5, SECONDS = 5 };

/* A layer of S images, f input maps, f' output maps, taps of k x k, grids of n x n and outputs of
 * n' x n'. */
typedef struct {
    double images, channels, filters, taps, grid, output;
} cost_shape;

/* S f' f n'^2 k^2: multiplications of one pass. */
static double cost_direct(const cost_shape *s) {
    return s->images * s->filters * s->channels * s->output * s->output * s->taps * s->taps;
}

/* 2 C n^2 log2 n (f' S + f S + f' f): the transforms of inputs, taps and outputs; C = 2.5, of the
 * customary 5 n log2 n for n complex numbers and half of it for real ones. */
static double cost_transforms(const cost_shape *s) {
    return 2.0 * 2.5 * s->grid * s->grid * log2(s->grid) *
           (s->filters * s->images + s->channels * s->images + s->filters * s->channels);
}

/* 4 S f' f n^2: the products of one pass. */
static double cost_products(const cost_shape *s) {
    return 4.0 * s->images * s->filters * s->channels * s->grid * s->grid;
}

/* 4 n (n+1) (S f + S f' + f f'): bytes of all three transforms. */
static double cost_memory(const cost_shape *s) {
    return 4.0 * s->grid * (s->grid + 1.0) *
           (s->images * s->channels + s->images * s->filters + s->channels * s->filters);
}

/* ---- The convolutions of a graph ---- */

typedef struct {
    const char *name;
    int taps, channels, filters, side;
    char reason[96]; /* why it is not compared */
} layer;

/* The taps' pairs from the node's parameter: [K][K][C_out][C_in] or [bins][C_out][C_in][2]. */
static bool find_pairs(fcnn_graph *graph, int node, layer *l) {
    for (int i = 0; i < fcnn_graph_parameter_count(graph); i++) {
        const fcnn_parameter *p = fcnn_graph_parameter(graph, i);
        if (p->node != node || p->rank != 4) continue;
        bool weight = !strcmp(strrchr(p->name, '.'), ".weight");
        l->filters = (int)p->shape[weight ? 2 : 1];
        l->channels = (int)p->shape[weight ? 3 : 2];
        return true;
    }
    return false;
}

/* Returns whether the node is a convolution, and describes it. */
static bool read_layer(fcnn_graph *graph, int node, layer *l) {
    *l = (layer){.name = fcnn_graph_node_name(graph, node)};
    const fcnn_section *section = fcnn_graph_node_section(graph, node);
    if (!find_pairs(graph, node, l)) return false;
    l->side = fcnn_graph_node_output(graph, node)->size;
    int stride = (int)fcnn_section_int(section, "stride");
    if (fcnn_section_is(section, "size", "full"))
        snprintf(l->reason, sizeof l->reason, "size=full has no taps in space");
    else
        l->taps = (int)fcnn_section_int(section, "size");
    if (stride > 1)
        snprintf(l->reason, sizeof l->reason, "stride=%d, and the formulas and fft are of stride 1",
                 stride);
    return true;
}

/* ---- Printing ---- */

static void print_formulas(FILE *out, const char *title, const cost_shape *s) {
    double direct = cost_direct(s), transforms = cost_transforms(s), products = cost_products(s);
    fprintf(out, "  %-38s%5.0f%5.0f%18.0f%18.0f%9.2fx%16.0f\n", title, s->grid, s->output, direct,
            transforms + products, direct / (transforms + products), cost_memory(s));
}

static void print_predictions(FILE *out, const layer *l, int batch, const bench_result *fft) {
    cost_shape s = {.images = batch,
                    .channels = l->channels,
                    .filters = l->filters,
                    .taps = l->taps,
                    .grid = l->side,
                    .output = l->side - l->taps + 1};
    fprintf(out, "  %-38s%5s%5s%18s%18s%10s%16s\n", "one pass", "n", "n'", "direct", "FFT", "ratio",
            "extra bytes");
    print_formulas(out, "as in the paper", &s);
    s.output = l->side;
    if (fft->tile) s.grid = fft->tile;
    print_formulas(out, fft->tile ? "here: border kept, grid of fft" : "here: border kept", &s);
    double direct = 3.0 * cost_direct(&s);
    double reused = 2.0 * cost_transforms(&s) + 3.0 * cost_products(&s);
    fprintf(out, "  %-38s%5s%5s%18.0f%18.0f%9.2fx\n", "its three passes, transforms reused", "", "",
            direct, reused, direct / reused);
}

static void print_measured(FILE *out, const bench_result results[BENCH_ROWS]) {
    static const int rows[] = {FCNN_CONVOLUTION_direct, FCNN_CONVOLUTION_gemm,
                               FCNN_CONVOLUTION_fft};
    fprintf(out, "  %-12s%12s%13s%15s%15s%15s%15s%13s\n", "measured", "forward ms", "training ms",
            "bytes: taps", "inputs", "forward", "backward", "scratch");
    for (int i = 0; i < 3; i++) {
        const bench_result *r = &results[rows[i]];
        if (r->timed)
            fprintf(out, "  %-12s%12.3f%13.3f%15lld%15lld%15lld%15lld%13lld\n",
                    bench_names[rows[i]], r->forward_ms, r->training_ms, (long long)r->bytes.kernel,
                    (long long)r->bytes.input, (long long)r->bytes.forward,
                    (long long)r->bytes.backward, (long long)r->scratch);
        else
            fprintf(out, "  %-12s%12s%13s  %s\n", bench_names[rows[i]], "-", "-", r->reason);
    }
    const bench_result *direct = &results[FCNN_CONVOLUTION_direct];
    const bench_result *fft = &results[FCNN_CONVOLUTION_fft];
    if (direct->timed && fft->timed)
        fprintf(out, "  %-12s%11.2fx%12.2fx\n", "direct/fft", direct->forward_ms / fft->forward_ms,
                direct->training_ms / fft->training_ms);
}

static fcnn_status measure(bench_shape *s, fcnn_device *device, int taps,
                           bench_result results[BENCH_ROWS]) {
    bench *b;
    FCNN_TRY(bench_create(s, device, &b));
    fcnn_status status = bench_measure(b, taps, results);
    bench_destroy(b);
    return status;
}

static fcnn_status print_layer(FILE *out, const layer *l, bench_shape *s, fcnn_device *device) {
    bench_result results[BENCH_ROWS];
    s->channels = l->channels;
    s->filters = l->filters;
    s->side = l->side;
    s->chosen[FCNN_CONVOLUTION_direct] = true;
    s->chosen[FCNN_CONVOLUTION_gemm] = true;
    s->chosen[FCNN_CONVOLUTION_fft] = true;
    fcnn_status status = measure(s, device, l->taps, results);
    if (s->bar) progress_clear(s->bar);
    if (status) return fcnn_status_prefix(status, "%s", l->name);
    fprintf(out, "%s: %d images, %d maps of %dx%d to %d, %dx%d taps, border %s\n", l->name,
            s->images, l->channels, l->side, l->side, l->filters, l->taps, l->taps,
            s->wrap ? "wrap" : "zero");
    print_predictions(out, l, s->images, &results[FCNN_CONVOLUTION_fft]);
    print_measured(out, results);
    fflush(out);
    return FCNN_OK;
}

fcnn_status cost_print(FILE *out, const fcnn_config *config, fcnn_graph *graph, fcnn_device *device,
                       int batch) {
    progress bar;
    bench_shape s = {.images = batch,
                     .wrap = fcnn_section_is(&config->sections[0], "border", "wrap"),
                     .rounds = ROUNDS,
                     .seconds = SECONDS,
                     .bar = &bar};
    int layers = 0, nodes = fcnn_graph_node_count(graph);
    layer l;
    for (int i = 0; i < nodes; i++) layers += read_layer(graph, i, &l) && !*l.reason;
    progress_start(&bar, "cost", 0, (int64_t)layers * 3 * (ROUNDS + 1));
    fprintf(out,
            "convolutions of the spatial twin, by the formulas of Mathieu, Henaff & LeCun (2013) "
            "and measured on %s:\n"
            "(direct S f' f n'^2 k^2; FFT 2 C n^2 log2 n (f' S + f S + f' f) + 4 S f' f n^2, C = "
            "2.5; extra bytes 4 n (n+1) (S f + S f' + f f');\n measured: medians; training is "
            "taps made ready, forward, backward for data and weights; bytes beside maps and "
            "taps)\n",
            device->description);
    for (int i = 0; i < nodes; i++) {
        if (!read_layer(graph, i, &l)) continue;
        if (*l.reason)
            fprintf(out, "%s: not compared: %s\n", l.name, l.reason);
        else
            FCNN_TRY(print_layer(out, &l, &s, device));
    }
    return FCNN_OK;
}
