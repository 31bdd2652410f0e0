/* A test case of a backend, from random inputs to one line in the log:
 *
 *     if (!case_begin("gradient", "srelu sum window=3 r=6 C=5 N=19")) return;
 *     float *x = case_random_band(6, 5, 19, 1.0);            inputs
 *     ...                                                    reference, case_gradient
 *     while (case_device()) {                                the same on 1, 2 and 3 threads
 *         fcnn_tensor tx = case_band(CASE_INPUT, 6, 5, 19, x);
 *         fcnn_tensor ty = case_band(CASE_OUTPUT, 6, 5, 19, NULL);
 *         CASE_CALL(..._plan, ...);
 *         case_reserve();
 *         CASE_CALL(srelu_forward, ..., &tx, &ty);
 *         case_compare("y", &ty, want);
 *     }
 *     case_end();
 *
 * On the device every buffer stands between two guards, outputs start as NaN,
 * and so does the padding behind the images of every input. What is compared
 * must also have the same bits on every number of threads (of an asynchronous
 * backend: both times), and real DC. Each case opens its devices anew, so that a
 * demand or scratch size that is too small cannot hide behind an earlier case.
 * FCNN_TEST_DEVICE names the backend. FCNN_TEST_EVERY=n runs every n-th case of
 * each test, from its first on: an odd n where cases alternate.
 * FCNN_TEST_DIFFERENCES=0 leaves out finite differences of the reference, which
 * are the same numbers in every build and on every backend. */
#ifndef FCNN_TESTS_REFERENCE_CASE_H
#define FCNN_TESTS_REFERENCE_CASE_H

#include "reference.h"

typedef enum {
    CASE_INPUT,  /* values given; must not change */
    CASE_UPDATE, /* values given; may change */
    CASE_OUTPUT  /* NaN before the call */
} case_role;

/* Starts a case; false where cases are only being counted. The kind is the
 * line's first word, the name the rest. */
bool case_begin(const char *kind, const char *format, ...) FCNN_PRINTF(2, 3);
/* Whether FCNN_TEST_EVERY leaves out number `index` of a test's cases. */
bool case_left_out(int index);
/* Relative norm allowed between float and reference; 1e-5 unless set. */
void case_tolerance(double tolerance);
/* Prints the line and counts a failure. */
void case_end(void);
/* Notes a failure of the running case. */
void case_fail(const char *format, ...) FCNN_PRINTF(1, 2);
/* Fails the case unless the condition holds. */
#define CASE_CHECK(condition, ...)                                                                 \
    do {                                                                                           \
        if (!(condition)) case_fail(__VA_ARGS__);                                                  \
    } while (0)

/* ---- Random inputs, different in every case, the same in every run ---- */
float *case_random(int64_t count, double deviation);
/* Packed band with real DC, complex normal bins. */
float *case_random_band(int radius, int channels, int images, double deviation);
/* These return the same numbers in double. */
double *case_doubles(const float *values, int64_t count);
ref_complex *case_complex(const float *values, int64_t count);
/* Packed [bins][channels][images] with every channel `times` times; row_bytes: of a bin. */
void *case_repeat(const void *values, int64_t bins, size_t row_bytes, int times);
/* Zeroed arrays for results. */
double *case_new(int64_t count);
ref_complex *case_new_complex(int64_t count);

/* ---- Devices ---- */

/* Opens the next device; false after the last one. */
bool case_device(void);
fcnn_device *case_current(void);
void case_reserve(void);
void case_status(fcnn_status status, const char *call);
/* Calls a slot; a NULL slot or a failure fails the case with the op's name. */
#define CASE_CALL(slot, ...)                                                                       \
    do {                                                                                           \
        if (!case_current()->backend->slot)                                                        \
            case_fail("the backend has no " #slot);                                                \
        else                                                                                       \
            case_status(case_current()->backend->slot(case_current(), __VA_ARGS__), #slot);        \
    } while (0)

/* ---- Operands; values are packed [rows][images] and may be NULL for outputs ---- */
fcnn_tensor case_band(case_role role, int radius, int channels, int images, const float *values);
fcnn_tensor case_map(case_role role, int size, int channels, int images, const float *values);
fcnn_tensor case_vector(case_role role, int rows, int images, const float *values);
float *case_array(case_role role, int64_t count, const float *values);
fcnn_complex *case_complex_array(case_role role, int64_t count, const float *values);

/* ---- Results ---- */

/* The active images of a tensor, packed, or an array; checks the bits against the
 * first device, and that a band's DC is real. Valid to the end of the case. */
float *case_read(const char *name, const fcnn_tensor *tensor);
float *case_read_array(const char *name, const void *array, int64_t count);
/* Reads and compares with the reference. */
void case_compare(const char *name, const fcnn_tensor *tensor, const void *want);
void case_compare_array(const char *name, const void *array, const void *want, int64_t count);
/* The same of sums, whose terms may cancel: relatively to the root of the sum of the terms'
 * squares, which is a sum's size where signs are random, if all sums are smaller. */
void case_compare_sums(const char *name, const void *array, const double *want, int64_t count,
                       double terms);
/* Compares numbers already on the host. */
void case_compare_host(const char *name, const float *got, const double *want, int64_t count);
/* Fails unless the imaginary parts of the first `count` complex numbers are 0. */
void case_check_real(const char *name, const float *complexes, int64_t count);

/* ---- Finite differences ---- */

/* An input of the reference: its values, and the gradient that the reference claims. */
typedef struct {
    const char *name;
    double *value;
    const double *gradient;
    int64_t count;
    int64_t real; /* the first `real` complex numbers are real: imaginary parts are not varied */
} case_variable;

typedef struct {
    void (*forward)(void *context, double *y); /* reads the variables' values */
    void *context;
    int64_t outputs;        /* numbers in y */
    const double *dy;       /* the gradient that the backward pass was given */
    int components;         /* most components of a variable that are varied one by one */
    double step, tolerance; /* 0: 5e-7 and 1e-7 */
} case_function;

/* Central differences of sum(dy * y) against the gradients: components one by one
 * (all of them where there are few) and all at once along two random directions. */
void case_gradient(const case_function *function, const case_variable *variables, int count);
/* One such error, for tests that difference by themselves. */
void case_note_gradient(const char *name, double error, double tolerance);

/* ---- Program ---- */
typedef struct {
    const char *name;
    void (*run)(void);
} case_test;

/* Runs the tests with Check; the exit code of main: 77 without the device. */
int case_main(const char *suite, const case_test *tests, int count);

#endif
