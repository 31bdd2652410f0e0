/* The container: what is written comes back bit for bit, every lie in
 * tests/bad/ is named, and a failed write leaves the old file as it was. */
#include "safetensors.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compare.h"
#include "expected.h"
#include "suite.h"

static char folder[64], path[128];

static void make_folder(void) {
    snprintf(folder, sizeof folder, "/tmp/fcnn-safetensors-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
}

static int folder_entries(bool remove) {
    int entries = 0;
    DIR *stream = opendir(folder);
    ck_assert_ptr_nonnull(stream);
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        entries++;
        if (remove) unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
    return entries;
}

static void remove_folder(void) {
    folder_entries(true);
    rmdir(folder);
}

static void put_bytes(const char *to, const void *bytes, size_t count) {
    FILE *stream = fopen(to, "wb");
    ck_assert_ptr_nonnull(stream);
    ck_assert_uint_eq(fwrite(bytes, 1, count, stream), count);
    ck_assert_int_eq(fclose(stream), 0);
}

static size_t get_bytes(const char *from, char *bytes, size_t room) {
    FILE *stream = fopen(from, "rb");
    ck_assert_ptr_nonnull(stream);
    size_t count = fread(bytes, 1, room, stream);
    fclose(stream);
    ck_assert_uint_lt(count, room);
    return count;
}

static void check_message(const char *word) {
    ck_assert_msg(strstr(fcnn_status_message(), word) != NULL, "'%s' lacks '%s'",
                  fcnn_status_message(), word);
}

/* ---- Round trips ---- */

static const float numbers[6] = {1.5f, -0.0f, INFINITY, -NAN, 1e-42f, -3.25f};
static const double others[4] = {0.1, 0.2, 0.3, 0.4};
static float other_floats[4];
static const uint16_t halves[6] = {0x3c00, 0x8000, 0x7c00, 0xfe01, 0x0001, 0xc280};

static const fcnn_tensor_to_store good[] = {
    {"conv1.weight", 2, {2, 3}, numbers, NULL},
    {"empty first", 3, {0, 5, 2}, NULL, NULL},
    {"a \"quoted\\\" name\n", 1, {4}, other_floats, NULL},
    {"\xc3\xa9\xe2\x82\xac \xf0\x9f\x98\x80", 0, {0}, numbers + 5, NULL},
    {"", 6, {1, 1, 1, 2, 1, 1}, numbers, NULL},
    {"in half precision", 2, {3, 2}, NULL, halves},
    {"no halves", 1, {0}, NULL, halves},
    {"empty last", 1, {0}, NULL, NULL},
    {"odd halves, last", 1, {3}, NULL, halves},
};
enum { GOOD = sizeof good / sizeof *good };

static fcnn_metadata facts[] = {{"format", "1"},
                                {"cfg", "[net]\r\nbatch=1 # \"x\"\n\t\x01"},
                                {"", ""},
                                {"\xc3\xa9", "\xc3\xa9"}};
enum { FACTS = sizeof facts / sizeof *facts };

static void write_good(void) {
    for (int i = 0; i < 4; i++) other_floats[i] = (float)others[i];
    ck_assert_msg(fcnn_safetensors_write(path, GOOD, good, FACTS, facts) == FCNN_OK, "%s",
                  fcnn_status_message());
}

START_TEST(round_trip) {
    write_good();
    fcnn_safetensors *file;
    ck_assert_msg(fcnn_safetensors_read(path, &file) == FCNN_OK, "%s", fcnn_status_message());
    ck_assert_str_eq(file->path, path);
    ck_assert_int_eq(file->tensor_count, GOOD);
    ck_assert_int_eq(file->metadata_count, FACTS);
    for (int i = 0; i < GOOD; i++) {
        const fcnn_stored_tensor *stored = fcnn_safetensors_find(file, good[i].name);
        ck_assert_ptr_nonnull(stored);
        ck_assert_int_eq(stored->rank, good[i].rank);
        int64_t count = 1;
        for (int d = 0; d < good[i].rank; d++) {
            ck_assert_int_eq(stored->shape[d], good[i].shape[d]);
            count *= good[i].shape[d];
        }
        ck_assert_int_eq(stored->count, count);
        ck_assert(!stored->half == !good[i].half && !stored->data == !!good[i].half);
        ck_assert_uint_eq((uintptr_t)stored->data % sizeof(float), 0);
        ck_assert_uint_eq((uintptr_t)stored->half % sizeof(uint16_t), 0);
        /* Bits, not values: NaN and -0 must survive. */
        if (count && good[i].half)
            ck_assert_mem_eq(stored->half, good[i].half, (size_t)count * sizeof(uint16_t));
        else if (count)
            ck_assert_mem_eq(stored->data, good[i].data, (size_t)count * sizeof(float));
    }
    ck_compare(compare_floats, "stored", fcnn_safetensors_find(file, good[2].name)->data, others, 4,
               1e-7);
    for (int i = 0; i < FACTS; i++)
        ck_assert_str_eq(fcnn_safetensors_metadata(file, facts[i].key), facts[i].value);
    ck_assert_ptr_null(fcnn_safetensors_find(file, "conv1"));
    ck_assert_ptr_null(fcnn_safetensors_metadata(file, "Format"));
    fcnn_safetensors_destroy(file);
    ck_assert_int_eq(folder_entries(false), 1);
}
END_TEST

static const void *end_of(const fcnn_stored_tensor *t) {
    return t->half ? (const void *)(t->half + t->count) : (const void *)(t->data + t->count);
}

START_TEST(tensors_come_in_file_order) {
    write_good();
    fcnn_safetensors *file;
    ck_assert_int_eq(fcnn_safetensors_read(path, &file), FCNN_OK);
    for (int i = 1; i < file->tensor_count; i++)
        ck_assert_ptr_eq(end_of(&file->tensors[i - 1]), file->tensors[i].half
                                                            ? (const void *)file->tensors[i].half
                                                            : file->tensors[i].data);
    fcnn_safetensors_destroy(file);
}
END_TEST

START_TEST(no_tensors) {
    fcnn_safetensors *file;
    for (int count = 0; count <= FACTS; count += FACTS) {
        ck_assert_int_eq(fcnn_safetensors_write(path, 0, NULL, count, facts), FCNN_OK);
        ck_assert_int_eq(fcnn_safetensors_read(path, &file), FCNN_OK);
        ck_assert_int_eq(file->tensor_count, 0);
        ck_assert_int_eq(file->metadata_count, count);
        fcnn_safetensors_destroy(file);
    }
    fcnn_safetensors_destroy(NULL);
}
END_TEST

START_TEST(layout_of_the_file) {
    const fcnn_tensor_to_store one = {"w", 1, {2}, numbers, NULL};
    const char header[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    char bytes[256];
    uint64_t length;
    ck_assert_int_eq(fcnn_safetensors_write(path, 1, &one, 0, NULL), FCNN_OK);
    size_t count = get_bytes(path, bytes, sizeof bytes);
    memcpy(&length, bytes, sizeof length);
    ck_assert_uint_eq(length % 8, 0);
    ck_assert_uint_eq(count, 8 + length + 8);
    ck_assert_mem_eq(bytes + 8, header, sizeof header - 1);
    for (size_t i = 8 + sizeof header - 1; i < 8 + length; i++) ck_assert_int_eq(bytes[i], ' ');
    ck_assert_mem_eq(bytes + 8 + length, numbers, 8);
}
END_TEST

START_TEST(same_contents_same_bytes) {
    char first[2048], second[2048];
    write_good();
    size_t count = get_bytes(path, first, sizeof first);
    write_good();
    ck_assert_uint_eq(get_bytes(path, second, sizeof second), count);
    ck_assert_mem_eq(first, second, count);
}
END_TEST

/* A header of any length, as other writers make: the data must still be aligned. */
START_TEST(unpadded_headers) {
    for (uint64_t spaces = 0; spaces < 9; spaces++) {
        char bytes[256];
        int text = snprintf(bytes + 8, sizeof bytes - 8,
                            "{\"w\":{\"shape\":[2],\"data_offsets\":[0,8],\"dtype\":\"F32\"}%*s}",
                            (int)spaces, "");
        uint64_t length = (uint64_t)text;
        memcpy(bytes, &length, 8);
        memcpy(bytes + 8 + length, numbers, 8);
        put_bytes(path, bytes, 16 + length);
        fcnn_safetensors *file;
        ck_assert_int_eq(fcnn_safetensors_read(path, &file), FCNN_OK);
        ck_assert_uint_eq((uintptr_t)file->tensors[0].data % 64, 0);
        ck_assert_mem_eq(file->tensors[0].data, numbers, 8);
        fcnn_safetensors_destroy(file);
    }
}
END_TEST

/* ---- Bad files ---- */

START_TEST(bad_files_are_named) {
    FILE *list = fopen(FCNN_TEST_DIR "/bad/EXPECTED", "r");
    ck_assert_ptr_nonnull(list);
    expected_case c;
    int cases = 0;
    for (; expected_next(list, ".safetensors", &c); cases++) {
        char name[512];
        snprintf(name, sizeof name, "%s/bad/%s", FCNN_TEST_DIR, c.file);
        fcnn_safetensors *file = (void *)&c;
        ck_assert_msg(fcnn_safetensors_read(name, &file) == FCNN_ERROR_FORMAT, "%s was accepted",
                      c.file);
        ck_assert_ptr_null(file);
        ck_assert_msg(expected_matches(&c, name, fcnn_status_message()), "'%s' lacks one of: %s",
                      fcnn_status_message(), c.words);
    }
    fclose(list);
    ck_assert_int_ge(cases, 40);
}
END_TEST

START_TEST(every_truncation_fails) {
    char bytes[2048];
    write_good();
    size_t whole = get_bytes(path, bytes, sizeof bytes);
    for (size_t count = 0; count < whole; count++) {
        fcnn_safetensors *file;
        put_bytes(path, bytes, count);
        ck_assert_msg(fcnn_safetensors_read(path, &file) == FCNN_ERROR_FORMAT,
                      "%zu of %zu bytes were accepted", count, whole);
    }
    memcpy(bytes + whole, "more", 4);
    put_bytes(path, bytes, whole + 4);
    fcnn_safetensors *file;
    ck_assert_int_eq(fcnn_safetensors_read(path, &file), FCNN_ERROR_FORMAT);
    check_message("last 4");
}
END_TEST

/* Reads what a damaged file claims to hold, so that the sanitizers see it. */
static void touch(const fcnn_safetensors *file) {
    char text[32];
    for (int i = 0; i < file->tensor_count; i++)
        for (int64_t j = 0; j < file->tensors[i].count; j++)
            ck_assert_int_gt(snprintf(text, sizeof text, "%g",
                                      file->tensors[i].half ? (double)file->tensors[i].half[j]
                                                            : (double)file->tensors[i].data[j]),
                             0);
}

/* Every byte of length and header changed in several ways: refused, or consistent. */
START_TEST(damaged_headers) {
    static const char changes[] = {1, 2, 4, 16, 64, (char)0x80, (char)0xff};
    char bytes[512];
    const fcnn_tensor_to_store three[] = {
        {"a", 2, {2, 3}, numbers, NULL}, {"b", 1, {4}, numbers, NULL}, {"c", 1, {2}, NULL, halves}};
    int refused = 0;
    ck_assert_int_eq(fcnn_safetensors_write(path, 3, three, 1, facts), FCNN_OK);
    size_t count = get_bytes(path, bytes, sizeof bytes), header = count - 40;
    for (size_t at = 0; at < header; at++) {
        for (size_t c = 0; c < sizeof changes; c++) {
            fcnn_safetensors *file;
            bytes[at] ^= changes[c];
            put_bytes(path, bytes, count);
            if (fcnn_safetensors_read(path, &file) == FCNN_OK) {
                touch(file);
                fcnn_safetensors_destroy(file);
            } else {
                refused++;
            }
            bytes[at] ^= changes[c];
        }
    }
    ck_assert_int_gt(refused, (int)header * 4);
}
END_TEST

START_TEST(unreadable_paths) {
    fcnn_safetensors *file;
    ck_assert_int_eq(fcnn_safetensors_read(path, &file), FCNN_ERROR_IO);
    check_message(path);
    check_message("No such file");
    ck_assert_int_eq(fcnn_safetensors_read(folder, &file), FCNN_ERROR_IO);
    check_message("found a folder");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(fcnn_safetensors_read(path, &file), FCNN_ERROR_IO); /* and does not wait */
    check_message("regular file");
    ck_assert_int_eq(fcnn_safetensors_read("/dev/zero", &file), FCNN_ERROR_IO);
}
END_TEST

/* ---- Writes that fail ---- */

static const char OLD[] = "the old file";

static void put_old(void) { put_bytes(path, OLD, sizeof OLD); }

/* The old file is whole, and no temporary file is left beside it. */
static void check_untouched(void) {
    char bytes[64];
    ck_assert_uint_eq(get_bytes(path, bytes, sizeof bytes), sizeof OLD);
    ck_assert_mem_eq(bytes, OLD, sizeof OLD);
    ck_assert_int_eq(folder_entries(false), 1);
}

/* A limit on the file's size stops the write midway, as a full disk does. */
START_TEST(write_stopped_midway) {
    enum { COUNT = 100000 };
    const long limits[] = {0, 5, 50, 4096, COUNT * 4};
    float *large = calloc(COUNT, sizeof *large);
    const fcnn_tensor_to_store one = {"large", 1, {COUNT}, large, NULL};
    signal(SIGXFSZ, SIG_IGN);
    put_old();
    for (int i = 0; i < 5; i++) {
        struct rlimit old, limit;
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
        limit = old;
        limit.rlim_cur = (rlim_t)limits[i];
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        fcnn_status status = fcnn_safetensors_write(path, 1, &one, 0, NULL);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        ck_assert_int_eq(status, FCNN_ERROR_IO);
        check_message(path);
        check_message("cannot be written: File too large");
        check_untouched();
    }
    ck_assert_int_eq(fcnn_safetensors_write(path, 1, &one, 0, NULL), FCNN_OK);
    free(large);
}
END_TEST

START_TEST(folder_that_cannot_be_written) {
    char below[160];
    put_old();
    snprintf(below, sizeof below, "%s/no-such-folder/model.safetensors", folder);
    ck_assert_int_eq(fcnn_safetensors_write(below, GOOD, good, 0, NULL), FCNN_ERROR_IO);
    check_message(below);
    check_message("No such file");
    snprintf(below, sizeof below, "%s/model.safetensors", path);
    ck_assert_int_eq(fcnn_safetensors_write(below, GOOD, good, 0, NULL), FCNN_ERROR_IO);
    check_message("Not a directory");
    if (geteuid() != 0) { /* permissions do not bind root */
        ck_assert_int_eq(chmod(folder, 0500), 0);
        ck_assert_int_eq(fcnn_safetensors_write(path, GOOD, good, 0, NULL), FCNN_ERROR_IO);
        ck_assert_int_eq(chmod(folder, 0700), 0);
        check_message("Permission denied");
    }
    check_untouched();
}
END_TEST

START_TEST(target_that_cannot_be_replaced) {
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(fcnn_safetensors_write(path, 0, NULL, 0, NULL), FCNN_ERROR_IO);
    check_message("cannot be replaced");
    ck_assert_int_eq(folder_entries(false), 1);
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(stale_temporary_file_is_replaced) {
    char stale[192];
    snprintf(stale, sizeof stale, "%s.tmp.%ld", path, (long)getpid());
    put_bytes(stale, "half a model", 12);
    write_good();
    ck_assert_int_eq(folder_entries(false), 1);
}
END_TEST

START_TEST(path_without_folder) {
    fcnn_safetensors *file;
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(fcnn_safetensors_write("plain", 1, good, 0, NULL), FCNN_OK);
    ck_assert_int_eq(fcnn_safetensors_read("plain", &file), FCNN_OK);
    fcnn_safetensors_destroy(file);
    ck_assert_int_eq(folder_entries(false), 1);
}
END_TEST

static const struct {
    fcnn_tensor_to_store tensors[2];
    int tensor_count;
    fcnn_metadata facts[2];
    int facts_count;
    const char *word;
} refused[] = {
    {.tensors = {{"a", 1, {1}, numbers, NULL}, {"a", 1, {2}, numbers, NULL}},
     2,
     .word = "'a' is given twice"},
    {.tensors = {{"__metadata__", 1, {1}, numbers, NULL}}, 1, .word = "reserved"},
    {.tensors = {{"a", 7, {1}, numbers, NULL}}, 1, .word = "rank 7"},
    {.tensors = {{"a", -1, {1}, numbers, NULL}}, 1, .word = "rank -1"},
    {.tensors = {{"a", 2, {3, -3}, numbers, NULL}}, 1, .word = "dimension 1 is -3"},
    {.tensors = {{"a", 2, {(int64_t)1 << 40, (int64_t)1 << 40}, numbers, NULL}},
     1,
     .word = "overflow"},
    {.tensors = {{"a", 1, {(int64_t)1 << 60}, numbers, NULL},
                 {"b", 1, {(int64_t)1 << 60}, numbers, NULL}},
     2,
     .word = "overflow"},
    {.tensors = {{"a", 1, {3}, NULL, NULL}}, 1, .word = "NULL"},
    {.tensors = {{"a", 1, {3}, NULL, halves}, {"b", 1, {1}, numbers, NULL}}, 2, .word = "halves"},
    {.tensors = {{"\xff", 1, {1}, numbers, NULL}}, 1, .word = "UTF-8"},
    {.facts = {{"key", "\xc3"}}, .facts_count = 1, .word = "UTF-8"},
    {.facts = {{"key", "1"}, {"key", "2"}}, .facts_count = 2, .word = "'key' is given twice"},
};

START_TEST(wrong_contents_are_refused) {
    put_old();
    fcnn_status status = fcnn_safetensors_write(path, refused[_i].tensor_count, refused[_i].tensors,
                                                refused[_i].facts_count, refused[_i].facts);
    ck_assert_int_ne(status, FCNN_OK);
    check_message(path);
    check_message(refused[_i].word);
    check_untouched();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("safetensors");
    TCase *trips = tcase_create("round trips"), *bad = tcase_create("bad files");
    TCase *writes = tcase_create("failing writes");
    tcase_add_checked_fixture(trips, make_folder, remove_folder);
    tcase_add_checked_fixture(bad, make_folder, remove_folder);
    tcase_add_checked_fixture(writes, make_folder, remove_folder);
    tcase_add_test(trips, round_trip);
    tcase_add_test(trips, tensors_come_in_file_order);
    tcase_add_test(trips, no_tensors);
    tcase_add_test(trips, layout_of_the_file);
    tcase_add_test(trips, same_contents_same_bytes);
    tcase_add_test(trips, unpadded_headers);
    tcase_add_test(bad, bad_files_are_named);
    tcase_add_test(bad, every_truncation_fails);
    tcase_add_test(bad, damaged_headers);
    tcase_add_test(bad, unreadable_paths);
    tcase_add_test(writes, write_stopped_midway);
    tcase_add_test(writes, folder_that_cannot_be_written);
    tcase_add_test(writes, target_that_cannot_be_replaced);
    tcase_add_test(writes, stale_temporary_file_is_replaced);
    tcase_add_test(writes, path_without_folder);
    tcase_add_loop_test(writes, wrong_contents_are_refused, 0, sizeof refused / sizeof *refused);
    suite_add_tcase(suite, trips);
    suite_add_tcase(suite, bad);
    suite_add_tcase(suite, writes);
    return run_suite(suite);
}
