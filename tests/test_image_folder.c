/* Image files and folders of them. Bad images come from tests/bad (made by
 * make_data.py), good ones from tests/images or written by the tests. */
#include "temporary.h"

/* ---- Image files ---- */

static const struct {
    const char *file, *words;
} bad_images[] = {
    {"truncated.png", "truncated"},
    {"truncated.jpg", "truncated"},
    {"truncated.bmp", "truncated"},
    {"truncated.gif", "truncated"},
    {"empty.jpg", "truncated"},
    {"giant.png", "20000 x 20000"},
    {"absurd.png", "expected a JPEG"},
    {"text.png", "expected a JPEG"},
    {"huffman.jpg", "damaged JPEG|256 codes"},
};

START_TEST(bad_images_are_explained) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/bad/images/%s", FCNN_TEST_DIR, bad_images[_i].file);
    fcnn_image image = {.height = 7, .storage = root};
    expect_words(fcnn_image_load(path, 3, &image), FCNN_ERROR_FORMAT, bad_images[_i].words);
    expect_words(FCNN_ERROR_FORMAT, FCNN_ERROR_FORMAT, bad_images[_i].file);
    ck_assert(image.height == 0 && !image.pixels && !image.storage);
}
END_TEST

START_TEST(unreadable_images_carry_the_reason) {
    fcnn_image image;
    expect_words(fcnn_image_load(below("none.png"), 3, &image), FCNN_ERROR_IO,
                 "none.png|No such file");
    expect_words(fcnn_image_load(root, 3, &image), FCNN_ERROR_IO, "found a folder");
    expect_words(fcnn_image_load("/dev/null", 3, &image), FCNN_ERROR_IO, "device or pipe");
    /* A regular file whose first page cannot be read. */
    expect_words(fcnn_image_load("/proc/self/mem", 3, &image), FCNN_ERROR_IO,
                 "/proc/self/mem|Input/output error");
    expect_words(fcnn_image_load("x.png", 2, &image), FCNN_ERROR_USAGE, "1 or 3 channels");
}
END_TEST

START_TEST(a_completed_jpeg_decodes) {
    uint8_t bytes[2048] = {0};
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/bad/images/truncated.jpg", FCNN_TEST_DIR);
    size_t count = read_file(path, bytes, sizeof bytes - 1200) + 128;
    memcpy(bytes + count, "\xff\xd9", 2);
    /* A comment of 1000 bytes behind the first marker, to be skipped. */
    memmove(bytes + 1004, bytes + 2, count);
    memcpy(bytes + 2, "\xff\xfe\x03\xe8", 4);
    count += 1002;
    write_file(below("whole.JPEG"), bytes, count + 2);
    fcnn_image image;
    ck_assert_msg(!fcnn_image_load(below("whole.JPEG"), 1, &image), "%s", fcnn_status_message());
    ck_assert_int_eq(image.height, 256);
    for (int i = 0; i < 256 * 256; i++) ck_assert_int_eq(image.pixels[i], 128);
    fcnn_image_clear(&image);
}
END_TEST

START_TEST(grey_expands_and_colour_averages) {
    fcnn_image grey, colour;
    const char *boot = FCNN_TEST_DIR "/images/ankle-boot.png";
    ck_assert_int_eq(fcnn_image_load(boot, 1, &grey), FCNN_OK);
    ck_assert_int_eq(fcnn_image_load(boot, 3, &colour), FCNN_OK);
    ck_assert_int_eq(colour.channels, 3);
    int bright = 0;
    for (int i = 0; i < 784; i++) {
        bright += grey.pixels[i] > 100;
        for (int c = 0; c < 3; c++) ck_assert_int_eq(colour.pixels[3 * i + c], grey.pixels[i]);
    }
    ck_assert_int_gt(bright, 50);
    fcnn_image_clear(&grey);
    fcnn_image_clear(&colour);
    write_bmp(below("c.bmp"), 200, 100, 1);
    ck_assert_int_eq(fcnn_image_load(below("c.bmp"), 3, &colour), FCNN_OK);
    ck_assert_int_eq(fcnn_image_load(below("c.bmp"), 1, &grey), FCNN_OK);
    ck_assert(colour.height == 2 && colour.width == 4);
    ck_assert_mem_eq(colour.pixels + 21, ((uint8_t[]){200, 100, 1}), 3);
    ck_assert_int_eq(grey.pixels[7], 100); /* 301 / 3; by luminance it would be 118 */
    fcnn_image_clear(&grey);
    fcnn_image_clear(&colour);
}
END_TEST

/* ---- Image folders ---- */

static const char *boot_path(void) { return FCNN_TEST_DIR "/images/ankle-boot.png"; }

START_TEST(folders_give_sorted_classes_and_files) {
    write_bmp(below("set/train/b/2.bmp"), 20, 20, 20);
    write_bmp(below("set/train/b/10.BMP"), 10, 10, 10);
    write_bmp(below("set/train/B/1.bmp"), 30, 30, 30);
    copy_file(boot_path(), below("set/val/b/boot.PNG"));
    write_file(below("set/val/b/.hidden.png"), "x", 1);
    write_file(below("set/train/b/notes.txt"), "x", 1);
    write_file(below("set/train/list.csv"), "x", 1);
    copy_file(FCNN_TEST_DIR "/bad/images/text.png", below("set/train/b/text.png"));
    write_bmp(below("elsewhere/z.bmp"), 40, 40, 40);
    below("set/train/b/nested/");
    copy_file(FCNN_TEST_DIR "/bad/images/huffman.jpg", below("set/train/b/huffman.jpg"));
    ck_assert_int_eq(symlink(below("elsewhere"), below("set/train/a")), 0);
    fcnn_dataset *set = open_good(below("set/"));
    ck_assert_int_eq(set->classes, 3);
    ck_assert_str_eq(set->class_names[0], "B");
    ck_assert_str_eq(set->class_names[1], "a");
    ck_assert_str_eq(set->class_names[2], "b");
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], 4);
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], 1);
    ck_assert_int_eq(set->channels, 3);
    ck_assert(!set->held_out_is_test);
    ck_assert_int_eq(set->skipped, 5);
    ck_assert_ptr_nonnull(strstr(set->skipped_example, "train/b/huffman.jpg: damaged JPEG"));
    static const int want_label[] = {0, 1, 2, 2}, want_pixel[] = {30, 40, 10, 20};
    for (int i = 0; i < 4; i++) {
        fcnn_image image;
        ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, i, &image), FCNN_OK);
        ck_assert_int_eq(image.pixels[0], want_pixel[i]);
        ck_assert_int_eq(set->labels[FCNN_SPLIT_TRAIN][i], want_label[i]);
        fcnn_image_clear(&image);
    }
    char text[64];
    set->describe(set, FCNN_SPLIT_HELD_OUT, 0, text, sizeof text);
    ck_assert_str_eq(text, "val/b/boot.PNG");
    ck_assert_int_eq(set->labels[FCNN_SPLIT_HELD_OUT][0], 2);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(folders_may_lack_splits) {
    write_bmp(below("flat/x/1.bmp"), 1, 1, 1);
    write_bmp(below("flat/y/1.bmp"), 1, 1, 1);
    fcnn_dataset *set = open_good(below("flat"));
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], 2);
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], 0);
    fcnn_dataset_close(set);
    write_bmp(below("tested/train/x/1.bmp"), 1, 1, 1);
    write_bmp(below("tested/test/x/1.bmp"), 1, 1, 1);
    set = open_good(below("tested"));
    ck_assert(set->held_out_is_test);
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], 1);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(wrong_folders_are_explained) {
    below("none/"), below("gap/full/"), below("gap/void/");
    expect_open_error(below("none"), FCNN_ERROR_FORMAT, "none|a folder for each class, found none");
    write_bmp(below("gap/full/1.bmp"), 1, 1, 1);
    expect_open_error(below("gap"), FCNN_ERROR_FORMAT, "gap/void|no usable image");
    write_file(below("gap/void/1.txt"), "x", 1);
    expect_open_error(below("gap"), FCNN_ERROR_FORMAT, "gap/void|no usable image|1.txt: not named");
    write_bmp(below("more/train/cat/1.bmp"), 1, 1, 1);
    write_bmp(below("more/val/dog/1.bmp"), 1, 1, 1);
    expect_open_error(below("more"), FCNN_ERROR_FORMAT, "more/val/dog|'dog' is not among the 1");
    write_bmp(below("alone/val/cat/1.bmp"), 1, 1, 1);
    expect_open_error(below("alone"), FCNN_ERROR_FORMAT, "expected the folder train beside val");
}
END_TEST

/* Ten bad files in any number are let pass; more must be at most a tenth. */
START_TEST(too_many_bad_files_are_an_error) {
    for (int i = 0; i < 10; i++)
        copy_file(FCNN_TEST_DIR "/bad/images/text.png", below("bad/c/x%02d.png", i));
    write_bmp(below("bad/c/good.bmp"), 1, 1, 1);
    fcnn_dataset *set = open_good(below("bad"));
    ck_assert_int_eq(set->skipped, 10);
    ck_assert_ptr_nonnull(strstr(set->skipped_example, "c/x00.png: expected a JPEG"));
    fcnn_dataset_close(set);
    copy_file(FCNN_TEST_DIR "/bad/images/giant.png", below("bad/c/x10.png"));
    expect_open_error(below("bad"), FCNN_ERROR_FORMAT, "11 of 12 image files|x00.png");
    for (int i = 0; i < 98; i++) write_bmp(below("bad/c/y%02d.bmp", i), 1, 1, 1);
    set = open_good(below("bad")); /* 11 of 110 */
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], 99);
    fcnn_dataset_close(set);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("images");
    TCase *images = add_case(suite, "files");
    tcase_add_loop_test(images, bad_images_are_explained, 0, LENGTH(bad_images));
    tcase_add_test(images, unreadable_images_carry_the_reason);
    tcase_add_test(images, a_completed_jpeg_decodes);
    tcase_add_test(images, grey_expands_and_colour_averages);
    TCase *folders = add_case(suite, "folders");
    tcase_add_test(folders, folders_give_sorted_classes_and_files);
    tcase_add_test(folders, folders_may_lack_splits);
    tcase_add_test(folders, wrong_folders_are_explained);
    tcase_add_test(folders, too_many_bad_files_are_an_error);
    return run_suite(suite);
}
