/* Dense layers, softmax and cross-entropy. The products of a dense layer are own loops: they read
 * a weight once for all images, where a BLAS copies it first. Images, or features, make registers;
 * blocks have fixed sizes, so that threads do not change a sum. Of very many images the copy is a
 * small part and the BLAS is faster. */
#include "cpu/blas.h"

#include "cpu/lanes.h"
#include "formulas.h"

/* A tile of sums is ROWS x VECTORS registers, of the 32 or 16 that there are. */
enum { ROWS = LANES == 16 ? 12 : 6, VECTORS = 2, WIDTH = VECTORS * LANES };
/* Units of a piece of work forward, features of one backward; and how many terms of a sum are
 * taken at a time. */
enum {
    MANY_IMAGES = 512,
    MANY_UNITS = 64,
    MANY_FEATURES = 512,
    UNITS = 16 * ROWS,
    FEW_UNITS = 2 * ROWS, /* of layers so small that threads would go without */
    PIECES = 8,
    TERMS = 256,
    FEATURES = 96,
    PACKED_UNITS = 128
};

/* C (+)= A B, over `terms`: A(row, term) = a[row * row_step + term * term_step], B's rows are
 * b_step apart and C's c_step. */
typedef struct {
    const float *a, *b;
    int64_t row_step, term_step, b_step, c_step;
    int terms;
    bool adds; /* to what C has */
    float *c;
} product;

/* rows x vectors registers of C. ahead: A's numbers that will be wanted next, or NULL. */
ALWAYS_INLINE void tile(const product *p, const float *a, const float *b, const float *ahead,
                        int rows, int vectors, float *c, int64_t c_step) {
    lanes sum[ROWS][VECTORS];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[r][v] = p->adds ? lanes_load(c + r * c_step + v * LANES) : (lanes){0};
    int64_t row_step = p->row_step, term_step = p->term_step;
    for (int k = 0; k < p->terms; k++, a += term_step, b += p->b_step) {
        lanes part[VECTORS];
        if (ahead && k % 16 == 0)
            for (int r = 0; r < rows; r++) __builtin_prefetch(ahead + r * row_step + k, 0, 2);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) part[v] = lanes_load(b + v * LANES);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) sum[r][v] += a[r * row_step] * part[v];
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) lanes_store(c + r * c_step + v * LANES, sum[r][v]);
}

/* `columns` of C, at most WIDTH, of which a part of a register is stored by way of a copy. */
ALWAYS_INLINE void columns_of(const product *p, const float *ahead, int rows, int columns,
                              const float *a, const float *b, float *c) {
    if (columns == WIDTH) {
        tile(p, a, b, ahead, rows, VECTORS, c, p->c_step);
    } else if (columns == LANES) {
        tile(p, a, b, ahead, rows, 1, c, p->c_step);
    } else {
        float copy[ROWS * WIDTH] = {0};
        for (int r = 0; p->adds && r < rows; r++)
            memcpy(copy + r * WIDTH, c + r * p->c_step, (size_t)columns * sizeof *c);
        tile(p, a, b, NULL, rows, VECTORS, copy, WIDTH);
        for (int r = 0; r < rows; r++)
            memcpy(c + r * p->c_step, copy + r * WIDTH, (size_t)columns * sizeof *c);
    }
}

/* `rows` x `columns` of C; B's rows have whole tiles. next: as ahead, of the rows behind. */
ALWAYS_INLINE void multiply(const product *p, int rows, int columns, bool prefetches) {
    for (int r = 0; r < rows;) {
        int count = rows - r >= ROWS ? ROWS : rows - r >= 4 ? 4 : 1;
        const float *a = p->a + r * p->row_step;
        const float *next = prefetches && r + 2 * count <= rows ? a + count * p->row_step : NULL;
        for (int column = 0; column < columns; column += WIDTH, next = NULL) {
            int some = columns - column < WIDTH ? columns - column : WIDTH;
            const float *b = p->b + column;
            float *c = p->c + r * p->c_step + column;
            if (count == ROWS)
                columns_of(p, next, ROWS, some, a, b, c);
            else if (count == 4)
                columns_of(p, NULL, 4, some, a, b, c);
            else
                columns_of(p, NULL, 1, some, a, b, c);
        }
        r += count;
    }
}

static int block_of(int64_t first, int64_t end, int most) {
    return end - first < most ? (int)(end - first) : most;
}

/* Images in whole registers: there is room for them, and nobody reads what they get. */
static int whole_images(const fcnn_tensor *t) { return (t->images + LANES - 1) / LANES * LANES; }

/* ---- Forward ---- */

/* y of one image: dot products, four at a time, of features gathered TERMS at a time. */
static void forward_one(const float *w, int64_t features, const fcnn_tensor *x, int count, float *y,
                        int64_t y_step) {
    enum { AT_ONCE = 4, GATHERED = 8 * TERMS };
    float column[GATHERED];
    for (int64_t first = 0; first < features; first += GATHERED) {
        int terms = block_of(first, features, GATHERED);
        for (int i = 0; i < terms; i++) column[i] = row_at(x, first + i)[0];
        for (int u = 0; u < count; u += AT_ONCE) {
            lanes sum[AT_ONCE] = {{0}};
            const float *row[AT_ONCE];
            for (int r = 0; r < AT_ONCE; r++) /* beyond the last: that one again */
                row[r] = w + (u + r < count ? u + r : count - 1) * features + first;
            int i = 0;
            for (; i + LANES <= terms; i += LANES)
#pragma GCC unroll 4
                for (int r = 0; r < AT_ONCE; r++)
                    sum[r] += lanes_load(row[r] + i) * lanes_load(column + i);
            for (int r = 0; r < AT_ONCE && u + r < count; r++) {
                float total = 0.0f;
                for (int l = 0; l < LANES; l++) total += sum[r][l];
                for (int j = i; j < terms; j++) total += row[r][j] * column[j];
                y[(u + r) * y_step] += total;
            }
        }
    }
}

fcnn_status CPU(dense_forward)(fcnn_device *base, const float *w, const float *bias,
                               const fcnn_tensor *x, fcnn_tensor *y) {
    bool many = x->images >= MANY_IMAGES;
    int units = y->channels, piece = units < PIECES * UNITS ? FEW_UNITS : UNITS;
    if (many) piece = MANY_UNITS;
    int blocks = (units + piece - 1) / piece;
    int64_t features = fcnn_tensor_rows(x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int block = 0; block < blocks; block++) {
        int first = block * piece, count = block_of(first, units, piece);
        const float *rows = w + first * features;
        for (int u = first; u < first + count; u++)
            for (int n = 0; n < x->images; n++) row_at(y, u)[n] = bias[u];
        if (many) {
            fcnn_cpu_blas.sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, x->images,
                                (int)features, 1.0f, rows, (int)features, x->data, x->capacity,
                                1.0f, row_at(y, first), y->capacity);
            continue;
        }
        if (x->images == 1) {
            forward_one(rows, features, x, count, row_at(y, first), y->capacity);
            continue;
        }
        for (int64_t at = 0; at < features; at += TERMS) {
            const product p = {.a = rows + at,
                               .b = row_at(x, at),
                               .row_step = features,
                               .term_step = 1,
                               .b_step = x->capacity,
                               .c_step = y->capacity,
                               .terms = block_of(at, features, TERMS),
                               .adds = true,
                               .c = row_at(y, first)};
            multiply(&p, count, whole_images(x), true);
        }
    }
    return FCNN_OK;
}

/* ---- Backward, for some features at a time ---- */

/* dw of features first ..: sums over images, of which x is turned so that features are inner. */
static void backward_weights(const fcnn_tensor *x, const fcnn_tensor *dy, int64_t first, int count,
                             float *dw) {
    enum { IMAGES = 128 };
    float turned[IMAGES * FEATURES];
    for (int image = 0; image < x->images; image += IMAGES) {
        int images = block_of(image, x->images, IMAGES);
        for (int f = 0; f < FEATURES; f++)
            for (int n = 0; n < images; n++)
                turned[n * FEATURES + f] = f < count ? row_at(x, first + f)[image + n] : 0.0f;
        const product p = {.a = dy->data + image,
                           .b = turned,
                           .row_step = dy->capacity,
                           .term_step = 1,
                           .b_step = FEATURES,
                           .c_step = fcnn_tensor_rows(x),
                           .terms = images,
                           .adds = image > 0,
                           .c = dw + first};
        multiply(&p, dy->channels, count, false);
    }
}

/* dx of features first ..: sums over units, of which weights are packed, as rows far apart would
 * share few cache sets. */
static void backward_data(const float *w, const fcnn_tensor *dy, int64_t first, int count,
                          const fcnn_tensor *dx) {
    float packed[PACKED_UNITS * FEATURES];
    int64_t features = fcnn_tensor_rows(dx);
    for (int at = 0; at < dy->channels; at += PACKED_UNITS) {
        int units = block_of(at, dy->channels, PACKED_UNITS);
        const float *from = w + at * features + first;
        for (int u = 0; u < units; u++, from += features) {
            memcpy(packed + u * FEATURES, from, (size_t)count * sizeof *from);
            for (int f = 0; f < count && at + u + PACKED_UNITS < dy->channels; f += 16)
                __builtin_prefetch(from + PACKED_UNITS * features + f, 0, 2);
        }
        const product p = {.a = packed,
                           .b = row_at(dy, at),
                           .row_step = 1,
                           .term_step = FEATURES,
                           .b_step = dy->capacity,
                           .c_step = dx->capacity,
                           .terms = units,
                           .adds = at > 0,
                           .c = row_at(dx, first)};
        multiply(&p, count, whole_images(dy), false);
    }
}

static void backward_many(const float *w, const fcnn_tensor *x, const fcnn_tensor *dy,
                          int64_t first, int count, const fcnn_tensor *dx, float *dw) {
    int units = dy->channels, features = (int)fcnn_tensor_rows(x), images = x->images;
    fcnn_cpu_blas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, units, count, images, 1.0f,
                        dy->data, dy->capacity, row_at(x, first), x->capacity, 0.0f, dw + first,
                        features);
    if (dx)
        fcnn_cpu_blas.sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, count, images, units, 1.0f,
                            w + first, features, dy->data, dy->capacity, 0.0f, row_at(dx, first),
                            dx->capacity);
}

fcnn_status CPU(dense_backward)(fcnn_device *base, const float *w, const fcnn_tensor *x,
                                const fcnn_tensor *dy, fcnn_tensor *dx, float *dw, float *dbias) {
    bool many = x->images >= MANY_IMAGES;
    int piece = many ? MANY_FEATURES : FEATURES;
    int64_t features = fcnn_tensor_rows(x), blocks = (features + piece - 1) / piece;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t first = block * piece;
        int count = block_of(first, features, piece);
        if (many) {
            backward_many(w, x, dy, first, count, dx, dw);
            continue;
        }
        backward_weights(x, dy, first, count, dw);
        if (dx) backward_data(w, dy, first, count, dx);
    }
    for (int u = 0; u < dy->channels; u++) {
        double sum = 0.0;
        for (int n = 0; n < x->images; n++) sum += row_at(dy, u)[n];
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
