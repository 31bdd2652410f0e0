/* Softmax and cross-entropy, image by image: their sums are in the order of classes and images. */
#include "cpu/lanes.h"
#include "formulas.h"

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
        fcnn_target target = fcnn_target_of(labels, constants->shares, n, logits->images);
        const float *column = logits->data + n;
        int rank = fcnn_label_rank(column, logits->capacity, classes, fcnn_target_label(&target));
        score->loss += fcnn_image_loss(column, logits->capacity, classes, &target,
                                       (double)constants->smoothing);
        score->correct += rank < 1;
        score->correct_top5 += rank < 5;
        score->images++;
        for (int c = 0; gradient && c < classes; c++)
            row_at(gradient, c)[n] =
                fcnn_loss_slope(row_at(p, c)[n], c, &target, classes, constants->smoothing, mean,
                                constants->class_weights);
    }
    return FCNN_OK;
}

fcnn_status CPU(take_score)(fcnn_device *base, fcnn_score *score) {
    fcnn_score *own = &((cpu_device *)base)->score;
    fcnn_score_add(score, own);
    *own = (fcnn_score){0};
    return FCNN_OK;
}
