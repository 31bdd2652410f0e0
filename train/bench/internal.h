/* The insides of a layer's measurement, shared by conv.c (operands, rounds)
 * and bench_rows.c (what each row runs). */
#ifndef FCNN_TRAIN_BENCH_INTERNAL_H
#define FCNN_TRAIN_BENCH_INTERNAL_H

#include "conv.h"

struct bench {
    bench_shape *shape;
    fcnn_device *device;
    fcnn_tensor x, dx, y;           /* maps */
    fcnn_tensor reference;          /* direct's y, and everyone's dy */
    fcnn_tensor x_band, dx_band;    /* of the resident layer, where it is chosen */
    fcnn_tensor y_band;             /* its y, and its dy */
    int size;                       /* taps across, of the kernel that is measured */
    float *w, *dw;                  /* [size*size][C_out][C_in] */
    fcnn_convolution_memory memory; /* sized for the largest row */
    fcnn_convolution direct;        /* on the maps, and on those of the bands */
    fcnn_convolution direct_band;
    fcnn_convolution_bytes direct_band_bytes;
    fcnn_convolution convolutions[FCNN_CONVOLUTION_COUNT];
};

/* What a row's pass took, in ms. The peer has one for each of its layouts. */
typedef struct {
    double forward, training;
} bench_sample;

enum { BENCH_VARIANTS = BENCH_PEER_LAYOUTS };

typedef struct {
    /* Makes plans and sets the result's bytes, scratch and tile. */
    fcnn_status (*plan)(bench *b, int row, bench_result *result);
    /* One pass over everything, compared with the reference: sets result->error. NULL: none. */
    fcnn_status (*check)(bench *b, int row, bench_result *result);
    fcnn_status (*round)(bench *b, int row, bench_sample samples[BENCH_VARIANTS]);
} bench_row;

extern const bench_row bench_rows[BENCH_ROWS];

bool bench_stopped(const bench *b);

/* Memory of the device for a tensor that is otherwise set. */
fcnn_status bench_allocate(bench *b, fcnn_tensor *t);
void bench_release(bench *b, fcnn_tensor *t);

/* Plans a convolution of maps for training. */
fcnn_status bench_plan(bench *b, fcnn_device *device, fcnn_convolution *convolution,
                       fcnn_convolution_bytes *bytes);

/* a a, a b and b b, summed over the active images. */
typedef struct {
    double aa, ab, bb;
} bench_products;
fcnn_status bench_inner(bench *b, const fcnn_tensor *x, const fcnn_tensor *y, bench_products *sum);
/* The norm of the difference over b's; both sums are over the same numbers. */
double bench_difference(const bench_products *sum);

/* Calls a slot of the backend, or fails naming the slot that is missing. */
#define BENCH_CALL(b, slot, ...)                                                                   \
    do {                                                                                           \
        fcnn_device *bench_device = (b)->device;                                                   \
        if (!bench_device->backend->slot)                                                          \
            return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "backend %s has no operation %s",       \
                                   bench_device->backend->name, #slot);                            \
        FCNN_TRY(bench_device->backend->slot(bench_device, __VA_ARGS__));                          \
    } while (0)

#endif
