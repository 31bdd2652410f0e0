/* cuRAND's generator, which is Random123's: see cuda_runtime.h. */
#ifndef FCNN_TESTS_CURAND_PHILOX_H
#define FCNN_TESTS_CURAND_PHILOX_H

#include <Random123/philox.h>

struct uint2 {
    unsigned x, y;
};
struct uint4 {
    unsigned x, y, z, w;
};

static inline uint4 curand_Philox4x32_10(uint4 c, uint2 k) {
    philox4x32_ctr_t counter = {{c.x, c.y, c.z, c.w}};
    philox4x32_key_t key = {{k.x, k.y}};
    philox4x32_ctr_t block = philox4x32(counter, key);
    return uint4{block.v[0], block.v[1], block.v[2], block.v[3]};
}

#endif
