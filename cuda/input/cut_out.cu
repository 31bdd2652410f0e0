/* Squares of training images become 0. They travel as the kernel's arguments, some images at a
 * time. */
#include "cuda/launch.h" /* first: it says what FCNN_INLINE is */

#include "augment.h"

constexpr int CUT_IMAGES = 64; /* of a launch */

/* An item is a pixel of a row of `images` images from `first` on. */
struct cut_images {
    fcnn_tensor map;
    int first, images;
    fcnn_cutout squares[CUT_IMAGES];

    CUDA_BODY void operator()(int64_t item) const {
        int64_t row = item / images;
        int n = (int)(item % images), x = (int)(row % map.size);
        int y = (int)(row / map.size % map.size);
        const fcnn_cutout *square = &squares[n];
        if (y >= square->rows.first && y < square->rows.end && x >= square->columns.first &&
            x < square->columns.end)
            map.data[row * map.capacity + first + n] = 0.0f;
    }
};

fcnn_status cuda_cut_out(fcnn_device *base, const fcnn_image *images, fcnn_tensor *map) {
    cut_images body = {};
    body.map = *map;
    for (body.first = 0; body.first < map->images; body.first += CUT_IMAGES) {
        int left = map->images - body.first;
        body.images = left < CUT_IMAGES ? left : CUT_IMAGES;
        for (int n = 0; n < body.images; n++)
            body.squares[n] = fcnn_cutout_of(&images[body.first + n].augmentation, map->size);
        CUDA_RUN(cuda_of(base), fcnn_tensor_rows(map) * body.images, body);
    }
    return FCNN_OK;
}
