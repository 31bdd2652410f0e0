/* srelu's gradients: dx = a dy + 2 b / s [x g] - b pull x, by sums over the rows of
 * srelu_rows.h or on a grid, with da and db. Each image has its s and a factor `pull` = <[x^2], g>
 * / s^3, by which the change of s enters dx. Where the square saturates instead, g is the gradient
 * in [x^2], which takes its place in memory (saturation.h), s is 1 and pull 0. DESIGN.md has the
 * derivation.
 *
 * The backward pass of a norm whose output z is not stored is here too. It needs sums over the
 * whole gradient dz of z before it can write any, and has them: of a dy + 2 b / s [z g] they are
 * sums of dy, which often has few of z's bins, as <w, [z g]> = <[w z], g> for any w; of z's own
 * part, sums of [z^2]'s DC and z's. */
#include "norm_blocks.h"
#include "saturation.h"

/* A channel's factors in dx. */
typedef struct {
    float a, b;         /* factors of dy and of 2 [x g], with the norm's factor */
    float along, shift; /* times the norm's output, subtracted; added at DC */
    bool unsummed;      /* dx is still the gradient in the norm's output */
} srelu_factors;

/* A thread's scratch has its rings and its saturation's memory; the first one's ends with the
 * channels' factors. */
static size_t factors_offset(float limit, int radius, int window) {
    return rings_bytes(radius, window) + saturation_bytes(limit, window);
}

size_t CPU(srelu_scratch)(const fcnn_srelu_form *form, int radius, int channels) {
    return factors_offset(form->saturation, radius, form->window) +
           (size_t)channels * sizeof(srelu_factors);
}

enum {
    SRELU_SPAN = FCNN_LANES == 16 ? 4 : 2, /* neighbouring outputs that registers hold */
    SRELU_STRETCH = 16                     /* columns of a tile before it is the next one's turn */
};

/* out[i] += sum over qx in [from, to] of g_q c_(k-q) + g_-q c_(k+q), k at column kx + i and
 * g_-q = conj g_q: of the rows below = ky - qy and above = ky + qy, sum and difference meet one
 * factor each. Both slide over the outputs in opposite directions. */
ALWAYS_INLINE void convolve(const cell *g, int from, int to, const cell *below, const cell *above,
                            cell out[SRELU_SPAN]) {
    cell sum[SRELU_SPAN], low[SRELU_SPAN], high[SRELU_SPAN];
    for (int i = 0; i < SRELU_SPAN; i++) {
        sum[i] = out[i];
        low[i] = below[i - from + 1]; /* one step back */
        high[i] = above[i + from - 1];
    }
#pragma GCC unroll 4
    for (int qx = from; qx <= to; qx++) {
        for (int i = SRELU_SPAN - 1; i > 0; i--) low[i] = low[i - 1];
        low[0] = below[-qx];
        for (int i = 0; i < SRELU_SPAN - 1; i++) high[i] = high[i + 1];
        high[SRELU_SPAN - 1] = above[SRELU_SPAN - 1 + qx];
        lanes re = g[qx].re, im = g[qx].im;
        for (int i = 0; i < SRELU_SPAN; i++) {
            sum[i].re += re * (low[i].re + high[i].re);
            sum[i].im += re * (low[i].im + high[i].im);
            sum[i].re -= im * (low[i].im - high[i].im);
            sum[i].im += im * (low[i].re - high[i].re);
        }
    }
    for (int i = 0; i < SRELU_SPAN; i++) out[i] = sum[i];
}

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

/* 1 / s, <[x^2], g>, pull, and <r([x^2]), dy> but for 1 / s of a tile's images. */
typedef struct {
    lanes inverse, square, pull;
    double bounded[LANES];
} image_factors;

static image_factors image_factors_of(const tile *square, const tile *dy) {
    int64_t bins = fcnn_band_count(square->radius);
    lanes sum = {0};
    for (int64_t k = 0; k < bins; k++) {
        cell z = load_cell(square, k), d = load_cell(dy, k);
        sum += z.re * d.re + z.im * d.im;
    }
    lanes inverse = inverse_rms(load_cell(square, 0).re);
    image_factors factors = {inverse, sum, inverse * inverse * inverse * sum, {0}};
    for (int i = 0; i < LANES; i++) factors.bounded[i] = sum[i];
    return factors;
}

/* Puts g in the place of [x^2]. */
static image_factors saturated_factors(const saturation *s, const tile *square, const tile *dy) {
    image_factors factors = {.inverse = (lanes){0} + 1.0f};
    saturate_gradient(s, square, dy, factors.bounded);
    for (int64_t k = 0; k < fcnn_band_count(square->radius); k++) {
        cell z = load_cell(square, k), g = s->bins[k];
        factors.square += z.re * g.re + z.im * g.im;
        store_cell(square, k, g);
    }
    return factors;
}

/* The factors in dx once parameter_gradients has run. */
static image_factors final_factors(float limit, const tile *square, const tile *dy) {
    if (limit > 0.0f) return (image_factors){.inverse = (lanes){0} + 1.0f};
    return image_factors_of(square, dy);
}

/* What a tile's backward pass works with; g is 2 b / s g, row 0, column 0. */
typedef struct {
    lanes a, shift;
    tile dy, dx;
    const cell *g;
    int64_t given; /* bins of dy */
    bool stream;
} gradients;

/* Stores dx at columns kx .. kx+count-1 of row ky, which are all negative or none. */
static inline void store_outputs(const gradients *s, const cell *out, int ky, int kx, int count) {
    float sign = kx < 0 ? -1.0f : 1.0f;
    for (int i = 0; i < count; i++) {
        cell v = {out[i].re, out[i].im * sign};
        int64_t k = full_index(ky, kx + i);
        if (k == 0) v = (cell){v.re * (float)(1.0 / FCNN_SQRT2) + s->shift, {0}};
        if (k < s->given) {
            cell d = load_cell(&s->dy, k);
            v.re += s->a * d.re;
            v.im += s->a * d.im;
        }
        stream_cell(&s->dx, k, v, s->stream);
    }
}

/* Makes a tile's dx of columns from .. to of row ky >= 0. */
static inline void backward_columns(const ring *p, int tile, const gradients *s, int ky, int from,
                                    int to) {
    int window = p->window, across = 2 * window + 1;
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
    for (int64_t k = 0; k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        cell v = load_cell(limit > 0.0f ? square : dy, k);
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

/* Makes dx of a run; the factors are those of all channels. */
static void backward_tiles(float limit, const srelu_factors *factors, const float *affine,
                           const fcnn_tensor *x, const fcnn_tensor *square, const fcnn_tensor *dy,
                           unsigned char *scratch, const fcnn_tensor *dx, tile_run run) {
    enum { STRIDE = sizeof *factors / sizeof(float) };
    ring p = make_ring(scratch, x, affine, run, square->radius);
    gradients s[SRELU_TILES];
    for (int i = 0; i < run.count; i++) {
        const tile *from = &p.tile[i].x;
        tile squares = tile_of(square, run.first + i);
        cell *g = p.tile[i].end + p.window;
        s[i] = (gradients){.a = of_channels(from, &factors->a, STRIDE),
                           .shift = of_channels(from, &factors->shift, STRIDE),
                           .g = g,
                           .dy = tile_of(dy, run.first + i),
                           .dx = tile_of(dx, run.first + i),
                           .given = fcnn_band_count(dy->radius),
                           .stream = streams(dx)};
        load_window(limit, of_channels(from, &factors->b, STRIDE),
                    of_channels(from, &factors->along, STRIDE), &squares, &s[i].dy, g);
    }
    for (int ky = 0; ky <= p.radius; ky++) {
        load_row(&p, ky + p.window);
        if (ky) backward_row(&p, s, ky, -p.radius, -1);
        backward_row(&p, s, ky, 0, p.radius);
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

/* Sums over images and, of products with dy, bins. */
typedef struct {
    double x, dc; /* Re(conj(x) dy), and dy's DC */
    /* Inside the window and over s: Re(conj(x) g), Re(conj([x^2]) g), g's DC; and db. */
    double window, square, window_dc, bounded;
    double pull, pulled_dc, pulled_energy; /* pull by itself, times x's DC, times [x^2]'s */
} dy_sums;

/* A tile of channel c alone, images n0 .. */
static tile channel_tile(const fcnn_tensor *band, int c, int n0) {
    tile t = tile_of(band, 0);
    t.data = fcnn_cpu_row(band, 0, c) + n0;
    t.channel = c;
    t.channels = 1;
    t.images = smaller(band->images - n0, LANES);
    return t;
}

/* Adds the sums whose terms have an image's own factor, of channel c. */
static void add_image_sums(const saturation *s, const fcnn_tensor *x, const fcnn_tensor *square,
                           const fcnn_tensor *dy, int c, dy_sums *sums) {
    int64_t inside = fcnn_band_count(square->radius);
    for (int n = 0; n < x->images; n += LANES) {
        tile from = channel_tile(x, c, n), squares = channel_tile(square, c, n);
        tile given = channel_tile(dy, c, n);
        bool saturates = s->limit > 0.0f;
        image_factors factors =
            saturates ? saturated_factors(s, &squares, &given) : image_factors_of(&squares, &given);
        const tile *g = saturates ? &squares : &given;
        lanes products = {0};
        for (int64_t k = 0; k < inside; k++) {
            cell v = load_cell(&from, k), d = load_cell(g, k);
            products += v.re * d.re + v.im * d.im;
        }
        lanes dc = load_cell(&from, 0).re, given_dc = load_cell(g, 0).re;
        lanes energy = load_cell(&squares, 0).re;
        for (int i = 0; i < from.images; i++) {
            double inverse = factors.inverse[i], pull = factors.pull[i];
            sums->window += inverse * products[i];
            sums->square += inverse * factors.square[i];
            sums->bounded += inverse * factors.bounded[i];
            sums->window_dc += inverse * given_dc[i];
            sums->pull += pull;
            sums->pulled_dc += pull * dc[i];
            sums->pulled_energy += pull * energy[i];
        }
    }
}

static void block_dy_sums(const saturation *s, const fcnn_tensor *x, const fcnn_tensor *square,
                          const fcnn_tensor *dy, block b, dy_sums *sums) {
    wide all[CHANNEL_BLOCK] = {{0}};
    int64_t bins = fcnn_band_count(dy->radius);
    for (int64_t k = 0; k < bins; k++) {
        prefetch_stretch(x, k, bins, b);
        prefetch_stretch(dy, k, bins, b);
        for (int c = b.first, i = 0; c < b.end; c++, i++) {
            wide_add_dot(&all[i], &fcnn_cpu_row(x, k, c)->re, &fcnn_cpu_row(dy, k, c)->re,
                         2 * x->images);
        }
    }
    for (int c = b.first, i = 0; c < b.end; c++, i++) {
        sums[i] = (dy_sums){.x = wide_sum(all[i]), .dc = dc_sum(dy, c)};
        add_image_sums(s, x, square, dy, c, &sums[i]);
    }
}

/* Makes the norm's gradients of channel c from those of its output z = scale x + shift, by centred
 * sums: z less its mean is scale (x - mean), and the window's sums of z^2 less mean z, divided by
 * the scale, are those of (x - mean) z. That quotient has no digits where a norm makes all but
 * constants: there dx is first the gradient in z. */
static srelu_factors norm_gradients(const fcnn_inner_norm *norm, float a, float b,
                                    const dy_sums *sums, double shift, int images, int c) {
    double scale = norm->affine[c], mean = norm->mean[c], center = shift + scale * mean;
    double gamma = norm->gamma[c];
    if (!(fabs(center) <= 16.0 * fabs(gamma)) || fabs(scale) < 1e-12)
        return (srelu_factors){.a = a, .b = b, .unsummed = true};
    double window = scale * sums->window + shift * sums->window_dc;
    double pulled = scale * sums->pulled_dc + shift * sums->pull;
    double sum = a * sums->dc + b * (2.0 * window - pulled);
    double square = 2.0 * (sums->square - center * window);
    square -= sums->pulled_energy - center * pulled;
    double product = a * (sums->x - mean * sums->dc) + b * (square / scale);
    fcnn_norm_slopes s =
        fcnn_norm_slopes_of(product, sum, images, norm->gamma[c], norm->mean[c], norm->inverse[c]);
    norm->dgamma[c] = (float)(product * norm->inverse[c]);
    norm->dbeta[c] = (float)sum;
    return (srelu_factors){.a = s.scale * a,
                           .b = s.scale * b,
                           .along = s.along,
                           .shift = (float)(s.along * center - (double)s.scale * s.average)};
}

/* Makes da, db and, unless factors is NULL, what dx takes. */
static void parameter_gradients(fcnn_device *base, const saturation *plan,
                                const fcnn_inner_norm *norm, const float *a, const float *b,
                                const fcnn_tensor *x, const fcnn_tensor *square,
                                const fcnn_tensor *dy, float *da, float *db,
                                srelu_factors *factors) {
    size_t rings = rings_bytes(x->radius, square->radius);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < blocks_of(x); unit++) {
        block channels = block_at(x, unit);
        dy_sums sums[CHANNEL_BLOCK];
        unsigned char *scratch = fcnn_cpu_thread_scratch((const cpu_device *)base);
        saturation own = saturation_at(plan, scratch + rings);
        block_dy_sums(&own, x, square, dy, channels, sums);
        for (int c = channels.first; c < channels.end; c++) {
            const dy_sums *s = &sums[c - channels.first];
            double shift = norm ? norm->affine[x->channels + c] : 0.0;
            da[c] = (float)((norm ? norm->affine[c] : 1.0) * s->x + shift * s->dc);
            db[c] = (float)s->bounded;
            if (norm)
                factors[c] = norm_gradients(norm, a[c], b[c], s, shift, x->images, c);
            else if (factors)
                factors[c] = (srelu_factors){.a = a[c], .b = b[c]};
        }
    }
}

/* Makes all gradients; without a norm, srelu's alone. */
static void sums_backward(fcnn_device *base, const saturation *s, const fcnn_inner_norm *norm,
                          const float *a, const float *b, const fcnn_tensor *x,
                          const fcnn_tensor *square, const fcnn_tensor *dy, fcnn_tensor *dx,
                          float *da, float *db) {
    cpu_device *device = (cpu_device *)base;
    int window = square->radius;
    size_t offset = factors_offset(s->limit, x->radius, window);
    srelu_factors *factors = (srelu_factors *)(void *)(device->scratch + offset);
    int tiles = tiles_of_run(base, x, window);
    parameter_gradients(base, s, norm, a, b, x, square, dy, da, db, factors);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < runs_of(x, tiles); unit++)
        backward_tiles(s->limit, factors, norm ? norm->affine : NULL, x, square, dy,
                       fcnn_cpu_thread_scratch(device), dx, run_at(x, tiles, unit));
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
    fcnn_tensor squares = window_band(x, square, fcnn_srelu_window(form, x->radius, dy->radius));
    saturation s;
    FCNN_TRY(make_saturation(base, form->saturation, squares.radius, &s));
    sums_backward(base, &s, norm, a, b, x, &squares, dy, dx, da, db);
    return FCNN_OK;
}

/* Makes dx where the square comes from a grid, once parameter_gradients has run. */
static void grid_backward(fcnn_device *base, float limit, int grid, const float *a, const float *b,
                          const fcnn_tensor *x, const fcnn_tensor *square, const fcnn_tensor *dy,
                          fcnn_tensor *dx) {
    cpu_device *device = (cpu_device *)base;
    CPU(grid_square_backward)(device, grid, b, x, limit > 0.0f ? square : dy, square->radius, dx);
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int unit = 0; unit < tiles_of(x); unit++)
        finish_tile(limit, a, b, x, square, dy, dx, unit);
}

fcnn_status CPU(srelu_backward)(fcnn_device *base, const fcnn_srelu_form *form, const float *a,
                                const float *b, const fcnn_tensor *x, fcnn_complex *square,
                                const fcnn_tensor *dy, fcnn_tensor *dx, float *da, float *db) {
    fcnn_tensor squares = window_band(x, square, fcnn_srelu_window(form, x->radius, dy->radius));
    saturation s;
    FCNN_TRY(make_saturation(base, form->saturation, squares.radius, &s));
    if (!form->grid && dx) {
        sums_backward(base, &s, NULL, a, b, x, &squares, dy, dx, da, db);
        return FCNN_OK;
    }
    parameter_gradients(base, &s, NULL, a, b, x, &squares, dy, da, db, NULL);
    if (dx) grid_backward(base, s.limit, form->grid, a, b, x, &squares, dy, dx);
    return FCNN_OK;
}
