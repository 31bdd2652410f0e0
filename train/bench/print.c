/* This file prints what fcnn-bench conv has measured. The columns of the table are sized by hand
 * for 120 characters. */
#include "print.h"

#include <math.h>
#include <string.h>

#include "train/json.h"

static double gflops(const bench_result *r) { return 1e-6 * r->flops / r->forward_ms; }

/* Returns how much faster r is than `other`, or 0 where that is not known. */
static double speedup(const bench_result *r, const bench_result *other, bool training) {
    if (!r->timed || !other->timed) return 0.0;
    return training ? other->training_ms / r->training_ms : other->forward_ms / r->forward_ms;
}

static void ratio_text(double ratio, char text[16]) {
    if (ratio > 0.0)
        snprintf(text, 16, ratio < 0.995 ? "%.2fx" : "%.1fx", ratio);
    else
        snprintf(text, 16, "-");
}

/* ---- The table ---- */

void bench_print_header(FILE *out, const bench_report *report) {
    const bench_shape *s = report->shape;
    fprintf(out, "%s\n%d images, %d maps of %dx%d to %d maps, border %s\n",
            report->device->description, s->images, s->channels, s->side, s->side, s->filters,
            s->wrap ? "wrap" : "zero");
    if (s->chosen[BENCH_RESIDENT])
        fprintf(out, "resident: bands that stand for %dx%d maps, border wrap by their nature\n",
                bench_band_side(s->side), bench_band_side(s->side));
    if (s->peer) fprintf(out, "%s: %s\n", bench_names[BENCH_PEER], bench_peer_description(s->peer));
    if (*report->peer_missing)
        fprintf(out, "%s: %s\n", bench_names[BENCH_PEER], report->peer_missing);
    fprintf(out, "%-7s%-10s%12s%13s%9s%9s%20s%18s%10s%8s%10s\n", "", "", "", "", "", "",
            "against direct", "against gemm", "", "", "");
    fprintf(out, "%-7s%-10s%12s%13s%9s%9s%11s%9s%9s%9s%10s%8s%10s\n", "kernel", "algorithm",
            "forward ms", "training ms", "GFLOP/s", "ceiling", "forward", "training", "forward",
            "training", "MiB", "rounds", "error");
    fflush(out);
}

static void print_row(FILE *out, const bench_result results[BENCH_ROWS], int row,
                      const char *kernel, double ceiling) {
    const bench_result *r = &results[row];
    const bench_result *direct = &results[FCNN_CONVOLUTION_direct];
    const bench_result *gemm = &results[FCNN_CONVOLUTION_gemm];
    if (!r->timed) {
        fprintf(out, "%-7s%-10s%12s%13s%9s%9s%11s%9s%9s%9s%10s%8s%10s\n", kernel, bench_names[row],
                "-", "-", "-", "-", "-", "-", "-", "-", "-", "-", "-");
        return;
    }
    char text[4][16], memory[16] = "-", error[16] = "-";
    for (int i = 0; i < 4; i++) ratio_text(speedup(r, i < 2 ? direct : gemm, i % 2), text[i]);
    if (row != BENCH_PEER) {
        snprintf(memory, sizeof memory, "%.1f", (double)bench_memory(r) / 1048576.0);
        snprintf(error, sizeof error, "%.0e", r->error);
    }
    fprintf(out, "%-7s%-10s%12.2f%13.2f%9.1f%8.1f%%%11s%9s%9s%9s%10s%8d%10s\n", kernel,
            bench_names[row], r->forward_ms, r->training_ms, gflops(r), 100.0 * gflops(r) / ceiling,
            text[0], text[1], text[2], text[3], memory, r->rounds, error);
}

void bench_print_kernel(FILE *out, const bench_report *report, int kernel) {
    char name[32];
    snprintf(name, sizeof name, "%dx%d", report->kernels[kernel], report->kernels[kernel]);
    for (int i = 0; i < BENCH_ROWS; i++)
        if (report->shape->chosen[i])
            print_row(out, report->results[kernel], i, name,
                      bench_ceiling_gflops(&report->ceilings));
    fflush(out);
}

/* ---- Below the table ---- */

static void print_reason(FILE *out, const bench_report *report, int row) {
    const char *first = NULL;
    for (int i = 0; i < report->kernel_count; i++) {
        const bench_result *r = &report->results[i][row];
        if (!*r->reason) continue;
        if (!first) fprintf(out, "%s not timed for", bench_names[row]);
        if (!first) first = r->reason;
        fprintf(out, " %dx%d", report->kernels[i], report->kernels[i]);
    }
    if (first) fprintf(out, ": %s\n", first);
}

static int fastest(const bench_result results[BENCH_ROWS], bool training) {
    int best = -1;
    for (int i = 0; i < BENCH_PEER; i++)
        if (results[i].timed && (best < 0 || speedup(&results[i], &results[best], training) > 1.0))
            best = i;
    return best;
}

static void print_peer(FILE *out, const bench_report *report, int kernel) {
    const bench_result *results = report->results[kernel], *peer = &results[BENCH_PEER];
    if (!peer->timed) return;
    fprintf(out, "%s %dx%d (%s):", bench_names[BENCH_PEER], report->kernels[kernel],
            report->kernels[kernel], peer->remark);
    static const char *const passes[] = {"forward", "training"};
    for (int i = 0; i < 2; i++) {
        static const int others[] = {FCNN_CONVOLUTION_direct, FCNN_CONVOLUTION_gemm};
        fprintf(out, "%s %s", i ? ";" : "", passes[i]);
        for (int j = 0; j < 2; j++) {
            char text[16];
            if (!results[others[j]].timed) continue;
            ratio_text(speedup(peer, &results[others[j]], i), text);
            fprintf(out, " %s %s,", text, bench_names[others[j]]);
        }
        int best = fastest(results, i);
        char text[16];
        if (best < 0) continue;
        ratio_text(speedup(peer, &results[best], i), text);
        fprintf(out, " %s our best, %s", text, bench_names[best]);
    }
    fputc('\n', out);
}

static void print_paper(FILE *out, const bench_report *report) {
    for (int i = 0; i < report->kernel_count; i++) {
        if (report->kernels[i] != 8 || report->shape->side != 224) continue;
        const bench_result *oaa = &report->results[i][FCNN_CONVOLUTION_oaa];
        const bench_result *direct = &report->results[i][FCNN_CONVOLUTION_direct];
        char forward[16], training[16];
        if (!oaa->timed || !direct->timed) continue;
        ratio_text(speedup(oaa, direct, false), forward);
        ratio_text(speedup(oaa, direct, true), training);
        fprintf(out,
                "overlap-and-add against traditional convolution, 8x8 on 224x224: 16.3x "
                "(Highlander & Rodriguez 2016); here oaa against direct: %s forward, %s training\n",
                forward, training);
    }
}

void bench_print_notes(FILE *out, const bench_report *report) {
    fprintf(out,
            "ceiling %.0f GFLOP/s, the first of this machine's, the best that was seen before "
            "the first kernel and after each\nGFLOP/s: ",
            bench_ceiling_gflops(&report->ceilings));
    bench_print_ceilings(out, &report->ceilings, 0.0);
    fputs(
        "(medians of interleaved rounds; forward: taps ready; training: taps made ready, forward, "
        "backward for data and weights;\n GFLOP/s: of a forward pass as direct counts, 2 C C' K K "
        "n n an image: more than the ceiling where an algorithm takes fewer;\n MiB: needed in "
        "training beside maps and taps; error: of the forward result against direct's, of the same "
        "border and size)\n",
        out);
    for (int i = 0; i < BENCH_ROWS; i++)
        if (report->shape->chosen[i]) print_reason(out, report, i);
    for (int i = 0; i < report->kernel_count; i++) print_peer(out, report, i);
    print_paper(out, report);
}

/* ---- JSON ---- */

static bool add_number(cJSON *object, const char *name, double value, bool known) {
    return json_add_real(object, name, known ? value : NAN, 7);
}

static bool add_ratio(cJSON *object, const char *name, double ratio) {
    return add_number(object, name, ratio, ratio > 0.0);
}

static bool add_figures(cJSON *object, const bench_result results[BENCH_ROWS], int row,
                        double ceiling) {
    const bench_result *r = &results[row];
    const bench_result *direct = &results[FCNN_CONVOLUTION_direct];
    const bench_result *gemm = &results[FCNN_CONVOLUTION_gemm];
    bool own = row != BENCH_PEER;
    return add_number(object, "forward_ms", r->forward_ms, true) &&
           add_number(object, "training_ms", r->training_ms, true) &&
           add_number(object, "gflops", gflops(r), true) &&
           add_number(object, "fraction", gflops(r) / ceiling, true) &&
           add_ratio(object, "speedup_direct", speedup(r, direct, false)) &&
           add_ratio(object, "speedup_gemm", speedup(r, gemm, false)) &&
           add_ratio(object, "training_speedup_direct", speedup(r, direct, true)) &&
           add_ratio(object, "training_speedup_gemm", speedup(r, gemm, true)) &&
           add_number(object, "memory_mib", (double)bench_memory(r) / 1048576.0, own) &&
           add_number(object, "error", r->error, own) &&
           add_number(object, "tile", r->tile, r->tile) &&
           add_number(object, "rounds", r->rounds, true) &&
           (!*r->remark || cJSON_AddStringToObject(object, "remark", r->remark));
}

/* Adds a kernel and algorithm to a list: what was measured, or why it was not. */
static bool add_case(cJSON *list, const bench_report *report, int kernel, int row) {
    const bench_result *r = &report->results[kernel][row];
    cJSON *object = json_add_object(list);
    if (!object || !add_number(object, "kernel", report->kernels[kernel], true) ||
        !cJSON_AddStringToObject(object, "algorithm", bench_names[row]))
        return false;
    return r->timed ? add_figures(object, report->results[kernel], row,
                                  bench_ceiling_gflops(&report->ceilings))
                    : cJSON_AddStringToObject(object, "reason", r->reason) != NULL;
}

static bool add_shape(cJSON *object, const bench_report *report) {
    const bench_shape *s = report->shape;
    return cJSON_AddStringToObject(object, "device", report->device->description) &&
           add_number(object, "threads", report->device->threads, true) &&
           add_number(object, "size", s->side, true) &&
           add_number(object, "channels", s->channels, true) &&
           add_number(object, "filters", s->filters, true) &&
           add_number(object, "batch", s->images, true) &&
           cJSON_AddStringToObject(object, "border", s->wrap ? "wrap" : "zero") &&
           add_number(object, "ceiling_gflops", bench_ceiling_gflops(&report->ceilings), true) &&
           bench_add_ceilings(object, &report->ceilings) &&
           (!s->peer || cJSON_AddStringToObject(object, "peer", bench_peer_description(s->peer)));
}

fcnn_status bench_print_json(FILE *out, const bench_report *report) {
    cJSON *object = cJSON_CreateObject();
    bool good = add_shape(object, report);
    cJSON *cases = cJSON_AddArrayToObject(object, "cases");
    cJSON *left_out = cJSON_AddArrayToObject(object, "left_out");
    for (int i = 0; i < report->kernel_count; i++)
        for (int j = 0; j < BENCH_ROWS; j++) {
            const bench_result *r = &report->results[i][j];
            if (r->timed) good = good && add_case(cases, report, i, j);
            if (*r->reason) good = good && add_case(left_out, report, i, j);
        }
    return json_write(out, object, good && cases && left_out);
}
