/* The CPU device: threads, memory, plans, and the choice of an instruction set
 * (the best the processor has; FCNN_ISA=generic|avx2|avx512 in the environment
 * overrides it). */
#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "blas.h"
#include "cpu.h"

static pthread_mutex_t plan_mutex = PTHREAD_MUTEX_INITIALIZER;
void fcnn_cpu_plan_lock(void) { pthread_mutex_lock(&plan_mutex); }
void fcnn_cpu_plan_unlock(void) { pthread_mutex_unlock(&plan_mutex); }

/* ---- Choice of kernels ---- */

typedef struct {
    const char *name;
    const fcnn_backend *backend;
    bool (*runs)(void);
} isa_row;

static bool runs_always(void) { return true; }
#ifdef __x86_64__
static bool runs_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
static bool runs_avx512(void) {
    return runs_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
}
#endif

static const isa_row isas[] = {
#ifdef __x86_64__
    {"avx512", &fcnn_cpu_avx512_backend, runs_avx512},
    {"avx2", &fcnn_cpu_avx2_backend, runs_avx2},
#endif
    {"generic", &fcnn_cpu_generic_backend, runs_always},
};

static fcnn_status choose_isa(const isa_row **chosen) {
    const char *wanted = getenv("FCNN_ISA");
    if (wanted && !*wanted) wanted = NULL;
    for (size_t i = 0; i < sizeof isas / sizeof *isas; i++) {
        *chosen = &isas[i];
        if (!wanted && isas[i].runs()) return FCNN_OK;
        if (!wanted || strcmp(wanted, isas[i].name) != 0) continue;
        if (isas[i].runs()) return FCNN_OK;
        return fcnn_status_set(FCNN_ERROR_DEVICE, "FCNN_ISA=%s: this processor does not have it",
                               wanted);
    }
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "FCNN_ISA=%s: expected generic, or on x86-64 avx2 or avx512", wanted);
}

/* ---- Opening ---- */

fcnn_status fcnn_cpu_probe(char *text, size_t bytes) {
    const isa_row *isa;
    FCNN_TRY(choose_isa(&isa));
    FCNN_TRY(fcnn_cpu_load_blas());
    snprintf(text, bytes, "%d processors, %s, %s", omp_get_num_procs(), isa->name,
             fcnn_cpu_blas.description);
    return FCNN_OK;
}

fcnn_status fcnn_cpu_open(int threads, fcnn_device **out) {
    const isa_row *isa;
    FCNN_TRY(choose_isa(&isa));
    FCNN_TRY(fcnn_cpu_load_blas());
    cpu_device *device = calloc(1, sizeof *device);
    if (!device) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the device");
    device->base.backend = isa->backend;
    device->base.threads = threads > 0 ? threads : omp_get_num_procs();
    snprintf(device->base.description, sizeof device->base.description, "cpu: %d thread%s, %s, %s",
             device->base.threads, device->base.threads == 1 ? "" : "s", isa->name,
             fcnn_cpu_blas.description);
    *out = &device->base;
    return FCNN_OK;
}

static void free_torus(cpu_torus *torus) { /* with the lock held */
    fftwf_plan plans[] = {torus->row_forward, torus->row_backward, torus->columns_forward,
                          torus->columns_backward};
    for (int i = 0; i < 4; i++)
        if (plans[i]) fftwf_destroy_plan(plans[i]);
    free(torus->bin);
    free(torus->mirror);
    free(torus);
}

void fcnn_cpu_close(fcnn_device *base) {
    cpu_device *device = (cpu_device *)base;
    for (int i = 0; i < device->grid_count; i++) fcnn_cpu_free_grid(&device->grids[i]);
    fcnn_cpu_plan_lock();
    for (int i = 0; i < device->torus_count; i++) free_torus(device->tori[i]);
    while (device->input_plans) {
        cpu_input_plan *plan = device->input_plans;
        device->input_plans = plan->next;
        fftwf_destroy_plan(plan->plan);
        free(plan);
    }
    fcnn_cpu_plan_unlock();
    for (int i = 0; i < device->roots_count; i++) {
        free(device->roots[i]->cosine);
        free(device->roots[i]->sine);
        free(device->roots[i]);
    }
    free(device->grids);
    free(device->tori);
    free(device->roots);
    free(device->scratch);
    free(device);
}

/* ---- Memory ---- */

size_t fcnn_cpu_align(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

/* Large memory lies in huge pages where the system has them: a band's rows of one channel are
 * pages apart. */
void *fcnn_cpu_alloc(size_t bytes) {
    enum { HUGE_PAGE = 2 << 20 };
    size_t alignment = bytes < 2 * (size_t)HUGE_PAGE ? ALIGNMENT : HUGE_PAGE;
    size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void *memory = aligned_alloc(alignment, whole ? whole : ALIGNMENT);
#ifdef MADV_HUGEPAGE
    if (memory && alignment > ALIGNMENT) madvise(memory, whole, MADV_HUGEPAGE); /* a hint */
#endif
    return memory;
}

fcnn_status fcnn_cpu_allocate(fcnn_device *device, size_t bytes, void **memory) {
    (void)device;
    *memory = fcnn_cpu_alloc(bytes);
    if (*memory) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_MEMORY,
                           "out of memory: %.1f MiB were asked for; a smaller batch takes less",
                           (double)bytes / 1048576.0);
}

void fcnn_cpu_release(fcnn_device *device, void *memory) {
    (void)device;
    free(memory);
}

fcnn_status fcnn_cpu_upload(fcnn_device *device, void *to, const void *host, size_t bytes) {
    (void)device;
    memcpy(to, host, bytes);
    return FCNN_OK;
}

fcnn_status fcnn_cpu_download(fcnn_device *device, void *host, const void *from, size_t bytes) {
    return fcnn_cpu_upload(device, host, from, bytes);
}

fcnn_status fcnn_cpu_clear(fcnn_device *device, void *memory, size_t bytes) {
    (void)device;
    memset(memory, 0, bytes);
    return FCNN_OK;
}

/* Pages are given when they are first written, so nobody knows. */
size_t fcnn_cpu_available(fcnn_device *device) {
    (void)device;
    return SIZE_MAX;
}

/* Every operation is done when it returns. */
fcnn_status fcnn_cpu_synchronize(fcnn_device *device) {
    (void)device;
    return FCNN_OK;
}

fcnn_status fcnn_cpu_take_score(fcnn_device *base, fcnn_score *score) {
    fcnn_score *own = &((cpu_device *)base)->score;
    fcnn_score_add(score, own);
    *own = (fcnn_score){0};
    return FCNN_OK;
}

/* ---- Tables and plans ---- */

static cpu_roots *make_roots(int count) {
    cpu_roots *roots = malloc(sizeof *roots);
    if (!roots) return NULL;
    *roots = (cpu_roots){.count = count,
                         .cosine = fcnn_cpu_alloc((size_t)count * sizeof(float)),
                         .sine = fcnn_cpu_alloc((size_t)count * sizeof(float))};
    if (!roots->cosine || !roots->sine) {
        free(roots->cosine);
        free(roots->sine);
        free(roots);
        return NULL;
    }
    for (int j = 0; j < count; j++) {
        double angle = 2.0 * FCNN_PI * j / count;
        roots->cosine[j] = (float)cos(angle);
        roots->sine[j] = (float)sin(angle);
    }
    return roots;
}

/* With the lock held; NULL: out of memory. */
static const cpu_roots *find_or_make_roots(cpu_device *device, int count) {
    for (int i = 0; i < device->roots_count; i++)
        if (device->roots[i]->count == count) return device->roots[i];
    cpu_roots **grown =
        realloc(device->roots, ((size_t)device->roots_count + 1) * sizeof *device->roots);
    if (grown) device->roots = grown;
    cpu_roots *made = grown ? make_roots(count) : NULL;
    if (made) grown[device->roots_count++] = made;
    return made;
}

fcnn_status fcnn_cpu_find_roots(cpu_device *device, int count, const cpu_roots **out) {
    fcnn_cpu_plan_lock();
    *out = find_or_make_roots(device, count);
    fcnn_cpu_plan_unlock();
    if (*out) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a table of %d roots", count);
}

fcnn_status fcnn_cpu_fill_phases(cpu_device *device, const fcnn_kernel_shape *shape,
                                 float *phases) {
    const cpu_roots *roots;
    int size = shape->size, centre = (size - 1) / 2;
    FCNN_TRY(fcnn_cpu_find_roots(device, shape->grid, &roots));
    for (int k = 0; k <= shape->radius; k++) {
        for (int i = 0; i < size; i++, phases += 2) {
            int64_t phase = (int64_t)k * (i - centre) % shape->grid;
            if (phase < 0) phase += shape->grid;
            phases[0] = roots->cosine[phase];
            phases[1] = roots->sine[phase];
        }
    }
    return FCNN_OK;
}

const cpu_grid *fcnn_cpu_find_grid(const cpu_device *device, int size) {
    for (int i = 0; i < device->grid_count; i++)
        if (device->grids[i].size == size) return &device->grids[i];
    return NULL;
}

size_t fcnn_cpu_grid_scratch(int size) {
    return fcnn_cpu_align(fcnn_cpu_work_floats(size) * sizeof(float)) +
           2 * fcnn_cpu_align(fcnn_cpu_map_floats(size) * sizeof(float));
}

fcnn_status fcnn_cpu_make_grid(cpu_device *device, int size) {
    if (fcnn_cpu_find_grid(device, size)) return FCNN_OK;
    cpu_grid *grown =
        realloc(device->grids, ((size_t)device->grid_count + 1) * sizeof *device->grids);
    if (grown) device->grids = grown;
    cpu_grid grid;
    if (!fcnn_cpu_fill_grid(&grid, size) || !grown) {
        fcnn_cpu_free_grid(&grid);
        return fcnn_status_set(FCNN_ERROR_MEMORY,
                               "out of memory for the transforms of a %dx%d grid", size, size);
    }
    grown[device->grid_count++] = grid;
    return FCNN_OK;
}

const cpu_torus *fcnn_cpu_find_torus(const cpu_device *device, int size) {
    for (int i = 0; i < device->torus_count; i++)
        if (device->tori[i]->size == size) return device->tori[i];
    return NULL;
}

static void list_half_plane(cpu_torus *torus) {
    int n = torus->size;
    torus->bins = 0;
    for (int y = 0; y < n; y++) {
        for (int x = 0; x < n; x++) {
            int at = y * torus->row + x, mirror = (n - y) % n * torus->row + (n - x) % n;
            if (at > mirror) continue;
            torus->bin[torus->bins] = at;
            torus->mirror[torus->bins++] = mirror;
        }
    }
}

static fftwf_plan plan_lines(const cpu_torus *torus, fftwf_complex *at, int lines, int step,
                             int sign) {
    int many = TILE / 2;
    return fftwf_plan_many_dft(1, &torus->size, many * lines, at, NULL, many * step, 1, at, NULL,
                               many * step, 1, sign, FFTW_ESTIMATE);
}

static bool plan_torus(cpu_torus *torus) {
    int n = torus->size;
    torus->row = n % 16 ? n : n + 2;
    torus->columns = n % 16 == 0 ? 16 : n % 4 == 0 ? 4 : 1;
    size_t points = (size_t)n * (size_t)torus->row;
    torus->bin = malloc((points / 2 + 2) * sizeof *torus->bin);
    torus->mirror = malloc((points / 2 + 2) * sizeof *torus->mirror);
    fftwf_complex *at = fcnn_cpu_alloc(points * (TILE / 2) * sizeof(fftwf_complex));
    if (torus->bin && torus->mirror && at) {
        torus->row_forward = plan_lines(torus, at, 1, 1, FFTW_FORWARD);
        torus->row_backward = plan_lines(torus, at, 1, 1, FFTW_BACKWARD);
        torus->columns_forward = plan_lines(torus, at, torus->columns, torus->row, FFTW_FORWARD);
        torus->columns_backward = plan_lines(torus, at, torus->columns, torus->row, FFTW_BACKWARD);
    }
    free(at);
    return torus->row_forward && torus->row_backward && torus->columns_forward &&
           torus->columns_backward;
}

fcnn_status fcnn_cpu_make_torus(cpu_device *device, int size) {
    if (fcnn_cpu_find_torus(device, size)) return FCNN_OK;
    cpu_torus **grown =
        realloc(device->tori, ((size_t)device->torus_count + 1) * sizeof *device->tori);
    if (grown) device->tori = grown;
    cpu_torus *torus = grown ? calloc(1, sizeof *torus) : NULL;
    bool planned = false;
    if (torus) {
        torus->size = size;
        fcnn_cpu_plan_lock();
        planned = plan_torus(torus);
        if (!planned) free_torus(torus);
        fcnn_cpu_plan_unlock();
    }
    if (!planned)
        return fcnn_status_set(FCNN_ERROR_MEMORY,
                               "out of memory for the transforms of %dx%d points", size, size);
    list_half_plane(torus);
    grown[device->torus_count++] = torus;
    return FCNN_OK;
}

void fcnn_cpu_need_scratch(cpu_device *device, size_t bytes) {
    bytes = fcnn_cpu_align(bytes);
    if (bytes > device->scratch_bytes) device->scratch_bytes = bytes;
}

size_t fcnn_cpu_scratch(const fcnn_device *base) {
    const cpu_device *device = (const cpu_device *)base;
    return device->scratch_bytes * (size_t)base->threads;
}

fcnn_status fcnn_cpu_reserve(fcnn_device *base) {
    cpu_device *device = (cpu_device *)base;
    if (device->reserved >= device->scratch_bytes) return FCNN_OK;
    free(device->scratch);
    device->reserved = 0;
    device->scratch = fcnn_cpu_alloc(fcnn_cpu_scratch(base));
    if (!device->scratch)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory: %.1f MiB of scratch",
                               (double)fcnn_cpu_scratch(base) / 1048576.0);
    device->reserved = device->scratch_bytes;
    return FCNN_OK;
}

void *fcnn_cpu_thread_scratch(const cpu_device *device) {
    return device->scratch + device->reserved * (size_t)omp_get_thread_num();
}

/* What the table of backends lists; an open device has its instruction set's own. */
const fcnn_backend fcnn_cpu_backend = {
    .name = "cpu", .probe = fcnn_cpu_probe, .open = fcnn_cpu_open, .close = fcnn_cpu_close};
