/* The one list of backends, and how a device is chosen by name. */
#include "backend.h"

#include <stdio.h>
#include <string.h>

extern const fcnn_backend fcnn_cpu_backend, fcnn_cuda_backend;

const fcnn_backend *const fcnn_backends[] = {
#ifdef FCNN_CUDA
    &fcnn_cuda_backend,
#endif
    &fcnn_cpu_backend,
    NULL,
};

/* The first that has a device; the description tells of better ones that have none. */
static fcnn_status open_best(int number, int threads, fcnn_device **device) {
    char text[256], passed[64] = "";
    for (int i = 0;; i++) {
        const fcnn_backend *backend = fcnn_backends[i];
        fcnn_status status = backend->probe(text, sizeof text);
        if (status && fcnn_backends[i + 1]) {
            size_t used = strlen(passed);
            snprintf(passed + used, sizeof passed - used, " (no %s device was found)",
                     backend->name);
            continue;
        }
        FCNN_TRY(status);
        FCNN_TRY(backend->open(number, threads, device));
        char *description = (*device)->description;
        size_t used = strlen(description);
        snprintf(description + used, sizeof(*device)->description - used, "%s", passed);
        return FCNN_OK;
    }
}

fcnn_status fcnn_device_open_number(const char *name, int number, int threads,
                                    fcnn_device **device) {
    char text[256], known[128] = "auto";
    if (threads < 0)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "%d threads: expected 0 or more, of which 0 is as many as there "
                               "are processors",
                               threads);
    if (!strcmp(name, "auto")) return open_best(number, threads, device);
    for (int i = 0; fcnn_backends[i]; i++) {
        const fcnn_backend *backend = fcnn_backends[i];
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, ", %s", backend->name);
        if (strcmp(name, backend->name) != 0) continue;
        FCNN_TRY(backend->probe(text, sizeof text));
        return backend->open(number, threads, device);
    }
    if (!strcmp(name, "cuda"))
        return fcnn_status_set(FCNN_ERROR_DEVICE,
                               "this build has no CUDA backend: configure with nvcc on the PATH "
                               "or with -DFCNN_CUDA=ON");
    return fcnn_status_set(FCNN_ERROR_USAGE, "device %s is not known: expected one of %s", name,
                           known);
}

fcnn_status fcnn_device_open(const char *name, int threads, fcnn_device **device) {
    return fcnn_device_open_number(name, 0, threads, device);
}

void fcnn_device_close(fcnn_device *device) {
    if (device) device->backend->close(device);
}
