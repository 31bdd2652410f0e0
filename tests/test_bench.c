/* The measurement of a layer, on backends with a fault put in: a wrong forward
 * pass, gradients that are wrong, or a result that is not finite is never timed. */
#include <math.h>
#include <string.h>

#include "network_case.h"
#include "train/bench/conv.h"

static const fcnn_backend *honest;
static fcnn_backend faulty;
static fcnn_device *device;
static float factor_y, factor_dx, factor_dw;
static volatile int stopped;
static int passes, stop_after;

static void scale(const fcnn_tensor *t, float factor) {
    if (factor == 1.0f) return;
    for (int64_t i = 0; i < fcnn_tensor_floats(t); i++) t->data[i] *= factor;
}

/* Only gemm has the faults: direct is what it is compared with. */
static fcnn_status forward(fcnn_device *d, const fcnn_convolution *c, const float *w,
                           const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                           fcnn_tensor *y) {
    FCNN_TRY(honest->convolution_forward(d, c, w, memory, x, y));
    if (c->algorithm == FCNN_CONVOLUTION_gemm) scale(y, factor_y);
    if (++passes == stop_after) stopped = 1;
    return FCNN_OK;
}

static fcnn_status backward(fcnn_device *d, const fcnn_convolution *c, const float *w,
                            const fcnn_convolution_memory *memory, const fcnn_tensor *x,
                            const fcnn_tensor *dy, fcnn_tensor *dx, float *dw) {
    FCNN_TRY(honest->convolution_backward(d, c, w, memory, x, dy, dx, dw));
    if (c->algorithm != FCNN_CONVOLUTION_gemm) return FCNN_OK;
    scale(dx, factor_dx);
    for (int i = 0; i < c->size * c->size * c->channels * c->filters; i++) dw[i] *= factor_dw;
    return FCNN_OK;
}

static void setup(void) {
    ck_assert_msg(!fcnn_device_open("cpu", 2, &device), "%s", fcnn_status_message());
    honest = device->backend;
    faulty = *honest;
    faulty.convolution_forward = forward;
    faulty.convolution_backward = backward;
    device->backend = &faulty;
    factor_y = factor_dx = factor_dw = 1.0f;
    stopped = passes = stop_after = 0;
}

static void teardown(void) {
    device->backend = honest;
    fcnn_device_close(device);
}

static void measure(int rounds, bench_result results[BENCH_ROWS]) {
    bench_shape shape = {.channels = 3,
                         .filters = 4,
                         .side = 12,
                         .images = 3,
                         .rounds = rounds,
                         .seconds = 60,
                         .interrupted = &stopped};
    shape.chosen[FCNN_CONVOLUTION_direct] = shape.chosen[FCNN_CONVOLUTION_gemm] = true;
    shape.chosen[BENCH_RESIDENT] = true;
    bench *b;
    ck_assert_msg(!bench_create(&shape, device, &b), "%s", fcnn_status_message());
    ck_assert_msg(!bench_measure(b, 3, results), "%s", fcnn_status_message());
    bench_destroy(b);
}

START_TEST(right_results_are_timed) {
    bench_result r[BENCH_ROWS];
    measure(3, r);
    static const int rows[] = {FCNN_CONVOLUTION_direct, FCNN_CONVOLUTION_gemm, BENCH_RESIDENT};
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(r[rows[i]].timed, "%s: %s", bench_names[rows[i]], r[rows[i]].reason);
        ck_assert_int_eq(r[rows[i]].rounds, 3);
        ck_assert(r[rows[i]].forward_ms > 0.0 && r[rows[i]].training_ms > r[rows[i]].forward_ms);
        ck_assert(r[rows[i]].error < 1e-5 && !r[rows[i]].wrong);
    }
    ck_assert(!r[FCNN_CONVOLUTION_fft].timed && !*r[FCNN_CONVOLUTION_fft].reason);
    ck_assert_double_eq_tol(r[BENCH_RESIDENT].flops, 2.0 * 3 * 4 * 12 * 12 * 9 * 3, 0.5);
}
END_TEST

static void expect_wrong(const char *words) {
    bench_result r[BENCH_ROWS];
    measure(2, r);
    const bench_result *gemm = &r[FCNN_CONVOLUTION_gemm];
    ck_assert(!gemm->timed && gemm->wrong && gemm->rounds == 0);
    ck_assert_msg(strstr(gemm->reason, words) != NULL, "%s", gemm->reason);
    ck_assert(r[FCNN_CONVOLUTION_direct].timed && r[BENCH_RESIDENT].timed);
}

START_TEST(wrong_outputs_are_not) {
    static const float factors[] = {1.002f, -1.0f, 0.0f, NAN};
    factor_y = factors[_i];
    expect_wrong("differs from direct");
}
END_TEST

START_TEST(wrong_gradients_are_not) {
    static const float factors[] = {1.01f, -1.0f, 0.0f, NAN};
    if (_i < 4)
        factor_dx = factors[_i];
    else
        factor_dw = factors[_i - 4];
    expect_wrong("gradients");
}
END_TEST

START_TEST(interrupted_rounds_count) {
    bench_result r[BENCH_ROWS];
    stop_after = 6; /* the reference, three checks, and two passes of the first round */
    measure(50, r);
    ck_assert(r[FCNN_CONVOLUTION_direct].timed && r[FCNN_CONVOLUTION_direct].rounds == 1);
    ck_assert(r[FCNN_CONVOLUTION_gemm].timed && r[FCNN_CONVOLUTION_gemm].rounds == 1);
    ck_assert(!r[BENCH_RESIDENT].timed);
    stopped = 1;
    measure(50, r);
    ck_assert(!r[FCNN_CONVOLUTION_direct].timed);
    ck_assert_str_eq(r[FCNN_CONVOLUTION_direct].reason, "interrupted");
}
END_TEST

START_TEST(bands_are_odd) {
    ck_assert_int_eq(bench_band_side(224), 225);
    ck_assert_int_eq(bench_band_side(27), 27);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bench");
    TCase *tests = tcase_create("bench");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, right_results_are_timed);
    tcase_add_loop_test(tests, wrong_outputs_are_not, 0, 4);
    tcase_add_loop_test(tests, wrong_gradients_are_not, 0, 8);
    tcase_add_test(tests, interrupted_rounds_count);
    tcase_add_test(tests, bands_are_odd);
    suite_add_tcase(suite, tests);
    return network_main(suite);
}
