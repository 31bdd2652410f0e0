/* Parts of taps.c: bins of a strided convolution, whose input channels are those of
 * all aliases, each with its own column of u and v. */
#ifndef FCNN_TAPS_FOLDED_H
#define FCNN_TAPS_FOLDED_H

#include "taps.h"

enum { FOLDED_GROUP = 4 }; /* the most aliases of a column at a time */

/* What an alias' numbers of h are made of: re = cu - below sv, im = sign (cv + below su). */
struct alias_taps {
    int64_t at; /* in the fold's list */
    int64_t uv; /* its column, of u and v or of their gradients */
    const float *down;
    float below, sign;
};
_Static_assert(sizeof(alias_taps) <= ALIAS_FLOATS * sizeof(float), "a place in the scratch");

/* Output bins (ky, kx) and, where there is one, (-ky, kx), whose input channels are those of their
 * aliases. Alias a of one is alias a of the other mirrored: both have the same sums of u and v. */
typedef struct {
    const taps_unit *unit;
    int bins;
    int64_t k[2];
    int inner, channels, filters;
} folded_row;

static inline alias_taps alias_of(const taps_unit *u, int64_t at) {
    const fcnn_fold *fold = u->taps->fold;
    int ky, kx;
    fcnn_band_frequency(fold->bin[at], &ky, &kx);
    return (alias_taps){.at = at,
                        .uv = kx * uv_floats(u->taps),
                        .down = phases_of(u->taps, u->work, ky < 0 ? -ky : ky),
                        .below = ky < 0 ? -1.0f : 1.0f,
                        .sign = fold->conjugate[at] ? -1.0f : 1.0f};
}

static inline folded_row folded_row_of(const taps_unit *u, int ky) {
    const fcnn_fold *fold = u->taps->fold;
    folded_row row = {.unit = u, .channels = u->taps->channels, .filters = u->taps->filters};
    row.bins = bins_of(u, ky, row.k);
    int count = (int)(fold->start[row.k[0] + 1] - fold->start[row.k[0]]);
    row.inner = count * row.channels;
    for (int i = 0; i < row.bins; i++)
        for (int a = 0; a < count; a++) u->s.aliases[i][a] = alias_of(u, fold->start[row.k[i]] + a);
    return row;
}

static inline const alias_taps *folded_alias(const folded_row *row, int i, int j) {
    return &row->unit->s.aliases[i][j / row->channels];
}

/* Where the taps of input channel j and filters from o on are in an alias' column. */
static inline int64_t folded_place(const folded_row *row, int j, int o) {
    return folded_alias(row, 0, j)->uv + j % row->channels * row->filters + o;
}

/* LANES numbers of both bins' h. */
ALWAYS_INLINE void folded_load(int size, const folded_row *row, int j, int o, lanes re[2],
                               lanes im[2]) {
    const taps_unit *u = row->unit;
    down_sums d = sum_down(size, folded_alias(row, 0, j)->down,
                           u->work->columns + folded_place(row, j, o), uv_stride(u->taps));
    for (int i = 0; i < 2; i++) {
        const alias_taps *alias = folded_alias(row, i < row->bins ? i : 0, j);
        re[i] = d.cu - alias->below * d.sv;
        im[i] = alias->sign * (d.cv + alias->below * d.su);
    }
}

/* The gradients of `count` aliases from a on, which lie in one column, and of channel c, into it.
 */
ALWAYS_INLINE void folded_add(int size, const folded_row *row, int a, int count, int c,
                              float *columns) {
    const taps_unit *u = row->unit;
    int64_t wide = (int64_t)fcnn_cpu_round_up(row->filters, LANES);
    const float *down[FOLDED_GROUP];
    for (int g = 0; g < count; g++) down[g] = u->s.aliases[0][a + g].down;
    for (int o = 0; o < row->filters; o += LANES) {
        down_sums d[FOLDED_GROUP];
        for (int g = 0; g < count; g++) {
            int j = (a + g) * row->channels + c;
            d[g] = (down_sums){{0}, {0}, {0}, {0}};
            for (int i = 0; i < row->bins; i++) {
                const alias_taps *alias = &u->s.aliases[i][a + g];
                const float *dh = u->s.dh[i] + 2 * j * wide + o;
                lanes re = lanes_load(dh), im = alias->sign * lanes_load(dh + wide);
                d[g].cu += re;
                d[g].cv += im;
                d[g].su += alias->below * im;
                d[g].sv -= alias->below * re;
            }
        }
        spread_down(size, count, down, d, columns + folded_place(row, a * row->channels + c, o),
                    uv_stride(u->taps));
    }
}

ALWAYS_INLINE void folded_add_all(int size, const folded_row *row, float *columns) {
    const alias_taps *aliases = row->unit->s.aliases[0];
    int all = row->inner / row->channels;
    for (int a = 0, count; a < all; a += count) {
        for (count = 1; a + count < all && count < FOLDED_GROUP; count++)
            if (aliases[a + count].uv != aliases[a].uv) break;
        for (int c = 0; c < row->channels; c++) {
            if (count == FOLDED_GROUP)
                folded_add(size, row, a, FOLDED_GROUP, c, columns);
            else
                folded_add(size, row, a, count, c, columns);
        }
    }
}

/* Row j of bin i's inputs. */
static inline panel_row folded_input(const folded_row *row, int i, const fcnn_tensor *x, int j) {
    return alias_row(row->unit->taps->fold, row->k[i], folded_alias(row, i, j)->at, x,
                     j % row->channels);
}

/* Row o of its outputs: at DC the real part of the aliases' sum. */
static inline panel_row folded_output(const folded_row *row, int i, const fcnn_tensor *y, int o) {
    panel_row out = panel_row_of(fcnn_cpu_row(y, row->k[i], o), 1.0f, false);
    if (row->k[i] == 0) out.im = 0.0f;
    return out;
}

/* What the next row reads: x at its aliases and, with dy, its bins of dy. */
static inline panel_ahead folded_ahead(const taps_unit *u, int ky, const fcnn_tensor *x,
                                       const fcnn_tensor *dy) {
    panel_ahead ahead = {.blocks = u->s.blocks};
    const fcnn_fold *fold = u->taps->fold;
    int64_t k[2];
    int bins = ky + 1 < u->end ? bins_of(u, ky + 1, k) : 0;
    for (int i = 0; i < bins; i++) {
        for (int64_t a = fold->start[k[i]]; a < fold->start[k[i] + 1]; a++)
            ahead_add(&ahead, x, fold->bin[a]);
        if (dy) ahead_add(&ahead, dy, k[i]);
    }
    return ahead;
}

/* h, by columns, into both left operands; filters there are not are zeros. */
ALWAYS_INLINE void put_folded(int size, const folded_row *row) {
    int wide = folded_wide(row->unit->taps);
    for (int j = 0; j < row->inner; j++) {
        for (int o = 0; o < row->filters; o += LANES) {
            lanes re[2], im[2];
            folded_load(size, row, j, o, re, im);
            for (int i = 0; i < 2; i++) {
                float *at = row->unit->s.left[i] + (int64_t)j * 3 * wide + o;
                lanes_store(at, re[i] + im[i]);
                lanes_store(at + wide, re[i]);
                lanes_store(at + 2 * wide, im[i]);
            }
        }
    }
}

static inline void multiply_folded(const taps_unit *u, int ky, const fcnn_tensor *x,
                                   const fcnn_tensor *y) {
    folded_row row = folded_row_of(u, ky);
    panel_ahead ahead = folded_ahead(u, ky, x, NULL);
    ahead_pace(&ahead, row.bins, row.filters, x->images, row.inner);
    OF_SIZE(u->taps->kernel.size, put_folded, &row);
    for (int i = 0; i < row.bins; i++) {
        for (int j = 0; j < row.inner; j++) {
            panel_row from = folded_input(&row, i, x, j);
            right_put_row(u->s.right[i], j, row.inner, x->images, &from);
        }
        for (int o = 0; o < row.filters; o += ROWS) {
            panel_target to = {.rows = panel_part(o, row.filters, ROWS), .stream = streams(y)};
            for (int r = 0; r < to.rows; r++) to.row[r] = folded_output(&row, i, y, o + r);
            if (row.k[i]) to.energy = u->energy + o;
            panel_product(row.inner, u->s.left[i] + o, folded_wide(u->taps), u->s.right[i],
                          x->images, &to, &ahead);
        }
    }
}

/* The aliases' dx = h^H dy. */
static inline void multiply_unfolded(const taps_unit *u, int ky, const fcnn_tensor *dy,
                                     const fcnn_tensor *dx) {
    folded_row row = folded_row_of(u, ky);
    for (int i = 0; i < row.bins; i++) put_bin(dy, row.k[i], u->s.right[i]);
    for (int j = 0; j < row.inner; j += ROWS) {
        int rows = panel_part(j, row.inner, ROWS);
        for (int r = 0; r < rows; r++) {
            for (int o = 0; o < row.filters; o += LANES) {
                lanes re[2], im[2];
                folded_load(u->taps->kernel.size, &row, j + r, o, re, im);
                for (int i = 0; i < 2; i++) left_put(u->s.left[i], r, o / LANES, re[i], -im[i]);
            }
        }
        for (int i = 0; i < row.bins; i++) {
            panel_target to = {.rows = rows, .stream = streams(dx)};
            for (int r = 0; r < rows; r++) to.row[r] = folded_input(&row, i, dx, j + r);
            left_put_zeros(u->s.left[i], rows, row.filters);
            panel_product(row.filters, u->s.left[i], 0, u->s.right[i], dy->images, &to, NULL);
        }
    }
}

/* The aliases' dh, turned, into a slot's columns. */
static inline void reduce_folded(const taps_unit *u, int ky, const fcnn_tensor *x,
                                 const fcnn_tensor *dy, float *columns) {
    folded_row row = folded_row_of(u, ky);
    panel_ahead ahead = folded_ahead(u, ky, x, dy);
    ahead_pace(&ahead, row.bins, row.inner, row.filters, x->images);
    int wide = (int)fcnn_cpu_round_up(row.filters, LANES);
    for (int i = 0; i < row.bins; i++) put_turned_bin(dy, row.k[i], u->s.right[i]);
    for (int j = 0; j < row.inner; j += ROWS) {
        int rows = panel_part(j, row.inner, ROWS);
        for (int i = 0; i < row.bins; i++) {
            for (int r = 0; r < rows; r++) {
                panel_row from = panel_row_conjugate(folded_input(&row, i, x, j + r));
                left_put_row(u->s.left[0], r, x->images, &from);
            }
            left_put_zeros(u->s.left[0], rows, x->images);
            multiply_turned(u, i, x->images, u->s.dh[i] + (int64_t)j * 2 * wide, &ahead);
        }
    }
    OF_SIZE(u->taps->kernel.size, folded_add_all, &row, columns);
}

#endif
