/* What both passes of srelu need beside their operands, and how a thread's scratch
 * is shared: the sums' memory first, rings or lines, and behind it saturation's. */
#ifndef FCNN_CPU_SRELU_WORK_H
#define FCNN_CPU_SRELU_WORK_H

#include "saturation.h"
#include "srelu_lines.h"
#include "srelu_rows.h"

typedef struct {
    fcnn_tensor squares; /* [x^2] inside the window */
    saturation saturation;
    const cpu_roots *line_roots; /* of the lines' points; NULL: rings */
} srelu_work;

/* square: room for the window's bins of x. */
static fcnn_status make_work(fcnn_device *base, const fcnn_srelu_form *form, const fcnn_tensor *x,
                             int y_radius, fcnn_complex *square, srelu_work *work) {
    int window = fcnn_srelu_window(form, x->radius, y_radius);
    *work = (srelu_work){.squares = *x};
    work->squares.radius = window;
    work->squares.data = (float *)(void *)square;
    FCNN_TRY(make_saturation(base, form->saturation, window, &work->saturation));
    if (!form->lines) return FCNN_OK;
    return fcnn_cpu_find_roots((cpu_device *)base, fcnn_srelu_points(x->radius, window),
                               &work->line_roots);
}

static inline size_t sums_bytes(bool by_lines, int radius, int window) {
    return by_lines ? lines_bytes(radius, window) : rings_bytes(radius, window);
}

static inline saturation saturation_of_thread(const srelu_work *work, int radius,
                                              unsigned char *scratch) {
    size_t sums = sums_bytes(work->line_roots, radius, work->squares.radius);
    return saturation_at(&work->saturation, scratch + sums);
}

static inline lines lines_of_thread(const srelu_work *work, int radius, unsigned char *scratch) {
    return lines_at(work->line_roots, radius, work->squares.radius, scratch);
}

/* Tiles of a run, by which threads share the work. */
static inline int tiles_at_once(const fcnn_device *device, const srelu_work *work,
                                const fcnn_tensor *x) {
    int most = work->line_roots ? LINE_TILES : ring_tiles(x->radius, work->squares.radius);
    int fair = tiles_of(x) / (4 * device->threads);
    return fair < 1 || most < 1 ? 1 : smaller(fair, most);
}

#endif
