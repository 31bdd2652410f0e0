/* The CPU device is opened and closed here, and its instruction set is chosen:
 * the best that the processor has, unless FCNN_ISA=generic|avx2|avx512 in the
 * environment names one. */
#include <omp.h>
#include <stdio.h>
#include <string.h>

#include "blas.h"
#include "cpu.h"
#include "grid/plans.h"
#include "input/image_spectrum.h"
#include "roots.h"
#include "space/plans.h"
#include "threads.h"

/* ---- Choice of kernels ---- */

typedef struct {
    const char *name;
    const fcnn_backend *operations;
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

#define DEVICE(type, name, parameters)                           backend->name = fcnn_cpu_##name;
#define COMMON(name, phase, flops, bytes, parameters, arguments) backend->name = fcnn_cpu_##name;
#define OPERATION(name, phase, flops, bytes, parameters, arguments)
static void add_functions(fcnn_backend *backend){
#include "operations.def"
}

fcnn_status fcnn_cpu_open(int number, int threads, fcnn_device **out) {
    const isa_row *isa;
    (void)number; /* there is one */
    FCNN_TRY(choose_isa(&isa));
    FCNN_TRY(fcnn_cpu_load_blas());
    int limit = omp_get_thread_limit(), wanted = threads;
    threads = wanted > 0 ? smaller(wanted, limit) : fcnn_threads_default();
    FCNN_TRY(fcnn_threads_check(threads));
    fcnn_threads_may_fork();
    FCNN_TRY(fcnn_cpu_reserve_blas(threads));
    cpu_device *device = calloc(1, sizeof *device);
    if (!device) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the device");
    device->table = *isa->operations;
    add_functions(&device->table);
    device->base.backend = &device->table;
    device->base.threads = threads;
    snprintf(device->base.description, sizeof device->base.description,
             "cpu: %d thread%s%s, %s, %s", threads, threads == 1 ? "" : "s",
             wanted > threads ? " (by OMP_THREAD_LIMIT)" : "", isa->name,
             fcnn_cpu_blas.description);
    *out = &device->base;
    return FCNN_OK;
}

void fcnn_cpu_close(fcnn_device *base) {
    cpu_device *device = (cpu_device *)base;
    fcnn_cpu_free_grids(device);
    fcnn_cpu_free_tori(device);
    fcnn_cpu_free_roots(device);
    fcnn_cpu_free_input_plans(device);
    free(device->scratch);
    free(device);
}

/* What the table of backends lists; an open device has its instruction set's own. */
const fcnn_backend fcnn_cpu_backend = {
    .name = "cpu", .probe = fcnn_cpu_probe, .open = fcnn_cpu_open, .close = fcnn_cpu_close};
