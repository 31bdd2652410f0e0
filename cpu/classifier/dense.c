/* Dense layers. Their products are own loops: they read a weight once for all images, where a BLAS
 * copies it first. Images, or features, make registers; blocks have fixed sizes, so that threads do
 * not change a sum. With very many images the copy is a small part, and the BLAS is faster. */
#include "cpu/blas.h"
#include "cpu/caches.h"
#include "cpu/lanes.h"

/* Sums are ROWS x VECTORS registers, of the 32 or 16 that there are. */
enum { ROWS = LANES == 16 ? 12 : 6, VECTORS = 2, WIDTH = VECTORS * LANES };
enum {
    MANY_IMAGES = 512,    /* from here on the BLAS takes over, */
    MANY_UNITS = 64,      /* in blocks of so many units forward, */
    MANY_FEATURES = 512,  /* and features backward */
    UNITS = 16 * ROWS,    /* of a block of ours forward, ... */
    FEW_UNITS = 2 * ROWS, /* ... or, in layers so small that threads would go without, so many: */
    BLOCKS_LEAST = 8      /* those with fewer blocks than this */
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

/* Makes rows x vectors registers of C. ahead: A's numbers that will be wanted next, or NULL. */
ALWAYS_INLINE void multiply_registers(const product *p, const float *a, const float *b,
                                      const float *ahead, int rows, int vectors, float *c,
                                      int64_t c_step) {
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

/* Makes `columns` of C, at most WIDTH; a part of a register is stored by way of a copy. */
ALWAYS_INLINE void multiply_columns(const product *p, const float *ahead, int rows, int columns,
                                    const float *a, const float *b, float *c) {
    if (columns == WIDTH) {
        multiply_registers(p, a, b, ahead, rows, VECTORS, c, p->c_step);
    } else if (columns == LANES) {
        multiply_registers(p, a, b, ahead, rows, 1, c, p->c_step);
    } else {
        float copy[ROWS * WIDTH] = {0};
        for (int r = 0; p->adds && r < rows; r++)
            memcpy(copy + r * WIDTH, c + r * p->c_step, (size_t)columns * sizeof *c);
        multiply_registers(p, a, b, NULL, rows, VECTORS, copy, WIDTH);
        for (int r = 0; r < rows; r++)
            memcpy(c + r * p->c_step, copy + r * WIDTH, (size_t)columns * sizeof *c);
    }
}

/* Makes `rows` x `columns` of C; B's rows are whole registers. The rows of A behind are fetched if
 * it prefetches. */
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
                multiply_columns(p, next, ROWS, some, a, b, c);
            else if (count == 4)
                multiply_columns(p, NULL, 4, some, a, b, c);
            else
                multiply_columns(p, NULL, 1, some, a, b, c);
        }
        r += count;
    }
}

/* Numbers from first on, before `end`, but not more than a block has. */
static int block_of(int64_t first, int64_t end, int most) {
    return end - first < most ? (int)(end - first) : most;
}

/* Images in whole registers: there is room for them, and nobody reads what they get. */

/* ---- Forward ---- */

/* Makes y of one image by dot products, four at a time, with features that are gathered. */
static void forward_one(const float *w, int64_t features, const fcnn_tensor *x, int count, float *y,
                        int64_t y_step) {
    enum { AT_ONCE = 4, GATHERED = 8 * DENSE_TERMS };
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
    int units = y->channels, most = units < BLOCKS_LEAST * UNITS ? FEW_UNITS : UNITS;
    if (many) most = MANY_UNITS;
    int blocks = (units + most - 1) / most;
    int64_t features = fcnn_tensor_rows(x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int block = 0; block < blocks; block++) {
        int first = block * most, count = block_of(first, units, most);
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
        for (int64_t at = 0; at < features; at += DENSE_TERMS) {
            const product p = {.a = rows + at,
                               .b = row_at(x, at),
                               .row_step = features,
                               .term_step = 1,
                               .b_step = x->capacity,
                               .c_step = y->capacity,
                               .terms = block_of(at, features, DENSE_TERMS),
                               .adds = true,
                               .c = row_at(y, first)};
            multiply(&p, count, whole_lanes(x->images), true);
        }
    }
    return FCNN_OK;
}

/* ---- Backward, for some features at a time ---- */

/* Makes dw of features first .., sums over images; x of them is turned so that features are inner.
 */
static void backward_weights(const fcnn_tensor *x, const fcnn_tensor *dy, int64_t first, int count,
                             float *dw) {
    float turned[DENSE_IMAGES * DENSE_FEATURES];
    for (int image = 0; image < x->images; image += DENSE_IMAGES) {
        int images = block_of(image, x->images, DENSE_IMAGES);
        for (int f = 0; f < DENSE_FEATURES; f++)
            for (int n = 0; n < images; n++)
                turned[n * DENSE_FEATURES + f] = f < count ? row_at(x, first + f)[image + n] : 0.0f;
        const product p = {.a = dy->data + image,
                           .b = turned,
                           .row_step = dy->capacity,
                           .term_step = 1,
                           .b_step = DENSE_FEATURES,
                           .c_step = fcnn_tensor_rows(x),
                           .terms = images,
                           .adds = image > 0,
                           .c = dw + first};
        multiply(&p, dy->channels, count, false);
    }
}

/* Makes dx of features first .., sums over units, whose weights are packed, as rows far apart would
 * share few cache sets. */
static void backward_data(const float *w, const fcnn_tensor *dy, int64_t first, int count,
                          const fcnn_tensor *dx) {
    float packed[DENSE_UNITS * DENSE_FEATURES];
    int64_t features = fcnn_tensor_rows(dx);
    for (int at = 0; at < dy->channels; at += DENSE_UNITS) {
        int units = block_of(at, dy->channels, DENSE_UNITS);
        const float *from = w + at * features + first;
        for (int u = 0; u < units; u++, from += features) {
            memcpy(packed + u * DENSE_FEATURES, from, (size_t)count * sizeof *from);
            for (int f = 0; f < count && at + u + DENSE_UNITS < dy->channels; f += 16)
                __builtin_prefetch(from + DENSE_UNITS * features + f, 0, 2);
        }
        const product p = {.a = packed,
                           .b = row_at(dy, at),
                           .row_step = 1,
                           .term_step = DENSE_FEATURES,
                           .b_step = dy->capacity,
                           .c_step = dx->capacity,
                           .terms = units,
                           .adds = at > 0,
                           .c = row_at(dx, first)};
        multiply(&p, count, whole_lanes(dy->images), false);
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
    int most = many ? MANY_FEATURES : DENSE_FEATURES;
    int64_t features = fcnn_tensor_rows(x), blocks = (features + most - 1) / most;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t first = block * most;
        int count = block_of(first, features, most);
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
