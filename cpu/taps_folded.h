/* Parts of taps.c: bins of a strided convolution, whose input channels are those of
 * all aliases, each with its own column of u and v. */
#ifndef FCNN_TAPS_FOLDED_H
#define FCNN_TAPS_FOLDED_H

#include "taps.h"

/* What an alias' numbers of h are made of: re = cu - below sv, im = sign (cv + below su). */
struct alias_taps {
    int64_t uv; /* its column, of u and v or of their gradients */
    const float *down;
    float below, sign;
};
_Static_assert(sizeof(alias_taps) <= ALIAS_FLOATS * sizeof(float), "place in the scratch");

/* An output bin, whose input channels are those of its aliases. */
typedef struct {
    const taps_unit *unit;
    int64_t k, first; /* its first alias */
    int inner, channels, filters;
} folded_bin;

static inline folded_bin folded_bin_of(const taps_unit *u, int64_t k) {
    const fcnn_fold *fold = u->taps->fold;
    folded_bin b = {u, k, fold->start[k], 0, u->taps->channels, u->taps->filters};
    int count = (int)(fold->start[k + 1] - b.first);
    b.inner = count * b.channels;
    for (int a = 0; a < count; a++) {
        int ky, kx;
        fcnn_band_frequency(fold->bin[b.first + a], &ky, &kx);
        u->s.aliases[a] = (alias_taps){.uv = kx * uv_floats(u->taps),
                                       .down = phases_of(u->taps, u->work, ky < 0 ? -ky : ky),
                                       .below = ky < 0 ? -1.0f : 1.0f,
                                       .sign = fold->conjugate[b.first + a] ? -1.0f : 1.0f};
    }
    return b;
}

/* LANES numbers of h, of input channel j and the filters from o on. */
static inline void folded_load(const folded_bin *b, int j, int o, lanes *re, lanes *im) {
    const taps_unit *u = b->unit;
    const alias_taps *alias = &u->s.aliases[j / b->channels];
    const float *uv = u->work->columns + alias->uv + j % b->channels * b->filters + o;
    down_sums d = sum_down(u->taps->kernel.size, alias->down, uv, uv_stride(u->taps));
    *re = d.cu - alias->below * d.sv;
    *im = alias->sign * (d.cv + alias->below * d.su);
}

/* Their gradient into a slot's columns. */
static inline void folded_add(const folded_bin *b, int j, int o, lanes re, lanes im,
                              float *columns) {
    const taps_unit *u = b->unit;
    const alias_taps *alias = &u->s.aliases[j / b->channels];
    float *duv = columns + alias->uv + j % b->channels * b->filters + o;
    im *= alias->sign;
    down_sums d = {.cu = re, .cv = im, .su = alias->below * im, .sv = -alias->below * re};
    spread_down(u->taps->kernel.size, alias->down, &d, duv, uv_stride(u->taps));
}

/* Row j of its inputs. */
static inline panel_row folded_input(const folded_bin *b, const fcnn_tensor *x, int j) {
    return alias_row(b->unit->taps->fold, b->k, b->first + j / b->channels, x, j % b->channels);
}

/* Row o of its outputs: at DC the real part of the aliases' sum. */
static inline panel_row folded_output(const folded_bin *b, const fcnn_tensor *y, int o) {
    panel_row row = panel_row_of(fcnn_cpu_row(y, b->k, o), 1.0f, false);
    if (b->k == 0) row.im = 0.0f;
    return row;
}

/* h into left panels, made filters by LANES and turned. */
static inline void put_folded(const folded_bin *b, float *left) {
    for (int o = 0; o < b->filters; o += LANES) {
        for (int block = 0; block < panel_blocks(b->inner, LANES); block++) {
            lanes re[LANES], im[LANES];
            for (int l = 0; l < LANES; l++) {
                re[l] = im[l] = (lanes){0};
                if (block * LANES + l < b->inner)
                    folded_load(b, block * LANES + l, o, &re[l], &im[l]);
            }
            lanes_transpose(re);
            lanes_transpose(im);
            for (int l = 0; l < panel_part(o, b->filters, LANES); l++)
                left_put(left + (o + l) / ROWS * left_floats(b->inner), (o + l) % ROWS, block,
                         re[l], im[l]);
        }
    }
    if (b->filters % ROWS)
        left_put_zeros(left + b->filters / ROWS * left_floats(b->inner), b->filters % ROWS,
                       b->inner);
}

static inline void multiply_folded(const taps_unit *u, int64_t k, const fcnn_tensor *x,
                                   const fcnn_tensor *y) {
    folded_bin b = folded_bin_of(u, k);
    put_folded(&b, u->s.left[0]);
    for (int j = 0; j < b.inner; j++) {
        panel_row row = folded_input(&b, x, j);
        right_put_row(u->s.right[0], j, b.inner, x->images, &row);
    }
    for (int o = 0; o < b.filters; o += ROWS) {
        panel_row targets[ROWS];
        int rows = panel_part(o, b.filters, ROWS);
        for (int r = 0; r < rows; r++) targets[r] = folded_output(&b, y, o + r);
        panel_product(b.inner, u->s.left[0] + o / ROWS * left_floats(b.inner), u->s.right[0], rows,
                      x->images, targets);
    }
}

/* The aliases' dx = h^H dy. */
static inline void multiply_unfolded(const taps_unit *u, int64_t k, const fcnn_tensor *dy,
                                     const fcnn_tensor *dx) {
    folded_bin b = folded_bin_of(u, k);
    put_bin(dy, k, u->s.right[0]);
    for (int j = 0; j < b.inner; j += ROWS) {
        panel_row targets[ROWS];
        int rows = panel_part(j, b.inner, ROWS);
        for (int r = 0; r < rows; r++) {
            targets[r] = folded_input(&b, dx, j + r);
            for (int o = 0; o < b.filters; o += LANES) {
                lanes re, im;
                folded_load(&b, j + r, o, &re, &im);
                left_put(u->s.left[0], r, o / LANES, re, -im);
            }
        }
        left_put_zeros(u->s.left[0], rows, b.filters);
        panel_product(b.filters, u->s.left[0], u->s.right[0], rows, dy->images, targets);
    }
}

/* The aliases' dh, turned, into a slot's columns. */
static inline void reduce_folded(const taps_unit *u, int64_t k, const fcnn_tensor *x,
                                 const fcnn_tensor *dy, float *columns) {
    folded_bin b = folded_bin_of(u, k);
    int wide = (int)fcnn_cpu_round_up(b.filters, LANES);
    put_turned_bin(dy, k, u->s.turned[0]);
    for (int j = 0; j < b.inner; j += ROWS) {
        int rows = panel_part(j, b.inner, ROWS);
        for (int r = 0; r < rows; r++) {
            panel_row row = panel_row_conjugate(folded_input(&b, x, j + r));
            left_put_row(u->s.left[0], r, x->images, &row);
        }
        left_put_zeros(u->s.left[0], rows, x->images);
        multiply_turned(u, 0, x->images);
        for (int r = 0; r < rows; r++) {
            const float *dh = u->s.dh[0] + 2 * r * wide;
            for (int o = 0; o < b.filters; o += LANES)
                folded_add(&b, j + r, o, lanes_load(dh + o), lanes_load(dh + wide + o), columns);
        }
    }
}

#endif
