/* Dense layers, softmax and cross-entropy. Products are cut into blocks of
 * fixed size, so that threads do not change a sum. */
#include "blas.h"

#include "formulas.h"
#include "kernels.h"

enum { ROW_BLOCK = 64, FEATURE_BLOCK = 512 };

static int block_of(int64_t first, int64_t end, int most) {
    return end - first < most ? (int)(end - first) : most;
}

fcnn_status CPU(dense_forward)(fcnn_device *base, const float *w, const float *bias,
                               const fcnn_tensor *x, fcnn_tensor *y) {
    int units = y->channels, features = (int)fcnn_tensor_rows(x), images = x->images;
    int blocks = (units + ROW_BLOCK - 1) / ROW_BLOCK;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int block = 0; block < blocks; block++) {
        int first = block * ROW_BLOCK, count = block_of(first, units, ROW_BLOCK);
        for (int u = first; u < first + count; u++)
            for (int n = 0; n < images; n++) row_at(y, u)[n] = bias[u];
        fcnn_cpu_blas.sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, images, features,
                            1.0f, w + (int64_t)first * features, features, x->data, x->capacity,
                            1.0f, row_at(y, first), y->capacity);
    }
    return FCNN_OK;
}

fcnn_status CPU(dense_backward)(fcnn_device *base, const float *w, const fcnn_tensor *x,
                                const fcnn_tensor *dy, fcnn_tensor *dx, float *dw, float *dbias) {
    int units = dy->channels, features = (int)fcnn_tensor_rows(x), images = x->images;
    int blocks = (features + FEATURE_BLOCK - 1) / FEATURE_BLOCK;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int block = 0; block < blocks; block++) {
        int first = block * FEATURE_BLOCK, count = block_of(first, features, FEATURE_BLOCK);
        fcnn_cpu_blas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, units, count, images, 1.0f,
                            dy->data, dy->capacity, row_at(x, first), x->capacity, 0.0f, dw + first,
                            features);
        if (dx)
            fcnn_cpu_blas.sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, count, images, units, 1.0f,
                                w + first, features, dy->data, dy->capacity, 0.0f,
                                row_at(dx, first), dx->capacity);
    }
    for (int u = 0; u < units; u++) {
        double sum = 0.0;
        for (int n = 0; n < images; n++) sum += row_at(dy, u)[n];
        dbias[u] = (float)sum;
    }
    return FCNN_OK;
}

fcnn_status CPU(softmax)(fcnn_device *base, const fcnn_tensor *logits, fcnn_tensor *p) {
    (void)base;
    for (int n = 0; n < logits->images; n++) {
        float most = fcnn_logits_largest(logits->data + n, logits->capacity, logits->channels);
        double sum = 0.0;
        for (int c = 0; c < logits->channels; c++) {
            float e = expf(row_at(logits, c)[n] - most);
            row_at(p, c)[n] = e;
            sum += e;
        }
        float scale = (float)(1.0 / sum);
        for (int c = 0; c < logits->channels; c++) row_at(p, c)[n] *= scale;
    }
    return FCNN_OK;
}

fcnn_status CPU(cross_entropy)(fcnn_device *base, const fcnn_loss_constants *constants,
                               const fcnn_tensor *logits, const fcnn_tensor *p,
                               const int32_t *labels, fcnn_tensor *gradient, fcnn_score *score) {
    int classes = logits->channels;
    float mean = constants->scale / (float)logits->images;
    FCNN_TRY(fcnn_labels_check(labels, logits->images, classes));
    if (!score) score = &((cpu_device *)base)->score;
    for (int n = 0; n < logits->images; n++) {
        int label = labels[n];
        const float *column = logits->data + n;
        int rank = fcnn_label_rank(column, logits->capacity, classes, label);
        score->loss +=
            fcnn_image_loss(column, logits->capacity, classes, label, (double)constants->smoothing);
        score->correct += rank < 1;
        score->correct_top5 += rank < 5;
        score->images++;
        float scale = constants->class_weights ? mean * constants->class_weights[label] : mean;
        for (int c = 0; gradient && c < classes; c++)
            row_at(gradient, c)[n] =
                fcnn_loss_slope(row_at(p, c)[n], c, label, classes, constants->smoothing, scale);
    }
    return FCNN_OK;
}
