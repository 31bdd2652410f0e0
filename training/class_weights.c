/* This file reads the weights that the classes have in training. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "training_internal.h"

/* Reads numbers split at commas, one for each class. */
static fcnn_status parse_list(const fcnn_config *config, const char *text, int classes,
                              double *weights) {
    const fcnn_section *net = &config->sections[0];
    int count = 0;
    for (const char *at = text;; at++) {
        char *end;
        double value = fcnn_number_read(at, &end);
        while (*end == ' ' || *end == '\t') end++;
        if (end == at || (*end && *end != ',') || !isfinite(value) || value < 0)
            return fcnn_config_error(config, net, "class_weights",
                                     "class_weights: expected none, balanced or numbers >= 0 split "
                                     "at commas, found '%s'",
                                     at);
        if (count < classes) weights[count] = value;
        count++;
        at = end;
        if (!*at) break;
    }
    if (count == classes) return FCNN_OK;
    return fcnn_config_error(config, net, "class_weights",
                             "class_weights has %d number%s and the data has %d classes", count,
                             count == 1 ? "" : "s", classes);
}

static fcnn_status fill(const fcnn_config *config, const fcnn_training_data *s, const char *text,
                        const int64_t *images, double *weights) {
    int classes = s->dataset->classes;
    if (strcmp(text, "balanced") != 0) {
        FCNN_TRY(parse_list(config, text, classes, weights));
    } else {
        for (int c = 0; c < classes; c++) weights[c] = images[c] ? 1.0 / (double)images[c] : 0.0;
    }
    double sum = 0.0;
    for (int c = 0; c < classes; c++) sum += (double)images[c] * weights[c];
    if (!(sum > 0.0))
        return fcnn_config_error(config, &config->sections[0], "class_weights",
                                 "class_weights: every class with training images has weight 0");
    for (int c = 0; c < classes; c++) weights[c] *= (double)s->train.count / sum;
    return FCNN_OK;
}

fcnn_status fcnn_class_weights_read(const fcnn_config *config, const fcnn_training_data *s,
                                    float **out) {
    const char *text = fcnn_section_text(&config->sections[0], "class_weights");
    size_t classes = (size_t)s->dataset->classes;
    *out = NULL;
    if (!strcmp(text, "none")) return FCNN_OK;
    double *numbers = calloc(classes, sizeof *numbers);
    float *weights = malloc(classes * sizeof *weights);
    int64_t *images = NULL;
    fcnn_status status = FCNN_OK;
    if (!numbers || !weights)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the classes' weights");
    if (!status) status = fcnn_training_data_count_classes(s, &images);
    if (!status) status = fill(config, s, text, images, numbers);
    for (size_t c = 0; !status && c < classes; c++) weights[c] = (float)numbers[c];
    free(numbers);
    free(images);
    if (status)
        free(weights);
    else
        *out = weights;
    return status;
}
