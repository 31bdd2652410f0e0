/* An allocation that fails while pictures are found and read is an error of
 * memory, or is survived: it is never a picture or a class less. Every
 * allocation fails in turn, by whatever library; but libtiff and libwebp's
 * lossless decoder, which then crash, are asked for room before. */
#include <stdatomic.h>

#include "temporary.h"

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);

static atomic_long until_failure = -1; /* allocations that still succeed; -1: all do */

static bool fails(void) {
    if (until_failure < 0 || until_failure-- > 0) return false;
    until_failure = -1; /* one alone */
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes) { return fails() ? NULL : __libc_malloc(bytes); }
void *calloc(size_t count, size_t bytes) { return fails() ? NULL : __libc_calloc(count, bytes); }
void *realloc(void *old, size_t bytes) { return fails() ? NULL : __libc_realloc(old, bytes); }

START_TEST(a_picture_is_whole_or_an_error_of_memory) {
    static const char *const files[] = {"progressive.jpg", "cmyk.jpg",    "transparent.png",
                                        "palette.png",     "palette.bmp", "frames.gif",
                                        "sixteen-bit.png", "rotated.jpg", "turned.webp"};
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/images/formats/%s", FCNN_TEST_DIR, files[_i]);
    fcnn_image want, image;
    int height, width;
    ck_assert_int_eq(fcnn_image_load(path, 3, &want), FCNN_OK);
    for (long n = 0;; n++) {
        until_failure = n;
        fcnn_status loaded = fcnn_image_load(path, 3, &image);
        bool over = until_failure >= 0;
        until_failure = n;
        fcnn_status probed = fcnn_image_probe(path, &height, &width);
        until_failure = -1;
        ck_assert_msg(loaded == FCNN_OK || loaded == FCNN_ERROR_MEMORY, "%s, allocation %ld: %s",
                      files[_i], n, fcnn_status_message());
        ck_assert_msg(probed == FCNN_OK || probed == FCNN_ERROR_MEMORY, "%s, allocation %ld: %s",
                      files[_i], n, fcnn_status_message());
        if (!loaded)
            ck_assert_mem_eq(image.storage, want.storage,
                             (size_t)want.height * (size_t)want.width * 3);
        fcnn_image_clear(&image);
        if (over) break;
    }
    fcnn_image_clear(&want);
}
END_TEST

/* Splits, classes, problems: all of a folder is found, or it is an error. */
START_TEST(a_folder_is_whole_or_an_error_of_memory) {
    for (int i = 0; i < 3; i++) {
        copy_file(FCNN_TEST_DIR "/images/ankle-boot.png", below("set/Training/a/%d.png", i));
        write_bmp(below("set/Training/b/%d.bmp", i), 1, 2, 3);
        copy_file(FCNN_TEST_DIR "/images/formats/frames.gif", below("set/valid/a/%d.gif", i));
        copy_file(FCNN_TEST_DIR "/images/formats/cmyk.jpg", below("set/test/b/%d.jpg", i));
    }
    write_file(below("set/Training/b/text.txt"), "x", 1);
    write_file(below("set/test/b/none.png"), "x", 1);
    const char *path = below("set");
    int failed = 0;
    for (long n = 0;; n++) {
        fcnn_dataset *set;
        until_failure = n;
        fcnn_status status = fcnn_dataset_open(path, 0, &set);
        bool over = until_failure >= 0;
        until_failure = -1;
        if (status) {
            failed++;
            ck_assert_msg(strstr(fcnn_status_message(), "out of memory") ||
                              strstr(fcnn_status_message(), "Cannot allocate memory"),
                          "allocation %ld: %s", n, fcnn_status_message());
            continue;
        }
        ck_assert_msg(set->classes == 2 && set->count[FCNN_SPLIT_TRAIN] == 6 &&
                          set->count[FCNN_SPLIT_HELD_OUT] == 3 &&
                          set->count[FCNN_SPLIT_TEST] == 3 && set->problems.count == 2,
                      "allocation %ld is survived with less", n);
        fcnn_dataset_close(set);
        if (over) break;
    }
    ck_assert_int_gt(failed, 20);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("image memory");
    TCase *cases = add_case(suite, "allocations");
    tcase_add_loop_test(cases, a_picture_is_whole_or_an_error_of_memory, 0, 9);
    tcase_add_test(cases, a_folder_is_whole_or_an_error_of_memory);
    return run_suite(suite);
}
