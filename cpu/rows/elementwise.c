/* Operations that take rows one by one: per-bin and pointwise rules, dropout, copies, sums, bias.
 */
#include "cpu/lanes.h"
#include "formulas.h"

static int64_t rows_of_bins(const fcnn_tensor *t, int radius) {
    return t->layout == FCNN_BAND ? fcnn_band_count(radius) * t->channels : fcnn_tensor_rows(t);
}

static void clear_rows(const fcnn_tensor *t, int64_t from, int64_t to) {
    for (int64_t row = from; row < to; row++)
        memset(row_at(t, row), 0, (size_t)row_floats(t) * sizeof(float));
}

/* ---- Per-bin rules: one loop each, made from the table ---- */

#define PER_BIN_LOOPS(name, learned)                                                               \
    static void name##_row(const fcnn_complex *x, float b, int count, fcnn_complex *y) {           \
        for (int i = 0; i < count; i++) y[i] = fcnn_##name##_value(x[i], b);                       \
    }                                                                                              \
    static float name##_gradient_row(const fcnn_complex *x, float b, const fcnn_complex *dy,       \
                                     int count, fcnn_complex *dx) {                                \
        float db = 0.0f;                                                                           \
        for (int i = 0; i < count; i++) {                                                          \
            fcnn_complex d = fcnn_##name##_gradient(x[i], b, dy[i], &db);                          \
            if (dx) dx[i] = d;                                                                     \
        }                                                                                          \
        return db;                                                                                 \
    }
FCNN_PER_BIN_RULES(PER_BIN_LOOPS)

typedef struct {
    void (*value)(const fcnn_complex *, float, int, fcnn_complex *);
    float (*gradient)(const fcnn_complex *, float, const fcnn_complex *, int, fcnn_complex *);
} per_bin_row;

#define PER_BIN_ROW(name, learned) {name##_row, name##_gradient_row},
static const per_bin_row per_bin_rows[] = {FCNN_PER_BIN_RULES(PER_BIN_ROW)};

fcnn_status CPU(per_bin_forward)(fcnn_device *base, fcnn_per_bin rule, const float *b,
                                 const fcnn_tensor *x, fcnn_tensor *y) {
    int64_t rows = fcnn_tensor_rows(y);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        int c = (int)(row % y->channels);
        int64_t k = row / y->channels;
        per_bin_rows[rule].value(fcnn_cpu_row(x, k, c), b ? b[c] : 0.0f, x->images,
                                 fcnn_cpu_row(y, k, c));
    }
    return FCNN_OK;
}

fcnn_status CPU(per_bin_backward)(fcnn_device *base, fcnn_per_bin rule, const float *b,
                                  const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx,
                                  float *db) {
    int64_t bins = fcnn_band_count(dy->radius);
    if (dx) clear_rows(dx, bins * dx->channels, fcnn_tensor_rows(dx));
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int c = 0; c < x->channels; c++) {
        double sum = 0.0;
        for (int64_t k = 0; k < bins; k++)
            sum += per_bin_rows[rule].gradient(fcnn_cpu_row(x, k, c), b ? b[c] : 0.0f,
                                               fcnn_cpu_row(dy, k, c), x->images,
                                               dx ? fcnn_cpu_row(dx, k, c) : NULL);
        if (db) db[c] = (float)sum;
    }
    return FCNN_OK;
}

/* ---- Pointwise rules on maps and vectors ---- */

#define POINTWISE_LOOPS(name)                                                                      \
    static void name##_values(const float *x, float p, int count, float *y) {                      \
        for (int i = 0; i < count; i++) y[i] = fcnn_##name##_value(x[i], p);                       \
    }                                                                                              \
    static void name##_slopes(const float *x, float p, const float *dy, int count, float *dx) {    \
        for (int i = 0; i < count; i++) dx[i] = dy[i] * fcnn_##name##_slope(x[i], p);              \
    }
FCNN_POINTWISE_RULES(POINTWISE_LOOPS)

typedef struct {
    void (*value)(const float *, float, int, float *);
    void (*slope)(const float *, float, const float *, int, float *);
} pointwise_row;

#define POINTWISE_ROW(name) {name##_values, name##_slopes},
static const pointwise_row pointwise_rows[] = {FCNN_POINTWISE_RULES(POINTWISE_ROW)};

fcnn_status CPU(pointwise_forward)(fcnn_device *base, fcnn_pointwise rule, float parameter,
                                   const fcnn_tensor *x, fcnn_tensor *y) {
    int64_t rows = fcnn_tensor_rows(y);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++)
        pointwise_rows[rule].value(row_at(x, row), parameter, x->images, row_at(y, row));
    return FCNN_OK;
}

fcnn_status CPU(pointwise_backward)(fcnn_device *base, fcnn_pointwise rule, float parameter,
                                    const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx) {
    int64_t rows = fcnn_tensor_rows(dx);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++)
        pointwise_rows[rule].slope(row_at(x, row), parameter, row_at(dy, row), x->images,
                                   row_at(dx, row));
    return FCNN_OK;
}

/* ---- Dropout, copies, sums ---- */

fcnn_status CPU(dropout_mask)(fcnn_device *base, const fcnn_random *random, float rate,
                              int channels, int first, int images, int batch, int capacity,
                              float *mask) {
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int c = 0; c < channels; c++) {
        float *row = mask + (int64_t)c * capacity;
        for (int n = 0; n < images;) {
            int at = first + n;
            uint32_t bits[4];
            fcnn_random_block(random, fcnn_dropout_block(c, at, batch), bits);
            for (int i = at % 4; i < 4 && n < images; i++)
                row[n++] = fcnn_dropout_factor(bits[i], rate);
        }
    }
    return FCNN_OK;
}

fcnn_status CPU(channel_scale)(fcnn_device *base, const float *mask, const fcnn_tensor *x,
                               fcnn_tensor *y) {
    int64_t rows = fcnn_tensor_rows(y);
    int64_t given = rows_of_bins(x, x->radius);
    bool complex_rows = y->layout == FCNN_BAND;
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        float *to = row_at(y, row);
        if (row >= given) {
            memset(to, 0, (size_t)row_floats(y) * sizeof(float));
            continue;
        }
        const float *from = row_at(x, row);
        const float *factor = mask + (int64_t)row_channel(y, row) * y->capacity;
        if (complex_rows)
            for (int i = 0; i < y->images; i++) {
                to[2 * i] = from[2 * i] * factor[i];
                to[2 * i + 1] = from[2 * i + 1] * factor[i];
            }
        else
            for (int i = 0; i < y->images; i++) to[i] = from[i] * factor[i];
    }
    return FCNN_OK;
}

fcnn_status CPU(copy)(fcnn_device *base, const fcnn_tensor *x, fcnn_tensor *y) {
    int64_t rows = fcnn_tensor_rows(y), given = rows_of_bins(x, x->radius);
    size_t bytes = (size_t)row_floats(y) * sizeof(float);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        if (row < given)
            memcpy(row_at(y, row), row_at(x, row), bytes);
        else
            memset(row_at(y, row), 0, bytes);
    }
    return FCNN_OK;
}

fcnn_status CPU(add)(fcnn_device *base, const fcnn_tensor *x, fcnn_tensor *y) {
    int64_t rows = fcnn_tensor_rows(y), given = rows_of_bins(x, x->radius);
    if (given < rows) rows = given;
    int count = row_floats(y);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        float *to = row_at(y, row);
        const float *from = row_at(x, row);
        for (int i = 0; i < count; i++) to[i] += from[i];
    }
    return FCNN_OK;
}

/* ---- Bias ---- */

fcnn_status CPU(bias_forward)(fcnn_device *base, const float *bias, fcnn_tensor *y) {
    if (y->layout == FCNN_BAND) {
        for (int c = 0; c < y->channels; c++) {
            fcnn_complex *row = fcnn_cpu_row(y, 0, c);
            for (int i = 0; i < y->images; i++) row[i].re += bias[c];
        }
        return FCNN_OK;
    }
    int64_t rows = fcnn_tensor_rows(y);
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        float *at = row_at(y, row), b = bias[row_channel(y, row)];
        for (int i = 0; i < y->images; i++) at[i] += b;
    }
    return FCNN_OK;
}

static double pixel_sum(const fcnn_tensor *t, int c) {
    int64_t pixels = (int64_t)t->size * t->size;
    wide even = {0}, odd = {0};
    double rest = 0.0;
    for (int64_t p = 0; p < pixels; p++) {
        const float *row = row_at(t, c * pixels + p);
        int i = 0;
        for (; i + LANES <= t->images; i += LANES) {
            even += wide_load(row + i);
            odd += wide_load(row + i + LANES / 2);
        }
        for (; i < t->images; i++) rest += (double)row[i];
    }
    return wide_sum(even + odd) + rest;
}

fcnn_status CPU(bias_backward)(fcnn_device *base, const fcnn_tensor *dy, float *dbias) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int c = 0; c < dy->channels; c++)
        dbias[c] = (float)(dy->layout == FCNN_BAND ? dc_sum(dy, c) : pixel_sum(dy, c));
    return FCNN_OK;
}
