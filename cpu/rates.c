/* The rates that the processor reaches at the most, measured by loops that do nothing else: what
 * times of other operations are compared with. */
#include <omp.h>
#include <unistd.h>

#include "lanes.h"

#if defined __AVX512F__ && FCNN_LANES == 16
#define HAS_BFLOAT16 1
#include <immintrin.h>
#endif

enum {
    /* Sums that depend on no other: two begin a cycle, and each takes four to six. */
    SUMS = LANES == 16 ? 20 : 12,
    TURNS = 400000,     /* of a loop: some hundreds of microseconds */
    LOADED = 256 << 20, /* bytes that a round loads */
    ROUNDS = 3,         /* at the least */
    PAGE = 4096
};

/* ---- Loops ---- */

typedef struct {
    const float *memory; /* a thread's own, of `floats` */
    int64_t floats;
    float result; /* of the sums, so that they are made */
} loop_operands;

/* Runs a loop once; gives what it did, in operations or bytes. */
typedef double (*loop)(loop_operands *);

static float sum_of(const lanes *sums) {
    float numbers[LANES];
    lanes all = {0};
    for (int i = 0; i < SUMS; i++) all += sums[i];
    lanes_store(numbers, all);
    return numbers[0];
}

static double multiply_add(loop_operands *o) {
    lanes sums[SUMS], factor = held((lanes){0} + 0.5f), addend = held((lanes){0} + 1.0f);
    for (int i = 0; i < SUMS; i++) sums[i] = (lanes){0} + (float)i;
    for (int t = 0; t < TURNS; t++) {
#pragma GCC unroll 20
        for (int i = 0; i < SUMS; i++) sums[i] = held(sums[i] * factor + addend);
    }
    o->result = sum_of(sums);
    return 2.0 * SUMS * TURNS * LANES;
}

#ifdef HAS_BFLOAT16
__attribute__((target("avx512bf16"))) static double multiply_add_bfloat16(loop_operands *o) {
    lanes sums[SUMS];
    __m512bh factor = (__m512bh)_mm512_set1_epi32(0x3c003c00); /* 2^-7, twice */
    for (int i = 0; i < SUMS; i++) sums[i] = (lanes){0} + (float)i;
    for (int t = 0; t < TURNS; t++) {
#pragma GCC unroll 20
        for (int i = 0; i < SUMS; i++)
            sums[i] = held((lanes)_mm512_dpbf16_ps((__m512)sums[i], factor, factor));
    }
    o->result = sum_of(sums);
    return 4.0 * SUMS * TURNS * LANES;
}
#endif

static double load(loop_operands *o) {
    lanes sums[SUMS] = {{0}};
    const int64_t turn = (int64_t)SUMS * LANES, turns = o->floats / turn;
    const int64_t repeats = LOADED / (turns * turn * (int64_t)sizeof(float)) + 1;
    for (int64_t r = 0; r < repeats; r++) {
        for (int64_t t = 0; t < turns; t++) {
            const float *from = o->memory + t * turn;
#pragma GCC unroll 20
            for (int i = 0; i < SUMS; i++) sums[i] = held(sums[i] + lanes_load(from + i * LANES));
        }
    }
    o->result = sum_of(sums);
    return (double)(repeats * turns * turn) * sizeof(float);
}

/* ---- Their rates ---- */

/* Runs a loop on all threads at once, for so many seconds; sets the best rate, in thousand millions
 * a second. */
static fcnn_status measure(const cpu_device *device, loop run, size_t bytes, double seconds,
                           double *rate) {
    bool failed = false;
    double done = 0.0, begin = 0.0, best = 0.0;
    const double first = omp_get_wtime();
    int rounds = 0;
    bool more = true;
#pragma omp parallel num_threads(device->base.threads)
    {
        float *memory = bytes ? fcnn_allocate(bytes) : NULL;
        loop_operands o = {memory, (int64_t)(bytes / sizeof(float)), 0.0f};
        if (memory) memset(memory, 0, bytes);
        if (bytes && !memory) {
#pragma omp atomic write
            failed = true;
        }
#pragma omp barrier
        while (more && !failed) {
#pragma omp single
            {
                done = 0.0;
                begin = omp_get_wtime();
            }
            double own = run(&o);
#pragma omp atomic
            done += own;
#pragma omp barrier
#pragma omp single
            {
                double now = omp_get_wtime(), reached = 1e-9 * done / (now - begin);
                if (reached > best) best = reached;
                more = ++rounds < ROUNDS || now - first < seconds;
            }
        }
        free(memory);
    }
    *rate = best;
    return failed ? fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cache's rate")
                  : FCNN_OK;
}

/* Bytes that a thread reads again and again: half of a core's own cache and, of the third, which
 * systems tell of whole sockets, four times its second one. */
static int64_t cached_bytes(const cpu_device *device, int level, const int64_t sizes[FCNN_CACHES]) {
    int64_t share = sizes[level] / 2, of_thread = share / device->base.threads;
    if (level == 2) share = of_thread < 4 * sizes[1] ? of_thread : 4 * sizes[1];
    return share / PAGE * PAGE;
}

fcnn_status CPU(rates)(fcnn_device *base, double seconds, fcnn_rates *rates) {
    static const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                _SC_LEVEL3_CACHE_SIZE};
    const cpu_device *device = (const cpu_device *)base;
    const double part = seconds / 5;
    *rates = (fcnn_rates){0};
    FCNN_TRY(measure(device, multiply_add, 0, part, &rates->multiply_gflops));
#ifdef HAS_BFLOAT16
    if (__builtin_cpu_supports("avx512bf16"))
        FCNN_TRY(measure(device, multiply_add_bfloat16, 0, part, &rates->bfloat16_gflops));
#endif
    for (int i = 0; i < FCNN_CACHES; i++) {
        long size = sysconf(names[i]);
        rates->cache_bytes[i] = size > 0 ? size : 0;
    }
    for (int i = 0; i < FCNN_CACHES; i++) {
        int64_t bytes = cached_bytes(device, i, rates->cache_bytes);
        if (bytes) FCNN_TRY(measure(device, load, (size_t)bytes, part, &rates->cache_gbytes[i]));
    }
    return FCNN_OK;
}
