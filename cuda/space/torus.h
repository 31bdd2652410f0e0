/* What fft and oaa share (cuda/transformed.cu). Windows of a map are laid on
 * n x n tori (a transform is circular), whose spectra are multiplied bin by bin
 * and come back as windows of a map. Spectra are [bins][channels][windows x
 * capacity], complex, so that those of a bin are a matrix as they lie. */
#ifndef FCNN_CUDA_TORI_H
#define FCNN_CUDA_TORI_H

#include "convolution.h"

/* Windows first .. first + windows - 1 of a cut of square maps, counted row by row. */
struct cuda_windows {
    fcnn_cut cut;
    int first, windows;
};

static inline int64_t cuda_torus_bins(int size) { return (int64_t)size * (size / 2 + 1); }

/* Plans transforms of n x n tori of `channels` with `unit` columns each, and notes their scratch;
 * those that were planned. */
fcnn_status cuda_make_torus(cuda_device *device, int size, int channels, int64_t unit);
const cuda_torus *cuda_find_torus(const cuda_device *device, int size, int channels, int unit);

/* `unit` of the torus must be windows x capacity, for as many windows as there are at most: those
 * that a cut does not fill, and images that there are not, are 0. */
fcnn_status cuda_map_to_spectra(cuda_device *device, const cuda_torus *torus,
                                const cuda_windows &windows, const fcnn_tensor *map,
                                fcnn_complex *spectra);
/* Sums of windows; added to the map, or as all that it holds. The spectra are destroyed. */
fcnn_status cuda_spectra_to_map(cuda_device *device, const cuda_torus *torus,
                                const cuda_windows &windows, fcnn_complex *spectra, bool add,
                                const fcnn_tensor *map);
/* h [bins][pairs] = conj(transform of the taps) / n^2, and the taps' gradient from that of h. The
 * torus has a pair as a channel of one column. */
fcnn_status cuda_taps_to_spectra(cuda_device *device, const cuda_torus *torus, int size,
                                 const float *w, fcnn_complex *h);
fcnn_status cuda_spectra_to_taps(cuda_device *device, const cuda_torus *torus, int size,
                                 fcnn_complex *dh, float *dw);

#endif
