/* Images to bands. An image of H x W enters by its own real transform and gives
 * the bins inside the radius; where a bin reaches the Nyquist frequency of an
 * even axis, the DFT value belongs half to it and half to its mirror. Repeated
 * smooth sizes use FFTW; other sizes, and huge ones, a partial DFT as two matrix
 * products over blocks of rows, which needs neither a plan nor a full spectrum. */
#include "blas.h"
#include <omp.h>

#include "cpu.h"

enum {
    ROW_BLOCK = 64,     /* rows of the partial DFT at a time */
    COLUMN_BLOCK = 512, /* pixels of a row at a time */
    PLAN_PIXELS = 1 << 22
};

typedef struct {
    const fcnn_image *image;
    const cpu_input_plan *plan; /* NULL: partial DFT */
    const cpu_roots *rows, *columns;
    int ry, rx; /* largest |ky| and kx that image and band share */
} input_job;

static int smaller(int a, int b) { return a < b ? a : b; }

/* ---- Scratch: floats of each part ---- */

typedef struct {
    size_t plane, spectrum, twiddles, partial;
} input_sizes;

static input_sizes sizes_of(const input_job *job) {
    /* prepare_all has filled every job, which the analyser cannot see. */
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference)
    size_t h = (size_t)job->image->height, w = (size_t)job->image->width;
    if (job->plan) return (input_sizes){.plane = h * w, .spectrum = h * (w / 2 + 1) * 2};
    size_t kx = (size_t)job->rx + 1, ky = 2 * (size_t)job->ry + 1;
    return (input_sizes){.plane = ROW_BLOCK * w,
                         .spectrum = ky * kx * 2,
                         .twiddles = COLUMN_BLOCK * kx * 2 + ky * ROW_BLOCK * 2,
                         .partial = ROW_BLOCK * kx * 2};
}

static size_t bytes_of(const input_job *job) {
    input_sizes s = sizes_of(job);
    return fcnn_cpu_align(s.plane * 4) + fcnn_cpu_align(s.spectrum * 4) +
           fcnn_cpu_align(s.twiddles * 4) + fcnn_cpu_align(s.partial * 4);
}

static float *take(unsigned char **at, size_t floats) {
    float *taken = (float *)(void *)*at;
    *at += fcnn_cpu_align(floats * sizeof(float));
    return taken;
}

/* ---- The two transforms; both leave DFT values, not yet scaled ---- */

static void load_rows(const fcnn_image *image, int channel, int first, int count, float *plane) {
    int stride = image->channels;
    const uint8_t *pixel = image->pixels + (int64_t)first * image->width * stride + channel;
    for (int64_t i = 0; i < (int64_t)count * image->width; i++) plane[i] = pixel[i * stride];
}

static void full_transform(const input_job *job, int channel, float *plane, float *spectrum) {
    load_rows(job->image, channel, 0, job->image->height, plane);
    fftwf_execute_dft_r2c(job->plan->plan, plane, (fftwf_complex *)(void *)spectrum);
}

/* partial[row][kx] = sum over x of plane[row][x] exp(-i 2 pi kx x / W). */
static void transform_rows(const input_job *job, const float *plane, int rows, float *twiddles,
                           float *partial) {
    int w = job->image->width, wide = 2 * (job->rx + 1);
    for (int x0 = 0; x0 < w; x0 += COLUMN_BLOCK) {
        int count = smaller(COLUMN_BLOCK, w - x0);
        for (int x = 0; x < count; x++) {
            for (int kx = 0; kx <= job->rx; kx++) {
                int64_t phase = (int64_t)kx * (x0 + x) % w;
                twiddles[x * wide + 2 * kx] = job->columns->cosine[phase];
                twiddles[x * wide + 2 * kx + 1] = -job->columns->sine[phase];
            }
        }
        fcnn_cpu_blas.sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, wide, count, 1.0f,
                            plane + x0, w, twiddles, wide, x0 ? 1.0f : 0.0f, partial, wide);
    }
}

static void partial_transform(const input_job *job, int channel, float *plane, float *spectrum,
                              float *twiddles, float *partial) {
    static const float one[2] = {1.0f, 0.0f}, zero[2] = {0.0f, 0.0f};
    int h = job->image->height, ky_count = 2 * job->ry + 1, kx_count = job->rx + 1;
    float *vertical = twiddles + (size_t)COLUMN_BLOCK * kx_count * 2;
    for (int y0 = 0; y0 < h; y0 += ROW_BLOCK) {
        int rows = smaller(ROW_BLOCK, h - y0);
        load_rows(job->image, channel, y0, rows, plane);
        transform_rows(job, plane, rows, twiddles, partial);
        for (int i = 0; i < ky_count; i++) {
            int64_t ky = i <= job->ry ? i : h - (ky_count - i); /* -ry .. -1 at the end */
            for (int y = 0; y < rows; y++) {
                int64_t phase = ky * (y0 + y) % h;
                vertical[(i * rows + y) * 2] = job->rows->cosine[phase];
                vertical[(i * rows + y) * 2 + 1] = -job->rows->sine[phase];
            }
        }
        fcnn_cpu_blas.cgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, ky_count, kx_count, rows,
                            one, vertical, rows, partial, kx_count, y0 ? one : zero, spectrum,
                            kx_count);
    }
}

/* ---- From DFT values to coordinates ---- */

static void store_bins(const input_job *job, int channel, const fcnn_input_statistics *statistics,
                       const float *spectrum, fcnn_tensor *band, int n) {
    int h = job->image->height, w = job->image->width;
    int columns = job->plan ? w / 2 + 1 : job->rx + 1;
    int rows = job->plan ? h : 2 * job->ry + 1;
    double mean = 1.0 / ((double)h * w * 255.0), deviation = statistics->deviation[channel];
    float scale = (float)(FCNN_SQRT2 * mean / deviation);
    int64_t bins = fcnn_band_count(band->radius);
    for (int64_t k = 0; k < bins; k++) {
        fcnn_complex *x = fcnn_cpu_row(band, k, channel) + n;
        int ky, kx;
        fcnn_band_frequency(k, &ky, &kx);
        int ay = ky < 0 ? -ky : ky;
        if (ay > job->ry || kx > job->rx) {
            *x = (fcnn_complex){0.0f, 0.0f};
            continue;
        }
        const float *value = spectrum + ((int64_t)(ky < 0 ? ky + rows : ky) * columns + kx) * 2;
        float share = (2 * ay == h ? 0.5f : 1.0f) * (2 * kx == w ? 0.5f : 1.0f);
        *x = (fcnn_complex){value[0] * scale * share, value[1] * scale * share};
    }
    fcnn_complex *dc = fcnn_cpu_row(band, 0, channel) + n;
    *dc =
        (fcnn_complex){(float)((spectrum[0] * mean - statistics->mean[channel]) / deviation), 0.0f};
}

static void transform_image(const input_job *job, const fcnn_input_statistics *statistics,
                            unsigned char *scratch, fcnn_tensor *band, int n) {
    input_sizes sizes = sizes_of(job);
    float *plane = take(&scratch, sizes.plane), *spectrum = take(&scratch, sizes.spectrum);
    float *twiddles = take(&scratch, sizes.twiddles), *partial = take(&scratch, sizes.partial);
    for (int c = 0; c < band->channels; c++) {
        if (job->plan)
            full_transform(job, c, plane, spectrum);
        else
            partial_transform(job, c, plane, spectrum, twiddles, partial);
        store_bins(job, c, statistics, spectrum, band, n);
    }
}

/* ---- Plans and scratch, made by one thread before the others start ---- */

static const cpu_input_plan *find_plan(const cpu_device *device, int height, int width) {
    for (int i = 0; i < device->input_plan_count; i++) {
        const cpu_input_plan *plan = &device->input_plans[i];
        if (plan->height == height && plan->width == width) return plan;
    }
    return NULL;
}

static const cpu_input_plan *make_plan(cpu_device *device, int height, int width) {
    if (device->input_plan_count == INPUT_PLANS) return NULL;
    float *plane = fcnn_cpu_alloc((size_t)height * width * sizeof(float));
    float *half = fcnn_cpu_alloc((size_t)height * (width / 2 + 1) * 2 * sizeof(float));
    fftwf_plan plan = NULL;
    fcnn_cpu_plan_lock();
    if (plane && half)
        plan = fftwf_plan_dft_r2c_2d(height, width, plane, (fftwf_complex *)(void *)half,
                                     FFTW_ESTIMATE);
    fcnn_cpu_plan_unlock();
    free(plane);
    free(half);
    if (!plan) return NULL;
    cpu_input_plan *kept = &device->input_plans[device->input_plan_count++];
    *kept = (cpu_input_plan){height, width, plan};
    return kept;
}

static fcnn_status prepare(cpu_device *device, const fcnn_image *image, int radius,
                           input_job *job) {
    int h = image->height, w = image->width;
    *job = (input_job){.image = image, .ry = smaller(radius, h / 2), .rx = smaller(radius, w / 2)};
    if (fcnn_cpu_is_smooth(h) && fcnn_cpu_is_smooth(w) && (int64_t)h * w <= PLAN_PIXELS) {
        job->plan = find_plan(device, h, w);
        if (!job->plan) job->plan = make_plan(device, h, w);
        if (job->plan) return FCNN_OK;
    }
    FCNN_TRY(fcnn_cpu_find_roots(device, h, &job->rows));
    return fcnn_cpu_find_roots(device, w, &job->columns);
}

static fcnn_status reserve_input(cpu_device *device, size_t bytes) {
    if (bytes <= device->input_bytes) return FCNN_OK;
    free(device->input_scratch);
    device->input_bytes = 0;
    device->input_scratch = fcnn_cpu_alloc(bytes * (size_t)device->base.threads);
    if (!device->input_scratch)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory: %.1f MiB to transform an image",
                               (double)bytes * device->base.threads / 1048576.0);
    device->input_bytes = bytes;
    return FCNN_OK;
}

static fcnn_status prepare_all(cpu_device *device, const fcnn_image *images,
                               const fcnn_tensor *band, input_job *jobs) {
    size_t most = 0;
    for (int n = 0; n < band->images; n++) {
        if (images[n].channels != band->channels)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "image %d of the batch has %d channels and the network takes %d",
                                   n, images[n].channels, band->channels);
        FCNN_TRY(prepare(device, &images[n], band->radius, &jobs[n]));
        size_t bytes = bytes_of(&jobs[n]);
        if (bytes > most) most = bytes;
    }
    return reserve_input(device, most);
}

fcnn_status fcnn_cpu_images_to_band(fcnn_device *base, const fcnn_image *images,
                                    const fcnn_input_statistics *statistics, fcnn_tensor *band) {
    cpu_device *device = (cpu_device *)base;
    input_job *jobs = malloc((size_t)band->images * sizeof *jobs);
    if (!jobs) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a batch");
    fcnn_status status = prepare_all(device, images, band, jobs);
    if (!status) {
#pragma omp parallel for num_threads(base->threads) schedule(dynamic)
        for (int tile = 0; tile < fcnn_cpu_tiles(band); tile++) {
            unsigned char *scratch =
                device->input_scratch + device->input_bytes * (size_t)omp_get_thread_num();
            int first = tile * TILE;
            for (int i = 0; i < fcnn_cpu_tile_images(band, first); i++)
                transform_image(&jobs[first + i], statistics, scratch, band, first + i);
        }
    }
    free(jobs);
    return status;
}
