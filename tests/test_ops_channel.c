/* Bias, dropout, channel scale, copy and add on a backend: the operations that
 * move or scale rows, on every layout they take. */
#include "reference_case.h"

#include <math.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const struct {
    int radius, channels, images;
} shapes[] = {{0, 1, 1}, {1, 3, 5}, {3, 5, 16}, {6, 17, 19}, {2, 16, 32}};

/* ---- Operands of any layout ---- */

static const char *const layout_names[] = {"band", "map", "vector"};

/* A tensor of a layout; extent is a band's radius or a map's size. */
static fcnn_tensor tensor_of(fcnn_layout layout, case_role role, int extent, int channels,
                             int images, const float *values) {
    if (layout == FCNN_BAND) return case_band(role, extent, channels, images, values);
    if (layout == FCNN_MAP) return case_map(role, extent, channels, images, values);
    return case_vector(role, channels, images, values);
}

/* Numbers in a packed tensor, and random ones. */
static int64_t numbers(fcnn_layout layout, int extent, int channels, int images) {
    int64_t row = (int64_t)channels * images;
    if (layout == FCNN_BAND) return 2 * fcnn_band_count(extent) * row;
    return layout == FCNN_MAP ? (int64_t)extent * extent * row : row;
}

static float *random_of(fcnn_layout layout, int extent, int channels, int images) {
    if (layout == FCNN_BAND) return case_random_band(extent, channels, images, 1.0);
    return case_random(numbers(layout, extent, channels, images), 1.0);
}

/* The channel of number i of a packed tensor. */
static int64_t channel_of(fcnn_layout layout, int64_t i, int extent, int channels, int images) {
    if (layout == FCNN_BAND) return i / (2 * images) % channels;
    return layout == FCNN_MAP ? i / images / ((int64_t)extent * extent) : i / images;
}

static int64_t image_of(fcnn_layout layout, int64_t i, int images) {
    return layout == FCNN_BAND ? i / 2 % images : i % images;
}

/* ---- Bias ---- */

/* Whether number i of a packed tensor moves with its channel's bias: DC's real part, or any pixel.
 */
static bool is_biased(fcnn_layout layout, int64_t i, int64_t row) {
    return layout == FCNN_MAP || (i % 2 == 0 && i < 2 * row);
}

/* dL/db by differences, L being the dot product of y and g. */
static double bias_difference(fcnn_layout layout, int extent, int channels, int images, int c,
                              const double *y, const float *g) {
    double sum = 0.0, step = 1e-3;
    for (int64_t i = 0; i < numbers(layout, extent, channels, images); i++) {
        bool moves = is_biased(layout, i, (int64_t)channels * images) &&
                     channel_of(layout, i, extent, channels, images) == c;
        double above = y[i] + (moves ? step : 0.0), below = y[i] - (moves ? step : 0.0);
        sum += (double)g[i] * (above - below) / (2.0 * step);
    }
    return sum;
}

static void bias_case(fcnn_layout layout, int extent, int channels, int images) {
    if (!case_begin("gradient", "bias of a %s extent=%d C=%d N=%d", layout_names[layout], extent,
                    channels, images))
        return;
    int64_t row = (int64_t)channels * images, count = numbers(layout, extent, channels, images);
    float *x = random_of(layout, extent, channels, images), *b = case_random(channels, 1.0);
    float *g = random_of(layout, extent, channels, images);
    double *want = case_doubles(x, count), *db = case_new(channels), largest = 0.0;
    for (int64_t i = 0; i < count; i++) {
        int64_t c = channel_of(layout, i, extent, channels, images);
        if (!is_biased(layout, i, row)) continue;
        want[i] += (double)b[c];
        db[c] += (double)g[i];
    }
    for (int c = 0; c < channels; c++) {
        double found = bias_difference(layout, extent, channels, images, c, want, g);
        largest = fmax(largest, fabs(found - db[c]));
    }
    case_note_gradient("b", largest, 1e-7);
    while (case_device()) {
        fcnn_tensor y = tensor_of(layout, CASE_UPDATE, extent, channels, images, x);
        fcnn_tensor dy = tensor_of(layout, CASE_INPUT, extent, channels, images, g);
        float *bias = case_array(CASE_INPUT, channels, b);
        float *dbias = case_array(CASE_OUTPUT, channels, NULL);
        case_reserve();
        CASE_CALL(bias_forward, bias, &y);
        CASE_CALL(bias_backward, &dy, dbias);
        case_compare("y", &y, want);
        case_compare_array("db", dbias, db, channels);
    }
    case_end();
}

static void bias(void) {
    for (int i = 0; i < COUNT(shapes); i++) {
        int channels = shapes[i].channels, images = shapes[i].images;
        bias_case(FCNN_BAND, shapes[i].radius, channels, images);
        bias_case(FCNN_MAP, 2 * shapes[i].radius + 1, channels, images);
        bias_case(FCNN_MAP, 2 * shapes[i].radius + 2, channels, images);
    }
}

/* ---- Dropout ---- */

/* Zeros among the active entries, and that the others are the one scale. */
static int64_t count_zeros(const float *mask, int channels, int images, int capacity, float rate) {
    int64_t zeros = 0;
    for (int c = 0; c < channels; c++)
        for (int n = 0; n < images; n++) {
            float m = mask[(int64_t)c * capacity + n];
            zeros += m == 0.0f;
            CASE_CHECK(m == 0.0f || fabsf(m * (1.0f - rate) - 1.0f) < 1e-6f,
                       "mask[%d][%d] is %g, neither 0 nor 1/(1 - %g)", c, n, (double)m,
                       (double)rate);
        }
    return zeros;
}

/* Draws the masks of the images from `first` on of a batch. */
static float *draw_part(uint64_t seed, uint64_t index, float rate, int channels, int first,
                        int images, int batch, int capacity) {
    fcnn_random random = {.seed = seed, .stream = FCNN_STREAM_DROPOUT, .index = index};
    int64_t count = (int64_t)channels * capacity;
    float *mask = case_array(CASE_OUTPUT, count, NULL);
    CASE_CALL(dropout_mask, &random, rate, channels, first, images, batch, capacity, mask);
    /* Padding is nobody's: only active images are held against other devices. */
    float *host = ref_allocate((size_t)count * sizeof *host);
    fcnn_tensor view = {FCNN_VECTOR, channels, 1, 0, images, capacity, mask};
    float *packed = case_read("mask", &view);
    for (int c = 0; c < channels; c++)
        memcpy(host + (int64_t)c * capacity, packed + (int64_t)c * images,
               (size_t)images * sizeof *host);
    return host;
}

static float *draw_mask(uint64_t seed, uint64_t index, float rate, int channels, int images,
                        int capacity) {
    return draw_part(seed, index, rate, channels, 0, images, images, capacity);
}

/* Masks of a batch's parts are those of its images, wherever it is cut. */
static void dropout_parts(void) {
    enum { CHANNELS = 5, BATCH = 21, CAPACITY = 32 };
    if (!case_begin("dropout", "in 3 and 7 parts of a batch of %d", BATCH)) return;
    while (case_device()) {
        case_reserve();
        float *whole = draw_mask(1, 7, 0.5f, CHANNELS, BATCH, CAPACITY);
        for (int parts = 3; parts <= 7; parts += 4)
            for (int part = 0; part < parts; part++) {
                int images = BATCH / parts, first = part * images;
                float *mask = draw_part(1, 7, 0.5f, CHANNELS, first, images, BATCH, CAPACITY);
                for (int c = 0; c < CHANNELS; c++)
                    CASE_CHECK(!memcmp(mask + (int64_t)c * CAPACITY,
                                       whole + (int64_t)c * CAPACITY + first,
                                       (size_t)images * sizeof *mask),
                               "part %d of %d, channel %d: another mask", part, parts, c);
            }
    }
    case_end();
}

static void dropout_case(float rate) {
    int channels = 257, images = 120, capacity = 128;
    int64_t bytes = (int64_t)channels * capacity * (int64_t)sizeof(float);
    if (!case_begin("dropout", "rate=%.2f: share, scale, same draw again, others differ",
                    (double)rate))
        return;
    while (case_device()) {
        case_reserve();
        float *mask = draw_mask(1, 7, rate, channels, images, capacity);
        float *again = draw_mask(1, 7, rate, channels, images, capacity);
        float *step = draw_mask(1, 8, rate, channels, images, capacity);
        float *seed = draw_mask(2, 7, rate, channels, images, capacity);
        CASE_CHECK(!memcmp(mask, again, (size_t)bytes), "the same draw gave another mask");
        CASE_CHECK(rate == 0.0f || memcmp(mask, step, (size_t)bytes), "index 7 and 8 are equal");
        CASE_CHECK(rate == 0.0f || memcmp(mask, seed, (size_t)bytes), "seed 1 and 2 are equal");
        double draws = (double)channels * images, p = (double)rate;
        double zeros = (double)count_zeros(mask, channels, images, capacity, rate);
        double allowed = 5.0 * sqrt(draws * p * (1.0 - p)); /* five deviations */
        CASE_CHECK(fabs(zeros - p * draws) <= allowed, "%.0f of %.0f are 0, expected %.0f +- %.0f",
                   zeros, draws, p * draws, allowed);
        /* Neighbours are independent: equal zeros side by side as often as p^2. */
        double pairs = 0.0;
        for (int c = 0; c < channels; c++)
            for (int n = 0; n + 1 < images; n++)
                pairs += mask[c * capacity + n] == 0.0f && mask[c * capacity + n + 1] == 0.0f;
        double expected = p * p * channels * (images - 1);
        CASE_CHECK(fabs(pairs - expected) <= 8.0 * sqrt(expected + 1.0),
                   "%.0f neighbouring zeros, expected %.0f", pairs, expected);
    }
    case_end();
}

static void dropout(void) {
    const float rates[] = {0.0f, 0.1f, 0.3f, 0.5f, 0.9f};
    for (int i = 0; i < COUNT(rates); i++) dropout_case(rates[i]);
    dropout_parts();
}

/* ---- Scale, copy, add ---- */

static void scale_case(fcnn_layout layout, int extent, int channels, int images, bool in_place) {
    if (!case_begin("forward", "channel_scale on a %s%s extent=%d C=%d N=%d", layout_names[layout],
                    in_place ? ", in place" : "", extent, channels, images))
        return;
    float *x = random_of(layout, extent, channels, images);
    float *mask = case_random((int64_t)channels * images, 1.0);
    int64_t count = numbers(layout, extent, channels, images);
    double *want = case_doubles(x, count);
    for (int64_t i = 0; i < count; i++)
        want[i] *= (double)mask[channel_of(layout, i, extent, channels, images) * images +
                                image_of(layout, i, images)];
    while (case_device()) {
        case_role role = in_place ? CASE_UPDATE : CASE_INPUT;
        fcnn_tensor tx = tensor_of(layout, role, extent, channels, images, x), ty = tx;
        if (!in_place) ty = tensor_of(layout, CASE_OUTPUT, extent, channels, images, NULL);
        fcnn_tensor tmask = case_vector(CASE_INPUT, channels, images, mask);
        case_reserve();
        CASE_CALL(channel_scale, tmask.data, &tx, &ty);
        case_compare("y", &ty, want);
    }
    case_end();
}

static void scale(void) {
    for (int i = 0; i < COUNT(shapes); i++) {
        int channels = shapes[i].channels, images = shapes[i].images;
        scale_case(FCNN_BAND, shapes[i].radius, channels, images, i % 2);
        scale_case(FCNN_MAP, 2 * shapes[i].radius + 1, channels, images, i % 2);
        scale_case(FCNN_VECTOR, 0, channels, images, i % 2);
    }
}

/* extents of x and y differ in bands alone: pooled, or extended by zeros. */
static void copy_case(bool add, fcnn_layout layout, int from, int to, int channels, int images) {
    if (!case_begin("forward", "%s on a %s extent=%d->%d C=%d N=%d", add ? "add" : "copy",
                    layout_names[layout], from, to, channels, images))
        return;
    float *x = random_of(layout, from, channels, images);
    float *y = random_of(layout, to, channels, images);
    int64_t count_x = numbers(layout, from, channels, images);
    int64_t count_y = numbers(layout, to, channels, images);
    double *want = add ? case_doubles(y, count_y) : case_new(count_y);
    for (int64_t i = 0; i < count_x && i < count_y; i++) want[i] += (double)x[i];
    while (case_device()) {
        fcnn_tensor tx = tensor_of(layout, CASE_INPUT, from, channels, images, x);
        fcnn_tensor ty = tensor_of(layout, add ? CASE_UPDATE : CASE_OUTPUT, to, channels, images,
                                   add ? y : NULL);
        case_reserve();
        if (add)
            CASE_CALL(add, &tx, &ty);
        else
            CASE_CALL(copy, &tx, &ty);
        case_compare("y", &ty, want);
    }
    case_end();
}

static void copy_and_add(void) {
    for (int add = 0; add < 2; add++) {
        for (int i = 0; i < COUNT(shapes); i++) {
            int r = shapes[i].radius, channels = shapes[i].channels, images = shapes[i].images;
            copy_case(add, FCNN_BAND, r, r, channels, images);
            copy_case(add, FCNN_BAND, r + 2, r, channels, images);
            copy_case(add, FCNN_BAND, r, r + 3, channels, images);
            copy_case(add, FCNN_MAP, 2 * r + 1, 2 * r + 1, channels, images);
            copy_case(add, FCNN_VECTOR, 0, 0, channels, images);
        }
    }
}

int main(void) {
    static const case_test tests[] = {
        {"bias", bias},
        {"dropout", dropout},
        {"channel scale", scale},
        {"copy and add", copy_and_add},
    };
    return case_main("channels", tests, COUNT(tests));
}
