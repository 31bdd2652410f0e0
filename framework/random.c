/* Philox 4x32-10 from Random123, and the distributions fcnn needs. */
#include "random.h"

#include <Random123/philox.h>
#include <math.h>

#include "band.h"

void fcnn_random_block(const fcnn_random *random, uint32_t lane, uint32_t out[4]) {
    philox4x32_ctr_t counter = {
        {lane, random->stream, (uint32_t)random->index, (uint32_t)(random->index >> 32)}};
    philox4x32_key_t key = {{(uint32_t)random->seed, (uint32_t)(random->seed >> 32)}};
    philox4x32_ctr_t block = philox4x32(counter, key);
    for (int i = 0; i < 4; i++) out[i] = block.v[i];
}

/* The centre of one of 2^23 equal cells of (0, 1): exact in a float. */
static float to_uniform(uint32_t bits) { return ((float)(bits >> 9) + 0.5f) * 0x1p-23f; }

float fcnn_random_uniform(const fcnn_random *random, uint64_t lane) {
    uint32_t block[4];
    fcnn_random_block(random, (uint32_t)(lane / 4), block);
    return to_uniform(block[lane % 4]);
}

uint32_t fcnn_random_below(const fcnn_random *random, uint32_t lane, uint32_t limit) {
    uint32_t block[4];
    fcnn_random_block(random, lane, block);
    uint64_t bits = (uint64_t)block[0] << 32 | block[1];
    /* 64 random bits scaled to 32: the bias is below limit / 2^64. */
    return (uint32_t)(((bits >> 32) * limit + (((bits & 0xffffffffu) * limit) >> 32)) >> 32);
}

void fcnn_random_normal(const fcnn_random *random, int64_t count, float deviation, float *out) {
    for (int64_t i = 0; i < count; i += 4) {
        uint32_t bits[4];
        fcnn_random_block(random, (uint32_t)(i / 4), bits);
        /* Box-Muller, two pairs a block. */
        for (int j = 0; j < 4 && i + j < count; j++) {
            double u = ((double)bits[j & 2] + 0.5) * 0x1p-32;
            double v = ((double)bits[(j & 2) + 1] + 0.5) * 0x1p-32;
            double length = sqrt(-2.0 * log(u)), angle = 2.0 * FCNN_PI * v;
            out[i + j] = deviation * (float)(length * (j & 1 ? sin(angle) : cos(angle)));
        }
    }
}

void fcnn_random_permutation(const fcnn_random *random, int64_t count, int64_t *order) {
    for (int64_t i = 0; i < count; i++) order[i] = i;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = fcnn_random_below(random, (uint32_t)i, (uint32_t)(i + 1));
        int64_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}
