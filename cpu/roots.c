/* Tables of roots of unity, and what they give the phases of taps. */
#include "roots.h"

#include <math.h>

static void free_table(cpu_roots *roots) {
    free(roots->cosine);
    free(roots->sine);
    free(roots);
}

static cpu_roots *make_table(int count) {
    cpu_roots *roots = malloc(sizeof *roots);
    if (!roots) return NULL;
    *roots = (cpu_roots){.count = count,
                         .cosine = fcnn_allocate((size_t)count * sizeof(float)),
                         .sine = fcnn_allocate((size_t)count * sizeof(float))};
    if (!roots->cosine || !roots->sine) {
        free_table(roots);
        return NULL;
    }
    for (int j = 0; j < count; j++) {
        double angle = 2.0 * FCNN_PI * j / count;
        roots->cosine[j] = (float)cos(angle);
        roots->sine[j] = (float)sin(angle);
    }
    return roots;
}

fcnn_status fcnn_cpu_find_roots(cpu_device *device, int count, const cpu_roots **out) {
    fcnn_cpu_plan_lock();
    cpu_roots *found = device->roots;
    while (found && found->count != count) found = found->next;
    if (!found && (found = make_table(count))) {
        found->next = device->roots;
        device->roots = found;
    }
    fcnn_cpu_plan_unlock();
    *out = found;
    if (found) return FCNN_OK;
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

void fcnn_cpu_free_roots(cpu_device *device) {
    while (device->roots) {
        cpu_roots *table = device->roots;
        device->roots = table->next;
        free_table(table);
    }
}
