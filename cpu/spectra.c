/* Products of spectra, bin by bin, in the lines of torus.h:
 *   y_k = h_k x_k        dx_k = h_k^H dy_k        d_k = dy_k x_k^H
 * One kernel computes c = a b for all three. A row of b is a line, 8 complex numbers as they lie;
 * the number of a is broadcast, its real and its imaginary part each to a sum of its own,
 *   p = sum re(a) b,  q = sum im(a) b,
 * and only at the end are they combined, with the signs of a b, conj(a) b or a conj(b): two
 * multiply-adds a number, no shuffle inside the loop. */
#include "torus.h"

typedef enum { PLAIN, CONJUGATE_A, CONJUGATE_B } product_form;

/* c[panel][m] (+)= sum over k of a(m, k) b[panel][k], with a(m, k) at m*row + (k / run)*jump +
 * (k % run)*step. */
typedef struct {
    product_form form;
    bool add;
    int rows, panels, run, runs;
    const fcnn_complex *a;
    int64_t row, step, jump;
    const fcnn_complex *b; /* [panels][runs * run] lines */
    fcnn_complex *c;       /* [panels][rows] lines */
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

/* p and q with their signs: c = p s + swap(q) t. */
static inline lanes combine(product_form form, lanes p, lanes q) {
    lanes s, t;
    for (int l = 0; l < LANES; l++) {
        s[l] = form == CONJUGATE_B && l % 2 ? -1.0f : 1.0f;
        t[l] = form == (l % 2 ? CONJUGATE_A : PLAIN) ? -1.0f : 1.0f;
    }
    return p * s + swap_parts(q) * t;
}

/* Rows m .. m+rows-1 of panels q .. q+panels-1; rows and panels are constants where inlined. */
static inline __attribute__((always_inline)) void product_block(const line_product *o, int rows,
                                                                int panels, int m, int q) {
    int registers = panels * LINE_REGISTERS;
    int64_t inner = (int64_t)o->run * o->runs;
    lanes re[ROWS_MAX][REGISTERS_MAX], im[ROWS_MAX][REGISTERS_MAX];
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < registers; v++) re[i][v] = im[i][v] = (lanes){0};
    const float *b = &o->b[q * inner * TILE].re;
    const fcnn_complex *from = o->a + m * o->row;
    for (int run = 0; run < o->runs; run++, from += o->jump) {
        const fcnn_complex *a = from;
        for (int k = 0; k < o->run; k++, a += o->step, b += 2 * TILE) {
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
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < registers; v++) {
            int64_t line = (int64_t)(q + v / LINE_REGISTERS) * o->rows + m + i;
            float *c = &o->c[line * TILE].re + (v % LINE_REGISTERS) * LANES;
            lanes sum = combine(o->form, re[i][v], im[i][v]);
            lanes_store(c, o->add ? lanes_load(c) + sum : sum);
        }
    }
}

/* Blocks fill the registers: 16 of 32 sums in the 512-bit set, 12 of 16 and 8 of 16 in the
 * others. */
static void multiply(const line_product *o) {
    int q = 0, m;
#if FCNN_LANES == 16
    for (; q + 2 <= o->panels; q += 2) {
        for (m = 0; m + 4 <= o->rows; m += 4) product_block(o, 4, 2, m, q);
        for (; m < o->rows; m++) product_block(o, 1, 2, m, q);
    }
#endif
    for (; q < o->panels; q++) {
        m = 0;
#if FCNN_LANES == 16
        for (; m + 8 <= o->rows; m += 8) product_block(o, 8, 1, m, q);
#elif FCNN_LANES == 8
        for (; m + 3 <= o->rows; m += 3) product_block(o, 3, 1, m, q);
#endif
        for (; m < o->rows; m++) product_block(o, 1, 1, m, q);
    }
}

void CPU(bin_forward)(int64_t k, const fcnn_complex *h, const cpu_spectra *x,
                      const cpu_spectra *y) {
    int64_t pairs = (int64_t)x->channels * y->channels;
    multiply(&(line_product){.form = PLAIN,
                             .rows = y->channels,
                             .panels = x->panels,
                             .run = x->channels,
                             .runs = 1,
                             .a = h + k * pairs,
                             .row = x->channels,
                             .step = 1,
                             .b = spectra_line(x, k, 0, 0),
                             .c = spectra_line(y, k, 0, 0)});
}

void CPU(bin_backward_data)(int64_t k, const fcnn_complex *h, const cpu_spectra *dy,
                            const cpu_spectra *dx) {
    int64_t pairs = (int64_t)dx->channels * dy->channels;
    multiply(&(line_product){.form = CONJUGATE_A,
                             .rows = dx->channels,
                             .panels = dy->panels,
                             .run = dy->channels,
                             .runs = 1,
                             .a = h + k * pairs,
                             .row = 1,
                             .step = dx->channels,
                             .b = spectra_line(dy, k, 0, 0),
                             .c = spectra_line(dx, k, 0, 0)});
}

size_t CPU(spectra_scratch)(int channels, int panels) {
    int eights = (channels + TILE - 1) / TILE;
    return fcnn_cpu_align((size_t)eights * panels * TILE * LINE_BYTES);
}

/* [panels][channels][8 columns] to [channels in eights][panels * 8 columns][8 channels]; 0 for
 * channels that fill up the last eight. */
static void transpose(const cpu_spectra *x, int64_t k, fcnn_complex *out) {
    for (int c = 0; c < x->channels; c += TILE) {
        int count = x->channels - c < TILE ? x->channels - c : TILE;
        for (int panel = 0; panel < x->panels; panel++, out += TILE * TILE) {
            const fcnn_complex *from = spectra_line(x, k, panel, c);
            if (count < TILE) memset(out, 0, TILE * LINE_BYTES);
            for (int i = 0; i < count; i++)
                for (int j = 0; j < TILE; j++) out[j * TILE + i] = from[i * TILE + j];
        }
    }
}

void CPU(bin_backward_weights)(int64_t k, const cpu_spectra *x, const cpu_spectra *dy, bool add,
                               void *scratch, const cpu_spectra *d) {
    transpose(x, k, scratch);
    multiply(&(line_product){.form = CONJUGATE_B,
                             .add = add,
                             .rows = d->channels,
                             .panels = d->panels,
                             .run = TILE,
                             .runs = x->panels,
                             .a = spectra_line(dy, k, 0, 0),
                             .row = TILE,
                             .step = 1,
                             .jump = (int64_t)dy->channels * TILE,
                             .b = scratch,
                             .c = spectra_line(d, k, 0, 0)});
}
