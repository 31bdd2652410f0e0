/* What fft and oaa share (transformed.cu). Patches of a map are laid on
 * n x n tori (a transform is circular), whose spectra are multiplied bin by bin
 * and come back as patches of a map. Spectra are [bins][channels][patches x
 * capacity], complex, so that those of a bin are a matrix as they lie. */
#ifndef FCNN_CUDA_TORUS_H
#define FCNN_CUDA_TORUS_H

#include "algorithms.h"
#include "plans.h"

/* Patches first .. first + patches - 1 of a cut of square maps, counted row by row. */
struct cuda_patches {
    fcnn_cut cut;
    int first, patches;
};

/* Transforms the patches of a map. `unit` of the torus must be patches x capacity, for as many
 * patches as there are at most; missing patches and missing images become 0. */
fcnn_status cuda_map_to_spectra(cuda_device *device, const cuda_torus *torus,
                                const cuda_patches &patches, const fcnn_tensor *map,
                                fcnn_complex *spectra);
/* Sums the patches up where they overlap, and adds them to the map or overwrites it. The spectra
 * are destroyed. */
fcnn_status cuda_spectra_to_map(cuda_device *device, const cuda_torus *torus,
                                const cuda_patches &patches, fcnn_complex *spectra, bool add,
                                const fcnn_tensor *map);
/* h [bins][pairs] = conj(transform of the taps) / n^2, and the taps' gradient from that of h. The
 * torus has a pair as a channel of one column. */
fcnn_status cuda_taps_to_spectra(cuda_device *device, const cuda_torus *torus, int size,
                                 const float *w, fcnn_complex *h);
fcnn_status cuda_spectra_to_taps(cuda_device *device, const cuda_torus *torus, int size,
                                 fcnn_complex *dh, float *dw);

#endif
