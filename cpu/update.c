/* Optimizer rules and checks over flat buffers, in blocks of fixed size. */
#include "kernels.h"

enum { BLOCK = 16384 };

#define UPDATE_LOOP(name, moments)                                                                 \
    static void name##_block(const fcnn_step_constants *constants, float decay, int64_t count,     \
                             float *w, const float *g, float *m1, float *m2) {                     \
        float unused = 0.0f;                                                                       \
        for (int64_t i = 0; i < count; i++)                                                        \
            fcnn_##name##_update(constants, decay, g[i], &w[i], &m1[i],                            \
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
        int64_t blocks = (end - begin + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(base->threads) schedule(static)
        for (int64_t block = 0; block < blocks; block++) {
            int64_t at = begin + block * BLOCK;
            int64_t length = end - at < BLOCK ? end - at : BLOCK;
            update_blocks[rule](constants, decay, length, weights + at, gradients + at,
                                moment1 + at, moment2 ? moment2 + at : NULL);
        }
    }
    return FCNN_OK;
}

/* In double throughout: the square of a finite float may overflow a float. */
static double squares(const float *x, int count) {
    enum { PARTS = 8 };
    double part[PARTS] = {0}, sum = 0.0;
    int i = 0;
    for (; i + PARTS <= count; i += PARTS)
        for (int j = 0; j < PARTS; j++) part[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < count; i++) sum += (double)x[i] * (double)x[i];
    for (int j = 0; j < PARTS; j++) sum += part[j];
    return sum;
}

fcnn_status CPU(squared_norm)(fcnn_device *base, int64_t count, const float *x, double *sum) {
    (void)base;
    *sum = 0.0;
    for (int64_t at = 0; at < count; at += BLOCK)
        *sum += squares(x + at, (int)(count - at < BLOCK ? count - at : BLOCK));
    return FCNN_OK;
}

fcnn_status CPU(find_nonfinite)(fcnn_device *base, int64_t count, const float *x, int64_t *index) {
    (void)base;
    *index = -1;
    for (int64_t i = 0; i < count; i++) {
        if (isfinite(x[i])) continue;
        *index = i;
        break;
    }
    return FCNN_OK;
}
