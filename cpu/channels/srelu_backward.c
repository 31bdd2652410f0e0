/* srelu's gradients: dx = a dy + 2 b / s [x g] - b pull x, by sums over the rows of
 * srelu_rows.h, by the lines of srelu_lines.h or on a grid, with da and db and, of a norm
 * whose output is not stored, its gradients too (srelu_parameters.h). DESIGN.md has the
 * derivation. */
#include "srelu_parameters.h"

/* The first thread's scratch ends with the channels' factors. */
static size_t factors_offset(bool by_lines, float limit, int radius, int window) {
    return sums_bytes(by_lines, radius, window) + saturation_bytes(limit, window);
}

size_t CPU(srelu_scratch)(const fcnn_srelu_form *form, int radius, int channels) {
    return factors_offset(form->lines, form->saturation, radius, form->window) +
           (size_t)channels * sizeof(srelu_factors);
}

/* Columns of a tile before it is the next one's turn. */
enum { SRELU_STRETCH = 16 };

/* Index of bin (ky >= 0, kx) of the full plane. */
static inline int64_t full_index(int ky, int kx) {
    return kx < 0 ? fcnn_band_index(-ky, -kx) : fcnn_band_index(ky, kx);
}

/* Fetches the bins of dy of the outputs at (ky, kx ..), or as far into the next row. */
ALWAYS_INLINE void prefetch_outputs(const tile *dy, int radius, int ky, int kx) {
    if (kx > radius) {
        kx -= 2 * radius + 1;
        ky++;
    }
    if (ky > dy->radius) return;
    for (int i = kx; i < kx + SRELU_SPAN; i++)
        if (i >= -dy->radius && i <= dy->radius) prefetch_bin(dy, full_index(ky, i));
}

/* What a tile's backward pass works with; g is 2 b / s g, row 0, column 0. */
typedef struct {
    lanes a, shift;
    tile dy, dx;
    const cell *g;
    int64_t given; /* bins of dy */
    bool stream;
} gradients;

/* Stores dx at bin k of what [x g] gives, sqrt 2 times that at DC. */
static inline void store_output(const gradients *s, cell v, int64_t k) {
    if (k == 0) v = (cell){v.re * (float)(1.0 / FCNN_SQRT2) + s->shift, {0}};
    if (k < s->given) {
        cell d = load_cell(&s->dy, k);
        v.re += s->a * d.re;
        v.im += s->a * d.im;
    }
    stream_cell(&s->dx, k, v, s->stream);
}

/* Stores dx at columns kx .. kx+count-1 of row ky, which are all negative or none. */
static inline void store_outputs(const gradients *s, const cell *out, int ky, int kx, int count) {
    float sign = kx < 0 ? -1.0f : 1.0f;
    for (int i = 0; i < count; i++)
        store_output(s, (cell){out[i].re, out[i].im * sign}, full_index(ky, kx + i));
}

/* Makes a tile's dx of columns from .. to of row ky >= 0. */
ALWAYS_INLINE void backward_columns_of(const ring *p, int tile, const gradients *s, int ky,
                                       int from, int to, const int window) {
    int across = 2 * window + 1;
    for (int kx = from; kx <= to; kx += SRELU_SPAN) {
        cell out[SRELU_SPAN];
        prefetch_outputs(&s->dy, p->radius, ky, kx + SRELU_STRETCH);
        const cell *middle = ring_row(p, tile, ky) + kx, *g = s->g;
        for (int i = 0; i < SRELU_SPAN; i++)
            out[i] = (cell){g->re * middle[i].re, g->re * middle[i].im};
        convolve(g, 1, window, middle, middle, out);
        for (int qy = 1; qy <= window; qy++)
            convolve(g + qy * across, -window, window, ring_row(p, tile, ky - qy) + kx,
                     ring_row(p, tile, ky + qy) + kx, out);
        int left = to - kx + 1;
        store_outputs(s, out, ky, kx, left < SRELU_SPAN ? left : SRELU_SPAN);
    }
}

static void backward_columns(const ring *p, int tile, const gradients *s, int ky, int from,
                             int to) {
    if (p->window == 3)
        backward_columns_of(p, tile, s, ky, from, to, 3);
    else
        backward_columns_of(p, tile, s, ky, from, to, p->window);
}

/* Makes dx of all tiles, each for so many columns that its cells are worth fetching, and meanwhile
 * loads as many columns of the next row as are used up. Row 0 has half the columns, so that it
 * loads twice as many. */
static void backward_row(ring *p, const gradients *s, int ky, int from, int to) {
    int columns = (ky ? SRELU_STRETCH / 2 : SRELU_STRETCH) / p->count + 1;
    for (int kx = from; kx <= to; kx += SRELU_STRETCH) {
        for (int i = 0; i < p->count; i++) {
            load_columns(p, ky + p->window + 1, columns);
            backward_columns(p, i, &s[i], ky, kx, smaller(kx + SRELU_STRETCH - 1, to));
        }
    }
}

/* Makes 2 b / s g of rows 0 .. window, less what dx loses along x. */
static void load_window(float limit, lanes b, lanes along, const tile *square, const tile *dy,
                        cell *g) {
    int window = square->radius;
    int64_t bins = fcnn_band_count(window);
    image_factors factors = final_factors(limit, square, dy);
    along += b * factors.pull;
    b *= factors.inverse;
    int ky = 0, kx = 0;
    for (int64_t k = 0; k < bins; k++, fcnn_band_next(&ky, &kx)) {
        const tile *from = limit > 0.0f ? square : dy;
        if (k + SRELU_AHEAD < bins) prefetch_bin(from, k + SRELU_AHEAD);
        cell v = load_cell(from, k);
        lanes scale = 2.0f * b * (k ? (float)(1.0 / FCNN_SQRT2) : 1.0f);
        v.re *= scale;
        v.im *= scale;
        if (ky < 0)
            g[-ky * (2 * window + 1) - kx] = conjugate(v);
        else
            g[ky * (2 * window + 1) + kx] = v;
        if (ky == 0) g[-kx] = conjugate(v);
    }
    g->re -= along;
}

/* What the backward pass of a tile x works with, and g in the memory given. */
static gradients gradients_of(const srelu_work *work, const srelu_factors *factors, const tile *x,
                              const fcnn_tensor *dy, const fcnn_tensor *dx, int unit, cell *g) {
    enum { STRIDE = sizeof *factors / sizeof(float) };
    tile squares = tile_of(&work->squares, unit);
    gradients s = {.a = of_channels(x, &factors->a, STRIDE),
                   .shift = of_channels(x, &factors->shift, STRIDE),
                   .g = g,
                   .dy = tile_of(dy, unit),
                   .dx = tile_of(dx, unit),
                   .given = fcnn_band_count(dy->radius),
                   .stream = streams(dx)};
    load_window(work->saturation.limit, of_channels(x, &factors->b, STRIDE),
                of_channels(x, &factors->along, STRIDE), &squares, &s.dy, g);
    return s;
}

/* Makes dx of a run; the factors are those of all channels. */
static void backward_tiles(const srelu_work *work, const srelu_factors *factors,
                           const float *affine, const fcnn_tensor *x, const fcnn_tensor *dy,
                           unsigned char *scratch, const fcnn_tensor *dx, tile_run run) {
    ring p = make_ring(scratch, x, affine, run, work->squares.radius);
    gradients s[SRELU_TILES];
    for (int i = 0; i < run.count; i++)
        s[i] = gradients_of(work, factors, &p.tile[i].x, dy, dx, run.first + i,
                            p.tile[i].end + p.window);
    for (int ky = 0; ky <= p.radius; ky++) {
        load_row(&p, ky + p.window);
        if (ky) backward_row(&p, s, ky, -p.radius, -1);
        backward_row(&p, s, ky, 0, p.radius);
    }
    if (streams(dx)) stream_end();
}

/* The same by lines. */
static void backward_lines(const srelu_work *work, const srelu_factors *factors,
                           const float *affine, const fcnn_tensor *x, const fcnn_tensor *dy,
                           unsigned char *scratch, const fcnn_tensor *dx, tile_run run) {
    lines l = lines_of_thread(work, x->radius, scratch);
    for (int unit = run.first; unit < run.first + run.count; unit++) {
        tile from = normed_tile(x, affine, unit);
        gradients s = gradients_of(work, factors, &from, dy, dx, unit, l.sums);
        convolve_by_lines(&l, &from, s.g);
        for (int kx = 0; kx <= l.radius; kx++) {
            close_points(&l.axis, l.map + kx, l.radius + 1, l.radius);
            for (int ky = 0; ky <= l.radius; ky++) {
                int64_t opposite, k = column_bins(ky, kx, &opposite);
                prefetch_pair(&s.dy, ky, kx, SRELU_AHEAD);
                store_output(&s, l.axis.bins[ky], k);
                if (ky && kx) store_output(&s, l.axis.bins[-ky], opposite);
            }
        }
    }
    if (streams(dx)) stream_end();
}

/* Finishes dx of a tile, which has 2 b [x g] from a grid. */
static void finish_tile(float limit, const float *a, const float *b, const fcnn_tensor *x,
                        const fcnn_tensor *square, const fcnn_tensor *dy, const fcnn_tensor *dx,
                        int unit) {
    tile from = tile_of(x, unit), squares = tile_of(square, unit);
    tile given = tile_of(dy, unit), to = tile_of(dx, unit);
    int64_t bins = fcnn_band_count(dx->radius), inside = fcnn_band_count(dy->radius);
    image_factors factors = final_factors(limit, &squares, &given);
    lanes scale = of_channels(&from, a, 1), along = of_channels(&from, b, 1) * factors.pull;
    for (int64_t k = 0; k < bins; k++) {
        cell v = load_cell(&to, k), own = load_cell(&from, k), d = {{0}, {0}};
        if (k < inside) d = load_cell(&given, k);
        v.re = scale * d.re + factors.inverse * v.re - along * own.re;
        v.im = scale * d.im + factors.inverse * v.im - along * own.im;
        store_cell(&to, k, v);
    }
}

/* Makes all gradients; without a norm, srelu's alone. */
static void sums_backward(fcnn_device *base, const srelu_work *work, const fcnn_inner_norm *norm,
                          const float *a, const float *b, const fcnn_tensor *x,
                          const fcnn_tensor *dy, fcnn_tensor *dx, float *da, float *db) {
    cpu_device *device = (cpu_device *)base;
    size_t offset =
        factors_offset(work->line_roots, work->saturation.limit, x->radius, work->squares.radius);
    srelu_factors *factors = (srelu_factors *)(void *)(device->scratch + offset);
    int tiles = tiles_at_once(base, work, x);
    parameter_gradients(base, work, norm, a, b, x, dy, da, db, factors);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < runs_of(x, tiles); unit++)
        (work->line_roots ? backward_lines : backward_tiles)(
            work, factors, norm ? norm->affine : NULL, x, dy, fcnn_cpu_thread_scratch(device), dx,
            run_at(x, tiles, unit));
    if (!norm) return;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int c = 0; c < x->channels; c++)
        if (factors[c].unsummed)
            backward_block(x, (block){c, c + 1, streams(x)}, norm->gamma, norm->mean, norm->inverse,
                           dx, dx, norm->dgamma, norm->dbeta);
}

fcnn_status CPU(norm_srelu_backward)(fcnn_device *base, const fcnn_srelu_form *form,
                                     const fcnn_inner_norm *norm, const float *a, const float *b,
                                     const fcnn_tensor *x, fcnn_complex *square,
                                     const fcnn_tensor *dy, fcnn_tensor *dx, float *da, float *db) {
    srelu_work work;
    FCNN_TRY(make_work(base, form, x, dy->radius, square, &work));
    sums_backward(base, &work, norm, a, b, x, dy, dx, da, db);
    return FCNN_OK;
}

/* Makes dx where the square comes from a grid, once parameter_gradients has run. */
static void grid_backward(fcnn_device *base, const srelu_work *work, int grid, const float *a,
                          const float *b, const fcnn_tensor *x, const fcnn_tensor *dy,
                          fcnn_tensor *dx) {
    cpu_device *device = (cpu_device *)base;
    const fcnn_tensor *square = &work->squares;
    float limit = work->saturation.limit;
    CPU(grid_square_backward)(device, grid, b, x, limit > 0.0f ? square : dy, square->radius, dx);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < tiles_of(x); unit++)
        finish_tile(limit, a, b, x, square, dy, dx, unit);
}

fcnn_status CPU(srelu_backward)(fcnn_device *base, const fcnn_srelu_form *form, const float *a,
                                const float *b, const fcnn_tensor *x, fcnn_complex *square,
                                const fcnn_tensor *dy, fcnn_tensor *dx, float *da, float *db) {
    srelu_work work;
    FCNN_TRY(make_work(base, form, x, dy->radius, square, &work));
    if (!form->grid && dx) {
        sums_backward(base, &work, NULL, a, b, x, dy, dx, da, db);
        return FCNN_OK;
    }
    parameter_gradients(base, &work, NULL, a, b, x, dy, da, db, NULL);
    if (dx) grid_backward(base, &work, form->grid, a, b, x, dy, dx);
    return FCNN_OK;
}
