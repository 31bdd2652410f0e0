/* The transforms between pixels and bands as plain sums over all pixels, in the
 * coordinates of framework/band.h, and the scratch memory of the references. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "reference.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(start, bytes)   ((void)(start), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(start, bytes) ((void)(start), (void)(bytes))
#endif

/* ---- Scratch ---- */

/* Blocks are cut from one reserve, and what is released is cut again: memory that goes back to the
 * system has every page of it made anew for the next case, which takes as long as the case. What is
 * not in use, at least GAP bytes behind each block, is a fault to AddressSanitizer. */
static const size_t RESERVE = (size_t)16 << 30, GAP = 4096;
enum { SCRATCH_MAX = 4096, SCRATCH_ALIGNMENT = 64 };
static unsigned char *reserve;
static size_t scratch[SCRATCH_MAX + 1]; /* where each block begins, and where the next one would */
static int scratch_count;

void *ref_allocate(size_t bytes) {
    if (!reserve)
        reserve = mmap(NULL, RESERVE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t start = scratch[scratch_count];
    if (reserve == MAP_FAILED || bytes > RESERVE - start - 2 * GAP ||
        scratch_count == SCRATCH_MAX) {
        fprintf(stderr, "the references ran out of memory (%zu bytes, block %d)\n", bytes,
                scratch_count);
        abort();
    }
    size_t end = (start + bytes + GAP) / SCRATCH_ALIGNMENT * SCRATCH_ALIGNMENT + SCRATCH_ALIGNMENT;
    ASAN_UNPOISON_MEMORY_REGION(reserve + start, bytes);
    ASAN_POISON_MEMORY_REGION(reserve + start + bytes, end - start - bytes);
    scratch[++scratch_count] = end;
    return memset(reserve + start, 0, bytes);
}

int ref_mark(void) { return scratch_count; }

void ref_release(int mark) {
    if (mark >= scratch_count) return;
    ASAN_POISON_MEMORY_REGION(reserve + scratch[mark], scratch[scratch_count] - scratch[mark]);
    scratch_count = mark;
}

/* ---- Maps and bands ---- */

int64_t ref_band_count(const ref_shape *shape, int radius) {
    return fcnn_band_count(radius) * shape->channels * shape->images;
}

int64_t ref_map_count(const ref_shape *shape) {
    return (int64_t)shape->size * shape->size * shape->channels * shape->images;
}

/* exp(-i 2 pi j / n) for j = 0 .. n-1. */
static ref_complex *unit_roots(int n) {
    ref_complex *root = ref_allocate((size_t)n * sizeof *root);
    for (int j = 0; j < n; j++) root[j] = cexp(-I * 2.0 * FCNN_PI * j / n);
    return root;
}

/* The root's exponent k y, modulo n. */
static int phase(int64_t k, int64_t y, int n) {
    int64_t t = k * y % n;
    return (int)(t < 0 ? t + n : t);
}

void ref_inverse(const ref_shape *shape, const ref_complex *band, double *map) {
    int m = shape->size, mark = ref_mark();
    int64_t row = shape->images, bins = fcnn_band_count(shape->radius);
    ref_complex *root = unit_roots(m);
    memset(map, 0, (size_t)ref_map_count(shape) * sizeof *map);
    for (int64_t k = 0; k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        for (int64_t pixel = 0; pixel < (int64_t)m * m; pixel++) {
            int t = phase(ky, pixel / m, m) + phase(kx, pixel % m, m);
            ref_complex e = root[t % m] * (k ? FCNN_SQRT2 : 1.0);
            /* Re(X exp(+i t)) with e = exp(-i t) */
            double c = creal(e), s = cimag(e);
            for (int64_t channel = 0; channel < shape->channels; channel++) {
                const ref_complex *from = band + (k * shape->channels + channel) * row;
                double *to = map + (channel * m * m + pixel) * row;
                for (int64_t n = 0; n < row; n++) to[n] += c * creal(from[n]) + s * cimag(from[n]);
            }
        }
    }
    ref_release(mark);
}

void ref_forward(const ref_shape *shape, const double *map, double scale, ref_complex *band) {
    int m = shape->size, mark = ref_mark();
    int64_t row = shape->images, bins = fcnn_band_count(shape->radius);
    ref_complex *root = unit_roots(m);
    memset(band, 0, (size_t)ref_band_count(shape, shape->radius) * sizeof *band);
    for (int64_t k = 0; k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        double unit = scale * (k ? FCNN_SQRT2 : 1.0) / ((double)m * m);
        for (int64_t pixel = 0; pixel < (int64_t)m * m; pixel++) {
            int t = phase(ky, pixel / m, m) + phase(kx, pixel % m, m);
            ref_complex e = root[t % m] * unit;
            double c = creal(e), s = cimag(e);
            for (int64_t channel = 0; channel < shape->channels; channel++) {
                double *to = (double *)(band + (k * shape->channels + channel) * row);
                const double *from = map + (channel * m * m + pixel) * row;
                for (int64_t n = 0; n < row; n++) {
                    to[2 * n] += c * from[n];
                    to[2 * n + 1] += s * from[n];
                }
            }
        }
    }
    /* The sum of sin(0) terms; DC is real by definition. */
    for (int64_t i = 0; i < shape->channels * row; i++) band[i] = creal(band[i]);
    ref_release(mark);
}

/* ---- Images ---- */

/* What is stored of a frequency along an axis of `size` pixels: nothing beyond
 * Nyquist, half at an even size's Nyquist, where k and -k share one value. */
static double share(int k, int size) {
    int twice = 2 * abs(k);
    if (twice > size) return 0.0;
    return twice == size ? 0.5 : 1.0;
}

/* Sums along x of one row: columns[kx], kx = 0 .. radius. */
static void row_sums(const double *row, int width, int radius, const ref_complex *root,
                     ref_complex *columns) {
    for (int kx = 0; kx <= radius && 2 * kx <= width; kx++) {
        double re = 0.0, im = 0.0;
        int t = 0;
        for (int x = 0; x < width; x++) {
            re += row[x] * creal(root[t]);
            im += row[x] * cimag(root[t]);
            t += kx;
            if (t >= width) t -= width;
        }
        columns[kx] = re + I * im;
    }
}

/* Sums along y of columns[height][radius+1], to every `step`-th number of the band. */
static void column_sums(const ref_complex *columns, int height, int width, int radius, int step,
                        ref_complex *band) {
    int mark = ref_mark();
    ref_complex *root = unit_roots(height);
    for (int64_t k = 0; k < fcnn_band_count(radius); k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        double unit = share(ky, height) * share(kx, width) * (k ? FCNN_SQRT2 : 1.0) /
                      ((double)height * width);
        ref_complex sum = 0.0;
        if (unit > 0.0)
            for (int y = 0; y < height; y++)
                sum += columns[(int64_t)y * (radius + 1) + kx] * root[phase(ky, y, height)];
        band[k * step] = k ? unit * sum : unit * creal(sum);
    }
    ref_release(mark);
}

void ref_plane(const double *plane, int height, int width, int radius, ref_complex *bins) {
    int mark = ref_mark();
    ref_complex *columns = ref_allocate((size_t)height * ((size_t)radius + 1) * sizeof *columns);
    ref_complex *root = unit_roots(width);
    for (int64_t y = 0; y < height; y++)
        row_sums(plane + y * width, width, radius, root, columns + y * (radius + 1));
    column_sums(columns, height, width, radius, 1, bins);
    ref_release(mark);
}

void ref_image(const fcnn_image *image, const fcnn_input_statistics *statistics, int radius,
               ref_complex *band) {
    int mark = ref_mark(), height = image->height, width = image->width;
    ref_complex *columns = ref_allocate((size_t)height * ((size_t)radius + 1) * sizeof *columns);
    ref_complex *root = unit_roots(width);
    double *row = ref_allocate((size_t)width * sizeof *row);
    for (int channel = 0; channel < image->channels; channel++) {
        double mean = statistics->mean[channel], deviation = statistics->deviation[channel];
        for (int64_t y = 0; y < height; y++) {
            const uint8_t *pixel = image->pixels + y * width * image->channels + channel;
            for (int64_t x = 0; x < width; x++)
                row[x] = (pixel[x * image->channels] / 255.0 - mean) / deviation;
            row_sums(row, width, radius, root, columns + y * (radius + 1));
        }
        column_sums(columns, height, width, radius, image->channels, band + channel);
    }
    ref_release(mark);
}
