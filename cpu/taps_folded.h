/* Parts of taps.c: bins of a strided convolution, whose input channels are those of
 * all aliases, each with its own column of u and v. */
#ifndef FCNN_TAPS_FOLDED_H
#define FCNN_TAPS_FOLDED_H

#include "taps.h"

/* What an alias' numbers of h are made of: re = cu - below sv, im = sign (cv + below su). */
typedef struct {
    float *uv; /* or its gradient */
    const float *down;
    float below, sign;
} alias_taps;

static inline alias_taps alias_of(const taps_unit *u, int64_t a, float *columns) {
    int ky, kx;
    fcnn_band_frequency(u->taps->fold->bin[a], &ky, &kx);
    return (alias_taps){.uv = columns + kx * uv_floats(u->taps),
                        .down = phases_of(u->taps, u->work, ky < 0 ? -ky : ky),
                        .below = ky < 0 ? -1.0f : 1.0f,
                        .sign = u->taps->fold->conjugate[a] ? -1.0f : 1.0f};
}

/* LANES numbers of h, of pairs from `pair` on. */
static inline void alias_load(const taps_unit *u, const alias_taps *alias, int64_t pair, lanes *re,
                              lanes *im) {
    down_sums d = sum_down(u->taps->kernel.size, alias->down, alias->uv + pair, uv_stride(u->taps));
    *re = d.cu - alias->below * d.sv;
    *im = alias->sign * (d.cv + alias->below * d.su);
}

static inline void alias_add(const taps_unit *u, const alias_taps *alias, int64_t pair, lanes re,
                             lanes im) {
    im *= alias->sign;
    down_sums d = {.cu = re, .cv = im, .su = alias->below * im, .sv = -alias->below * re};
    spread_down(u->taps->kernel.size, alias->down, &d, alias->uv + pair, uv_stride(u->taps));
}

/* The input channels of output bin k: its first alias, and how many channels. */
static inline int inner_of(const taps_unit *u, int64_t k, int64_t *first) {
    const fcnn_fold *fold = u->taps->fold;
    *first = fold->start[k];
    return (int)(fold->start[k + 1] - *first) * u->taps->channels;
}

/* h of all filters and aliases into left panels, made filters by LANES and turned. */
static inline void put_folded(const taps_unit *u, int64_t first, int inner) {
    int filters = u->taps->filters, channels = u->taps->channels;
    for (int o = 0; o < filters; o += LANES) {
        for (int block = 0; block < panel_blocks(inner, LANES); block++) {
            lanes re[LANES], im[LANES];
            for (int l = 0; l < LANES; l++) {
                int j = block * LANES + l;
                re[l] = im[l] = (lanes){0};
                if (j >= inner) continue;
                alias_taps alias = alias_of(u, first + j / channels, u->work->columns);
                alias_load(u, &alias, (int64_t)(j % channels) * filters + o, &re[l], &im[l]);
            }
            lanes_transpose(re);
            lanes_transpose(im);
            for (int l = 0; l < panel_part(o, filters, LANES); l++)
                left_put(u->s.left[0] + (o + l) / ROWS * left_floats(inner), (o + l) % ROWS, block,
                         re[l], im[l]);
        }
    }
    if (filters % ROWS)
        left_put_zeros(u->s.left[0] + filters / ROWS * left_floats(inner), filters % ROWS, inner);
}

/* An output bin DC is the real part of its aliases' sum. */
static inline panel_row folded_row(const fcnn_tensor *y, int64_t k, int o) {
    panel_row row = panel_row_of(fcnn_cpu_row(y, k, o), 1.0f, false);
    if (k == 0) row.im = 0.0f;
    return row;
}

static inline void multiply_folded(const taps_unit *u, int64_t k, const fcnn_tensor *x,
                                   const fcnn_tensor *y) {
    int64_t first;
    int inner = inner_of(u, k, &first), channels = x->channels;
    put_folded(u, first, inner);
    for (int j = 0; j < inner; j++) {
        panel_row row = alias_row(u->taps->fold, k, first + j / channels, x, j % channels);
        right_put_row(u->s.right[0], j, inner, x->images, &row);
    }
    for (int o = 0; o < y->channels; o += ROWS) {
        panel_row targets[ROWS];
        int rows = panel_part(o, y->channels, ROWS);
        for (int r = 0; r < rows; r++) targets[r] = folded_row(y, k, o + r);
        panel_product(inner, u->s.left[0] + o / ROWS * left_floats(inner), u->s.right[0], rows,
                      x->images, targets);
    }
}

/* The aliases' dx = h^H dy. */
static inline void multiply_unfolded(const taps_unit *u, int64_t k, const fcnn_tensor *dy,
                                     const fcnn_tensor *dx) {
    int64_t first;
    int inner = inner_of(u, k, &first), channels = dx->channels, filters = dy->channels;
    put_bin(dy, k, u->s.right[0]);
    for (int j = 0; j < inner; j += ROWS) {
        panel_row targets[ROWS];
        int rows = panel_part(j, inner, ROWS);
        for (int r = 0; r < rows; r++) {
            int64_t a = first + (j + r) / channels;
            int c = (j + r) % channels;
            alias_taps alias = alias_of(u, a, u->work->columns);
            targets[r] = alias_row(u->taps->fold, k, a, dx, c);
            for (int o = 0; o < filters; o += LANES) {
                lanes re, im;
                alias_load(u, &alias, (int64_t)c * filters + o, &re, &im);
                left_put(u->s.left[0], r, o / LANES, re, -im);
            }
        }
        left_put_zeros(u->s.left[0], rows, filters);
        panel_product(filters, u->s.left[0], u->s.right[0], rows, dy->images, targets);
    }
}

/* The aliases' dh, turned, into a slot's columns. */
static inline void reduce_folded(const taps_unit *u, int64_t k, const fcnn_tensor *x,
                                 const fcnn_tensor *dy, float *columns) {
    int64_t first;
    int inner = inner_of(u, k, &first), channels = x->channels, filters = dy->channels;
    int images = x->images, wide = (int)fcnn_cpu_round_up(filters, LANES);
    put_turned_bin(dy, k, u->s.turned[0]);
    for (int j = 0; j < inner; j += ROWS) {
        int rows = panel_part(j, inner, ROWS);
        for (int r = 0; r < rows; r++) {
            panel_row row = panel_row_conjugate(
                alias_row(u->taps->fold, k, first + (j + r) / channels, x, (j + r) % channels));
            left_put_row(u->s.left[0], r, images, &row);
        }
        left_put_zeros(u->s.left[0], rows, images);
        multiply_turned(u, 0, images);
        for (int r = 0; r < rows; r++) {
            alias_taps alias = alias_of(u, first + (j + r) / channels, columns);
            int64_t pair = (int64_t)((j + r) % channels) * filters;
            const float *dh = u->s.dh[0] + 2 * r * wide;
            for (int o = 0; o < filters; o += LANES)
                alias_add(u, &alias, pair + o, lanes_load(dh + o), lanes_load(dh + wide + o));
        }
    }
}

#endif
