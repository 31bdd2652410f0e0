/* One image to its bins. An image of H x W enters by its own real transform and
 * gives the bins inside the radius; where a bin reaches the Nyquist frequency of
 * an even axis, the DFT value belongs half to it and half to its mirror. Smooth
 * sizes use FFTW; other sizes, and huge ones, a partial DFT as two matrix
 * products over blocks of rows, which needs neither a plan nor a full spectrum.
 * Which of the two depends on the size alone, so that the bits do as well. */
#include "image_spectrum.h"

#include <math.h>
#include <string.h>

#include "cpu/blas.h"
#include "cpu/caches.h"
#include "cpu/roots.h"
#include "formulas.h"

enum {
    /* The partial DFT makes kx and ky in multiples of these numbers, the last few kx for nothing.
     */
    KX_STEP = 32,
    KX_SPARE = 4,
    KY_STEP = 48
};

/* ---- Placement ---- */

/* The part of an image that is used, inside its frame. */
typedef struct {
    const uint8_t *pixels;
    const uint16_t *pixels16; /* or, of 16 bits */
    const float *pixels_float;
    double one;     /* the sample that stands for 1 */
    int64_t stride; /* from one row to the next, in samples */
    int channels;
    fcnn_padding padding;
    int top, left;                 /* of the frame */
    int inner_height, inner_width; /* without it */
    int height, width;             /* with it */
} placed_image;

static fcnn_status check_placement(const fcnn_placement *p) {
    if (p->crop && !(p->crop_fraction > 0.0 && p->crop_fraction <= 1.0))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "a crop to %g of the short side: expected above 0 and at most 1",
                               p->crop_fraction);
    if (p->padding != FCNN_PAD_NONE && !(p->margin >= 0.0 && p->margin <= 0.5))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "a margin of %g of the image's side: expected 0 to 0.5", p->margin);
    return FCNN_OK;
}

static fcnn_status place(const fcnn_image *image, const fcnn_placement *placement,
                         placed_image *placed) {
    int height = image->height, width = image->width;
    bool given = image->pixels || image->pixels16 || image->pixels_float;
    if (height < 1 || width < 1 || image->channels < 1 || !given)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "an image of %dx%d pixels and %d channels%s: expected at least one",
                               height, width, image->channels, given ? "" : " without its pixels");
    int64_t first = 0;
    *placed = (placed_image){.one = fcnn_image_one(image),
                             .stride = (int64_t)width * image->channels,
                             .channels = image->channels};
    if (placement) FCNN_TRY(check_placement(placement));
    if (placement && placement->crop) {
        int side = (int)lround(placement->crop_fraction * smaller(height, width));
        if (side < 1) side = 1;
        first =
            (height - side) / 2 * placed->stride + (int64_t)((width - side) / 2) * image->channels;
        height = width = side;
    }
    if (image->pixels_float)
        placed->pixels_float = image->pixels_float + first;
    else if (image->pixels16)
        placed->pixels16 = image->pixels16 + first;
    else
        placed->pixels = image->pixels + first;
    if (placement && placement->padding != FCNN_PAD_NONE) {
        placed->padding = placement->padding;
        placed->top = (int)lround(placement->margin * height);
        placed->left = (int)lround(placement->margin * width);
    }
    placed->inner_height = height;
    placed->inner_width = width;
    placed->height = height + 2 * placed->top;
    placed->width = width + 2 * placed->left;
    return FCNN_OK;
}

/* Returns where position `at` lands in a line of `count` points that is mirrored at its ends. */
static int reflected(int at, int count) {
    int period = 2 * (count - 1);
    if (period == 0) return 0;
    at %= period;
    if (at < 0) at += period;
    return at < count ? at : period - at;
}

static void load_row(const placed_image *placed, int channel, int y, float *row) {
    int inner = y - placed->top, width = placed->inner_width, left = placed->left;
    bool reflect = placed->padding == FCNN_PAD_REFLECT;
    if (!reflect && (inner < 0 || inner >= placed->inner_height)) {
        memset(row, 0, (size_t)placed->width * sizeof *row);
        return;
    }
    int64_t first = reflected(inner, placed->inner_height) * placed->stride + channel;
    int64_t step = placed->channels;
    float *inside = row + left;
    if (placed->pixels_float) {
        const float *pixel = placed->pixels_float + first;
        for (int64_t x = 0; x < width; x++) inside[x] = pixel[x * step];
    } else if (placed->pixels16) {
        const uint16_t *pixel = placed->pixels16 + first;
        for (int64_t x = 0; x < width; x++) inside[x] = pixel[x * step];
    } else {
        const uint8_t *pixel = placed->pixels + first;
        for (int64_t x = 0; x < width; x++) inside[x] = pixel[x * step];
    }
    for (int x = 1; x <= left; x++) {
        row[left - x] = reflect ? inside[reflected(-x, width)] : 0.0f;
        inside[width - 1 + x] = reflect ? inside[reflected(width - 1 + x, width)] : 0.0f;
    }
}

/* ---- Plans: the last few used, and those in use ---- */

enum { PLANS_KEPT = 32 }; /* beside those in use */

/* The plan of a size, in a list whose first was used last. */
struct cpu_input_plan {
    int height, width;
    int users; /* threads that use it now */
    fftwf_plan plan;
    cpu_input_plan *next;
};

static void free_plan(cpu_input_plan *plan) {
    fftwf_destroy_plan(plan->plan);
    free(plan);
}

void fcnn_cpu_free_input_plans(cpu_device *device) {
    fcnn_cpu_plan_lock();
    while (device->input_plans) {
        cpu_input_plan *plan = device->input_plans;
        device->input_plans = plan->next;
        free_plan(plan);
    }
    fcnn_cpu_plan_unlock();
}

/* The plan serves every caller, as their planes and spectra are all aligned alike. */
static cpu_input_plan *make_plan(int height, int width, float *plane, float *spectrum) {
    if (!fcnn_cpu_can_plan((size_t)height + (size_t)width)) return NULL;
    cpu_input_plan *made = malloc(sizeof *made);
    if (!made) return NULL;
    *made = (cpu_input_plan){.height = height, .width = width};
    made->plan = fftwf_plan_dft_r2c_2d(height, width, plane, (fftwf_complex *)(void *)spectrum,
                                       FFTW_ESTIMATE);
    if (made->plan) return made;
    free(made);
    return NULL;
}

/* Drops the plan that was unused for longest, if there are too many. */
static void drop_plan(cpu_device *device) {
    int count = 0;
    cpu_input_plan **oldest = NULL;
    for (cpu_input_plan **at = &device->input_plans; *at; at = &(*at)->next) {
        count++;
        if (!(*at)->users) oldest = at;
    }
    if (count <= PLANS_KEPT || !oldest) return;
    cpu_input_plan *dropped = *oldest;
    *oldest = dropped->next;
    free_plan(dropped);
}

static cpu_input_plan *take_plan(cpu_device *device, int height, int width, float *plane,
                                 float *spectrum) {
    cpu_input_plan **at = &device->input_plans, *plan;
    fcnn_cpu_plan_lock();
    while (*at && ((*at)->height != height || (*at)->width != width)) at = &(*at)->next;
    plan = *at;
    if (plan)
        *at = plan->next;
    else
        plan = make_plan(height, width, plane, spectrum);
    if (plan) {
        plan->users++;
        plan->next = device->input_plans;
        device->input_plans = plan;
        drop_plan(device);
    }
    fcnn_cpu_plan_unlock();
    return plan;
}

static void give_plan_back(cpu_input_plan *plan) {
    fcnn_cpu_plan_lock();
    plan->users--;
    fcnn_cpu_plan_unlock();
}

/* ---- One image's work ---- */

typedef struct {
    placed_image placed;
    bool planned;                    /* FFTW; else the partial DFT */
    const cpu_roots *rows, *columns; /* of the partial DFT */
    int ry, rx;                      /* largest |ky| and kx that image and band share */
    int ky_count, kx_count;          /* rows and columns of the spectrum */
    float *plane;                    /* a channel's pixels, or of all channels a block of rows */
    float *spectrum;      /* [ky_count][kx_count] complex, of a channel, or of all of them */
    float *across, *down; /* twiddles of a block: [DFT_COLUMNS][kx], [ky][DFT_ROWS] */
    float *partial;       /* [channels][DFT_ROWS][kx] */
    unsigned char *memory;
} spectrum_job;

static fcnn_status allocate(spectrum_job *job) {
    const placed_image *p = &job->placed;
    size_t h = (size_t)p->height, w = (size_t)p->width, channels = (size_t)p->channels;
    size_t kx = (size_t)job->kx_count, ky = (size_t)job->ky_count;
    size_t floats[5] = {h * w, ky * kx * 2, 0, 0, 0};
    if (!job->planned) {
        floats[0] = channels * DFT_ROWS * w;
        floats[1] = channels * ky * kx * 2;
        floats[2] = DFT_COLUMNS * kx * 2;
        floats[3] = ky * DFT_ROWS * 2;
        floats[4] = channels * DFT_ROWS * kx * 2;
    }
    float **parts[5] = {&job->plane, &job->spectrum, &job->across, &job->down, &job->partial};
    size_t bytes = 0;
    for (int i = 0; i < 5; i++) bytes += fcnn_cpu_align(floats[i] * sizeof(float));
    unsigned char *at = job->memory = fcnn_allocate(bytes);
    if (!at)
        return fcnn_status_set(FCNN_ERROR_MEMORY,
                               "out of memory: %.1f MiB to transform an image of %dx%d pixels",
                               (double)bytes / 1048576.0, p->height, p->width);
    for (int i = 0; i < 5; i++) {
        *parts[i] = (float *)(void *)at;
        at += fcnn_cpu_align(floats[i] * sizeof(float));
    }
    return FCNN_OK;
}

static fcnn_status prepare(cpu_device *device, int radius, spectrum_job *job) {
    int h = job->placed.height, w = job->placed.width;
    job->ry = smaller(radius, h / 2);
    job->rx = smaller(radius, w / 2);
    job->planned = fcnn_is_smooth(h) && fcnn_is_smooth(w) && (int64_t)h * w <= DFT_PIXELS_MOST;
    job->ky_count = h;
    job->kx_count = w / 2 + 1;
    if (!job->planned) {
        job->ky_count = (2 * job->ry + KY_STEP) / KY_STEP * KY_STEP;
        job->kx_count = (job->rx + KX_SPARE + KX_STEP) / KX_STEP * KX_STEP;
        FCNN_TRY(fcnn_cpu_find_roots(device, h, &job->rows));
        FCNN_TRY(fcnn_cpu_find_roots(device, w, &job->columns));
    }
    return allocate(job);
}

/* ---- The partial DFT, of all channels ----
 * A product's last rows and columns may be summed in another order than the others. Here a
 * frequency has the same place whatever the radius, and there are as many as a whole number of any
 * processor's registers takes: the bits of a bin do not depend on the radius either. */

/* ky = 0, 1, -1, 2, -2, ... */
static int row_of(int ky) { return ky > 0 ? 2 * ky - 1 : -2 * ky; }

static void turn_columns(const spectrum_job *job, int x0, int count) {
    int w = job->placed.width, kx_count = job->kx_count;
    for (int x = 0; x < count; x++) {
        float *row = job->across + (size_t)x * kx_count * 2;
        for (int kx = 0, phase = 0; kx < kx_count; kx++) {
            row[2 * kx] = job->columns->cosine[phase];
            row[2 * kx + 1] = -job->columns->sine[phase];
            phase = phase + x0 + x < w ? phase + x0 + x : phase + x0 + x - w;
        }
    }
}

static void turn_rows(const spectrum_job *job, int y0, int rows) {
    int h = job->placed.height;
    for (int i = 0; i < job->ky_count; i++) {
        int size = (i + 1) / 2 % h, ky = i % 2 || !size ? size : h - size;
        int phase = (int)((int64_t)ky * y0 % h);
        float *row = job->down + (size_t)i * rows * 2;
        for (int y = 0; y < rows; y++) {
            row[2 * y] = job->rows->cosine[phase];
            row[2 * y + 1] = -job->rows->sine[phase];
            phase = phase + ky < h ? phase + ky : phase + ky - h;
        }
    }
}

/* partial[row][kx] = sum over x of plane[row][x] exp(-i 2 pi kx x / W), for the rows of all
 * channels. */
static void transform_rows(const spectrum_job *job, int rows, bool first) {
    int w = job->placed.width, wide = 2 * job->kx_count;
    for (int x0 = 0; x0 < w; x0 += DFT_COLUMNS) {
        int count = smaller(DFT_COLUMNS, w - x0);
        if (first || w > DFT_COLUMNS) turn_columns(job, x0, count);
        fcnn_cpu_blas.sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, wide, count, 1.0f,
                            job->plane + x0, w, job->across, wide, x0 ? 1.0f : 0.0f, job->partial,
                            wide);
    }
}

static void partial_transform(const spectrum_job *job) {
    static const float one[2] = {1.0f, 0.0f}, zero[2] = {0.0f, 0.0f};
    const placed_image *placed = &job->placed;
    int ky_count = job->ky_count, kx_count = job->kx_count, channels = placed->channels;
    for (int y0 = 0; y0 < placed->height; y0 += DFT_ROWS) {
        int rows = smaller(DFT_ROWS, placed->height - y0);
        for (int c = 0; c < channels; c++)
            for (int y = 0; y < rows; y++)
                load_row(placed, c, y0 + y,
                         job->plane + ((size_t)c * rows + y) * (size_t)placed->width);
        transform_rows(job, channels * rows, y0 == 0);
        turn_rows(job, y0, rows);
        for (int c = 0; c < channels; c++)
            fcnn_cpu_blas.cgemm(
                CblasRowMajor, CblasNoTrans, CblasNoTrans, ky_count, kx_count, rows, one, job->down,
                rows, job->partial + (size_t)c * rows * kx_count * 2, kx_count, y0 ? one : zero,
                job->spectrum + (size_t)c * ky_count * kx_count * 2, kx_count);
    }
}

/* ---- From DFT values to coordinates ---- */

/* The bins of one channel. */
static void store_bins(const spectrum_job *job, const float *spectrum, int radius,
                       fcnn_complex *bins) {
    int h = job->placed.height, w = job->placed.width, ky = 0, kx = 0;
    double mean = 1.0 / ((double)h * w * job->placed.one);
    float scale = (float)(FCNN_SQRT2 * mean);
    bins[0] = (fcnn_complex){(float)(spectrum[0] * mean), 0.0f};
    for (int64_t k = 1; k < fcnn_band_count(radius); k++) {
        fcnn_band_next(&ky, &kx);
        int ay = ky < 0 ? -ky : ky;
        if (ay > job->ry || kx > job->rx) {
            bins[k] = (fcnn_complex){0.0f, 0.0f};
            continue;
        }
        int row = !job->planned ? row_of(ky) : ky < 0 ? ky + h : ky;
        const float *value = spectrum + ((int64_t)row * job->kx_count + kx) * 2;
        float share = scale * (2 * ay == h ? 0.5f : 1.0f) * (2 * kx == w ? 0.5f : 1.0f);
        bins[k] = (fcnn_complex){value[0] * share, value[1] * share};
    }
}

static fcnn_status full_transform(cpu_device *device, const spectrum_job *job, int radius,
                                  fcnn_complex *bins) {
    const placed_image *placed = &job->placed;
    int h = placed->height, w = placed->width;
    cpu_input_plan *plan = take_plan(device, h, w, job->plane, job->spectrum);
    if (!plan)
        return fcnn_status_set(FCNN_ERROR_MEMORY,
                               "out of memory to plan the transform of %dx%d pixels", h, w);
    for (int c = 0; c < placed->channels; c++) {
        for (int y = 0; y < h; y++) load_row(placed, c, y, job->plane + (size_t)y * (size_t)w);
        fftwf_execute_dft_r2c(plan->plan, job->plane, (fftwf_complex *)(void *)job->spectrum);
        store_bins(job, job->spectrum, radius, bins + c * fcnn_band_count(radius));
    }
    give_plan_back(plan);
    return FCNN_OK;
}

static fcnn_status transform(cpu_device *device, const spectrum_job *job, int radius,
                             fcnn_complex *bins) {
    if (job->planned) return full_transform(device, job, radius, bins);
    partial_transform(job);
    size_t plane = (size_t)job->ky_count * (size_t)job->kx_count * 2;
    for (int c = 0; c < job->placed.channels; c++)
        store_bins(job, job->spectrum + c * plane, radius, bins + c * fcnn_band_count(radius));
    return FCNN_OK;
}

fcnn_status fcnn_cpu_image_to_spectrum(fcnn_device *base, const fcnn_image *image,
                                       const fcnn_placement *placement, int radius, float *bins,
                                       fcnn_spectrum *spectrum) {
    cpu_device *device = (cpu_device *)base;
    spectrum_job job = {0};
    FCNN_TRY(place(image, placement, &job.placed));
    fcnn_status status = prepare(device, radius, &job);
    if (!status) status = transform(device, &job, radius, (fcnn_complex *)(void *)bins);
    free(job.memory);
    if (status) return status;
    const placed_image *placed = &job.placed;
    *spectrum = (fcnn_spectrum){.height = placed->height,
                                .width = placed->width,
                                .inside = {0, 0, placed->height, placed->width},
                                .radius = radius,
                                .type = FCNN_FLOAT32,
                                .bins = bins};
    if (placed->padding == FCNN_PAD_ZERO) {
        spectrum->inside.top = placed->top;
        spectrum->inside.left = placed->left;
        spectrum->inside.height = placed->inner_height;
        spectrum->inside.width = placed->inner_width;
    }
    return FCNN_OK;
}
