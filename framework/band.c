/* Shell order's inverse and the alias tables of strided convolutions. */
#include "band.h"

#include <stdatomic.h>
#include <stdlib.h>

static atomic_uint_fast64_t folds = 1;

fcnn_status fcnn_fold_size(int n, int stride, int *m) {
    if (stride < 2 || stride % 2)
        return fcnn_status_set(
            FCNN_ERROR_CONFIG,
            "stride=%d on a band of size %d: the grid has %d points, so a stride "
            "is 1 or even",
            stride, n, n + 1);
    int grid = n + 1;
    *m = grid / stride;
    if (grid % stride == 0 && *m % 2 == 1) return FCNN_OK;
    /* Sizes that fold are stride * odd - 1. */
    int below = (grid / stride - 1) / 2 * 2 + 1;
    while (below * stride > grid) below -= 2;
    int above = (below < 1) ? 1 : below + 2;
    if (below < 1)
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "stride=%d on a band of size %d: (size+1)/stride must be an odd "
                               "whole number; the nearest size that does is %d",
                               stride, n, above * stride - 1);
    return fcnn_status_set(FCNN_ERROR_CONFIG,
                           "stride=%d on a band of size %d: (size+1)/stride must be an odd whole "
                           "number; the nearest sizes that do are %d and %d",
                           stride, n, below * stride - 1, above * stride - 1);
}

/* By columns, then rows of the plane; rows fall where ky < 0, so that the aliases of (ky, kx) and
 * of (-ky, kx), kx > 0, are each other's mirror images in turn. */
static int fold_bin(const fcnn_fold *fold, int m, int ky, int kx, int64_t at) {
    int r = fold->radius_in, reach = fold->stride, count = 0;
    for (int j = -reach; j <= reach; j++) {
        for (int i = -reach; i <= reach; i++) {
            int qy = ky + (ky < 0 ? -i : i) * m, qx = kx + j * m;
            if (abs(qy) > r || abs(qx) > r) continue;
            if (ky == 0 && kx == 0 && !fcnn_band_stored(qy, qx)) continue;
            if (fold->bin)
                fold->bin[at + count] =
                    (int32_t)fcnn_band_locate(qy, qx, &fold->conjugate[at + count]);
            count++;
        }
    }
    return count;
}

fcnn_status fcnn_fold_create(int n, int stride, int radius_in, int radius_out, fcnn_fold **out) {
    int m;
    FCNN_TRY(fcnn_fold_size(n, stride, &m));
    int64_t bins = fcnn_band_count(radius_out);
    fcnn_fold *fold = calloc(1, sizeof *fold);
    int64_t *start = calloc((size_t)bins + 1, sizeof *start);
    if (!fold || !start) goto fail;
    *fold = (fcnn_fold){.id = atomic_fetch_add(&folds, 1),
                        .radius_in = radius_in,
                        .radius_out = radius_out,
                        .stride = stride,
                        .grid = n + 1,
                        .start = start};
    for (int pass = 0; pass < 2; pass++) {
        int64_t at = 0;
        for (int64_t k = 0; k < bins; k++) {
            int ky, kx;
            fcnn_band_frequency(k, &ky, &kx);
            start[k] = at;
            int count = fold_bin(fold, m, ky, kx, at);
            if (count > fold->most) fold->most = count;
            at += count;
        }
        start[bins] = at;
        if (pass) break;
        fold->bin = calloc((size_t)at, sizeof *fold->bin);
        fold->conjugate = calloc((size_t)at, sizeof *fold->conjugate);
        if (!fold->bin || !fold->conjugate) goto fail;
    }
    *out = fold;
    return FCNN_OK;
fail:
    if (fold && fold->start) {
        fcnn_fold_destroy(fold);
    } else {
        free(fold);
        free(start);
    }
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the alias table of %lld bins",
                           (long long)bins);
}

void fcnn_fold_destroy(fcnn_fold *fold) {
    if (!fold) return;
    free(fold->start);
    free(fold->bin);
    free(fold->conjugate);
    free(fold);
}

int64_t fcnn_band_square_cost(int radius, int window) {
    int64_t pairs = 0;
    for (int64_t k = 0; k < fcnn_band_count(window < radius ? window : radius); k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        int64_t rows = 2 * radius + 1 - (ky < 0 ? -ky : ky), columns = 2 * radius + 1 - kx;
        if (rows > 0 && columns > 0) pairs += (rows * columns + 1) / 2;
    }
    return 4 * pairs;
}
