/* Fused activations: per channel and tile of images, the band goes to a pixel
 * grid, some rows at a time, the rule is applied, and the bins come back:
 *   y = forward_m(phi(inverse_m(x))),  dx = forward_m(phi'(x) inverse_m(dy)).
 * srelu on a grid uses the same passes for its square. */
#include "transform.h"

/* A rule on a whole map, or on a block of rows, given and left as sums of the classes.
 * Where the sign of a pixel tells its slope, `bits` keep it: of each image and row a word for some
 * orbits. */
typedef struct {
    void (*values)(float *, float, int64_t);
    void (*slopes)(const float *, float, int64_t, float *);
    void (*value_rows)(const cpu_grid *, float *, float, uint32_t *bits);
    void (*slope_rows)(const cpu_grid *, float *, float *, float);
} grid_row;

/* Words of GRID_BLOCK numbers that hold the bits of a block's row of m points. */
static int bit_words(int m) {
    int classes = m % 4 ? 2 : 4, orbits = m % 4 ? m / 2 + 1 : m / 4 + 1;
    return (orbits * classes + 31) / 32;
}

/* Rows of an orbit's points; those beyond its count are not used. */
typedef struct {
    float *restrict a, *restrict b, *restrict c, *restrict d;
} orbit_rows;

static inline orbit_rows rows_at(const cpu_grid *grid, int orbit, float *sums) {
    const int *at = grid->orbits[orbit].at;
    return (orbit_rows){sums + at[0] * GRID_BLOCK, sums + at[1] * GRID_BLOCK,
                        sums + at[2] * GRID_BLOCK, sums + at[3] * GRID_BLOCK};
}

/* Load and store number i of each row; `count`, a constant, of the array's numbers are used. */
#define LOAD_ORBIT(count, r, i)                                                                    \
    {                                                                                              \
        (r).a[i], (count) > 1 ? (r).b[i] : 0.0f, (count) > 2 ? (r).c[i] : 0.0f,                    \
            (count) > 2 ? (r).d[i] : 0.0f                                                          \
    }
#define STORE_ORBIT(count, r, i, v)                                                                \
    do {                                                                                           \
        (r).a[i] = (v)[0];                                                                         \
        if ((count) > 1) (r).b[i] = (v)[1];                                                        \
        if ((count) > 2) (r).c[i] = (v)[2];                                                        \
        if ((count) > 2) (r).d[i] = (v)[3];                                                        \
    } while (0)

#define GRID_LOOPS(name)                                                                           \
    static void name##_values(float *map, float p, int64_t count) {                                \
        for (int64_t i = 0; i < count; i++) map[i] = fcnn_##name##_value(map[i], p);               \
    }                                                                                              \
    static void name##_slopes(const float *x, float p, int64_t count, float *dy) {                 \
        for (int64_t i = 0; i < count; i++) dy[i] *= fcnn_##name##_slope(x[i], p);                 \
    }                                                                                              \
    ALWAYS_INLINE void name##_value_orbit(int count, orbit_rows r, float p) {                      \
        for (int i = 0; i < GRID_BLOCK; i++) {                                                     \
            float v[4] = LOAD_ORBIT(count, r, i);                                                  \
            GRID_UNFOLD(float, count, v);                                                          \
            for (int k = 0; k < count; k++) v[k] = fcnn_##name##_value(v[k], p);                   \
            GRID_FOLD(float, count, v);                                                            \
            STORE_ORBIT(count, r, i, v);                                                           \
        }                                                                                          \
    }                                                                                              \
    ALWAYS_INLINE void name##_keep_orbit(int count, orbit_rows r, float p, int shift,              \
                                         uint32_t *restrict word) {                                \
        for (int i = 0; i < GRID_BLOCK; i++) {                                                     \
            float v[4] = LOAD_ORBIT(count, r, i);                                                  \
            uint32_t bits = 0;                                                                     \
            GRID_UNFOLD(float, count, v);                                                          \
            for (int k = 0; k < count; k++) bits |= v[k] > 0.0f ? 1u << k : 0u;                    \
            for (int k = 0; k < count; k++) v[k] = fcnn_##name##_value(v[k], p);                   \
            GRID_FOLD(float, count, v);                                                            \
            STORE_ORBIT(count, r, i, v);                                                           \
            word[i] |= bits << shift;                                                              \
        }                                                                                          \
    }                                                                                              \
    ALWAYS_INLINE void name##_slope_orbit(int count, orbit_rows x, orbit_rows dy, float p) {       \
        for (int i = 0; i < GRID_BLOCK; i++) {                                                     \
            float u[4] = LOAD_ORBIT(count, x, i), v[4] = LOAD_ORBIT(count, dy, i);                 \
            GRID_UNFOLD(float, count, u);                                                          \
            GRID_UNFOLD(float, count, v);                                                          \
            for (int k = 0; k < count; k++) v[k] *= fcnn_##name##_slope(u[k], p);                  \
            GRID_FOLD(float, count, v);                                                            \
            STORE_ORBIT(count, dy, i, v);                                                          \
        }                                                                                          \
    }                                                                                              \
    static void name##_value_rows(const cpu_grid *grid, float *sums, float p, uint32_t *bits) {    \
        for (int o = 0; o < grid->orbit_count; o++) {                                              \
            orbit_rows r = rows_at(grid, o, sums);                                                 \
            int count = grid->orbits[o].count, bit = o * grid->class_count;                        \
            if (!bits) {                                                                           \
                switch (count) {                                                                   \
                case 1: name##_value_orbit(1, r, p); break;                                        \
                case 2: name##_value_orbit(2, r, p); break;                                        \
                default: name##_value_orbit(4, r, p); break;                                       \
                }                                                                                  \
                continue;                                                                          \
            }                                                                                      \
            uint32_t *word = bits + bit / 32 * GRID_BLOCK;                                         \
            switch (count) {                                                                       \
            case 1: name##_keep_orbit(1, r, p, bit % 32, word); break;                             \
            case 2: name##_keep_orbit(2, r, p, bit % 32, word); break;                             \
            default: name##_keep_orbit(4, r, p, bit % 32, word); break;                            \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void name##_slope_rows(const cpu_grid *grid, float *x, float *sums, float p) {          \
        for (int o = 0; o < grid->orbit_count; o++) {                                              \
            orbit_rows u = rows_at(grid, o, x), v = rows_at(grid, o, sums);                        \
            switch (grid->orbits[o].count) {                                                       \
            case 1: name##_slope_orbit(1, u, v, p); break;                                         \
            case 2: name##_slope_orbit(2, u, v, p); break;                                         \
            default: name##_slope_orbit(4, u, v, p); break;                                        \
            }                                                                                      \
        }                                                                                          \
    }
FCNN_POINTWISE_RULES(GRID_LOOPS)

#define GRID_ROW(name)                                                                             \
    [FCNN_RULE_##name] = {name##_values, name##_slopes, name##_value_rows, name##_slope_rows},
static const grid_row grid_rows[] = {FCNN_POINTWISE_RULES(GRID_ROW)};

/* ---- Rules whose slope a pixel's sign tells ---- */

ALWAYS_INLINE void kept_orbit(int count, orbit_rows r, const uint32_t *restrict word, int shift,
                              float negative, float positive) {
    for (int i = 0; i < GRID_BLOCK; i++) {
        float v[4] = LOAD_ORBIT(count, r, i);
        uint32_t bits = word[i] >> shift;
        GRID_UNFOLD(float, count, v);
        for (int k = 0; k < count; k++) v[k] *= bits & (1u << k) ? positive : negative;
        GRID_FOLD(float, count, v);
        STORE_ORBIT(count, r, i, v);
    }
}

static void kept_rows(const cpu_grid *grid, float *sums, const uint32_t *bits, float negative,
                      float positive) {
    for (int o = 0; o < grid->orbit_count; o++) {
        orbit_rows r = rows_at(grid, o, sums);
        int bit = o * grid->class_count, shift = bit % 32;
        const uint32_t *word = bits + bit / 32 * GRID_BLOCK;
        switch (grid->orbits[o].count) {
        case 1: kept_orbit(1, r, word, shift, negative, positive); break;
        case 2: kept_orbit(2, r, word, shift, negative, positive); break;
        default: kept_orbit(4, r, word, shift, negative, positive); break;
        }
    }
}

/* A rule, its parameter, and a tile: bins of channel c and images n0 ... */
typedef struct {
    const cpu_grid *grid;
    cpu_grid_buffers s;
    const grid_row *rule;
    float parameter;
    int c, n0;
    uint32_t *bits; /* of the tile, or NULL */
} fused_tile;

/* Makes the bins of phi(x). */
static void value_tile(const fused_tile *t, const fcnn_tensor *x, const grid_target *target) {
    const cpu_grid *grid = t->grid;
    const cpu_grid_buffers *s = &t->s;
    int m = grid->size, in = 2 * x->radius + 1, out = 2 * target->radius + 1;
    int columns = in > out ? in : out;
    uint32_t *bits = t->bits;
    size_t bit_numbers = (size_t)bit_words(m) * GRID_BLOCK;
    if (!grid->class_count) {
        fcnn_cpu_fftw_inverse(grid, x, x->radius, t->c, t->n0, s->work, s->map);
        t->rule->values(s->map, t->parameter, (int64_t)m * m * GRID_TILE);
        fcnn_cpu_fftw_forward(grid, s->map, s->work);
        CPU(grid_store_half)(grid, s->work, target);
        return;
    }
    CPU(grid_open)(grid, x, x->radius, t->c, t->n0, columns, s->work, s->map);
    for (int block = 0; block < grid_blocks(grid); block++) {
        float *rows = s->map + (int64_t)block * columns * GRID_BLOCK;
        CPU(grid_to_sums)(grid, in, rows, s->work, NULL);
        if (bits) memset(bits, 0, bit_numbers * sizeof *bits);
        t->rule->value_rows(grid, s->work, t->parameter, bits);
        if (bits) bits += bit_numbers;
        CPU(grid_to_coefficients)(grid, out, s->work, rows, NULL);
    }
    CPU(grid_close)(grid, s->map, columns, s->work, target);
}

/* Makes the bins of phi'(x) dy, where dy has bins of radius <= radius. */
static void slope_tile(const fused_tile *t, const fcnn_tensor *x, const fcnn_tensor *dy, int radius,
                       const grid_target *target) {
    const cpu_grid *grid = t->grid;
    const cpu_grid_buffers *s = &t->s;
    int m = grid->size, nx = 2 * x->radius + 1, ndy = 2 * radius + 1;
    int out = 2 * target->radius + 1, columns = ndy > out ? ndy : out;
    if (!grid->class_count) {
        fcnn_cpu_fftw_inverse(grid, x, x->radius, t->c, t->n0, s->work, s->map);
        fcnn_cpu_fftw_inverse(grid, dy, radius, t->c, t->n0, s->work, s->other);
        t->rule->slopes(s->map, t->parameter, (int64_t)m * m * GRID_TILE, s->other);
        fcnn_cpu_fftw_forward(grid, s->other, s->work);
        CPU(grid_store_half)(grid, s->work, target);
        return;
    }
    float *x_rows = s->work + (int64_t)m * GRID_BLOCK;
    CPU(grid_open)(grid, x, x->radius, t->c, t->n0, nx, s->work, s->map);
    CPU(grid_open)(grid, dy, radius, t->c, t->n0, columns, s->work, s->other);
    for (int block = 0; block < grid_blocks(grid); block++) {
        float *rows = s->other + (int64_t)block * columns * GRID_BLOCK;
        CPU(grid_to_sums)(grid, nx, s->map + (int64_t)block * nx * GRID_BLOCK, x_rows, NULL);
        CPU(grid_to_sums)(grid, ndy, rows, s->work, NULL);
        t->rule->slope_rows(grid, x_rows, s->work, t->parameter);
        CPU(grid_to_coefficients)(grid, out, s->work, rows, NULL);
    }
    CPU(grid_close)(grid, s->other, columns, s->work, target);
}

/* Makes the bins of phi'(x) dy from the bits that value_tile kept. */
static void kept_tile(const fused_tile *t, const fcnn_tensor *dy, const grid_target *target) {
    const cpu_grid *grid = t->grid;
    const cpu_grid_buffers *s = &t->s;
    int in = 2 * dy->radius + 1, out = 2 * target->radius + 1, columns = in > out ? in : out;
    float slopes[2] = {1.0f, 1.0f}, signs[2] = {-1.0f, 1.0f};
    for (int i = 0; i < 2; i++) t->rule->slopes(&signs[i], t->parameter, 1, &slopes[i]);
    const uint32_t *bits = t->bits;
    CPU(grid_open)(grid, dy, dy->radius, t->c, t->n0, columns, s->work, s->map);
    for (int block = 0; block < grid_blocks(grid); block++) {
        float *rows = s->map + (int64_t)block * columns * GRID_BLOCK;
        CPU(grid_to_sums)(grid, in, rows, s->work, NULL);
        kept_rows(grid, s->work, bits, slopes[0], slopes[1]);
        bits += bit_words(grid->size) * GRID_BLOCK;
        CPU(grid_to_coefficients)(grid, out, s->work, rows, NULL);
    }
    CPU(grid_close)(grid, s->map, columns, s->work, target);
}

static fused_tile tile_of(const cpu_device *device, int m, int rule, float parameter, int unit,
                          int tiles) {
    return (fused_tile){.grid = fcnn_cpu_find_grid(device, m),
                        .s = fcnn_cpu_grid_buffers(fcnn_cpu_thread_scratch(device), m),
                        .rule = &grid_rows[rule],
                        .parameter = parameter,
                        .c = unit / tiles,
                        .n0 = unit % tiles * GRID_TILE};
}

static grid_target target_of(const fused_tile *t, fcnn_complex *out, const fcnn_tensor *like,
                             int radius) {
    return (grid_target){
        .out = out, .like = like, .radius = radius, .channel = t->c, .first = t->n0, .scale = 1.0f};
}

/* Numbers of 32 bits that a tile's bits take. */
static int64_t tile_bits(int m) {
    return (int64_t)((m + GRID_ROWS - 1) / GRID_ROWS) * bit_words(m) * GRID_BLOCK;
}

fcnn_status CPU(fused_plan)(fcnn_device *device, fcnn_pointwise rule, int m, int channels,
                            int capacity, int64_t *kept) {
    bool keeps =
        (rule == FCNN_RULE_relu || rule == FCNN_RULE_leaky_relu) && fcnn_cpu_grid_by_products(m);
    *kept =
        keeps ? tile_bits(m) * (int64_t)sizeof(uint32_t) * channels * (capacity / GRID_TILE) : 0;
    return CPU(grid_plan)(device, m, channels, capacity);
}

/* The bits of a unit: tiles lie as if the batch had as many images as the capacity. */
static uint32_t *bits_of(void *kept, int m, const fcnn_tensor *like, const fused_tile *t) {
    int64_t tile = (int64_t)t->c * (like->capacity / GRID_TILE) + t->n0 / GRID_TILE;
    return kept ? (uint32_t *)kept + tile * tile_bits(m) : NULL;
}

fcnn_status CPU(fused_forward_keep)(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                                    const fcnn_tensor *x, void *kept, fcnn_tensor *y) {
    int tiles = fcnn_cpu_grid_tiles(x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        fused_tile t = tile_of((const cpu_device *)base, m, (int)rule, parameter, unit, tiles);
        grid_target target = target_of(&t, fcnn_tensor_band(y), y, y->radius);
        t.bits = bits_of(kept, m, x, &t);
        value_tile(&t, x, &target);
    }
    return FCNN_OK;
}

fcnn_status CPU(fused_backward_kept)(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                                     const void *kept, const fcnn_tensor *dy, fcnn_tensor *dx) {
    int tiles = fcnn_cpu_grid_tiles(dy);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < dy->channels * tiles; unit++) {
        fused_tile t = tile_of((const cpu_device *)base, m, (int)rule, parameter, unit, tiles);
        grid_target target = target_of(&t, fcnn_tensor_band(dx), dx, dx->radius);
        t.bits = bits_of((void *)kept, m, dy, &t);
        kept_tile(&t, dy, &target);
    }
    return FCNN_OK;
}

fcnn_status CPU(fused_forward)(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                               const fcnn_tensor *x, fcnn_tensor *y) {
    return CPU(fused_forward_keep)(base, rule, parameter, m, x, NULL, y);
}

fcnn_status CPU(fused_backward)(fcnn_device *base, fcnn_pointwise rule, float parameter, int m,
                                const fcnn_tensor *x, const fcnn_tensor *dy, fcnn_tensor *dx) {
    int tiles = fcnn_cpu_grid_tiles(x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        fused_tile t = tile_of((const cpu_device *)base, m, (int)rule, parameter, unit, tiles);
        grid_target target = target_of(&t, fcnn_tensor_band(dx), dx, dx->radius);
        slope_tile(&t, x, dy, dy->radius, &target);
    }
    return FCNN_OK;
}

/* ---- The square of srelu on a grid; the slope of x^2 is 2x ---- */

void CPU(grid_square)(cpu_device *device, int m, const fcnn_tensor *x, int window,
                      fcnn_complex *square) {
    int tiles = fcnn_cpu_grid_tiles(x);
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        fused_tile t = tile_of(device, m, FCNN_RULE_square, 0.0f, unit, tiles);
        grid_target target = target_of(&t, square, x, window);
        value_tile(&t, x, &target);
    }
}

void CPU(grid_square_backward)(cpu_device *device, int m, const float *b, const fcnn_tensor *x,
                               const fcnn_tensor *dy, int window, fcnn_tensor *dx) {
    int tiles = fcnn_cpu_grid_tiles(x);
#pragma omp parallel for num_threads(device->base.threads) schedule(dynamic)
    for (int unit = 0; unit < x->channels * tiles; unit++) {
        fused_tile t = tile_of(device, m, FCNN_RULE_square, 0.0f, unit, tiles);
        grid_target target = target_of(&t, fcnn_tensor_band(dx), dx, dx->radius);
        target.scale = b[t.c];
        slope_tile(&t, x, dy, window, &target);
    }
}
