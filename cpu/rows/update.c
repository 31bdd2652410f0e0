/* Optimizer rules and checks over flat buffers, at the speed of memory: in blocks and chunks of
 * fixed size, whose sums are combined in order. */
#include "cpu/caches.h"
#include "cpu/lanes.h"

enum { CHUNKS = 64 };

/* A loop is vectorised only without aliasing, with the constants in registers, and where a square
 * root sets no errno (-fno-math-errno). */
#define UPDATE_LOOP(name, moments)                                                                 \
    static void name##_block(const fcnn_step_constants *constants, float decay, int64_t count,     \
                             float *restrict w, const float *restrict g, float *restrict m1,       \
                             float *restrict m2) {                                                 \
        const fcnn_step_constants c = *constants;                                                  \
        float unused = 0.0f;                                                                       \
        for (int64_t i = 0; i < count; i++)                                                        \
            fcnn_##name##_update(&c, decay, g[i], &w[i], &m1[i],                                   \
                                 (moments) > 1 ? &m2[i] : &unused);                                \
    }
FCNN_OPTIMIZER_RULES(UPDATE_LOOP)

typedef void (*update_block)(const fcnn_step_constants *, float, int64_t, float *, const float *,
                             float *, float *);
#define UPDATE_ROW(name, moments) name##_block,
static const update_block update_blocks[] = {FCNN_OPTIMIZER_RULES(UPDATE_ROW)};

fcnn_status CPU(update)(fcnn_device *base, fcnn_update_rule rule,
                        const fcnn_step_constants *constants, int64_t count, int64_t decayed,
                        float *weights, const float *gradients, float *moment1, float *moment2) {
    for (int part = 0; part < 2; part++) {
        int64_t begin = part ? decayed : 0, end = part ? count : decayed;
        float decay = part ? 0.0f : constants->decay;
        int64_t blocks = (end - begin + UPDATE_BLOCK - 1) / UPDATE_BLOCK;
#pragma omp parallel for num_threads(base->threads) schedule(static)
        for (int64_t block = 0; block < blocks; block++) {
            int64_t at = begin + block * UPDATE_BLOCK;
            int64_t length = end - at < UPDATE_BLOCK ? end - at : UPDATE_BLOCK;
            update_blocks[rule](constants, decay, length, weights + at, gradients + at,
                                moment1 + at, moment2 ? moment2 + at : NULL);
        }
    }
    return FCNN_OK;
}

/* Numbers of a chunk: whole blocks, so many that there are no more than CHUNKS chunks. */
static int64_t chunk_of(int64_t count) {
    int64_t blocks = (count + UPDATE_BLOCK - 1) / UPDATE_BLOCK;
    return (blocks + CHUNKS - 1) / CHUNKS * UPDATE_BLOCK;
}

/* The sum is in double throughout: the square of a finite float may overflow a float. */
static double squares(const float *x, int64_t count) {
    wide part[4] = {{0}};
    double rest = 0.0;
    int64_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        for (int j = 0; j < 4; j++) {
            wide v = wide_load(x + i + j * (LANES / 2));
            part[j] += v * v;
        }
    }
    for (; i < count; i++) rest += (double)x[i] * (double)x[i];
    return wide_sum((part[0] + part[1]) + (part[2] + part[3])) + rest;
}

fcnn_status CPU(squared_norm)(fcnn_device *base, int64_t count, const float *x, double *sum) {
    double part[CHUNKS] = {0};
    int64_t chunk = chunk_of(count);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int i = 0; i < CHUNKS; i++) {
        int64_t end = (i + 1) * chunk < count ? (i + 1) * chunk : count;
        for (int64_t at = i * chunk; at < end; at += UPDATE_BLOCK)
            part[i] += squares(x + at, end - at < UPDATE_BLOCK ? end - at : UPDATE_BLOCK);
    }
    *sum = 0.0;
    for (int i = 0; i < CHUNKS; i++) *sum += part[i];
    return FCNN_OK;
}

/* 0 x is 0 where x is finite and NaN elsewhere, so that sums tell, in vectors. */
static bool all_finite(const float *x, int64_t count) {
    lanes part[4] = {{0}};
    int64_t i = 0;
    for (; i + 4 * LANES <= count; i += 4 * LANES) {
        for (int j = 0; j < 4; j++) part[j] += lanes_load(x + i + j * LANES) * 0.0f;
    }
    lanes sum = (part[0] + part[1]) + (part[2] + part[3]);
    float rest = 0.0f;
    for (; i < count; i++) rest += x[i] * 0.0f;
    for (int l = 0; l < LANES; l++) rest += sum[l];
    return rest == 0.0f;
}

static int64_t first_nonfinite(int64_t begin, int64_t end, const float *x) {
    for (int64_t at = begin; at < end; at += UPDATE_BLOCK) {
        int64_t stop = end - at < UPDATE_BLOCK ? end : at + UPDATE_BLOCK;
        if (all_finite(x + at, stop - at)) continue;
        for (int64_t i = at; i < stop; i++)
            if (!isfinite(x[i])) return i;
    }
    return -1;
}

fcnn_status CPU(find_nonfinite)(fcnn_device *base, int64_t count, const float *x, int64_t *index) {
    int64_t first[CHUNKS], chunk = chunk_of(count);
#pragma omp parallel for num_threads(base->threads) schedule(static) if (count > UPDATE_BLOCK)
    for (int i = 0; i < CHUNKS; i++)
        first[i] = first_nonfinite(i * chunk, (i + 1) * chunk < count ? (i + 1) * chunk : count, x);
    *index = -1;
    for (int i = CHUNKS - 1; i >= 0; i--)
        if (first[i] >= 0) *index = first[i];
    return FCNN_OK;
}
