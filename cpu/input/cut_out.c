/* Squares of training images become 0, row by row of the map. */
#include "augment.h"
#include "cpu/lanes.h"

static void cut_row(const fcnn_image *images, fcnn_tensor *map, int row) {
    int y = row % map->size;
    for (int n = 0; n < map->images; n++) {
        fcnn_cutout square = fcnn_cutout_of(&images[n].augmentation, map->size);
        if (y < square.rows.first || y >= square.rows.end) continue;
        for (int x = square.columns.first; x < square.columns.end; x++)
            row_at(map, (int64_t)row * map->size + x)[n] = 0.0f;
    }
}

fcnn_status CPU(cut_out)(fcnn_device *base, const fcnn_image *images, fcnn_tensor *map) {
#pragma omp parallel for num_threads(base->threads) schedule(static)
    for (int row = 0; row < map->channels * map->size; row++) cut_row(images, map, row);
    return FCNN_OK;
}
