/* Products of spectra, bin by bin, in the lines of torus.h:
 *   y_k = h_k x_k        dx_k = h_k^H dy_k        d_k = dy_k x_k^H
 * One kernel computes c = a b for all three. A row of b is a line, 8 complex numbers as they lie;
 * the number of a is broadcast, its real and its imaginary part each to a sum of its own,
 *   p = sum re(a) b,  q = sum im(a) b,
 * and only at the end are they combined, with the signs of a b, conj(a) b or a conj(b): two
 * multiply-adds a number, no shuffle inside the loop. */
#include "torus.h"

typedef enum { PLAIN, CONJUGATE_A, CONJUGATE_B } product_form;

/* c[patch][m] (+)= sum over k of a(m, k) b[patch][k], with a(m, k) at m*row + (k / length)*jump +
 * (k % length)*step. */
typedef struct {
    product_form form;
    bool add;
    int length, stretches;
    const fcnn_complex *a;
    int64_t row, step, jump;
    const fcnn_complex *b; /* [patches][stretches * length] lines */
    const cpu_spectra *c;
    int64_t bin;
    int first, patches;        /* of c */
    const fcnn_complex *ahead; /* memory to fetch meanwhile, and lines of it for each block */
    int ahead_lines;
} line_product;

enum { LINE_REGISTERS = 2 * TILE / LANES, ROWS_MAX = 8, REGISTERS_MAX = 4 };

static inline lanes swap_parts(lanes v) {
#if FCNN_LANES == 16
    return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
#elif FCNN_LANES == 8
    return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
#else
    return __builtin_shufflevector(v, v, 1, 0, 3, 2);
#endif
}

/* c = p s + swap(q) t; s and t of each form. */
#define SIGNS(re, im)                                                                              \
    { re, im, re, im, re, im, re, im, re, im, re, im, re, im, re, im }
static const float signs[][2][2 * TILE] = {[PLAIN] = {SIGNS(1, 1), SIGNS(-1, 1)},
                                           [CONJUGATE_A] = {SIGNS(1, 1), SIGNS(1, -1)},
                                           [CONJUGATE_B] = {SIGNS(1, -1), SIGNS(1, 1)}};

/* Makes rows m .. m+rows-1 of patches q .. q+patches-1; rows and patches are constants where it is
 * inlined. */
ALWAYS_INLINE void product_block(line_product *o, int rows, int patches, int m, int q) {
    int registers = patches * LINE_REGISTERS;
    int64_t inner = (int64_t)o->length * o->stretches;
    for (int l = 0; l < o->ahead_lines; l++, o->ahead += TILE) __builtin_prefetch(o->ahead, 0, 2);
    lanes re[ROWS_MAX][REGISTERS_MAX], im[ROWS_MAX][REGISTERS_MAX];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < registers; v++) re[i][v] = im[i][v] = (lanes){0};
    const float *b = &o->b[q * inner * TILE].re;
    const fcnn_complex *from = o->a + m * o->row;
    for (int s = 0; s < o->stretches; s++, from += o->jump) {
        const fcnn_complex *a = from;
        for (int k = 0; k < o->length; k++, a += o->step, b += 2 * TILE) {
            lanes line[REGISTERS_MAX];
            for (int v = 0; v < registers; v++)
                line[v] = lanes_load(b + v / LINE_REGISTERS * inner * 2 * TILE +
                                     (v % LINE_REGISTERS) * LANES);
            for (int i = 0; i < rows; i++) {
                float a_re = a[i * o->row].re, a_im = a[i * o->row].im;
                for (int v = 0; v < registers; v++) {
                    re[i][v] += line[v] * a_re;
                    im[i][v] += line[v] * a_im;
                }
            }
        }
    }
    lanes s = lanes_load(signs[o->form][0]), t = lanes_load(signs[o->form][1]);
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < registers; v++) {
            int patch = o->first + q + v / LINE_REGISTERS;
            float *c = &spectra_line(o->c, o->bin, patch, m + i)->re + v % LINE_REGISTERS * LANES;
            lanes sum = re[i][v] * s + swap_parts(im[i][v]) * t;
            lanes_store(c, o->add ? lanes_load(c) + sum : sum);
            __builtin_prefetch(c + (int64_t)FOUR * 2 * TILE, 1, 2); /* the next bin's */
        }
    }
}

/* Blocks fill the registers: 16 of 32 sums in the 512-bit set, 12 of 16 and 8 of 16 in the
 * others. */
static void multiply(line_product *o) {
    int q = 0, m, rows = o->c->channels;
#if FCNN_LANES == 16
    for (; q + 2 <= o->patches; q += 2) {
        for (m = 0; m + 4 <= rows; m += 4) product_block(o, 4, 2, m, q);
        for (; m < rows; m++) product_block(o, 1, 2, m, q);
    }
#endif
    for (; q < o->patches; q++) {
        m = 0;
#if FCNN_LANES == 16
        for (; m + 8 <= rows; m += 8) product_block(o, 8, 1, m, q);
#elif FCNN_LANES == 8
        for (; m + 3 <= rows; m += 3) product_block(o, 3, 1, m, q);
#endif
        for (; m < rows; m++) product_block(o, 1, 1, m, q);
    }
}

/* So many patches are collected for a product together. */
enum { PATCHES = 2, BLOCK_LINES = 8 };

/* Collects bin k of patches q .. as [patches][channels] lines, and fetches those of the next bin.
 */
static void collect(const cpu_spectra *from, int64_t k, int q, int patches, fcnn_complex *to) {
    for (int patch = q; patch < q + patches; patch++) {
        for (int c = 0; c < from->channels; c += FOUR) {
            int four = spectra_four(from, c);
            const fcnn_complex *lines = spectra_line(from, k, patch, c);
            for (int i = 0; i < four; i++) {
                __builtin_prefetch(lines + (i + four) * TILE, 0, 2);
                memcpy(to, lines + i * TILE, LINE_BYTES);
                to += TILE;
            }
        }
    }
}

/* c = a b with a spectrum b, a few patches at a time. */
static void multiply_patches(line_product o, const cpu_spectra *b, void *scratch) {
    o.b = scratch;
    int64_t pairs = (int64_t)o.c->channels * b->channels;
    int blocks = (o.c->channels * b->patches + BLOCK_LINES - 1) / BLOCK_LINES;
    o.ahead = o.a + pairs; /* the next bin's */
    o.ahead_lines = (int)(pairs / TILE / blocks);
    for (o.first = 0; o.first < b->patches; o.first += PATCHES) {
        o.patches = b->patches - o.first < PATCHES ? b->patches - o.first : PATCHES;
        collect(b, o.bin, o.first, o.patches, scratch);
        multiply(&o);
    }
}

void CPU(bin_forward)(int64_t k, const fcnn_complex *h, const cpu_spectra *x, void *scratch,
                      const cpu_spectra *y) {
    line_product o = {.form = PLAIN,
                      .length = x->channels,
                      .stretches = 1,
                      .a = h + k * x->channels * y->channels,
                      .row = x->channels,
                      .step = 1,
                      .c = y,
                      .bin = k};
    multiply_patches(o, x, scratch);
}

void CPU(bin_backward_data)(int64_t k, const fcnn_complex *h, const cpu_spectra *dy, void *scratch,
                            const cpu_spectra *dx) {
    line_product o = {.form = CONJUGATE_A,
                      .length = dy->channels,
                      .stretches = 1,
                      .a = h + k * dx->channels * dy->channels,
                      .row = 1,
                      .step = dx->channels,
                      .c = dx,
                      .bin = k};
    multiply_patches(o, dy, scratch);
}

static size_t lines_bytes(int channels, int patches) {
    return (size_t)channels * (size_t)patches * LINE_BYTES;
}

size_t CPU(spectra_scratch)(int channels, int filters, int patches) {
    int most = channels > filters ? channels : filters;
    size_t passes = lines_bytes(most, PATCHES);
    size_t weights = lines_bytes(channels + TILE - 1 + filters, patches);
    return fcnn_cpu_align(passes > weights ? passes : weights);
}

/* Turns [patches][channels][8 columns] into [channels in eights][patches * 8 columns][8 channels],
 * with 0 for channels that fill up the last eight. */
static void transpose(const cpu_spectra *x, int64_t k, fcnn_complex *out) {
    for (int c = 0; c < x->channels; c += TILE) {
        int count = x->channels - c < TILE ? x->channels - c : TILE;
        for (int patch = 0; patch < x->patches; patch++, out += TILE * TILE) {
            if (count < TILE) memset(out, 0, (size_t)TILE * LINE_BYTES);
            for (int i = 0; i < count; i++) {
                const fcnn_complex *from = spectra_line(x, k, patch, c + i);
                __builtin_prefetch(from + FOUR * TILE, 0, 2);
                for (int j = 0; j < TILE; j++) out[j * TILE + i] = from[j];
            }
        }
    }
}

void CPU(bin_backward_weights)(int64_t k, const cpu_spectra *x, const cpu_spectra *dy, bool add,
                               void *scratch, const cpu_spectra *d) {
    fcnn_complex *b = scratch, *a = b + (int64_t)d->patches * x->patches * TILE * TILE;
    collect(dy, k, 0, dy->patches, a);
    transpose(x, k, b);
    multiply(&(line_product){.form = CONJUGATE_B,
                             .add = add,
                             .length = TILE,
                             .stretches = x->patches,
                             .a = a,
                             .row = TILE,
                             .step = 1,
                             .jump = (int64_t)dy->channels * TILE,
                             .b = b,
                             .c = d,
                             .bin = k,
                             .patches = d->patches});
}
