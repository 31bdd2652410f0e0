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

/* A backend that can only be asked whether it has a device computes nothing. */
static bool computes(const fcnn_backend *backend) { return backend->open != NULL; }

fcnn_status fcnn_device_open(const char *name, int threads, fcnn_device **device) {
    char text[256], known[128] = "auto";
    for (int i = 0; fcnn_backends[i]; i++) {
        const fcnn_backend *backend = fcnn_backends[i];
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, ", %s", backend->name);
        if (!strcmp(name, "auto")) {
            if (computes(backend) && !backend->probe(text, sizeof text))
                return backend->open(threads, device);
        } else if (!strcmp(name, backend->name)) {
            FCNN_TRY(backend->probe(text, sizeof text));
            if (computes(backend)) return backend->open(threads, device);
            return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                                   "%s was found (%s), but this version of fcnn computes on the "
                                   "CPU alone: use --device cpu",
                                   name, text);
        }
    }
    if (!strcmp(name, "cuda"))
        return fcnn_status_set(FCNN_ERROR_DEVICE,
                               "this build has no CUDA backend: configure with nvcc on the PATH "
                               "or with -DFCNN_CUDA=ON");
    return fcnn_status_set(FCNN_ERROR_USAGE, "device %s is not known: expected one of %s", name,
                           known);
}

void fcnn_device_close(fcnn_device *device) {
    if (device) device->backend->close(device);
}
