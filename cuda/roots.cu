/* Tables of roots of unity, made once and kept. */
#include "roots.h"

#include <cmath>
#include <vector>

struct root_table {
    int count;
    fcnn_complex *at;
};

struct kept_roots : cuda_kept {
    std::vector<root_table> tables;
    ~kept_roots() override {
        for (const root_table &roots : tables) cudaFree(roots.at);
    }
};

fcnn_status cuda_find_roots(cuda_device *device, int count, const fcnn_complex **found) {
    kept_roots *kept = cuda_keep<kept_roots>(device);
    for (const root_table &roots : kept->tables) {
        *found = roots.at;
        if (roots.count == count) return FCNN_OK;
    }
    std::vector<fcnn_complex> host((size_t)count);
    for (int j = 0; j < count; j++) {
        double angle = 2.0 * FCNN_PI * j / count;
        host[(size_t)j] = {(float)cos(angle), (float)sin(angle)};
    }
    root_table roots = {count, nullptr};
    FCNN_TRY(cuda_make_copy(device, host.data(), host.size() * sizeof(fcnn_complex),
                            (void **)&roots.at));
    kept->tables.push_back(roots);
    *found = roots.at;
    return FCNN_OK;
}
