/* Plans are made when an operation is planned, found by their size while it runs,
 * and destroyed with the device. cuFFT's work areas and the buffers of grids lie
 * in the device's scratch. */
#include "plans.h"

#include "cuda/launch.h"

/* Bytes of workspace for each number of the map that is transformed at once. */
static const int64_t GRID_BYTES = 64;
static const int GRID_COLUMNS_LEAST = 32; /* in spite of that */

static int64_t map_numbers(const cuda_grid *grid) {
    return (int64_t)grid->size * grid->size * grid->columns;
}

/* ---- Plans ---- */

/* Columns of a grid for so many channels and images, as far as the workspace goes; 0 of either
 * stands for as many as there may be. */
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

/* ---- Transforms: an item is a column where the points are single ones ---- */

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

/* Two grids whose buffers are in use at the same time. */
struct grid_pair {
    int first, second; /* sizes */
};

struct kept_grids : cuda_kept {
    std::vector<cuda_grid> grids;
    std::vector<grid_pair> pairs;
    ~kept_grids() override {
        for (const cuda_grid &grid : grids) cuda_destroy_plans(&grid.plans);
    }
};

/* Puts a grid among the device's, in place of its smaller one. */
static fcnn_status keep_grid(cuda_device *device, const cuda_grid *grid) {
    kept_grids *kept = cuda_keep<kept_grids>(device);
    for (cuda_grid &old : kept->grids) {
        if (old.size != grid->size) continue;
        FCNN_TRY(cuda_synchronize(&device->base)); /* the old plans may be at work */
        cuda_destroy_plans(&old.plans);
        old = *grid;
        return FCNN_OK;
    }
    kept->grids.push_back(*grid);
    return FCNN_OK;
}

static size_t scratch_of(const cuda_grid *grid) {
    return cuda_align(grid->plans.work) +
           cuda_align((size_t)cuda_half_numbers(grid) * sizeof(fcnn_complex)) +
           2 * cuda_align((size_t)map_numbers(grid) * sizeof(float));
}

/* Notes the scratch of every grid and pair, as any of them may have become larger. */
static void need_grids(cuda_device *device) {
    const kept_grids *kept = cuda_keep<kept_grids>(device);
    for (const cuda_grid &grid : kept->grids) cuda_need_scratch(device, scratch_of(&grid));
    for (const grid_pair &pair : kept->pairs)
        cuda_need_scratch(device, scratch_of(cuda_find_grid(device, pair.first)) +
                                      scratch_of(cuda_find_grid(device, pair.second)));
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
    cuda_keep<kept_grids>(device)->pairs.push_back({first, second});
    need_grids(device);
    return FCNN_OK;
}

const cuda_grid *cuda_find_grid(cuda_device *device, int size) {
    for (const cuda_grid &grid : cuda_keep<kept_grids>(device)->grids)
        if (grid.size == size) return &grid;
    return nullptr;
}

cuda_grid_buffers cuda_buffers(const cuda_device *device, const cuda_grid *grid, size_t *offset) {
    size_t map = (size_t)map_numbers(grid) * sizeof(float);
    cuda_grid_buffers buffers;
    buffers.work = cuda_take_scratch(device, offset, grid->plans.work);
    buffers.half = (fcnn_complex *)cuda_take_scratch(
        device, offset, (size_t)cuda_half_numbers(grid) * sizeof(fcnn_complex));
    buffers.map = (float *)cuda_take_scratch(device, offset, map);
    buffers.other = (float *)cuda_take_scratch(device, offset, map);
    return buffers;
}
