/* Compact taps to spectrum and back, one axis after the other. With c and s the
 * cosine and sine of a tap's phase, a column kx of bins comes from
 *   u(i) = sum over j of c_kx(j) w(i, j),   v(i) = sum over j of s_kx(j) w(i, j),
 * and its bins (ky, kx) and (-ky, kx) from four sums over i:
 *   h(+-ky, kx) = (sum c_ky u -+ sum s_ky v) + i (sum c_ky v +- sum s_ky u).
 * Back, the four sums' gradients are sums and differences of the parts of dh,
 * those of u and v sums over ky, and dw sums over kx. LANES pairs of channels
 * lie in a register, some registers in a panel, whose stretch of each bin is
 * read or written at a time: bins are pages apart. The sums: taps_sums.h. */
#include "taps_sums.h"

/* A thread's scratch; the phases are those of the first thread's, for all. */
typedef struct {
    float *phases; /* [radius + 1][taps across][2]: cosine, sine */
    int panel;     /* registers of a row below, and the most of a panel */
    float *uv;     /* [rows][2][panel] */
    float *w;      /* [taps][panel] */
} kernel_scratch;

static kernel_scratch scratch_of(const cpu_device *device, const fcnn_kernel_shape *shape) {
    unsigned char *at = fcnn_cpu_thread_scratch(device);
    kernel_scratch s = {.phases = (float *)(void *)at, .panel = fcnn_cpu_kernel_panel(shape->size)};
    s.uv = (float *)(void *)(at + fcnn_cpu_phase_bytes(shape->size, shape->grid));
    s.w = s.uv + (ptrdiff_t)rows_of(shape->size) * 2 * s.panel * LANES;
    return s;
}

/* The pairs first .. first + count - 1, in so many registers. */
typedef struct {
    int64_t first;
    int count, registers;
} panel;

/* Registers of a panel: enough panels for some threads, whatever their number. */
static int panel_registers(const fcnn_kernel_shape *shape) {
    int64_t registers = (shape->pairs + LANES - 1) / LANES / 4;
    int most = fcnn_cpu_kernel_panel(shape->size);
    return registers < 1 ? 1 : registers < most ? (int)registers : most;
}

static int64_t panel_count(const fcnn_kernel_shape *shape) {
    int64_t pairs = (int64_t)panel_registers(shape) * LANES;
    return (shape->pairs + pairs - 1) / pairs;
}

static panel panel_of(const fcnn_kernel_shape *shape, int64_t index) {
    int64_t pairs = (int64_t)panel_registers(shape) * LANES, left = shape->pairs - index * pairs;
    int count = (int)(left < pairs ? left : pairs);
    return (panel){index * pairs, count, (count + LANES - 1) / LANES};
}

/* Pairs of a panel's register that there are. */
static inline int pairs_in(const panel *p, int index) {
    int left = p->count - index * LANES;
    return left < LANES ? left : LANES;
}

/* In the calling thread's scratch, which is the first's. */
static fcnn_status fill_phases(cpu_device *device, const fcnn_kernel_shape *shape,
                               const float **phases) {
    float *out = scratch_of(device, shape).phases;
    *phases = out;
    return fcnn_cpu_fill_phases(device, shape, out);
}

/* ---- Taps to spectrum ---- */

ALWAYS_INLINE void bins_to_spectrum(int size, const fcnn_kernel_shape *shape, const float *phases,
                                    const kernel_scratch *s, int kx, const panel *p,
                                    fcnn_complex *h) {
    for (int ky = 0; ky <= shape->radius; ky++) {
        const float *down = phases + (int64_t)ky * size * 2;
        fcnn_complex *row = h + fcnn_band_index(ky, kx) * shape->pairs + p->first;
        fcnn_complex *mirrored =
            ky && kx ? h + fcnn_band_index(-ky, kx) * shape->pairs + p->first : NULL;
        for (int r = 0; r < p->registers; r++) {
            down_sums d =
                sum_down(size, down, s->uv + (ptrdiff_t)r * LANES, (int64_t)s->panel * LANES);
            lanes_store_complex(row + r * LANES, d.cu - d.sv, d.cv + d.su, pairs_in(p, r));
            if (mirrored)
                lanes_store_complex(mirrored + r * LANES, d.cu + d.sv, d.cv - d.su, pairs_in(p, r));
        }
    }
}

static void column_to_spectrum(const fcnn_kernel_shape *shape, const float *phases,
                               const kernel_scratch *s, int kx, const panel *p, const float *w,
                               fcnn_complex *h) {
    sum_across(shape->size, phases + (int64_t)kx * shape->size * 2, w + p->first, shape->pairs,
               p->count, s->uv, (int64_t)s->panel * LANES);
    OF_SIZE(shape->size, bins_to_spectrum, shape, phases, s, kx, p, h);
}

/* A unit of work is a column of a panel. */
fcnn_status CPU(kernel_to_spectrum)(fcnn_device *base, const fcnn_kernel_shape *shape,
                                    const float *w, fcnn_complex *h) {
    cpu_device *device = (cpu_device *)base;
    const float *phases;
    FCNN_TRY(fill_phases(device, shape, &phases));
    int64_t columns = shape->radius + 1;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t unit = 0; unit < panel_count(shape) * columns; unit++) {
        kernel_scratch s = scratch_of(device, shape);
        panel p = panel_of(shape, unit / columns);
        column_to_spectrum(shape, phases, &s, (int)(unit % columns), &p, w, h);
    }
    return FCNN_OK;
}

/* ---- Spectrum to taps ---- */

ALWAYS_INLINE void bins_to_sums(int size, const fcnn_kernel_shape *shape, const float *phases,
                                const kernel_scratch *s, int kx, const panel *p,
                                const fcnn_complex *dh) {
    for (int ky = 0; ky <= shape->radius; ky++) {
        const float *down = phases + (int64_t)ky * size * 2;
        const fcnn_complex *row = dh + fcnn_band_index(ky, kx) * shape->pairs + p->first;
        const fcnn_complex *mirrored =
            ky && kx ? dh + fcnn_band_index(-ky, kx) * shape->pairs + p->first : NULL;
        for (int r = 0; r < p->registers; r++) {
            lanes re, im, other_re = {0}, other_im = {0};
            lanes_load_complex(row + r * LANES, pairs_in(p, r), &re, &im);
            if (mirrored)
                lanes_load_complex(mirrored + r * LANES, pairs_in(p, r), &other_re, &other_im);
            down_sums d = {
                .cu = re + other_re, .cv = im + other_im, .su = im - other_im, .sv = other_re - re};
            spread_down(size, 1, &down, &d, s->uv + (ptrdiff_t)r * LANES,
                        (int64_t)s->panel * LANES);
        }
    }
}

static void column_to_kernel(const fcnn_kernel_shape *shape, const float *phases,
                             const kernel_scratch *s, int kx, const panel *p,
                             const fcnn_complex *dh) {
    int64_t stride = (int64_t)s->panel * LANES;
    memset(s->uv, 0, (size_t)(rows_of(shape->size) * 2 * stride) * sizeof *s->uv);
    OF_SIZE(shape->size, bins_to_sums, shape, phases, s, kx, p, dh);
    spread_across(shape->size, phases + (int64_t)kx * shape->size * 2, s->uv, stride, s->w, stride,
                  (int64_t)p->registers * LANES);
}

/* A unit of work is a panel: its taps are sums over all columns. */
fcnn_status CPU(spectrum_to_kernel)(fcnn_device *base, const fcnn_kernel_shape *shape,
                                    const fcnn_complex *dh, float *dw) {
    cpu_device *device = (cpu_device *)base;
    const float *phases;
    FCNN_TRY(fill_phases(device, shape, &phases));
    int taps = shape->size * shape->size;
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
    for (int64_t unit = 0; unit < panel_count(shape); unit++) {
        kernel_scratch s = scratch_of(device, shape);
        panel p = panel_of(shape, unit);
        memset(s.w, 0, (size_t)taps * (size_t)s.panel * LANES * sizeof *s.w);
        for (int kx = 0; kx <= shape->radius; kx++) column_to_kernel(shape, phases, &s, kx, &p, dh);
        for (int t = 0; t < taps; t++)
            for (int r = 0; r < p.registers; r++)
                lanes_store_some(dw + t * shape->pairs + p.first + r * LANES,
                                 lanes_load(s.w + ((ptrdiff_t)t * s.panel + r) * LANES),
                                 pairs_in(&p, r));
    }
    return FCNN_OK;
}

fcnn_status CPU(kernel_plan)(fcnn_device *base, int size, int grid) {
    cpu_device *device = (cpu_device *)base;
    const cpu_roots *roots;
    if (grid) FCNN_TRY(fcnn_cpu_find_roots(device, grid, &roots));
    fcnn_cpu_need_scratch(device, fcnn_cpu_kernel_scratch(size, grid));
    return FCNN_OK;
}
