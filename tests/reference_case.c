/* The life of a test case: devices, guarded buffers, comparison, the line in
 * the log, and the program around it. */
#include "reference_case.h"

#include <check.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "suite.h"

enum {
    GUARD_FLOATS = 64, /* 256 bytes: keeps the alignment that backends ask for */
    BUFFERS_MAX = 64,
    RESULTS_MAX = 64,
    EXIT_SKIPPED = 77
};

typedef struct {
    float *base;  /* on the device: guard, data, guard */
    float *image; /* on the host: what was uploaded */
    int64_t count;
    case_role role;
} buffer;

static struct {
    char kind[16], name[128], failure[512];
    bool failed, has_reference, has_gradient;
    double tolerance, error, gradient_error, gradient_tolerance;
    int device_index; /* threads of the open device; 0: none */
    fcnn_device *device;
    buffer buffers[BUFFERS_MAX];
    int buffer_count;
    const float *results[RESULTS_MAX]; /* of the first device, in order */
    int result_count, result_index;
    uint64_t draws;
} now;

static const char *device_name;
static int openings = 3;           /* of the device, by each case */
static bool threads_differ = true; /* between them */
static bool only_counting;
static int cases_begun, cases_counted, cases_failed; /* begun: by the running test */
static char first_failure[1024];

/* ---- Verdict ---- */

void case_fail(const char *format, ...) {
    if (now.failed) return;
    now.failed = true;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(now.failure, sizeof now.failure, format, arguments);
    va_end(arguments);
}

void case_status(fcnn_status status, const char *call) {
    if (status) case_fail("%s: %s", call, fcnn_status_message());
}

void case_note_gradient(const char *name, double error, double tolerance) {
    now.has_gradient = true;
    now.gradient_tolerance = tolerance;
    if (!(error <= now.gradient_error)) now.gradient_error = error;
    if (!(error <= tolerance))
        case_fail("the reference's gradient of %s is %.1e from finite differences", name, error);
}

/* ---- Buffers ---- */

static void fill(float *to, int64_t count, uint32_t bits) {
    for (int64_t i = 0; i < count; i++) memcpy(to + i, &bits, sizeof bits);
}

static float *new_buffer(case_role role, int64_t count, const float *image) {
    if (now.buffer_count == BUFFERS_MAX) abort();
    buffer *b = &now.buffers[now.buffer_count++];
    int64_t all = count + 2 * GUARD_FLOATS;
    size_t bytes = (size_t)all * sizeof(float);
    *b = (buffer){.count = count, .role = role, .image = ref_allocate(bytes)};
    fill(b->image, all, 0x7fc0a5a5u); /* a NaN that no arithmetic makes */
    if (image) memcpy(b->image + GUARD_FLOATS, image, (size_t)count * sizeof *image);
    void *memory = NULL;
    case_status(now.device->backend->allocate(now.device, bytes, &memory), "allocate");
    if (!memory) abort();
    case_status(now.device->backend->upload(now.device, memory, b->image, bytes), "upload");
    b->base = memory;
    return b->base + GUARD_FLOATS;
}

/* A buffer's present contents, guards included; checks the guards. */
static float *download(const buffer *b) {
    size_t bytes = (size_t)(b->count + 2 * GUARD_FLOATS) * sizeof(float);
    size_t guard = GUARD_FLOATS * sizeof(float);
    float *host = ref_allocate(bytes);
    case_status(now.device->backend->download(now.device, host, b->base, bytes), "download");
    CASE_CHECK(!memcmp(host, b->image, guard), "wrote before buffer %d of %lld numbers",
               (int)(b - now.buffers), (long long)b->count);
    CASE_CHECK(!memcmp(host + GUARD_FLOATS + b->count, b->image, guard),
               "wrote behind buffer %d of %lld numbers", (int)(b - now.buffers),
               (long long)b->count);
    return host;
}

static const buffer *find_buffer(const void *data) {
    for (int i = 0; i < now.buffer_count; i++)
        if (now.buffers[i].base + GUARD_FLOATS == (const float *)data) return &now.buffers[i];
    abort();
}

static void close_device(void) {
    if (!now.device) return;
    for (int i = 0; i < now.buffer_count; i++) {
        buffer *b = &now.buffers[i];
        int mark = ref_mark();
        float *host = download(b);
        CASE_CHECK(b->role != CASE_INPUT ||
                       !memcmp(host, b->image, (size_t)(b->count + GUARD_FLOATS) * sizeof *host),
                   "changed its input, buffer %d of %lld numbers", i, (long long)b->count);
        ref_release(mark);
        now.device->backend->release(now.device, b->base);
    }
    now.buffer_count = 0;
    fcnn_device_close(now.device);
    now.device = NULL;
}

/* ---- Devices ---- */

bool case_device(void) {
    close_device();
    now.result_index = 0;
    if (now.failed || now.device_index == openings) return false;
    now.device_index++;
    fcnn_status status = fcnn_device_open(device_name, now.device_index, &now.device);
    if (status) {
        now.device = NULL;
        case_status(status, "open");
        return false;
    }
    return true;
}

fcnn_device *case_current(void) { return now.device; }

void case_reserve(void) { case_status(now.device->backend->reserve(now.device), "reserve"); }

/* ---- Random inputs ---- */

float *case_random(int64_t count, double deviation) {
    float *values = ref_allocate((size_t)count * sizeof *values);
    fcnn_random random = {.seed = 20170918, .stream = FCNN_STREAM_DATA, .index = now.draws++};
    fcnn_random_normal(&random, count, (float)deviation, values);
    return values;
}

float *case_random_band(int radius, int channels, int images, double deviation) {
    int64_t row = (int64_t)channels * images;
    float *values = case_random(2 * fcnn_band_count(radius) * row, deviation);
    for (int64_t i = 0; i < row; i++) values[2 * i + 1] = 0.0f;
    return values;
}

double *case_new(int64_t count) { return ref_allocate((size_t)count * sizeof(double)); }
ref_complex *case_new_complex(int64_t count) {
    return ref_allocate((size_t)count * sizeof(ref_complex));
}

double *case_doubles(const float *values, int64_t count) {
    double *copy = case_new(count);
    for (int64_t i = 0; i < count; i++) copy[i] = (double)values[i];
    return copy;
}

void *case_repeat(const void *values, int64_t bins, size_t row_bytes, int times) {
    unsigned char *copy = ref_allocate((size_t)bins * row_bytes * (size_t)times), *to = copy;
    for (int64_t k = 0; k < bins; k++)
        for (int i = 0; i < times; i++, to += row_bytes)
            memcpy(to, (const unsigned char *)values + (size_t)k * row_bytes, row_bytes);
    return copy;
}

ref_complex *case_complex(const float *values, int64_t count) {
    return (ref_complex *)(void *)case_doubles(values, 2 * count);
}

/* ---- Operands ---- */

/* Floats of one image in a row: 2 in a band. */
static int64_t width(const fcnn_tensor *t) { return t->layout == FCNN_BAND ? 2 : 1; }

static fcnn_tensor place(case_role role, fcnn_tensor t, const float *values) {
    /* One size of batch stands for a last, small batch in a larger tensor. */
    t.capacity = fcnn_tensor_capacity(t.images) + (t.images == 5 ? FCNN_IMAGE_MULTIPLE : 0);
    int64_t row = t.images * width(&t), stride = t.capacity * width(&t);
    float *image = NULL;
    if (values) {
        image = ref_allocate((size_t)fcnn_tensor_floats(&t) * sizeof *image);
        fill(image, fcnn_tensor_floats(&t), 0x7fc0a5a5u);
        for (int64_t i = 0; i < fcnn_tensor_rows(&t); i++)
            memcpy(image + i * stride, values + i * row, (size_t)row * sizeof *image);
    }
    t.data = new_buffer(role, fcnn_tensor_floats(&t), image);
    return t;
}

fcnn_tensor case_band(case_role role, int radius, int channels, int images, const float *values) {
    fcnn_tensor t = {FCNN_BAND, channels, fcnn_band_size(radius), radius, images, 0, NULL};
    return place(role, t, values);
}

fcnn_tensor case_map(case_role role, int size, int channels, int images, const float *values) {
    fcnn_tensor t = {FCNN_MAP, channels, size, 0, images, 0, NULL};
    return place(role, t, values);
}

fcnn_tensor case_vector(case_role role, int rows, int images, const float *values) {
    fcnn_tensor t = {FCNN_VECTOR, rows, 1, 0, images, 0, NULL};
    return place(role, t, values);
}

float *case_array(case_role role, int64_t count, const float *values) {
    return new_buffer(role, count, values);
}

fcnn_complex *case_complex_array(case_role role, int64_t count, const float *values) {
    return (fcnn_complex *)(void *)new_buffer(role, 2 * count, values);
}

/* ---- Results ---- */

static void check_bits(const char *name, const float *values, int64_t count) {
    if (now.result_index == RESULTS_MAX) abort();
    int i = now.result_index++;
    if (now.device_index == 1) {
        now.results[i] = values;
        now.result_count = now.result_index;
        return;
    }
    if (i < now.result_count && !memcmp(values, now.results[i], (size_t)count * sizeof *values))
        return;
    if (threads_differ)
        case_fail("%s has other bits on %d threads than on 1", name, now.device_index);
    else
        case_fail("%s has other bits the second time", name);
}

void case_check_real(const char *name, const float *complexes, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        CASE_CHECK(complexes[2 * i + 1] == 0.0f, "DC of %s has the imaginary part %g", name,
                   (double)complexes[2 * i + 1]);
}

float *case_read(const char *name, const fcnn_tensor *t) {
    float *host = download(find_buffer(t->data)) + GUARD_FLOATS;
    int64_t rows = fcnn_tensor_rows(t), row = t->images * width(t);
    float *packed = ref_allocate((size_t)(rows * row) * sizeof *packed);
    for (int64_t i = 0; i < rows; i++)
        memcpy(packed + i * row, host + i * t->capacity * width(t), (size_t)row * sizeof *packed);
    if (t->layout == FCNN_BAND) case_check_real(name, packed, (int64_t)t->channels * t->images);
    check_bits(name, packed, rows * row);
    return packed;
}

float *case_read_array(const char *name, const void *array, int64_t count) {
    float *host = download(find_buffer(array)) + GUARD_FLOATS;
    check_bits(name, host, count);
    return host;
}

/* Compares relatively to the largest number wanted times `slack`. */
static void compare_numbers(const char *name, const float *got, const double *want, int64_t count,
                            double slack) {
    compare_result result;
    if (!compare_floats(name, got, want, count, slack * now.tolerance, &result))
        case_fail("%s, %d threads", result.message, now.device_index);
    now.has_reference = true;
    if (!(result.err / slack <= now.error)) now.error = result.err / slack;
}

void case_compare_host(const char *name, const float *got, const double *want, int64_t count) {
    compare_numbers(name, got, want, count, 1.0);
}

void case_compare(const char *name, const fcnn_tensor *t, const void *want) {
    int64_t count = fcnn_tensor_rows(t) * t->images * width(t);
    case_compare_host(name, case_read(name, t), want, count);
}

void case_compare_array(const char *name, const void *array, const void *want, int64_t count) {
    case_compare_host(name, case_read_array(name, array, count), want, count);
}

void case_compare_sums(const char *name, const void *array, const double *want, int64_t count,
                       double terms) {
    double largest = 0.0;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(want[i]));
    compare_numbers(name, case_read_array(name, array, count), want, count,
                    largest > 0.0 && largest < terms ? terms / largest : 1.0);
}

/* ---- Beginning and end ---- */

bool case_left_out(int index) {
    const char *every = getenv("FCNN_TEST_EVERY");
    int n = every ? atoi(every) : 1;
    return n > 1 && index % n != 0;
}

bool case_begin(const char *kind, const char *format, ...) {
    if (only_counting) {
        cases_counted++;
        return false;
    }
    if (case_left_out(cases_begun++)) return false;
    close_device();
    ref_release(0);
    uint64_t draws = now.draws;
    memset(&now, 0, sizeof now);
    now.draws = draws;
    now.tolerance = 1e-5;
    snprintf(now.kind, sizeof now.kind, "%s", kind);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(now.name, sizeof now.name, format, arguments);
    va_end(arguments);
    return true;
}

void case_tolerance(double tolerance) { now.tolerance = tolerance; }

void case_end(void) {
    close_device();
    char gradient[64] = "", reference[64] = "";
    if (now.has_gradient)
        snprintf(gradient, sizeof gradient, "reference-vs-fd %.1e (<%.0e)", now.gradient_error,
                 now.gradient_tolerance);
    if (now.has_reference)
        snprintf(reference, sizeof reference, "float-vs-reference %.1e (<%.0e)", now.error,
                 now.tolerance);
    const char *passed = threads_differ ? "threads 1=2=3  ok" : "twice the same  ok";
    const char *verdict = now.failed ? "FAIL: " : now.device_index ? passed : "ok";
    printf("%-9s %-50s %-32s %-36s %s%s\n", now.kind, now.name, gradient, reference, verdict,
           now.failure);
    fflush(stdout);
    cases_counted++;
    if (now.failed && !cases_failed++)
        snprintf(first_failure, sizeof first_failure, "%s %s: %s", now.kind, now.name, now.failure);
    ref_release(0);
}

/* ---- Program ---- */

static const case_test *running_tests;

START_TEST(run_one) {
    cases_failed = cases_begun = 0;
    int before = cases_counted;
    running_tests[_i].run();
    ck_assert_msg(cases_counted > before, "%s ran no case", running_tests[_i].name);
    ck_assert_msg(!cases_failed, "%s: %d failed, first: %s", running_tests[_i].name, cases_failed,
                  first_failure);
}
END_TEST

/* Whether the device is there; *reason says why not. */
static bool device_present(char *reason, size_t bytes) {
    device_name = getenv("FCNN_TEST_DEVICE");
    if (!device_name || !*device_name) device_name = "cpu";
    for (const fcnn_backend *const *b = fcnn_backends; *b; b++) {
        if (strcmp((*b)->name, device_name)) continue;
        if ((*b)->probe(reason, bytes)) {
            snprintf(reason, bytes, "%s", fcnn_status_message());
            return false;
        }
        threads_differ = !(*b)->asynchronous;
        openings = threads_differ ? 3 : 2;
        if ((*b)->open) return true;
        snprintf(reason, bytes, "the backend %s computes nothing yet", device_name);
        return false;
    }
    snprintf(reason, bytes, "this build has no backend named %s", device_name);
    return false;
}

static int skip(const case_test *tests, int count, const char *reason) {
    only_counting = true;
    for (int i = 0; i < count; i++) tests[i].run();
    printf("skipped: %s, %d cases\n", reason, cases_counted);
    return EXIT_SKIPPED;
}

int case_main(const char *suite_name, const case_test *tests, int count) {
    char reason[512] = "";
    if (!device_present(reason, sizeof reason)) return skip(tests, count, reason);
    running_tests = tests;
    Suite *suite = suite_create(suite_name);
    TCase *group = tcase_create(suite_name);
    tcase_add_loop_test(group, run_one, 0, count);
    suite_add_tcase(suite, group);
    int failed = run_suite_here(suite);
    close_device();
    ref_release(0);
    printf("%s on %s: %d cases, %d of %d tests failed\n", suite_name, device_name, cases_counted,
           failed, count);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
