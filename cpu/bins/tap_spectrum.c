/* Compact taps to spectrum and back, one axis after the other. With c and s the
 * cosine and sine of a tap's phase, a column kx of bins comes from
 *   u(i) = sum over j of c_kx(j) w(i, j),   v(i) = sum over j of s_kx(j) w(i, j),
 * and its bins (ky, kx) and (-ky, kx) from four sums over i:
 *   h(+-ky, kx) = (sum c_ky u -+ sum s_ky v) + i (sum c_ky v +- sum s_ky u).
 * Back, the four sums' gradients are sums and differences of the parts of dh,
 * those of u and v sums over ky, and dw sums over kx. LANES pairs of channels
 * lie in a register, some registers in a block, whose stretch of each bin is
 * read or written at a time: bins are pages apart. taps_sums.h has the sums. */
#include "cpu/caches.h"
#include "cpu/roots.h"
#include "taps_sums.h"

/* A thread's scratch; all threads read the first one's phases. */
typedef struct {
    float *phases; /* [radius + 1][taps across][2]: cosine, sine */
    int registers; /* of a row below, and the most of a block */
    float *uv;     /* [rows][2][registers] */
    float *w;      /* [taps][registers] */
} kernel_scratch;

static int most_registers(int taps_across) {
    return taps_across > KERNEL_LARGE ? 1 : KERNEL_REGISTERS;
}

static size_t phase_bytes(int taps_across, int grid) {
    return fcnn_cpu_align((size_t)(grid / 2 + 1) * (size_t)taps_across * 2 * sizeof(float));
}

static kernel_scratch scratch_of(const cpu_device *device, const fcnn_kernel_shape *shape) {
    unsigned char *at = fcnn_cpu_thread_scratch(device);
    kernel_scratch s = {.phases = (float *)(void *)at, .registers = most_registers(shape->size)};
    s.uv = (float *)(void *)(at + phase_bytes(shape->size, shape->grid));
    s.w = s.uv + (ptrdiff_t)rows_of(shape->size) * 2 * s.registers * LANES;
    return s;
}

fcnn_status CPU(kernel_plan)(fcnn_device *base, int size, int grid) {
    cpu_device *device = (cpu_device *)base;
    const cpu_roots *roots;
    if (grid) FCNN_TRY(fcnn_cpu_find_roots(device, grid, &roots));
    int registers = (size * size + 2 * rows_of(size)) * most_registers(size);
    fcnn_cpu_need_scratch(device, phase_bytes(size, grid) + (size_t)registers * sizeof(lanes));
    return FCNN_OK;
}

/* The pairs first .. first + count - 1, in so many registers. */
typedef struct {
    int64_t first;
    int count, registers;
} block;

/* Registers of a block. There are enough blocks for some threads, but their number does not depend
 * on that of the threads. */
static int block_registers(const fcnn_kernel_shape *shape) {
    int64_t registers = (shape->pairs + LANES - 1) / LANES / 4;
    int most = most_registers(shape->size);
    return registers < 1 ? 1 : registers < most ? (int)registers : most;
}

static int64_t block_count(const fcnn_kernel_shape *shape) {
    int64_t pairs = (int64_t)block_registers(shape) * LANES;
    return (shape->pairs + pairs - 1) / pairs;
}

static block block_of(const fcnn_kernel_shape *shape, int64_t index) {
    int64_t pairs = (int64_t)block_registers(shape) * LANES, left = shape->pairs - index * pairs;
    int count = (int)(left < pairs ? left : pairs);
    return (block){index * pairs, count, (count + LANES - 1) / LANES};
}

/* Pairs that register `index` of a block holds. */
static inline int pairs_in(const block *b, int index) {
    return smaller(b->count - index * LANES, LANES);
}

/* Fills the phases in the calling thread's scratch, which is the first's. */
static fcnn_status fill_phases(cpu_device *device, const fcnn_kernel_shape *shape,
                               const float **phases) {
    float *out = scratch_of(device, shape).phases;
    *phases = out;
    return fcnn_cpu_fill_phases(device, shape, out);
}

/* ---- Taps to spectrum ---- */

ALWAYS_INLINE void bins_to_spectrum(int size, const fcnn_kernel_shape *shape, const float *phases,
                                    const kernel_scratch *s, int kx, const block *b,
                                    fcnn_complex *h) {
    for (int ky = 0; ky <= shape->radius; ky++) {
        const float *down = phases + (int64_t)ky * size * 2;
        fcnn_complex *row = h + fcnn_band_index(ky, kx) * shape->pairs + b->first;
        fcnn_complex *mirrored =
            ky && kx ? h + fcnn_band_index(-ky, kx) * shape->pairs + b->first : NULL;
        for (int r = 0; r < b->registers; r++) {
            down_sums d =
                sum_down(size, down, s->uv + (ptrdiff_t)r * LANES, (int64_t)s->registers * LANES);
            lanes_store_complex(row + r * LANES, d.cu - d.sv, d.cv + d.su, pairs_in(b, r));
            if (mirrored)
                lanes_store_complex(mirrored + r * LANES, d.cu + d.sv, d.cv - d.su, pairs_in(b, r));
        }
    }
}

static void column_to_spectrum(const fcnn_kernel_shape *shape, const float *phases,
                               const kernel_scratch *s, int kx, const block *b, const float *w,
                               fcnn_complex *h) {
    sum_across(shape->size, phases + (int64_t)kx * shape->size * 2, w + b->first, shape->pairs,
               b->count, s->uv, (int64_t)s->registers * LANES);
    OF_SIZE(shape->size, bins_to_spectrum, shape, phases, s, kx, b, h);
}

/* A unit of work is a column of a block. */
fcnn_status CPU(kernel_to_spectrum)(fcnn_device *base, const fcnn_kernel_shape *shape,
                                    const float *w, fcnn_complex *h) {
    cpu_device *device = (cpu_device *)base;
    const float *phases;
    FCNN_TRY(fill_phases(device, shape, &phases));
    int64_t columns = shape->radius + 1;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t unit = 0; unit < block_count(shape) * columns; unit++) {
        kernel_scratch s = scratch_of(device, shape);
        block b = block_of(shape, unit / columns);
        column_to_spectrum(shape, phases, &s, (int)(unit % columns), &b, w, h);
    }
    return FCNN_OK;
}

/* ---- Spectrum to taps ---- */

ALWAYS_INLINE void bins_to_sums(int size, const fcnn_kernel_shape *shape, const float *phases,
                                const kernel_scratch *s, int kx, const block *b,
                                const fcnn_complex *dh) {
    for (int ky = 0; ky <= shape->radius; ky++) {
        const float *down = phases + (int64_t)ky * size * 2;
        const fcnn_complex *row = dh + fcnn_band_index(ky, kx) * shape->pairs + b->first;
        const fcnn_complex *mirrored =
            ky && kx ? dh + fcnn_band_index(-ky, kx) * shape->pairs + b->first : NULL;
        for (int r = 0; r < b->registers; r++) {
            lanes re, im, other_re = {0}, other_im = {0};
            lanes_load_complex(row + r * LANES, pairs_in(b, r), &re, &im);
            if (mirrored)
                lanes_load_complex(mirrored + r * LANES, pairs_in(b, r), &other_re, &other_im);
            down_sums d = {
                .cu = re + other_re, .cv = im + other_im, .su = im - other_im, .sv = other_re - re};
            spread_down(size, 1, &down, &d, s->uv + (ptrdiff_t)r * LANES,
                        (int64_t)s->registers * LANES);
        }
    }
}

static void column_to_kernel(const fcnn_kernel_shape *shape, const float *phases,
                             const kernel_scratch *s, int kx, const block *b,
                             const fcnn_complex *dh) {
    int64_t stride = (int64_t)s->registers * LANES;
    memset(s->uv, 0, (size_t)(rows_of(shape->size) * 2 * stride) * sizeof *s->uv);
    OF_SIZE(shape->size, bins_to_sums, shape, phases, s, kx, b, dh);
    spread_across(shape->size, phases + (int64_t)kx * shape->size * 2, s->uv, stride, s->w, stride,
                  (int64_t)b->registers * LANES);
}

/* A unit of work is a block: its taps are sums over all columns. */
fcnn_status CPU(spectrum_to_kernel)(fcnn_device *base, const fcnn_kernel_shape *shape,
                                    const fcnn_complex *dh, float *dw) {
    cpu_device *device = (cpu_device *)base;
    const float *phases;
    FCNN_TRY(fill_phases(device, shape, &phases));
    int taps = shape->size * shape->size;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t unit = 0; unit < block_count(shape); unit++) {
        kernel_scratch s = scratch_of(device, shape);
        block b = block_of(shape, unit);
        memset(s.w, 0, (size_t)taps * (size_t)s.registers * LANES * sizeof *s.w);
        for (int kx = 0; kx <= shape->radius; kx++) column_to_kernel(shape, phases, &s, kx, &b, dh);
        for (int t = 0; t < taps; t++)
            for (int r = 0; r < b.registers; r++)
                lanes_store_some(dw + t * shape->pairs + b.first + r * LANES,
                                 lanes_load(s.w + ((ptrdiff_t)t * s.registers + r) * LANES),
                                 pairs_in(&b, r));
    }
    return FCNN_OK;
}
