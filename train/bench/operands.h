/* This header describes a layer to be measured: its shape, and its operands on the device. Tensors
 * of maps serve the backend's convolutions, tensors of bands the resident layer. */
#ifndef FCNN_TRAIN_BENCH_OPERANDS_H
#define FCNN_TRAIN_BENCH_OPERANDS_H

#include "fcnn.h"
#include "peer.h"
#include "train/progress.h"

/* Rows of a measurement: the backend's algorithms, then these. */
enum { BENCH_RESIDENT = FCNN_CONVOLUTION_COUNT, BENCH_PEER, BENCH_ROWS };
enum { BENCH_ROUNDS_MAX = 100 };

typedef struct {
    int channels, filters, side, images;
    bool wrap;
    int tile;       /* of oaa; 0: the backend's choice */
    int rounds;     /* at most, 1 .. BENCH_ROUNDS_MAX */
    double seconds; /* an algorithm that has taken longer joins no further round */
    bool chosen[BENCH_ROWS];
    bench_peer *peer;                /* NULL: none */
    const volatile int *interrupted; /* ends after the current pass */
    progress *bar;                   /* or NULL; a step an algorithm and round, and one to check */
    int64_t steps;                   /* done so far */
} bench_shape;

typedef struct {
    bool timed;
    char reason[256];   /* why it was not, where it was chosen */
    bool wrong;         /* because its result is not the convolution */
    double forward_ms;  /* the forward pass of training, taps ready */
    double training_ms; /* taps made ready, forward, backward for data and weights */
    double flops;       /* of a forward pass as direct counts them: 2 C C' K K n n N */
    double error;       /* of the forward result against direct's, norm over norm */
    int rounds;         /* timed */
    int tile;           /* grid that was transformed, 0: none */
    fcnn_convolution_bytes bytes;
    int64_t scratch; /* bytes, all threads together */
    char remark[64]; /* how the peer was fastest */
} bench_result;

typedef struct {
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
} bench;

/* Makes random operands on the device, the same for every kernel size. The shape outlives them. */
fcnn_status bench_create(bench_shape *shape, fcnn_device *device, bench **out);
void bench_destroy(bench *b);
/* Returns the side of the band that stands for maps of this side: the next odd one. */
int bench_band_side(int side);

/* Takes the device's memory for a tensor whose other fields are set. */
fcnn_status bench_allocate(bench *b, fcnn_tensor *t);
void bench_release(bench *b, fcnn_tensor *t);

/* Writes normal numbers of this deviation for the active images, and zeros for the others and for
 * the imaginary part of DC, which is real. */
fcnn_status bench_fill(bench *b, fcnn_tensor *t, uint64_t seed, float deviation);

/* Plans a convolution of maps for training. */
fcnn_status bench_plan(fcnn_device *device, fcnn_convolution *convolution,
                       fcnn_convolution_bytes *bytes);

/* The sums of a a, a b and b b over the active images. */
typedef struct {
    double aa, ab, bb;
} bench_products;
fcnn_status bench_inner(bench *b, const fcnn_tensor *x, const fcnn_tensor *y, bench_products *sum);
/* Returns the norm of the difference over b's norm. */
double bench_difference(const bench_products *sum);

/* Calls an operation of the backend, or returns its error. */
#define BENCH_CALL(b, slot, ...) FCNN_TRY((b)->device->backend->slot((b)->device, __VA_ARGS__))

#endif
