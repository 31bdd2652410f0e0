/* Tori are planned when a convolution is, found by their shape while it runs, and
 * destroyed with the device. */
#include "plans.h"

#include <climits>

static const int64_t TORUS_SHARE = 4; /* of the workspace, for real tori transformed at once */

struct kept_tori : cuda_kept {
    std::vector<cuda_torus> tori;
    ~kept_tori() override {
        for (const cuda_torus &torus : tori) cuda_destroy_plans(&torus.plans);
    }
};

const cuda_torus *cuda_find_torus(cuda_device *device, int size, int channels, int unit) {
    for (const cuda_torus &torus : cuda_keep<kept_tori>(device)->tori)
        if (torus.size == size && torus.channels == channels && torus.unit == unit) return &torus;
    return nullptr;
}

fcnn_status cuda_make_torus(cuda_device *device, int size, int channels, int64_t unit) {
    int64_t columns = channels * unit, points = (int64_t)size * size;
    if (columns > INT_MAX / cuda_torus_bins(size))
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "transforms of %lld maps of %dx%d have more than 2^31 numbers, "
                               "which cuFFT cannot count; a smaller batch or tile has fewer",
                               (long long)columns, size, size);
    if (!cuda_find_torus(device, size, channels, (int)unit)) {
        int64_t bytes = points * unit * (int64_t)sizeof(float);
        int64_t most = (int64_t)device->workspace / TORUS_SHARE / bytes;
        int groups = most < 1 ? channels : (int)((channels + most - 1) / most);
        while (channels % groups) groups++;
        cuda_torus torus = {};
        torus.size = size;
        torus.channels = channels;
        torus.unit = (int)unit;
        torus.batch = channels / groups * (int)unit;
        FCNN_TRY(cuda_make_plans(device, size, torus.batch, (int)columns, &torus.plans));
        cuda_keep<kept_tori>(device)->tori.push_back(torus);
    }
    const cuda_torus *torus = cuda_find_torus(device, size, channels, (int)unit);
    cuda_need_scratch(device, cuda_align(cuda_torus_bytes(torus)) + cuda_align(torus->plans.work));
    return FCNN_OK;
}
