/* How bodies become kernels. A body is a struct of plain values with the work
 * of one item, or of one thread of a block in one phase; it is passed to the
 * kernel by value. The same bodies run on the host where the compiler is not
 * CUDA's: the tests call them there, one thread's work after the other. */
#ifndef FCNN_CUDA_LAUNCH_H
#define FCNN_CUDA_LAUNCH_H

#include "cuda.h"

#define CUDA_BODY __host__ __device__

constexpr int CUDA_THREADS = 256; /* of a thread block, which is called a block here */
/* A launch has at most so many blocks; a thread takes further items, all blocks' threads apart. */
constexpr int64_t CUDA_BLOCKS = 1 << 16;

/* Blocks that `count` items are spread over, 1 .. CUDA_BLOCKS. */
static inline unsigned cuda_blocks(int64_t count) {
    int64_t blocks = (count + CUDA_THREADS - 1) / CUDA_THREADS;
    return (unsigned)(blocks < 1 ? 1 : blocks < CUDA_BLOCKS ? blocks : CUDA_BLOCKS);
}

/* The item that a thread takes in a round; it stops at the first beyond the last. */
FCNN_INLINE int64_t cuda_item(unsigned block, unsigned blocks, int thread, int64_t round) {
    return (round * blocks + block) * CUDA_THREADS + thread;
}

#ifdef __CUDACC__

template <class Body> __global__ void cuda_item_kernel(Body body, int64_t count) {
    int64_t item = cuda_item(blockIdx.x, gridDim.x, (int)threadIdx.x, 0);
    for (int64_t round = 1; item < count; round++) {
        body(item);
        item = cuda_item(blockIdx.x, gridDim.x, (int)threadIdx.x, round);
    }
}

template <class Body> __global__ void cuda_block_kernel(Body body, int64_t blocks) {
    __shared__ typename Body::shared shared;
    for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
        for (int phase = 0; phase < Body::phases; phase++) {
            body(phase, block, (int)threadIdx.x, shared);
            __syncthreads();
        }
    }
}

template <class Body> void cuda_launch_items(cudaStream_t stream, int64_t count, const Body &body) {
    cuda_item_kernel<<<cuda_blocks(count), CUDA_THREADS, 0, stream>>>(body, count);
}

template <class Body>
void cuda_launch_blocks(cudaStream_t stream, int64_t blocks, const Body &body) {
    unsigned launched = (unsigned)(blocks < CUDA_BLOCKS ? blocks : CUDA_BLOCKS);
    cuda_block_kernel<<<launched, CUDA_THREADS, 0, stream>>>(body, blocks);
}

#else

/* Any order must do, so later items run first here. A test runs some items of a huge tensor alone.
 */
template <class Body> void cuda_launch_items(cudaStream_t stream, int64_t count, const Body &body) {
    stand_in_queue(stream, [body, count] {
        int64_t end = count < stand_in_items.end ? count : stand_in_items.end;
        for (int64_t item = end - 1; item >= stand_in_items.first; item--) body(item);
    });
}

template <class Body>
void cuda_launch_blocks(cudaStream_t stream, int64_t blocks, const Body &body) {
    stand_in_queue(stream, [body, blocks] {
        typename Body::shared shared;
        for (int64_t block = blocks - 1; block >= 0; block--)
            for (int phase = 0; phase < Body::phases; phase++)
                for (int thread = 0; thread < CUDA_THREADS; thread++)
                    body(phase, block, thread, shared);
    });
}

#endif

/* body(item) for each item of 0 .. count-1, in any order. */
template <class Body>
fcnn_status cuda_run(cuda_device *device, int64_t count, const Body &body, const char *operation) {
    if (count <= 0) return FCNN_OK;
    cuda_launch_items(device->compute, count, body);
    return cuda_status(cudaGetLastError(), "kernel launch", operation);
}

/* body(phase, block, thread, shared): all threads of a block finish a phase before the next. */
template <class Body>
fcnn_status cuda_run_blocks(cuda_device *device, int64_t blocks, const Body &body,
                            const char *operation) {
    if (blocks <= 0) return FCNN_OK;
    cuda_launch_blocks(device->compute, blocks, body);
    return cuda_status(cudaGetLastError(), "kernel launch", operation);
}

#define CUDA_RUN(device, count, body) FCNN_TRY(cuda_run(device, count, body, __func__))
#define CUDA_REDUCE(device, groups, items, body)                                                   \
    FCNN_TRY(cuda_reduce(device, groups, items, body, __func__))

/* ---- Reductions: sums in a fixed order, in double ---- */

/* A base for bodies of cuda_reduce that add up K numbers. Derived ones have
 *   void add(int64_t group, int64_t item, double *sums) const     adds an item's numbers
 *   void finish(int64_t group, const double *sums) const          gets a group's totals */
template <int K> struct cuda_sums {
    static constexpr int numbers = K;
    static CUDA_BODY void start(double *sums) {
        for (int i = 0; i < K; i++) sums[i] = 0.0;
    }
    static CUDA_BODY void combine(double *into, const double *from) {
        for (int i = 0; i < K; i++) into[i] += from[i];
    }
};

/* In the first kernel a block takes a chunk of a group's items. */
template <class Body> struct cuda_reduce_chunks {
    Body body;
    int64_t items, chunks;
    double *partials; /* [groups][chunks][numbers] */
    struct shared {
        double sums[CUDA_THREADS][Body::numbers];
    };
    static constexpr int phases = 10; /* sum, halve eight times, store */
    CUDA_BODY void operator()(int phase, int64_t block, int thread, shared &s) const {
        int64_t group = block / chunks, chunk = block % chunks;
        if (phase == 0) {
            double sums[Body::numbers];
            Body::start(sums);
            int64_t end = items * (chunk + 1) / chunks;
            for (int64_t i = items * chunk / chunks + thread; i < end; i += CUDA_THREADS)
                body.add(group, i, sums);
            for (int i = 0; i < Body::numbers; i++) s.sums[thread][i] = sums[i];
        } else if (phase < phases - 1) {
            int half = CUDA_THREADS >> phase;
            if (thread < half) Body::combine(s.sums[thread], s.sums[thread + half]);
        } else if (thread < Body::numbers) {
            partials[block * Body::numbers + thread] = s.sums[0][thread];
        }
    }
};
static_assert(CUDA_THREADS == 1 << 8, "the phases halve a block eight times");

/* In the second kernel an item is a group. */
template <class Body> struct cuda_reduce_groups {
    Body body;
    int64_t chunks;
    const double *partials;
    CUDA_BODY void operator()(int64_t group) const {
        double sums[Body::numbers];
        Body::start(sums);
        for (int64_t chunk = 0; chunk < chunks; chunk++)
            Body::combine(sums, partials + (group * chunks + chunk) * Body::numbers);
        body.finish(group, sums);
    }
};

/* Cuts a group into chunks of 4096 items or more, as many as fit into the partials. */
static inline int64_t cuda_chunks(int64_t groups, int64_t items, int numbers) {
    int64_t most = CUDA_PARTIALS / (groups * numbers), chunks = items / 4096;
    if (chunks > most) chunks = most;
    return chunks < 1 ? 1 : chunks;
}

template <class Body>
fcnn_status cuda_reduce(cuda_device *device, int64_t groups, int64_t items, const Body &body,
                        const char *operation) {
    if (groups * Body::numbers > CUDA_PARTIALS)
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "%s: more than %d sums at a time", operation,
                               CUDA_PARTIALS / Body::numbers);
    int64_t chunks = cuda_chunks(groups, items, Body::numbers);
    cuda_reduce_chunks<Body> first = {body, items, chunks, device->partials};
    cuda_reduce_groups<Body> second = {body, chunks, device->partials};
    FCNN_TRY(cuda_run_blocks(device, groups * chunks, first, operation));
    return cuda_run(device, groups, second, operation);
}

#endif
