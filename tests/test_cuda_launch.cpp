/* The CUDA backend's host side over the stand-in: launch geometry, reductions,
 * addresses past 2^31 numbers, and what is said where there is no memory or no
 * device. */
#include <check.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "cuda/blas.h"
#include "cuda/launch.h"
#include "suite.h"

static fcnn_device *open_device() {
    fcnn_device *device;
    ck_assert_msg(!fcnn_device_open("cuda", 1, &device), "%s", fcnn_status_message());
    return device;
}

/* Device memory as the host may read and write it: inside queued work. */
static void on_device(fcnn_device *device, std::function<void()> work) {
    stand_in_queue(cuda_of(device)->compute, work);
    ck_assert(!device->backend->synchronize(device));
}

/* ---- Geometry ---- */

START_TEST(every_item_runs_once) {
    const int64_t counts[] = {1, 2, 255, 256, 257, 65535, 65536, 1000003};
    for (int64_t count : counts) {
        std::vector<int> runs((size_t)count, 0);
        unsigned blocks = cuda_blocks(count);
        for (unsigned block = 0; block < blocks; block++)
            for (int thread = 0; thread < CUDA_THREADS; thread++)
                for (int64_t round = 0;; round++) {
                    int64_t item = cuda_item(block, blocks, thread, round);
                    if (item >= count) break;
                    runs[(size_t)item]++;
                }
        ck_assert(runs == std::vector<int>((size_t)count, 1));
    }
}
END_TEST

/* From one bin to the largest tensors of AlexNet at 512 pixels and beyond: the grid stays within
 * its limit, no block is idle, and the last item belongs to the thread that counts up to it. */
START_TEST(large_grids) {
    const int64_t counts[] = {(int64_t)CUDA_BLOCKS * CUDA_THREADS,
                              (int64_t)CUDA_BLOCKS * CUDA_THREADS + 1,
                              fcnn_band_count(253) * 3 * 128,
                              fcnn_band_count(63) * 64 * 1024,
                              ((int64_t)1 << 31) - 1,
                              ((int64_t)1 << 31) + 5,
                              (int64_t)5000000000};
    for (int64_t count : counts) {
        unsigned blocks = cuda_blocks(count);
        ck_assert_int_le(blocks, CUDA_BLOCKS);
        ck_assert_int_lt(cuda_item(blocks - 1, blocks, 0, 0), count);
        int64_t last = count - 1, stride = (int64_t)blocks * CUDA_THREADS;
        unsigned block = (unsigned)(last / CUDA_THREADS % blocks);
        int64_t found = cuda_item(block, blocks, (int)(last % CUDA_THREADS), last / stride);
        ck_assert_int_eq(found, last);
    }
}
END_TEST

/* ---- Reductions ---- */

struct weighted_sums : cuda_sums<2> {
    const float *values; /* [groups][items] */
    int64_t items;
    double *totals; /* [groups][2] */
    CUDA_BODY void add(int64_t group, int64_t item, double *sums) const {
        sums[0] += values[group * items + item];
        sums[1] += (double)item;
    }
    CUDA_BODY void finish(int64_t group, const double *sums) const {
        totals[2 * group] = sums[0];
        totals[2 * group + 1] = sums[1];
    }
};

START_TEST(sums_of_groups) {
    const struct {
        int64_t groups, items;
    } shapes[] = {{1, 1}, {3, 255}, {2, 256}, {5, 4095}, {1, 100003}, {300, 4096}, {1, 0}};
    fcnn_device *device = open_device();
    for (auto shape : shapes) {
        size_t count = (size_t)(shape.groups * shape.items);
        std::vector<float> numbers(count);
        std::vector<double> totals((size_t)shape.groups * 2);
        for (size_t i = 0; i < count; i++) numbers[i] = (float)((i * 2654435761u) % 1001) - 500.0f;
        weighted_sums body;
        body.values = numbers.data(); /* host memory, which queued work may read here */
        body.items = shape.items;
        body.totals = totals.data();
        ck_assert(!cuda_reduce(cuda_of(device), shape.groups, shape.items, body, "sums"));
        ck_assert(!device->backend->synchronize(device));
        for (int64_t g = 0; g < shape.groups; g++) {
            double sum = 0.0;
            for (int64_t i = 0; i < shape.items; i++) sum += numbers[(size_t)(g * shape.items + i)];
            ck_assert_double_eq(totals[(size_t)(2 * g)], sum); /* whole numbers: exact */
            ck_assert_double_eq(totals[(size_t)(2 * g + 1)],
                                (double)shape.items * (double)(shape.items - 1) / 2.0);
        }
    }
    fcnn_device_close(device);
}
END_TEST

START_TEST(partials_suffice) {
    for (int64_t groups = 1; groups <= CUDA_PARTIALS / 4; groups *= 3)
        for (int64_t items = 1; items < (int64_t)1 << 36; items *= 7) {
            int64_t chunks = cuda_chunks(groups, items, 4);
            ck_assert_int_ge(chunks, 1);
            ck_assert_int_le(groups * chunks * 4, CUDA_PARTIALS);
        }
    fcnn_device *device = open_device();
    weighted_sums body;
    ck_assert_int_eq(cuda_reduce(cuda_of(device), CUDA_PARTIALS, 1, body, "sums"),
                     FCNN_ERROR_UNSUPPORTED);
    fcnn_device_close(device);
}
END_TEST

/* ---- Tensors of more than 2^31 numbers, of which the last items alone run ---- */

/* A band of 2^32 numbers and more, which take no memory until they are touched. */
static fcnn_tensor huge_band(fcnn_device *device) {
    fcnn_tensor t = {};
    t.layout = FCNN_BAND;
    t.radius = 253;
    t.channels = 64;
    t.size = fcnn_band_size(t.radius);
    t.images = t.capacity = 272;
    void *memory;
    size_t bytes = (size_t)fcnn_tensor_floats(&t) * sizeof(float);
    ck_assert_msg(!device->backend->allocate(device, bytes, &memory), "%s", fcnn_status_message());
    t.data = (float *)memory;
    return t;
}

START_TEST(beyond_32_bits) {
    setenv("STAND_IN_MEMORY", "68719476736", 1);
    fcnn_device *device = open_device();
    const fcnn_backend *backend = device->backend;
    fcnn_tensor x = huge_band(device), y = huge_band(device);
    const int64_t count = fcnn_tensor_floats(&x);
    ck_assert_int_gt(count, (int64_t)1 << 32);
    on_device(device, [&] {
        for (int64_t i = count - 2000; i < count; i++) x.data[i] = (float)(i % 1000);
    });
    stand_in_items = {count - 2000, INT64_MAX};
    ck_assert_msg(!backend->copy(device, &x, &y), "%s", fcnn_status_message());
    ck_assert(!backend->add(device, &x, &y));
    ck_assert(!backend->synchronize(device));
    on_device(device, [&] {
        for (int64_t i = count - 2000; i < count; i++)
            if (y.data[i] != 2.0f * (float)(i % 1000)) ck_abort_msg("number %lld", (long long)i);
    });
    stand_in_items = {count / 2 - 1000, INT64_MAX}; /* an item is a complex number */
    ck_assert(!backend->per_bin_forward(device, FCNN_RULE_crelu, NULL, &x, &y));
    ck_assert(!backend->synchronize(device));
    on_device(device, [&] {
        for (int64_t i = count - 2000; i < count; i++)
            if (y.data[i] != (float)(i % 1000)) ck_abort_msg("number %lld", (long long)i);
    });
    stand_in_items = {0, INT64_MAX};
    ck_assert_int_eq((char *)cuda_bin_row(&x, fcnn_band_count(253) - 1, 63) - (char *)x.data,
                     (count - 2 * 272) * (int64_t)sizeof(float));
    backend->release(device, x.data);
    backend->release(device, y.data);
    fcnn_device_close(device);
    unsetenv("STAND_IN_MEMORY");
}
END_TEST

/* ---- What rooms keep ---- */

struct kept_number : cuda_kept {
    int number;
};

START_TEST(kept_until_closing) {
    size_t before, opened, used, after, total;
    ck_assert(!cudaMemGetInfo(&before, &total));
    fcnn_device *device = open_device();
    kept_number *kept = cuda_keep<kept_number>(cuda_of(device));
    ck_assert_int_eq(kept->number, 0);
    ck_assert(!cudaMemGetInfo(&opened, &total));
    fcnn_score score = {};
    ck_assert(!device->backend->take_score(device, &score));
    ck_assert(!device->backend->kernel_plan(device, 3, 15));
    ck_assert(!device->backend->grid_plan(device, 15, 2, 4));
    ck_assert(!device->backend->reserve(device));
    ck_assert(!cudaMemGetInfo(&used, &total));
    ck_assert_uint_lt(used, opened);
    ck_assert_ptr_eq(cuda_keep<kept_number>(cuda_of(device)), kept);
    fcnn_device_close(device);
    ck_assert(!cudaMemGetInfo(&after, &total));
    ck_assert_uint_eq(after, before);
}
END_TEST

/* ---- What goes wrong ---- */

static void expect_message(fcnn_status found, fcnn_status wanted, const char *part) {
    ck_assert_int_eq(found, wanted);
    ck_assert_msg(strstr(fcnn_status_message(), part), "%s", fcnn_status_message());
}

START_TEST(failures_are_named) {
    expect_message(cuda_status(cudaErrorInvalidValue, "cudaMemcpyAsync(a, b)", "cuda_upload"),
                   FCNN_ERROR_DEVICE, "upload: cudaMemcpyAsync: invalid argument");
    expect_message(cuda_status(CUFFT_INVALID_SIZE, "cufftMakePlanMany(p)", "cuda_make_grid"),
                   FCNN_ERROR_DEVICE, "make_grid: cufftMakePlanMany: invalid size");
    expect_message(cuda_status(CUFFT_ALLOC_FAILED, "cufftMakePlanMany(p)", "cuda_make_grid"),
                   FCNN_ERROR_MEMORY, "out of memory");
    expect_message(cuda_status(CUBLAS_STATUS_INVALID_VALUE, "cublasCreate(h)", "make"),
                   FCNN_ERROR_DEVICE, "make: cublasCreate: ");
    fcnn_device *device = open_device();
    void *memory;
    expect_message(device->backend->allocate(device, (size_t)1 << 50, &memory), FCNN_ERROR_MEMORY,
                   "1073741824.0 MiB were asked for");
    char host[4] = "abc";
    expect_message(device->backend->upload(device, host, host, 4), FCNN_ERROR_DEVICE,
                   "upload: cudaMemcpyAsync");
    fcnn_device_close(device);
}
END_TEST

/* Dimensions that cuBLAS cannot count are refused before it is called. */
START_TEST(rows_too_long) {
    fcnn_device *device = open_device();
    cuda_matrix narrow = {nullptr, 'n', 4, 16}, wide = {nullptr, 'n', (int64_t)1 << 31, 16};
    cuda_device *d = cuda_of(device);
    expect_message(cuda_products(d, false, 2, 2, 2, narrow, wide, 0.0f, nullptr, 4, 16, 1),
                   FCNN_ERROR_UNSUPPORTED, "2147483648 numbers apart");
    expect_message(
        cuda_products(d, true, 2, 2, 2, narrow, narrow, 0.0f, nullptr, (int64_t)1 << 40, 16, 1),
        FCNN_ERROR_UNSUPPORTED, "1099511627776 numbers apart");
    fcnn_device_close(device);
}
END_TEST

START_TEST(no_device) {
    setenv("STAND_IN_DEVICES", "0", 1);
    fcnn_device *device = NULL;
    expect_message(fcnn_device_open("cuda", 1, &device), FCNN_ERROR_DEVICE,
                   "no CUDA device was found");
    ck_assert(!fcnn_device_open("auto", 1, &device));
    ck_assert_str_eq(device->backend->name, "cpu");
    ck_assert_msg(strstr(device->description, "(no cuda device was found)"), "%s",
                  device->description);
    fcnn_device_close(device);
    unsetenv("STAND_IN_DEVICES");
    ck_assert(!fcnn_device_open("auto", 1, &device));
    ck_assert_str_eq(device->backend->name, "cuda");
    fcnn_device_close(device);
}
END_TEST

int main() {
    Suite *suite = suite_create("cuda launch");
    TCase *tests = tcase_create("cuda launch");
    tcase_add_test(tests, every_item_runs_once);
    tcase_add_test(tests, large_grids);
    tcase_add_test(tests, sums_of_groups);
    tcase_add_test(tests, partials_suffice);
    tcase_add_test(tests, beyond_32_bits);
    tcase_add_test(tests, kept_until_closing);
    tcase_add_test(tests, failures_are_named);
    tcase_add_test(tests, rows_too_long);
    tcase_add_test(tests, no_device);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
