/* This file computes figures of a sample. */
#include "sample.h"

#include <math.h>
#include <stdlib.h>

double sample_deviation(const double *values, int count, double *mean) {
    double sum = 0, squares = 0;
    for (int i = 0; i < count; i++) sum += values[i];
    *mean = sum / count;
    for (int i = 0; i < count; i++) squares += (values[i] - *mean) * (values[i] - *mean);
    return count > 1 ? sqrt(squares / (count - 1)) : 0;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double sample_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}
