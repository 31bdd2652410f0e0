/* Image files and folders of them. Bad images come from tests/bad (made by
 * make_data.py), good ones from tests/images or written by the tests. */
#include <fcntl.h>

#include "contents.h"
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
    {"absurd.png", "2000000000 x 2000000000 pixels"},
    {"text.png", "expected a JPEG"},
    {"huffman.jpg", "damaged JPEG|Huffman table"},
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

/* Two halves of one picture in less common files; of the frames, the first counts. */
START_TEST(uncommon_files_decode) {
    static const char *const files[] = {
        "progressive.jpg", "cmyk.jpg",        "rotated.jpg", "transparent.png", "palette.png",
        "palette.bmp",     "frames.gif",      "turned.webp", "frames.webp",     "lzw.tif",
        "grey-alpha.png",  "sixteen-bit.png", "deep.tif"};
    static const int colours[2][2][3] = {{{200, 40, 90}, {10, 180, 60}},
                                         {{100, 100, 100}, {200, 200, 200}}};
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/images/formats/%s", FCNN_TEST_DIR, files[_i]);
    fcnn_image image;
    ck_assert_msg(!fcnn_image_load(path, 3, &image), "%s", fcnn_status_message());
    bool turned = _i == 2 || _i == 7; /* as it is seen: its right half on top */
    ck_assert(image.width == (turned ? 8 : 16) && image.height == (turned ? 16 : 8));
    for (int half = 0; half < 2; half++)
        for (int c = 0; c < 3; c++) {
            int at = 3 * (turned ? (8 * half + 3) * 8 + 4 : 4 * 16 + 8 * half + 3) + c;
            int got = image.pixels ? image.pixels[at] : image.pixels16[at] / 257;
            int want = colours[_i > 9][half][c];
            ck_assert_msg(abs(got - want) <= 3, "%s: %d, not %d", files[_i], got, want);
        }
    fcnn_image_clear(&image);
}
END_TEST

/* ---- Image folders ---- */

/* That problem `at` of the set, and no other, is about this and says so. */
static void check_problem(const fcnn_dataset *set, int at, const char *words) {
    ck_assert_int_lt(at, set->problems.count);
    fcnn_status_set(FCNN_ERROR_FORMAT, "%s", set->problems.messages[at]);
    expect_words(FCNN_ERROR_FORMAT, FCNN_ERROR_FORMAT, words);
}

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
    ck_assert_int_eq(set->problems.count, 5);
    ck_assert_ptr_nonnull(strstr(set->problems.messages[0], "train/b/huffman.jpg: damaged JPEG"));
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(strstr(set->problems.messages[i], " (left out)"));
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
    expect_open_error(below("gap"), FCNN_ERROR_FORMAT,
                      "gap: none of 0 image files in 2 class folders|gap/full: a class folder");
    write_file(below("gap/void/1.jpg"), "x", 1);
    write_file(below("gap/void/2.jpg"), "x", 1);
    write_file(below("gap/full/1.txt"), "x", 1);
    expect_open_error(below("gap"), FCNN_ERROR_FORMAT,
                      "gap: none of 2 image files in 2 class folders|full/1.txt: not named");
    write_bmp(below("loose/1.bmp"), 1, 1, 1);
    expect_open_error(below("loose"), FCNN_ERROR_FORMAT, "a folder for each|loose/1.bmp: a file");
    write_bmp(below("alone/val/cat/1.bmp"), 1, 1, 1);
    expect_open_error(below("alone"), FCNN_ERROR_FORMAT, "expected the folder train beside val");
}
END_TEST

START_TEST(odd_folders_are_used_as_far_as_they_go) {
    write_bmp(below("odd/train/cat/1.bmp"), 1, 1, 1);
    write_file(below("odd/train/empty/.hidden"), "x", 1);
    write_file(below("odd/train/spoilt/1.png"), "x", 1);
    write_bmp(below("odd/train/zebra/1.bmp"), 9, 9, 9);
    below("odd/val/cat/"), below("odd/val/spoilt/");
    write_bmp(below("odd/val/dog/1.bmp"), 1, 1, 1);
    write_bmp(below("odd/val/zebra/1.bmp"), 7, 7, 7);
    fcnn_dataset *set = open_good(below("odd"));
    ck_assert_int_eq(set->classes, 2);
    ck_assert_str_eq(set->class_names[1], "zebra");
    ck_assert(set->count[FCNN_SPLIT_TRAIN] == 2 && set->count[FCNN_SPLIT_HELD_OUT] == 1);
    ck_assert_int_eq(set->labels[FCNN_SPLIT_TRAIN][1], 1);
    ck_assert_int_eq(set->labels[FCNN_SPLIT_HELD_OUT][0], 1);
    ck_assert_int_eq(set->problems.count, 6);
    check_problem(set, 0, "train/empty: a class folder without a usable image (left out)");
    check_problem(set, 1, "train/spoilt/1.png: expected a JPEG");
    check_problem(set, 2, "train/spoilt: a class folder without");
    check_problem(set, 3, "val/cat: a class folder without");
    check_problem(set, 4, "val/dog: the class 'dog' is not among the 2|(left out)");
    check_problem(set, 5, "val/spoilt: the class 'spoilt' is not among");
    fcnn_dataset_close(set);
    unlink(below("odd/val/zebra/1.bmp"));
    set = open_good(below("odd"));
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], 0);
    check_problem(set, 6, "val/zebra: a class folder");
    check_problem(set, 7, "odd/val: a folder without a usable image (left out)");
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(odd_names_and_sizes_are_used) {
    write_bmp(below("odd/two words/\xc3\xbc b\xc3\xa4r.bmp"), 1, 1, 1);
    write_bmp(below("odd/two words/line\nfeed.bmp"), 2, 2, 2);
    write_file(below("odd/two words/cut\x1b.png"), "x", 1);
    uint8_t bytes[128];
    size_t count = read_file(below("odd/two words/line\nfeed.bmp"), bytes, sizeof bytes);
    bytes[18] = bytes[22] = 1; /* its width and height */
    write_file(below("odd/two words/one.bmp"), bytes, count);
    fcnn_dataset *set = open_good(below("odd"));
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], 3);
    ck_assert_int_eq(set->problems.count, 2);
    check_problem(set, 0, "two words/cut\\x1b.png: expected a JPEG|(left out)");
    check_problem(set, 1, "one.bmp: 1x1 pixels: used, though only its mean colour enters");
    static const char *const names[] = {"two words/line\\x0afeed.bmp", "two words/one.bmp",
                                        "two words/\xc3\xbc b\xc3\xa4r.bmp"};
    static const int height[] = {2, 1, 2};
    for (int i = 0; i < 3; i++) {
        char text[64];
        fcnn_image image;
        set->describe(set, FCNN_SPLIT_TRAIN, i, text, sizeof text);
        ck_assert_str_eq(text, names[i]);
        ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, i, &image), FCNN_OK);
        ck_assert_int_eq(image.height, height[i]);
        fcnn_image_clear(&image);
    }
    char text[9];
    set->describe(set, FCNN_SPLIT_TRAIN, 0, text, sizeof text);
    ck_assert_int_lt((int)strlen(text), 9);
    fcnn_dataset_close(set);
}
END_TEST

/* Models, reports and JSON hold class names. */
START_TEST(class_names_become_utf8) {
    write_bmp(below("latin/train/caf\xe9/1.bmp"), 2, 2, 1);
    write_bmp(below("latin/train/line\nfeed/1.bmp"), 2, 2, 1);
    write_bmp(below("latin/train/\xc3\xbc/1.bmp"), 2, 2, 1);
    write_bmp(below("latin/val/caf\xe9/\xff.bmp"), 2, 2, 1);
    fcnn_dataset *set = open_good(below("latin"));
    ck_assert_int_eq(set->classes, 3);
    ck_assert_str_eq(set->class_names[0], "caf\\xe9");
    ck_assert_str_eq(set->class_names[1], "line\\x0afeed");
    ck_assert_str_eq(set->class_names[2], "\xc3\xbc");
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], 1);
    ck_assert_int_eq(set->problems.count, 0);
    char text[64];
    set->describe(set, FCNN_SPLIT_HELD_OUT, 0, text, sizeof text);
    ck_assert_str_eq(text, "val/caf\\xe9/\\xff.bmp");
    fcnn_dataset_close(set);
}
END_TEST

/* Where a file is cut is told before the run begins. One that lacks its end mark alone, or has
 * something behind it, is read. */
START_TEST(files_that_lack_pixels_are_left_out) {
    static const char *const names[] = {"/images/formats/progressive.jpg",
                                        "/images/formats/transparent.png"};
    static uint8_t bytes[8192];
    for (int kind = 0; kind < 2; kind++) {
        char from[PATH_BYTES];
        snprintf(from, sizeof from, "%s%s", FCNN_TEST_DIR, names[kind]);
        memset(bytes, 0, sizeof bytes);
        size_t count = read_file(from, bytes, sizeof bytes);
        const char *end = kind ? "png" : "jpg";
        write_file(below("set/c/0.%s", end), bytes, count);
        write_file(below("set/c/1.%s", end), bytes, count + 2);
        write_file(below("set/c/2.%s", end), bytes, sizeof bytes); /* the end is far from the end */
        write_file(below("set/c/3.%s", end), bytes, count - (kind ? 13 : 2));
        write_file(below("set/c/4.%s", end), bytes, count / 2 + 10);
        write_file(below("set/c/5.%s", end), bytes, count - (kind ? 40 : 8));
    }
    fcnn_dataset *set = open_good(below("set"));
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], 8);
    ck_assert_int_eq(set->problems.count, 4);
    for (int i = 0; i < 8; i++) {
        char words[64];
        fcnn_image image;
        snprintf(words, sizeof words, "set/c/%d.%s: truncated|(left out)", 4 + i / 2 % 2,
                 i % 2 ? "png" : "jpg");
        if (i < 4) check_problem(set, i, words);
        ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, i, &image), FCNN_OK);
        fcnn_image_clear(&image);
    }
    fcnn_dataset_close(set);
}
END_TEST

static void set_time(const char *path) {
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000, .tv_nsec = 1}};
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
}

START_TEST(the_fingerprint_follows_names_and_bytes) {
    char path[PATH_BYTES], set[PATH_BYTES];
    snprintf(path, sizeof path, "%s", below("set/a/1.bmp"));
    snprintf(set, sizeof set, "%s", below("set"));
    write_bmp(path, 1, 1, 1);
    write_bmp(below("set/b/1.bmp"), 1, 1, 1);
    uint64_t found[5] = {fingerprint_of(set)};
    ck_assert_uint_eq(found[0], fingerprint_of(set));
    set_time(path);
    ck_assert_uint_eq(found[0], fingerprint_of(set));
    ck_assert_int_eq(rename(set, below("elsewhere")), 0);
    ck_assert_uint_eq(found[0], fingerprint_of(below("elsewhere")));
    ck_assert_int_eq(rename(below("elsewhere"), set), 0);
    write_bmp(path, 1, 2, 1);
    set_time(path);
    found[1] = fingerprint_of(set);
    ck_assert_int_eq(rename(path, below("set/a/2.bmp")), 0);
    found[2] = fingerprint_of(set);
    write_bmp(below("set/b/3.bmp"), 1, 1, 1);
    found[3] = fingerprint_of(set);
    ck_assert_int_eq(rename(below("set/b/3.bmp"), below("set/a/3.bmp")), 0);
    found[4] = fingerprint_of(set);
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < i; j++) ck_assert_uint_ne(found[i], found[j]);
    write_file(below("set/b/4.txt"), "not an image", 12);
    ck_assert_uint_eq(found[4], fingerprint_of(set));
}
END_TEST

/* A file of 16 KiB is seen as a whole; of a larger one its ends, its middle and its size. */
START_TEST(contents_of_files) {
    static uint8_t bytes[40000];
    static const struct {
        size_t size, at;
        bool seen;
    } changes[] = {{16384, 5000, true},  {40000, 4095, true},   {40000, 20000, true},
                   {40000, 39999, true}, {40000, 10000, false}, {1, 0, true}};
    const char *path = below("file");
    uint64_t before, after, longer;
    for (int i = 0; i < LENGTH(changes); i++) {
        write_file(path, bytes, changes[i].size);
        ck_assert_int_eq(fcnn_contents_of_file(path, &before), FCNN_OK);
        bytes[changes[i].at] ^= 1;
        write_file(path, bytes, changes[i].size);
        bytes[changes[i].at] ^= 1;
        ck_assert_int_eq(fcnn_contents_of_file(path, &after), FCNN_OK);
        ck_assert_msg((before != after) == changes[i].seen, "change %d", i);
        write_file(path, bytes, changes[i].size - 1);
        ck_assert_int_eq(fcnn_contents_of_file(path, &longer), FCNN_OK);
        ck_assert_uint_ne(before, longer);
    }
    expect_words(fcnn_contents_of_file(below("none"), &before), FCNN_ERROR_IO,
                 "none: cannot be read: No such file");
}
END_TEST

/* Ten bad files in any number are let pass; more must be at most a tenth. */
START_TEST(too_many_bad_files_are_an_error) {
    for (int i = 0; i < 10; i++)
        copy_file(FCNN_TEST_DIR "/bad/images/text.png", below("bad/c/x%02d.png", i));
    write_bmp(below("bad/c/good.bmp"), 1, 1, 1);
    fcnn_dataset *set = open_good(below("bad"));
    ck_assert_int_eq(set->problems.count, 10);
    ck_assert_ptr_nonnull(strstr(set->problems.messages[0], "c/x00.png: expected a JPEG"));
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
    tcase_add_loop_test(images, uncommon_files_decode, 0, 13);
    TCase *folders = add_case(suite, "folders");
    tcase_add_test(folders, folders_give_sorted_classes_and_files);
    tcase_add_test(folders, folders_may_lack_splits);
    tcase_add_test(folders, wrong_folders_are_explained);
    tcase_add_test(folders, odd_folders_are_used_as_far_as_they_go);
    tcase_add_test(folders, odd_names_and_sizes_are_used);
    tcase_add_test(folders, class_names_become_utf8);
    tcase_add_test(folders, files_that_lack_pixels_are_left_out);
    tcase_add_test(folders, the_fingerprint_follows_names_and_bytes);
    tcase_add_test(folders, contents_of_files);
    tcase_add_test(folders, too_many_bad_files_are_an_error);
    return run_suite(suite);
}
