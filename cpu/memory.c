/* The CPU device's memory: what operations are given, what their threads have as
 * scratch, and the lock that guards plans and tables. */
#include <omp.h>
#include <pthread.h>
#include <string.h>

#include "cpu.h"
#include "free_memory.h"

static pthread_mutex_t plan_mutex = PTHREAD_MUTEX_INITIALIZER;
void fcnn_cpu_plan_lock(void) { pthread_mutex_lock(&plan_mutex); }
void fcnn_cpu_plan_unlock(void) { pthread_mutex_unlock(&plan_mutex); }

/* Planning was seen to take up to 0.6 MiB, and 4 bytes of `length`; transforms up to 0.6 MiB for a
 * moment. What is asked for here leaves room for both, in several threads. */
bool fcnn_cpu_can_plan(size_t length) {
    void *volatile room = malloc(((size_t)4 << 20) + 32 * length); /* kept by compilers */
    free(room);
    return room != NULL;
}

/* ---- What operations are given ---- */

size_t fcnn_cpu_align(size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

fcnn_status fcnn_cpu_allocate(fcnn_device *device, size_t bytes, void **memory) {
    (void)device;
    *memory = fcnn_allocate(bytes);
    if (*memory) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_MEMORY,
                           "out of memory: %.1f MiB were asked for; a smaller batch takes less",
                           (double)bytes / 1048576.0);
}

void fcnn_cpu_release(fcnn_device *device, void *memory) {
    (void)device;
    free(memory);
}

fcnn_status fcnn_cpu_allocate_host(fcnn_device *device, size_t bytes, void **memory) {
    (void)device;
    (void)bytes;
    *memory = NULL; /* all is the host's */
    return FCNN_OK;
}

void fcnn_cpu_release_host(fcnn_device *device, void *memory) {
    (void)device;
    (void)memory;
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

/* Pages are only found when they are first written, so malloc alone does not tell. */
size_t fcnn_cpu_available(fcnn_device *device, const char **by) {
    (void)device;
    return fcnn_free_memory("", by);
}

/* Every operation is done when it returns. */
fcnn_status fcnn_cpu_synchronize(fcnn_device *device) {
    (void)device;
    return FCNN_OK;
}

/* ---- Scratch ---- */

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
    device->scratch = fcnn_allocate(fcnn_cpu_scratch(base));
    if (!device->scratch)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory: %.1f MiB of scratch",
                               (double)fcnn_cpu_scratch(base) / 1048576.0);
    device->reserved = device->scratch_bytes;
    return FCNN_OK;
}

void *fcnn_cpu_thread_scratch(const cpu_device *device) {
    return device->scratch + device->reserved * (size_t)omp_get_thread_num();
}
