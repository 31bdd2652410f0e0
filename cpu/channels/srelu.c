/* srelu by sums: y = a x + b Z / s on the bins of radius <= p, with
 * s = sqrt(Z_0 + epsilon) or, in place of Z / s, Z saturated (saturation.h), per
 * channel and tile of LANES places, over the full plane of coefficients c_q
 * (c_0 = X_0, c_k = X_k / sqrt 2, c_-k = conj c_k):
 *   forward   Z_k = sum_q c_q c_(k-q)        k in the window, each pair once
 *   backward  Z_k = sum_q g_q c_(k-q)        q in the window, k in the band
 * Rows of c pass through a ring that stays in the second cache: x is read once,
 * and y and dx are written once. By lines (srelu_lines.h) the sums run along x alone;
 * with a grid the transforms of grid/fused.c make them. The backward pass is
 * srelu_backward.c. */
#include "srelu_work.h"

/* Takes any number of lags and, between them, loads some columns of the row to come. */
static void correlate_rows(ring *p, const cell *a, const cell *b, int row, int columns, int lag,
                           int lags, float weight, cell *sums) {
    for (; lags > 0; lags -= SRELU_LAGS, lag += SRELU_LAGS, sums += SRELU_LAGS) {
        load_columns(p, row, columns);
        correlate_lags(a, b, -p->radius, p->radius, lag, smaller(lags, SRELU_LAGS), weight, sums);
    }
}

/* Makes the windows' sums [ky][-window .. window], ky = 0 .. window, of 2 c_q c_(k-q): row qy >= ky
 * / 2 meets row ky - qy, which is row qy - ky conjugated. */
static void sum_pairs(ring *p) {
    int window = p->window, lags = 2 * window + 1, cells = (window + 1) * lags;
    int calls = (window + 1) * ((lags + SRELU_LAGS - 1) / SRELU_LAGS) * p->count;
    int columns = p->radius / calls + 1;
    for (int i = 0; i < p->count; i++)
        memset(p->tile[i].end, 0, (size_t)cells * sizeof *p->tile[i].end);
    for (int qy = 0; qy <= p->radius; qy++) {
        int next = smaller(qy + 1, p->radius);
        load_row(p, qy);
        for (int i = 0; i < p->count; i++) {
            for (int ky = 0; ky <= window && ky <= 2 * qy; ky++) {
                float weight = ky == 2 * qy ? 1.0f : 2.0f;
                /* In row 0, (0, -kx) repeats (0, kx). */
                int first = ky ? -window : 0;
                correlate_rows(p, ring_row(p, i, qy), ring_row(p, i, qy - ky), next, columns, first,
                               window - first + 1, weight,
                               p->tile[i].end + ky * lags + window + first);
            }
        }
    }
}

/* Turns a window's sums, of 2 Z, to coordinates, which are kept: DC is real, the others count
 * sqrt 2. What saturates reads them again, from s->square. */
static void store_squares(const saturation *s, const cell *sums, const tile *square) {
    int64_t bins = fcnn_band_count(square->radius);
    int across = 2 * square->radius + 1, ky = 0, kx = 0;
    for (int64_t k = 0; k < bins; k++, fcnn_band_next(&ky, &kx)) {
        cell z = ky < 0 ? conjugate(sums[-ky * across - kx]) : sums[ky * across + kx];
        float scale = k ? (float)(1.0 / FCNN_SQRT2) : 0.5f;
        z.re *= scale;
        z.im = k ? z.im * scale : (lanes){0};
        store_cell(square, k, z);
        if (s->limit > 0.0f) s->square[k] = z;
    }
}

/* Adds b r([x^2]) to y inside the window, where y or, unless it is NULL, `linear` holds a x. */
static void add_bounded(const saturation *s, lanes b, const tile *square, const cell *linear,
                        const tile *y) {
    int64_t bins = fcnn_band_count(smaller(s->window, y->radius));
    if (s->limit > 0.0f)
        saturate(s);
    else
        b *= inverse_rms(load_cell(square, 0).re);
    for (int64_t k = 0; k < bins; k++) {
        cell v = linear ? linear[k] : load_cell(y, k);
        cell z = s->limit > 0.0f ? s->bins[k] : load_cell(square, k);
        store_cell(y, k, (cell){v.re + b * z.re, v.im + b * z.im});
    }
}

/* Makes y of a run. */
static void square_tiles(const srelu_work *work, const float *affine, const float *a,
                         const float *b, const fcnn_tensor *x, unsigned char *scratch,
                         const fcnn_tensor *y, tile_run run) {
    const fcnn_tensor *square = &work->squares;
    saturation own = saturation_of_thread(work, x->radius, scratch);
    ring p = make_ring(scratch, x, affine, run, square->radius);
    p.kept = fcnn_band_count(y->radius);
    p.stream = streams(y);
    for (int i = 0; i < run.count; i++) {
        p.tile[i].y = tile_of(y, run.first + i);
        p.tile[i].a = of_channels(&p.tile[i].x, a, 1);
    }
    sum_pairs(&p);
    for (int i = 0; i < run.count; i++) {
        tile energy = tile_of(square, run.first + i);
        store_squares(&own, p.tile[i].end + p.window, &energy);
        add_bounded(&own, of_channels(&energy, b, 1), &energy, NULL, &p.tile[i].y);
    }
    if (p.stream) stream_end();
}

/* The same by lines. */
static void square_lines(const srelu_work *work, const float *affine, const float *a,
                         const float *b, const fcnn_tensor *x, unsigned char *scratch,
                         const fcnn_tensor *y, tile_run run) {
    saturation own = saturation_of_thread(work, x->radius, scratch);
    lines l = lines_of_thread(work, x->radius, scratch);
    for (int unit = run.first; unit < run.first + run.count; unit++) {
        tile from = normed_tile(x, affine, unit), energy = tile_of(&work->squares, unit);
        line_output to = {.y = tile_of(y, unit),
                          .a = of_channels(&from, a, 1),
                          .kept = fcnn_band_count(y->radius),
                          .inside = fcnn_band_count(smaller(l.window, y->radius)),
                          .stream = streams(y)};
        square_by_lines(&l, &from, &to);
        store_squares(&own, l.sums, &energy);
        add_bounded(&own, of_channels(&energy, b, 1), &energy, l.linear, &to.y);
    }
    if (streams(y)) stream_end();
}

/* Makes y of a tile whose square comes from a grid. */
static void combine_tile(const saturation *s, const float *a, const float *b, const fcnn_tensor *x,
                         unsigned char *scratch, const fcnn_tensor *square, const fcnn_tensor *y,
                         int unit) {
    tile from = tile_of(x, unit), squares = tile_of(square, unit), to = tile_of(y, unit);
    int64_t bins = fcnn_band_count(y->radius);
    saturation own = saturation_at(s, scratch);
    lanes scale = of_channels(&from, a, 1);
    for (int64_t k = 0; k < bins; k++) {
        cell v = load_cell(&from, k);
        store_cell(&to, k, (cell){scale * v.re, scale * v.im});
    }
    if (own.limit > 0.0f) gather_cells(&squares, fcnn_band_count(square->radius), own.square);
    add_bounded(&own, of_channels(&from, b, 1), &squares, NULL, &to);
}

fcnn_status CPU(norm_srelu_forward)(fcnn_device *base, const fcnn_srelu_form *form,
                                    const float *affine, const float *a, const float *b,
                                    const fcnn_tensor *x, fcnn_complex *square, fcnn_tensor *y) {
    srelu_work work;
    FCNN_TRY(make_work(base, form, x, y->radius, square, &work));
    int tiles = tiles_at_once(base, &work, x);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < runs_of(x, tiles); unit++)
        (work.line_roots ? square_lines : square_tiles)(
            &work, affine, a, b, x, fcnn_cpu_thread_scratch((const cpu_device *)base), y,
            run_at(x, tiles, unit));
    return FCNN_OK;
}

fcnn_status CPU(srelu_forward)(fcnn_device *base, const fcnn_srelu_form *form, const float *a,
                               const float *b, const fcnn_tensor *x, fcnn_complex *square,
                               fcnn_tensor *y) {
    srelu_work work;
    if (!form->grid) return CPU(norm_srelu_forward)(base, form, NULL, a, b, x, square, y);
    FCNN_TRY(make_work(base, form, x, y->radius, square, &work));
    CPU(grid_square)((cpu_device *)base, form->grid, x, work.squares.radius, square);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < tiles_of(x); unit++)
        combine_tile(&work.saturation, a, b, x, fcnn_cpu_thread_scratch((const cpu_device *)base),
                     &work.squares, y, unit);
    return FCNN_OK;
}

fcnn_status CPU(srelu_plan)(fcnn_device *base, const fcnn_srelu_form *form, int radius,
                            int channels, int capacity) {
    fcnn_tensor x = {.radius = radius};
    srelu_work work; /* makes its tables */
    FCNN_TRY(make_work(base, form, &x, radius, NULL, &work));
    fcnn_cpu_need_scratch((cpu_device *)base, CPU(srelu_scratch)(form, radius, channels));
    return form->grid ? CPU(grid_plan)(base, form->grid, channels, capacity) : FCNN_OK;
}
