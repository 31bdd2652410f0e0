/* Transforms of columns by cuFFT. Its half spectrum has kx >= 0 with every ky; the
 * column kx = 0 holds each bin and its conjugate. */
#include "columns.h"
#include "cuda/launch.h"

/* Bytes of workspace for each number of the map that is transformed at once. */
static const int64_t GRID_BYTES = 64;
static const int GRID_COLUMNS_LEAST = 32; /* in spite of that */

static int64_t map_numbers(const cuda_grid *grid) {
    return (int64_t)grid->size * grid->size * grid->columns;
}

static int64_t half_numbers(const cuda_grid *grid) {
    return (int64_t)grid->size * (grid->size / 2 + 1) * grid->columns;
}

/* ---- Plans ---- */

/* 0 channels or images: as many as there may be. */
static int columns_wanted(const cuda_device *device, int size, int channels, int capacity) {
    int64_t most = (int64_t)device->workspace / GRID_BYTES / ((int64_t)size * size) / 16 * 16;
    if (most < GRID_COLUMNS_LEAST) most = GRID_COLUMNS_LEAST;
    int64_t wanted = ((int64_t)channels * capacity + 15) / 16 * 16;
    return (int)(wanted > 0 && wanted < most ? wanted : most);
}

static fcnn_status fill_plan(cuda_device *device, int size, int batch, int step, cufftType type,
                             cufftHandle plan, size_t *work) {
    int real[] = {size, size}, half[] = {size, size / 2 + 1};
    CUDA_TRY(cuda_calls.cufftSetStream(plan, device->compute));
    CUDA_TRY(cuda_calls.cufftSetAutoAllocation(plan, 0));
    if (type == CUFFT_R2C)
        CUDA_TRY(cuda_calls.cufftMakePlanMany(plan, 2, real, real, batch, 1, half, step, 1, type,
                                              batch, work));
    else
        CUDA_TRY(cuda_calls.cufftMakePlanMany(plan, 2, real, half, step, 1, real, batch, 1, type,
                                              batch, work));
    return FCNN_OK;
}

static fcnn_status make_plan(cuda_device *device, int size, int batch, int step, cufftType type,
                             cufftHandle *plan, size_t *most) {
    size_t work = 0;
    CUDA_TRY(cuda_calls.cufftCreate(plan));
    fcnn_status status = fill_plan(device, size, batch, step, type, *plan, &work);
    if (status) cuda_calls.cufftDestroy(*plan);
    if (work > *most) *most = work;
    return status;
}

fcnn_status cuda_make_plans(cuda_device *device, int size, int batch, int step, cuda_plans *plans) {
    plans->work = 0;
    plans->single = size == 1 ? batch : 0; /* a size that cuFFT does not promise */
    if (plans->single) return FCNN_OK;
    FCNN_TRY(make_plan(device, size, batch, step, CUFFT_C2R, &plans->inverse, &plans->work));
    fcnn_status status =
        make_plan(device, size, batch, step, CUFFT_R2C, &plans->forward, &plans->work);
    if (status) cuda_calls.cufftDestroy(plans->inverse);
    return status;
}

void cuda_destroy_plans(const cuda_plans *plans) {
    if (plans->single) return;
    cuda_calls.cufftDestroy(plans->inverse);
    cuda_calls.cufftDestroy(plans->forward);
}

/* ---- Transforms; of single points an item is a column ---- */

struct spectra_of_points {
    const float *real;
    fcnn_complex *half;
    CUDA_BODY void operator()(int64_t column) const {
        fcnn_complex c = {real[column], 0.0f};
        half[column] = c;
    }
};

struct points_of_spectra {
    const fcnn_complex *half;
    float *real;
    CUDA_BODY void operator()(int64_t column) const { real[column] = half[column].re; }
};

fcnn_status cuda_transform(cuda_device *device, const cuda_plans *plans, void *work,
                           const float *real, fcnn_complex *half) {
    if (plans->single) {
        spectra_of_points body = {real, half};
        CUDA_RUN(device, plans->single, body);
        return FCNN_OK;
    }
    CUDA_TRY(cuda_calls.cufftSetWorkArea(plans->forward, work));
    CUDA_TRY(cuda_calls.cufftExecR2C(plans->forward, const_cast<float *>(real),
                                     (cufftComplex *)(void *)half));
    return FCNN_OK;
}

fcnn_status cuda_transform_back(cuda_device *device, const cuda_plans *plans, void *work,
                                fcnn_complex *half, float *real) {
    if (plans->single) {
        points_of_spectra body = {half, real};
        CUDA_RUN(device, plans->single, body);
        return FCNN_OK;
    }
    CUDA_TRY(cuda_calls.cufftSetWorkArea(plans->inverse, work));
    CUDA_TRY(cuda_calls.cufftExecC2R(plans->inverse, (cufftComplex *)(void *)half, real));
    return FCNN_OK;
}

/* ---- Grids ---- */

/* Puts a grid among the device's, in place of its smaller one. */
static fcnn_status keep_grid(cuda_device *device, const cuda_grid *grid) {
    for (cuda_grid &old : device->grids) {
        if (old.size != grid->size) continue;
        FCNN_TRY(cuda_synchronize(&device->base)); /* the old plans may be at work */
        cuda_destroy_plans(&old.plans);
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
    grid.columns = columns_wanted(device, size, channels, capacity);
    if (found && found->columns >= grid.columns) return FCNN_OK;
    FCNN_TRY(cuda_make_plans(device, size, grid.columns, grid.columns, &grid.plans));
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
    return cuda_align(grid->plans.work) +
           cuda_align((size_t)half_numbers(grid) * sizeof(fcnn_complex)) +
           2 * cuda_align((size_t)map_numbers(grid) * sizeof(float));
}

cuda_grid_buffers cuda_buffers(const cuda_device *device, const cuda_grid *grid, size_t *offset) {
    size_t map = (size_t)map_numbers(grid) * sizeof(float);
    cuda_grid_buffers buffers;
    buffers.work = cuda_take_scratch(device, offset, grid->plans.work);
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
    return cuda_transform_back(device, &grid->plans, buffers->work, buffers->half, map);
}

/* ---- A half spectrum's bins; an item is a column of a cell (ky, kx) with kx = 0 .. radius and
 * ky = -radius .. radius, of which kx = 0 > ky is not stored ---- */

struct half_spectrum_bins {
    const fcnn_complex *half;
    int size, columns, radius;
    float scale_dc, scale;
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
        out[bin * bin_step + cuda_column_index(&chunk, column, 1, 0, capacity)] = c;
    }
};

fcnn_status cuda_map_to_columns(cuda_device *device, const cuda_grid *grid,
                                const cuda_grid_buffers *buffers, const float *map, int radius,
                                float scale, fcnn_complex *out, const fcnn_tensor *like,
                                int64_t first, int count) {
    FCNN_TRY(cuda_transform(device, &grid->plans, buffers->work, map, buffers->half));
    float dc = scale / ((float)grid->size * (float)grid->size);
    half_spectrum_bins body = {buffers->half,
                               grid->size,
                               grid->columns,
                               radius,
                               dc,
                               (float)FCNN_SQRT2 * dc,
                               out,
                               (int64_t)like->channels * like->capacity,
                               like->capacity,
                               cuda_columns_of(like, first, count)};
    CUDA_RUN(device, (int64_t)(2 * radius + 1) * (radius + 1) * count, body);
    return FCNN_OK;
}
