/* A device whose operations are timed by phase: its backend is replaced by one
 * that calls it, waits, and counts seconds, floating-point operations and the
 * bytes of the operands. One device at a time. */
#ifndef FCNN_TRAIN_BENCH_TIMER_H
#define FCNN_TRAIN_BENCH_TIMER_H

#include "fcnn.h"

/* ROW(name, what it is called) */
#define BENCH_PHASES(ROW)                                                                          \
    ROW(input, "input")                                                                            \
    ROW(kernels, "weight transform")                                                               \
    ROW(forward, "products forward")                                                               \
    ROW(backward, "products backward")                                                             \
    ROW(backward_data, "products backward-data")                                                   \
    ROW(backward_weights, "products backward-weights")                                             \
    ROW(maps, "convolutions of maps")                                                              \
    ROW(activation, "activation")                                                                  \
    ROW(norm, "norm")                                                                              \
    ROW(pool, "pool")                                                                              \
    ROW(transform, "transforms")                                                                   \
    ROW(dense, "dense")                                                                            \
    ROW(loss, "softmax and loss")                                                                  \
    ROW(optimizer, "optimizer")                                                                    \
    ROW(other, "bias, dropout, copies")

#define BENCH_PHASE_ENUM(name, text) BENCH_PHASE_##name,
typedef enum { BENCH_PHASES(BENCH_PHASE_ENUM) BENCH_PHASE_COUNT } bench_phase;

extern const char *const bench_phase_names[BENCH_PHASE_COUNT];

typedef struct {
    double seconds;
    double flops; /* 0 where they are not counted: of operations that memory binds */
    double bytes; /* every operand once */
} bench_phase_time;

/* Until bench_timer_detach, which must come before the device is closed. Operations of the graph's
 * nodes are counted in layers[node], too. */
void bench_timer_attach(fcnn_device *device, const fcnn_graph *graph, bench_phase_time *layers);
void bench_timer_detach(fcnn_device *device);
/* What was counted since the timer was attached, [BENCH_PHASE_COUNT]. */
const bench_phase_time *bench_timer_phases(void);

#endif
