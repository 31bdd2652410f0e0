/* Transforms of columns by cuFFT. Its half spectrum has kx >= 0 with every ky; the
 * column kx = 0 holds each bin and its conjugate. */
#include "columns.h"
#include "launch.h"

static const int64_t GRID_NUMBERS = (int64_t)1 << 22; /* of a map that is transformed at once */
static const int GRID_COLUMNS_LEAST = 32;             /* in spite of that */

static int64_t map_numbers(const cuda_grid *grid) {
    return (int64_t)grid->size * grid->size * grid->columns;
}

static int64_t half_numbers(const cuda_grid *grid) {
    return (int64_t)grid->size * (grid->size / 2 + 1) * grid->columns;
}

/* ---- Plans ---- */

/* 0 channels or images: as many as there may be. */
static int columns_wanted(int size, int channels, int capacity) {
    int64_t most = GRID_NUMBERS / ((int64_t)size * size) / 16 * 16;
    if (most < GRID_COLUMNS_LEAST) most = GRID_COLUMNS_LEAST;
    int64_t wanted = ((int64_t)channels * capacity + 15) / 16 * 16;
    return (int)(wanted > 0 && wanted < most ? wanted : most);
}

static fcnn_status fill_plan(cuda_device *device, const cuda_grid *grid, cufftType type,
                             cufftHandle plan, size_t *work) {
    int real[] = {grid->size, grid->size}, half[] = {grid->size, grid->size / 2 + 1};
    bool inverse = type == CUFFT_C2R;
    CUDA_TRY(cufftSetStream(plan, device->compute));
    CUDA_TRY(cufftSetAutoAllocation(plan, 0));
    CUDA_TRY(cufftMakePlanMany(plan, 2, real, inverse ? half : real, grid->columns, 1,
                               inverse ? real : half, grid->columns, 1, type, grid->columns, work));
    return FCNN_OK;
}

static fcnn_status make_plan(cuda_device *device, cuda_grid *grid, cufftType type,
                             cufftHandle *plan) {
    size_t work = 0;
    CUDA_TRY(cufftCreate(plan));
    fcnn_status status = fill_plan(device, grid, type, *plan, &work);
    if (status) cufftDestroy(*plan);
    if (work > grid->work) grid->work = work;
    return status;
}

static fcnn_status make_plans(cuda_device *device, cuda_grid *grid) {
    FCNN_TRY(make_plan(device, grid, CUFFT_C2R, &grid->inverse));
    fcnn_status status = make_plan(device, grid, CUFFT_R2C, &grid->forward);
    if (status) cufftDestroy(grid->inverse);
    return status;
}

/* Puts a grid among the device's, in place of its smaller one. */
static fcnn_status keep_grid(cuda_device *device, const cuda_grid *grid) {
    for (cuda_grid &old : device->grids) {
        if (old.size != grid->size) continue;
        FCNN_TRY(cuda_synchronize(&device->base)); /* the old plans may be at work */
        cufftDestroy(old.inverse);
        cufftDestroy(old.forward);
        old = *grid;
        return FCNN_OK;
    }
    device->grids.push_back(*grid);
    return FCNN_OK;
}

/* Of every grid and pair, as any of them may have become larger. */
static void need_grids(cuda_device *device) {
    for (const cuda_grid &grid : device->grids) cuda_need_scratch(device, cuda_grid_scratch(&grid));
    for (const cuda_grid_pair &pair : device->pairs)
        cuda_need_scratch(device, cuda_grid_scratch(cuda_find_grid(device, pair.first)) +
                                      cuda_grid_scratch(cuda_find_grid(device, pair.second)));
}

fcnn_status cuda_make_grid(cuda_device *device, int size, int channels, int capacity) {
    const cuda_grid *found = cuda_find_grid(device, size);
    cuda_grid grid = {};
    grid.size = size;
    grid.columns = columns_wanted(size, channels, capacity);
    if (found && found->columns >= grid.columns) return FCNN_OK;
    FCNN_TRY(make_plans(device, &grid));
    FCNN_TRY(keep_grid(device, &grid));
    need_grids(device);
    return FCNN_OK;
}

fcnn_status cuda_make_grid_pair(cuda_device *device, int first, int second, int channels,
                                int capacity) {
    FCNN_TRY(cuda_make_grid(device, first, channels, capacity));
    FCNN_TRY(cuda_make_grid(device, second, channels, capacity));
    device->pairs.push_back({first, second});
    need_grids(device);
    return FCNN_OK;
}

const cuda_grid *cuda_find_grid(const cuda_device *device, int size) {
    for (const cuda_grid &grid : device->grids)
        if (grid.size == size) return &grid;
    return nullptr;
}

/* ---- Scratch ---- */

size_t cuda_grid_scratch(const cuda_grid *grid) {
    return cuda_align(grid->work) + cuda_align((size_t)half_numbers(grid) * sizeof(fcnn_complex)) +
           2 * cuda_align((size_t)map_numbers(grid) * sizeof(float));
}

cuda_grid_buffers cuda_buffers(const cuda_device *device, const cuda_grid *grid, size_t *offset) {
    size_t map = (size_t)map_numbers(grid) * sizeof(float);
    cuda_grid_buffers buffers;
    buffers.work = cuda_take_scratch(device, offset, grid->work);
    buffers.half = (fcnn_complex *)cuda_take_scratch(
        device, offset, (size_t)half_numbers(grid) * sizeof(fcnn_complex));
    buffers.map = (float *)cuda_take_scratch(device, offset, map);
    buffers.other = (float *)cuda_take_scratch(device, offset, map);
    return buffers;
}

/* ---- Bins to a half spectrum; an item is a column of a cell ---- */

struct half_spectrum_cells {
    const fcnn_complex *band; /* [bins][channels][capacity] */
    int64_t bin_step;
    int capacity, radius;
    cuda_columns chunk;
    int size, columns;
    fcnn_complex *half;
    CUDA_BODY fcnn_complex value(int cell, int column) const {
        fcnn_complex c = {0.0f, 0.0f};
        int across = size / 2 + 1, ky = cell / across, kx = cell % across;
        if (ky > size / 2) ky -= size;
        if (column >= chunk.count || kx > radius || ky > radius || ky < -radius) return c;
        bool conjugate;
        int64_t bin = fcnn_band_locate(ky, kx, &conjugate);
        c = band[bin * bin_step + cuda_column_index(&chunk, column, 1, 0, capacity)];
        if (bin == 0) return c;
        const float scale = (float)(1.0 / FCNN_SQRT2);
        c.re *= scale;
        c.im *= conjugate ? -scale : scale;
        return c;
    }
    CUDA_BODY void operator()(int64_t item) const {
        half[item] = value((int)(item / columns), (int)(item % columns));
    }
};

fcnn_status cuda_columns_to_map(cuda_device *device, const cuda_grid *grid,
                                const cuda_grid_buffers *buffers, const fcnn_tensor *band,
                                int radius, int64_t first, int count, float *map) {
    half_spectrum_cells body = {fcnn_tensor_band(band),
                                (int64_t)band->channels * band->capacity,
                                band->capacity,
                                radius,
                                cuda_columns_of(band, first, count),
                                grid->size,
                                grid->columns,
                                buffers->half};
    CUDA_RUN(device, half_numbers(grid), body);
    CUDA_TRY(cufftSetWorkArea(grid->inverse, buffers->work));
    CUDA_TRY(cufftExecC2R(grid->inverse, (cufftComplex *)buffers->half, map));
    return FCNN_OK;
}

/* ---- A half spectrum's bins; an item is a column of a cell (ky, kx) with kx = 0 .. radius and
 * ky = -radius .. radius, of which kx = 0 > ky is not stored ---- */

struct half_spectrum_bins {
    const fcnn_complex *half;
    int size, columns, radius;
    float scale_dc, scale;
    bool add;
    fcnn_complex *out; /* [bins][channels][capacity] */
    int64_t bin_step;
    int capacity;
    cuda_columns chunk;
    CUDA_BODY void operator()(int64_t item) const {
        int cell = (int)(item / chunk.count), column = (int)(item % chunk.count);
        int ky = cell / (radius + 1) - radius, kx = cell % (radius + 1);
        if (!fcnn_band_stored(ky, kx)) return;
        int64_t bin = fcnn_band_index(ky, kx), row = ky < 0 ? ky + size : ky;
        fcnn_complex c = half[(row * (size / 2 + 1) + kx) * columns + column];
        c.re *= bin ? scale : scale_dc;
        c.im = bin ? c.im * scale : 0.0f;
        fcnn_complex *to = out + bin * bin_step + cuda_column_index(&chunk, column, 1, 0, capacity);
        if (add) {
            c.re += to->re;
            c.im += to->im;
        }
        *to = c;
    }
};

fcnn_status cuda_map_to_columns(cuda_device *device, const cuda_grid *grid,
                                const cuda_grid_buffers *buffers, const float *map, int radius,
                                float scale, bool add, fcnn_complex *out, const fcnn_tensor *like,
                                int64_t first, int count) {
    CUDA_TRY(cufftSetWorkArea(grid->forward, buffers->work));
    CUDA_TRY(cufftExecR2C(grid->forward, const_cast<float *>(map), (cufftComplex *)buffers->half));
    float dc = scale / ((float)grid->size * (float)grid->size);
    half_spectrum_bins body = {buffers->half,
                               grid->size,
                               grid->columns,
                               radius,
                               dc,
                               (float)FCNN_SQRT2 * dc,
                               add,
                               out,
                               (int64_t)like->channels * like->capacity,
                               like->capacity,
                               cuda_columns_of(like, first, count)};
    CUDA_RUN(device, (int64_t)(2 * radius + 1) * (radius + 1) * count, body);
    return FCNN_OK;
}
