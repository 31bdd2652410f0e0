/* Optimizer rules and checks over flat buffers. */
#include <cfloat>

#include "cuda/launch.h"

/* ---- Update: an item is a number of the buffers ---- */

struct updated_weights {
    fcnn_update_rule rule;
    fcnn_step_constants constants;
    int64_t decayed;
    float *weights;
    const float *gradients;
    float *moment1, *moment2; /* moment2: NULL where the rule has one moment */
    CUDA_BODY void operator()(int64_t i) const {
        float decay = i < decayed ? constants.decay : 0.0f, unused = 0.0f;
        float *second = moment2 ? &moment2[i] : &unused;
#define UPDATE_CASE(name, moments)                                                                 \
    case FCNN_RULE_##name:                                                                         \
        fcnn_##name##_update(&constants, decay, gradients[i], &weights[i], &moment1[i], second);   \
        break;
        switch (rule) {
            FCNN_OPTIMIZER_RULES(UPDATE_CASE)
        default: break;
        }
    }
};

fcnn_status cuda_update(fcnn_device *base, fcnn_update_rule rule,
                        const fcnn_step_constants *constants, int64_t count, int64_t decayed,
                        float *weights, const float *gradients, float *moment1, float *moment2) {
    updated_weights body = {rule, *constants, decayed, weights, gradients, moment1, moment2};
    CUDA_RUN(cuda_of(base), count, body);
    return FCNN_OK;
}

/* ---- Checks ---- */

/* Squares are doubles, as that of a finite float may overflow a float. */
struct sum_of_squares : cuda_sums<1> {
    const float *x;
    double *result;
    CUDA_BODY void add(int64_t, int64_t i, double *sums) const {
        sums[0] += (double)x[i] * (double)x[i];
    }
    CUDA_BODY void finish(int64_t, const double *sums) const { *result = sums[0]; }
};

fcnn_status cuda_squared_norm(fcnn_device *base, int64_t count, const float *x, double *sum) {
    cuda_device *device = cuda_of(base);
    sum_of_squares body = {{}, x, device->results};
    CUDA_REDUCE(device, 1, count, body);
    return cuda_fetch(device, sum, device->results, sizeof *sum);
}

/* The least index, -1 for none; a double holds any index exactly. */
struct first_nonfinite {
    static constexpr int numbers = 1;
    const float *x;
    double *result;
    static CUDA_BODY void start(double *least) { *least = -1.0; }
    static CUDA_BODY void combine(double *least, const double *other) {
        if (*other >= 0.0 && (*least < 0.0 || *other < *least)) *least = *other;
    }
    CUDA_BODY void add(int64_t, int64_t i, double *least) const {
        double index = fabsf(x[i]) <= FLT_MAX ? -1.0 : (double)i;
        combine(least, &index);
    }
    CUDA_BODY void finish(int64_t, const double *least) const { *result = *least; }
};

fcnn_status cuda_find_nonfinite(fcnn_device *base, int64_t count, const float *x, int64_t *index) {
    cuda_device *device = cuda_of(base);
    first_nonfinite body = {x, device->results};
    double least;
    CUDA_REDUCE(device, 1, count, body);
    FCNN_TRY(cuda_fetch(device, &least, device->results, sizeof least));
    *index = (int64_t)least;
    return FCNN_OK;
}
