/* What fft and oaa share. A map is cut into patches, each laid on an n x n torus (a transform is
 * circular); spectra are multiplied bin by bin; tori come back as patches of a map.
 *
 * Images are innermost, so two neighbours are one complex number as they lie: a tile of 8 images is
 * 4 complex ones, whose transforms X_k serve two images each. For every bin k of half the plane,
 * self-conjugate ones included, a *line* of 8 complex numbers holds [X_k (4) | conj X_-k (4)]: the
 * spectrum H_k of real taps multiplies both halves as if they were 8 images, and nothing has to be
 * untangled, at no bin of no n.
 *
 * Patches are counted for each tile of images. Spectra lie as [patches][channels in fours][bins][4]
 * lines (the last four may be fewer): a transform's bins are one stretch of memory, and the product
 * of a bin, which has time to fetch ahead, collects what it needs. */
#ifndef FCNN_CPU_TORUS_H
#define FCNN_CPU_TORUS_H

#include "convolution_internal.h"
#include "cpu/lanes.h"
#include "plans.h"

enum { LINE_BYTES = 2 * TILE * (int)sizeof(float), FOUR = 4 };

typedef struct {
    fcnn_complex *data;
    int64_t bins;
    int patches, channels;
} cpu_spectra;

/* Channels of the four that channel c is one of. */
static inline int spectra_four(const cpu_spectra *s, int c) {
    return smaller(s->channels - c / FOUR * FOUR, FOUR);
}
/* Line of a channel; the channels of its four follow each other. */
static inline fcnn_complex *spectra_line(const cpu_spectra *s, int64_t bin, int patch, int c) {
    int first = c / FOUR * FOUR;
    int64_t before = ((int64_t)patch * s->channels + first) * s->bins;
    return s->data + (before + bin * spectra_four(s, c) + c - first) * TILE;
}
static inline int64_t spectra_bytes(int64_t bins, int64_t patches, int channels) {
    return bins * patches * channels * LINE_BYTES;
}

/* Bytes of a thread's scratch for the transforms, and for products of up to so many patches. */
size_t CPU(torus_scratch)(const cpu_torus *torus);
size_t CPU(spectra_scratch)(int channels, int filters, int patches);

/* Patch p of the spectra is number first + p of the cut: tiles of images are outermost, then come
 * rows of patches. */
void CPU(map_to_spectra)(const cpu_device *, const cpu_torus *, const fcnn_cut *,
                         const fcnn_tensor *map, int first, const cpu_spectra *out);
/* Patches are added up in their order; a pixel's first patch sets it. Spectra are not scaled. */
void CPU(spectra_to_map)(const cpu_device *, const cpu_torus *, const fcnn_cut *,
                         const cpu_spectra *in, int first, fcnn_tensor *map);
/* h [bins][C_out][C_in] = conj(transform of the taps) / n^2. */
void CPU(taps_to_spectra)(const cpu_device *, const cpu_torus *, int size, int64_t pairs,
                          const float *w, fcnn_complex *h);
/* The taps' gradient from d = sum of dy x^H, whose patches are eight input channels each and whose
 * channels are C_out. */
void CPU(spectra_to_taps)(const cpu_device *, const cpu_torus *, const cpu_spectra *d, int size,
                          int channels, float *dw);

/* ---- Products of bin k; h_k is [C_out][C_in] ---- */

/* y_k = h_k x_k */
void CPU(bin_forward)(int64_t k, const fcnn_complex *h, const cpu_spectra *x, void *scratch,
                      const cpu_spectra *y);
/* dx_k = h_k^H dy_k */
void CPU(bin_backward_data)(int64_t k, const fcnn_complex *h, const cpu_spectra *dy, void *scratch,
                            const cpu_spectra *dx);
/* d_k (+)= dy_k x_k^H */
void CPU(bin_backward_weights)(int64_t k, const cpu_spectra *x, const cpu_spectra *dy, bool add,
                               void *scratch, const cpu_spectra *d);

#endif
