/* The peer is another framework's convolution, timed beside ours: a Python process
 * (train/bench/conv_peer.py: PyTorch with oneDNN) that is asked for one round at a time over a pair
 * of pipes. */
#ifndef FCNN_TRAIN_BENCH_PEER_H
#define FCNN_TRAIN_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include "status.h"

typedef struct bench_peer bench_peer;

/* The memory layouts that the peer tries. */
enum { BENCH_PEER_CONTIGUOUS, BENCH_PEER_CHANNELS_LAST, BENCH_PEER_LAYOUTS };

typedef struct {
    double forward_ms[BENCH_PEER_LAYOUTS], training_ms[BENCH_PEER_LAYOUTS];
} bench_peer_round;

/* Starts the peer with this many threads. FCNN_ERROR_UNSUPPORTED says what is missing. */
fcnn_status bench_peer_start(int threads, bench_peer **out);
/* Returns what the peer calls itself, such as "PyTorch 1.13.0, 2 threads". */
const char *bench_peer_description(const bench_peer *peer);
/* Makes the peer's operands, for size x size taps on maps with a border of zeros, and warms it
 * up. */
fcnn_status bench_peer_case(bench_peer *peer, int size, int channels, int filters, int side,
                            int images);
fcnn_status bench_peer_time(bench_peer *peer, bench_peer_round *round);
void bench_peer_stop(bench_peer *peer);

#endif
