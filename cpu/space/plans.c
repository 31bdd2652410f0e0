/* Tori are made when an operation is planned, found by their size while it runs,
 * and freed with the device. */
#include "plans.h"

/* The caller holds the plan lock. */
static void free_torus(cpu_torus *torus) {
    fftwf_plan plans[] = {torus->row_forward, torus->row_backward, torus->columns_forward,
                          torus->columns_backward};
    for (int i = 0; i < 4; i++)
        if (plans[i]) fftwf_destroy_plan(plans[i]);
    free(torus->bin);
    free(torus->mirror);
    free(torus);
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
    fftwf_complex *at = fcnn_allocate(points * (TILE / 2) * sizeof(fftwf_complex));
    if (torus->bin && torus->mirror && at && fcnn_cpu_can_plan(4 * (size_t)n)) {
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
    cpu_torus *torus = calloc(1, sizeof *torus);
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
    torus->next = device->tori;
    device->tori = torus;
    return FCNN_OK;
}

const cpu_torus *fcnn_cpu_find_torus(const cpu_device *device, int size) {
    const cpu_torus *torus = device->tori;
    while (torus && torus->size != size) torus = torus->next;
    return torus;
}

void fcnn_cpu_free_tori(cpu_device *device) {
    fcnn_cpu_plan_lock();
    while (device->tori) {
        cpu_torus *torus = device->tori;
        device->tori = torus->next;
        free_torus(torus);
    }
    fcnn_cpu_plan_unlock();
}
