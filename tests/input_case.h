/* For the tests of the input: random images, their reference from pixels placed
 * and augmented by hand in double, and the calls that bring them into a band. */
#ifndef FCNN_TESTS_INPUT_CASE_H
#define FCNN_TESTS_INPUT_CASE_H

#include "reference_case.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static const fcnn_input_statistics input_statistics = {
    3, {0.4f, 0.5f, 0.3f}, {0.25f, 0.5f, 0.125f}};

fcnn_image input_random_image(int height, int width, int channels);
/* The same of 16 bits a sample. */
fcnn_image input_deep_image(int height, int width, int channels);

/* Of floats from 0 to 1. */
fcnn_image input_float_image(int height, int width, int channels);

/* A plane of numbers, [height][width]. */
typedef struct {
    int height, width;
    double *value;
} input_plane;

/* One channel of an image: normalised by input_statistics, cropped and framed as the placement
 * (or NULL) says. */
input_plane input_placed(const fcnn_image *image, int channel, const fcnn_placement *placement);
/* The same augmented as the image says; shifts must be whole pixels. Truncation is left out. */
input_plane input_augmented(const fcnn_image *image, int channel, const fcnn_placement *placement);

/* What the images' band must be, [F][channels][images]. */
ref_complex *input_reference(const fcnn_image *images, int count, const fcnn_placement *placement,
                             int radius);

/* ---- On the open device ---- */

/* The images' band by input_statistics. */
fcnn_tensor input_enter(const fcnn_image *images, int count, const fcnn_placement *placement,
                        int radius);
/* The image by its spectrum instead of its pixels; the augmentation stays. */
fcnn_image input_spectrum(const fcnn_image *image, const fcnn_placement *placement, int radius,
                          fcnn_number type);

#endif
