/* Training images are mixed, row by row. */
#include "cpu/lanes.h"
#include "formulas.h"

static void mix_row(const float *shares, const fcnn_tensor *x, int64_t row) {
    int width = x->layout == FCNN_BAND ? 2 : 1; /* floats of an image */
    float *image = row_at(x, row), *partner = image + (x->images - 1) * width;
    for (int n = 0; n < x->images / 2; n++, image += width, partner -= width)
        for (int i = 0; i < width; i++) fcnn_mix(shares[n], image + i, partner + i);
}

fcnn_status CPU(mix)(fcnn_device *base, const float *shares, fcnn_tensor *x) {
    int64_t rows = fcnn_tensor_rows(x);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) mix_row(shares, x, row);
    return FCNN_OK;
}
