/* A tensor's type in words. */
#include "tensor.h"

#include <stdio.h>

void fcnn_tensor_describe(const fcnn_tensor *t, char *text, size_t bytes) {
    switch (t->layout) {
    case FCNN_BAND:
        snprintf(text, bytes, "a band of %d channels, %dx%d (radius %d, %lld bins stored)",
                 t->channels, t->size, t->size, (t->size - 1) / 2,
                 (long long)fcnn_band_count(t->radius));
        break;
    case FCNN_MAP:
        snprintf(text, bytes, "%d maps of %dx%d pixels", t->channels, t->size, t->size);
        break;
    case FCNN_VECTOR: snprintf(text, bytes, "a vector of %d", t->channels); break;
    }
}
