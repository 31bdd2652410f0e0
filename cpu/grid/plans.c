/* Grids between a band and its map: the tables that transform.c needs, and the
 * transform by FFTW, which large smooth grids take.
 *
 * Along an axis a map is a sum of coefficients times cos(t_k) and sin(t_k): cos
 * of k is coefficient 2k, sin of k is 2k - 1, so that a smaller radius is a
 * prefix. A mirror y -> -y keeps cos and turns sin, so the sums of either are
 * needed at half the points: x(y) = C + S, x(-y) = C - S. Where 4 divides m, a
 * second mirror y -> m/2 - y tells even from odd k in the same way, and a quarter
 * is enough. Points that the mirrors exchange are an orbit; a class of functions
 * of one symmetry keeps its sums where one point of each orbit lies, so that the
 * classes of an orbit of n points fill just these n. */
#include "plans.h"

#include <math.h>
#include <string.h>

#include "formulas.h"

/* ---- Buffers ---- */

static size_t map_floats(int m) {
    return (size_t)((m + GRID_ROWS - 1) / GRID_ROWS) * GRID_BLOCK * (size_t)m;
}
static size_t half_floats(int m) { return (size_t)m * (size_t)(m / 2 + 1) * GRID_TILE * 2; }

/* The bytes of `work` and of a map, whole lines. */
static size_t work_bytes(int m) {
    size_t products = map_floats(m) + 3 * (size_t)m * GRID_BLOCK, half = half_floats(m);
    return fcnn_cpu_align((products > half ? products : half) * sizeof(float));
}
static size_t map_bytes(int m) { return fcnn_cpu_align(map_floats(m) * sizeof(float)); }

size_t fcnn_cpu_grid_scratch(int size) { return work_bytes(size) + 2 * map_bytes(size); }

cpu_grid_buffers fcnn_cpu_grid_buffers(void *at, int m) {
    unsigned char *bytes = at;
    return (cpu_grid_buffers){.work = (float *)(void *)bytes,
                              .map = (float *)(void *)(bytes + work_bytes(m)),
                              .other = (float *)(void *)(bytes + work_bytes(m) + map_bytes(m))};
}

/* ---- Classes and orbits ---- */

bool fcnn_cpu_grid_by_products(int size) { return size <= 512 || !fcnn_is_smooth(size); }

/* Classes are listed in the order of an orbit's points: y, -y, m/2 + y, m/2 - y. */
static void list_classes(cpu_grid *grid) {
    int m = grid->size, half = m / 2, quarter = m / 4;
    if (m % 4) {
        grid->class_count = 2;
        grid->classes[0] = (cpu_grid_class){0, 2, 0, 0, 1, half + 1, NULL, NULL};
        grid->classes[1] = (cpu_grid_class){1, 2, 0, m - 1, -1, (m - 1) / 2, NULL, NULL};
        return;
    }
    grid->class_count = 4;
    grid->classes[0] = (cpu_grid_class){0, 4, 0, 0, 1, quarter + 1, NULL, NULL};
    grid->classes[1] = (cpu_grid_class){3, 4, 0, m - 1, -1, quarter - 1, NULL, NULL};
    grid->classes[2] = (cpu_grid_class){1, 4, 0, half + 1, 1, quarter, NULL, NULL};
    grid->classes[3] = (cpu_grid_class){2, 4, 0, half, -1, quarter, NULL, NULL};
}

static void list_orbits(cpu_grid *grid) {
    int m = grid->size, half = m / 2, quarter = m / 4;
    cpu_grid_orbit *orbit = grid->orbits;
    if (m % 4) {
        for (int y = 0; y <= half; y++)
            *orbit++ = (cpu_grid_orbit){y && 2 * y != m ? 2 : 1, {y, m - y}};
    } else {
        *orbit++ = (cpu_grid_orbit){2, {0, half}};
        for (int y = 1; y < quarter; y++)
            *orbit++ = (cpu_grid_orbit){4, {y, m - y, half + y, half - y}};
        *orbit++ = (cpu_grid_orbit){2, {quarter, m - quarter}};
    }
    grid->orbit_count = (int)(orbit - grid->orbits);
}

/* The value of a coefficient's basis function at point y. */
static float basis_value(int m, int coefficient, int y) {
    double angle = 2.0 * FCNN_PI * ((int64_t)((coefficient + 1) / 2) * y % m) / m;
    return (float)(coefficient % 2 ? sin(angle) : cos(angle));
}

/* In column kx = 0 a bin stands for its conjugate too, so each is listed twice. */
static void list_bins(cpu_grid *grid) {
    int radius = (grid->size - 1) / 2;
    int32_t *bin = grid->bins;
    for (int kx = 0; kx <= radius; kx++) {
        *bin++ = (int32_t)fcnn_band_index(0, kx);
        for (int ky = 1; ky <= radius; ky++) {
            *bin++ = (int32_t)fcnn_band_index(ky, kx);
            *bin++ = (int32_t)fcnn_band_index(kx ? -ky : ky, kx);
        }
    }
}

static bool fill_tables(cpu_grid *grid) {
    int m = grid->size, coefficients = 2 * ((m - 1) / 2) + 1;
    size_t floats = 0;
    list_classes(grid);
    for (int i = 0; i < grid->class_count; i++) {
        cpu_grid_class *c = &grid->classes[i];
        c->count = fcnn_cpu_class_count(c, coefficients);
        floats += (size_t)c->count * (size_t)c->points * 2;
    }
    grid->tables = fcnn_allocate(floats * sizeof(float));
    grid->orbits = malloc((size_t)(m / 2 + 1) * sizeof *grid->orbits);
    grid->bins = malloc((size_t)coefficients * (size_t)(coefficients / 2 + 1) * sizeof *grid->bins);
    if (!grid->tables || !grid->orbits || !grid->bins) return false;
    list_orbits(grid);
    list_bins(grid);
    float *at = grid->tables;
    for (int i = 0; i < grid->class_count; i++) {
        cpu_grid_class *c = &grid->classes[i];
        c->inverse = at;
        c->forward = at += c->count * c->points;
        at += c->count * c->points;
        int y0 = i == 0 || c->point == m / 2 ? 0 : 1;
        for (int j = 0; j < c->count; j++)
            for (int y = 0; y < c->points; y++)
                c->inverse[j * c->points + y] = c->forward[y * c->count + j] =
                    basis_value(m, c->first + j * c->step, y0 + y);
    }
    return true;
}

/* ---- By FFTW: the half spectrum has kx >= 0 with every ky; its column kx = 0 holds each bin and
 * its conjugate ---- */

static bool plan_grid(cpu_grid *grid) {
    int size = grid->size, columns = size / 2 + 1, n[2] = {size, size}, half_n[2] = {size, columns};
    int64_t bins = fcnn_band_count((size - 1) / 2);
    grid->place = malloc((size_t)bins * sizeof *grid->place);
    float *half = fcnn_allocate(half_floats(size) * sizeof(float));
    float *map = fcnn_allocate(map_floats(size) * sizeof(float));
    if (grid->place && half && map && fcnn_cpu_can_plan(2 * (size_t)size)) {
        fftwf_complex *spectrum = (fftwf_complex *)(void *)half;
        fcnn_cpu_plan_lock();
        grid->inverse_plan = fftwf_plan_many_dft_c2r(2, n, GRID_TILE, spectrum, half_n, GRID_TILE,
                                                     1, map, n, GRID_TILE, 1, FFTW_ESTIMATE);
        grid->forward_plan = fftwf_plan_many_dft_r2c(2, n, GRID_TILE, map, n, GRID_TILE, 1,
                                                     spectrum, half_n, GRID_TILE, 1, FFTW_ESTIMATE);
        fcnn_cpu_plan_unlock();
    }
    free(half);
    free(map);
    for (int64_t k = 0; grid->place && k < bins; k++) {
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        grid->place[k] = (int32_t)((ky < 0 ? ky + size : ky) * columns + kx);
    }
    return grid->inverse_plan && grid->forward_plan;
}

void fcnn_cpu_fftw_inverse(const cpu_grid *grid, const fcnn_tensor *band, int radius, int channel,
                           int first, float *half, float *map) {
    int m = grid->size, columns = m / 2 + 1, images = fcnn_cpu_grid_images(band, first);
    const float scale = (float)(1.0 / FCNN_SQRT2);
    memset(half, 0, half_floats(m) * sizeof(float));
    int64_t bins = fcnn_band_count(radius);
    for (int64_t k = 0; k < bins; k++) {
        const float *row = &(fcnn_cpu_row(band, k, channel) + first)->re;
        float *cell = half + (int64_t)grid->place[k] * GRID_TILE * 2;
        float s = k ? scale : 1.0f;
        for (int i = 0; i < 2 * images; i++) cell[i] = row[i] * s;
        if (k == 0 || grid->place[k] % columns) continue;
        /* kx = 0, ky > 0: its conjugate stands at -ky. */
        float *mirror = half + (int64_t)(m - grid->place[k] / columns) * columns * GRID_TILE * 2;
        for (int i = 0; i < images; i++) {
            mirror[2 * i] = cell[2 * i];
            mirror[2 * i + 1] = -cell[2 * i + 1];
        }
    }
    fftwf_execute_dft_c2r(grid->inverse_plan, (fftwf_complex *)(void *)half, map);
}

void fcnn_cpu_fftw_forward(const cpu_grid *grid, float *map, float *half) {
    fftwf_execute_dft_r2c(grid->forward_plan, map, (fftwf_complex *)(void *)half);
    for (int i = 0; i < GRID_TILE; i++) half[2 * i + 1] = 0.0f; /* DC */
}

/* ---- Making and finding ---- */

static void free_grid(cpu_grid *grid) {
    fcnn_cpu_plan_lock();
    if (grid->inverse_plan) fftwf_destroy_plan(grid->inverse_plan);
    if (grid->forward_plan) fftwf_destroy_plan(grid->forward_plan);
    fcnn_cpu_plan_unlock();
    free(grid->place);
    free(grid->tables);
    free(grid->orbits);
    free(grid->bins);
    free(grid);
}

fcnn_status fcnn_cpu_make_grid(cpu_device *device, int size) {
    if (fcnn_cpu_find_grid(device, size)) return FCNN_OK;
    cpu_grid *grid = calloc(1, sizeof *grid);
    if (grid) grid->size = size;
    if (!grid || !(fcnn_cpu_grid_by_products(size) ? fill_tables(grid) : plan_grid(grid))) {
        if (grid) free_grid(grid);
        return fcnn_status_set(FCNN_ERROR_MEMORY,
                               "out of memory for the transforms of a %dx%d grid", size, size);
    }
    grid->next = device->grids;
    device->grids = grid;
    return FCNN_OK;
}

const cpu_grid *fcnn_cpu_find_grid(const cpu_device *device, int size) {
    const cpu_grid *grid = device->grids;
    while (grid && grid->size != size) grid = grid->next;
    return grid;
}

void fcnn_cpu_free_grids(cpu_device *device) {
    while (device->grids) {
        cpu_grid *grid = device->grids;
        device->grids = grid->next;
        free_grid(grid);
    }
}
