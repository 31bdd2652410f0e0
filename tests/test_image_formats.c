/* The decoders of picture files: samples of 16 bits, memory that follows the
 * pixels, files that are not quite right, formats that are not read, and
 * failures that are no fault of a file. Files made byte by byte; see also
 * test_image_folder.c. */
#include <sys/resource.h>

#include "image_bytes.h"

static fcnn_image load(const char *path, int channels) {
    fcnn_image image;
    ck_assert_msg(!fcnn_image_load(path, channels, &image), "%s", fcnn_status_message());
    ck_assert_int_eq(image.channels, channels);
    return image;
}

static const char *write_made(const char *name) {
    const char *path = below("%s", name);
    write_file(path, made, made_bytes);
    return path;
}

/* Both what a folder asks when it is opened, and decoding. */
static void expect_refused(const char *path, fcnn_status want, const char *words) {
    int height, width;
    fcnn_image image;
    expect_words(fcnn_image_probe(path, &height, &width), want, words);
    expect_words(fcnn_image_load(path, 3, &image), want, words);
    ck_assert(!image.storage && !image.height);
}

/* Where probing need not see that it is refused. */
static fcnn_status load_made(const char *name) {
    fcnn_image image;
    fcnn_status status = fcnn_image_load(write_made(name), 3, &image);
    ck_assert(!status == (image.storage != NULL));
    fcnn_image_clear(&image);
    return status;
}

static void expect_read(const char *path) {
    int height, width;
    fcnn_image image = load(path, 1);
    ck_assert_msg(!fcnn_image_probe(path, &height, &width), "%s", fcnn_status_message());
    ck_assert(height == image.height && width == image.width);
    fcnn_image_clear(&image);
}

/* ---- 16 bits ---- */

static const uint16_t deep[18] = {0,     1,     255,   256,   4095, 65535, 7,     8,     10,
                                  65535, 65535, 65535, 65534, 0,    1,     30000, 30001, 30002};

START_TEST(sixteen_bits_are_kept) {
    const char *path = below("deep.png");
    write_png(path, 6, 3, 16, 0, deep);
    fcnn_image grey = load(path, 1), colour = load(path, 3);
    ck_assert(!grey.pixels && !colour.pixels && grey.height == 3 && grey.width == 6);
    for (int i = 0; i < 18; i++) {
        ck_assert_uint_eq(grey.pixels16[i], deep[i]);
        for (int c = 0; c < 3; c++) ck_assert_uint_eq(colour.pixels16[3 * i + c], deep[i]);
    }
    fcnn_image_clear(&grey);
    fcnn_image_clear(&colour);
    write_png(path, 2, 3, 16, 2, deep);
    grey = load(path, 1);
    colour = load(path, 3);
    ck_assert_mem_eq(colour.pixels16, deep, sizeof deep);
    for (int i = 0; i < 6; i++)
        ck_assert_uint_eq(grey.pixels16[i],
                          (deep[3 * i] + deep[3 * i + 1] + deep[3 * i + 2] + 1) / 3);
    fcnn_image_clear(&grey);
    fcnn_image_clear(&colour);
}
END_TEST

START_TEST(sums_of_sixteen_bits_are_exact) {
    enum { COUNT = 1 << 20 };
    uint16_t *pixels = malloc(COUNT * sizeof *pixels);
    fcnn_image_sums sums;
    ck_assert_ptr_nonnull(pixels);
    memset(pixels, 0xff, COUNT * sizeof *pixels);
    pixels[5] = 3;
    const fcnn_image image = {.height = 1, .width = COUNT, .channels = 1, .pixels16 = pixels};
    fcnn_image_sum(&image, &sums);
    ck_assert_uint_eq(sums.sum[0], (uint64_t)65535 * (COUNT - 1) + 3);
    ck_assert_uint_eq(sums.squares[0], (uint64_t)65535 * 65535 * (COUNT - 1) + 9);
    ck_assert(sums.low[0] == 3 && sums.high[0] == 65535 && sums.one == 65535);
    free(pixels);
}
END_TEST

static fcnn_input_statistics statistics_of(const char *folder) {
    fcnn_dataset *set = open_good(folder);
    fcnn_input_statistics found;
    ck_assert_int_eq(fcnn_dataset_statistics(set, FCNN_SPLIT_TRAIN, NULL,
                                             set->count[FCNN_SPLIT_TRAIN], 99, 2, &found),
                     FCNN_OK);
    fcnn_dataset_close(set);
    return found;
}

/* The same numbers in files of 8 and of 16 bits are the same data, in any mixture. */
START_TEST(statistics_of_mixed_folders_agree) {
    uint16_t flat[2][24], wide[2][24];
    for (int i = 0; i < 48; i++) {
        flat[i / 24][i % 24] = (uint16_t)(i * 37 % 256);
        wide[i / 24][i % 24] = (uint16_t)(257 * flat[i / 24][i % 24]);
    }
    for (int folder = 0; folder < 3; folder++)
        for (int i = 0; i < 2; i++) {
            bool eight = folder == 0 || (folder == 1 && i == 0);
            write_png(below("%d/c/%d.png", folder, i), 4, 2, eight ? 8 : 16, 2,
                      eight ? flat[i] : wide[i]);
        }
    fcnn_input_statistics want = statistics_of(below("0"));
    for (int folder = 1; folder < 3; folder++) {
        fcnn_input_statistics found = statistics_of(below("%d", folder));
        for (int c = 0; c < 3; c++) {
            ck_assert_float_eq_tol(found.mean[c], want.mean[c], 1e-7f);
            ck_assert_float_eq_tol(found.deviation[c], want.deviation[c], 1e-7f);
        }
    }
}
END_TEST

/* ---- Memory and time follow the pixels ---- */

START_TEST(headers_beyond_their_files_are_refused) {
    png_start(16000, 16000, 8, 6);
    png_deflated("IDAT", "", "\0\0\0\0", 4);
    png_chunk("IEND", "", 0);
    expect_refused(write_made("a.png"), FCNN_ERROR_FORMAT, "a.png: truncated|16000 x 16000|bytes");
    for (int frame = 0xc0; frame <= 0xc2; frame += 2) {
        jpeg_start(frame, 16000, 16000, 3);
        jpeg_scan(1, 3, 0, frame == 0xc0 ? 63 : 0);
        PUT(0, 0xff, 0xd9);
        expect_refused(write_made("a.jpg"), FCNN_ERROR_FORMAT, "a.jpg: truncated|16000 x 16000");
    }
    begin();
    put("GIF89a", 6);
    put_little(16000, 2), put_little(16000, 2);
    PUT(0x80, 0, 0, 0, 0, 0, 9, 9, 9); /* two colours */
    PUT(0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b);
    expect_refused(write_made("a.gif"), FCNN_ERROR_FORMAT, "a.gif: truncated|16000 x 16000");
    begin();
    put("BM", 2);
    put_little(62, 4), put_little(0, 4), put_little(54, 4), put_little(40, 4);
    put_little(16000, 4), put_little(16000, 4);
    PUT(1, 0, 24, 0);
    for (int i = 0; i < 32; i++) PUT(0);
    expect_refused(write_made("a.bmp"), FCNN_ERROR_FORMAT, "a.bmp: truncated|16000 x 16000");
}
END_TEST

static int64_t peak_kib(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* 256 MiB of zeros, first behind the image's rows, then in a text and in a profile of colours. */
START_TEST(what_is_no_pixel_takes_no_memory) {
    enum { ZEROS = 1 << 28 };
    uint8_t *zeros = calloc(1, ZEROS);
    ck_assert_ptr_nonnull(zeros);
    static const char *const kinds[] = {"IDAT", "zTXt", "iCCP"};
    for (int i = 0; i < 3; i++) {
        png_start(28, 28, 8, 0);
        png_deflated(kinds[i], i ? "name" : "", zeros, ZEROS);
        if (i) png_deflated("IDAT", "", zeros, 29 * 28);
        png_chunk("IEND", "", 0);
        write_made(kinds[i]);
    }
    free(zeros); /* it was never written to: no memory was taken */
    int64_t before = peak_kib();
    for (int i = 0; i < 3; i++) expect_read(below("%s", kinds[i]));
    ck_assert_int_lt(peak_kib() - before, 64 << 10);
}
END_TEST

/* ---- Not quite right ---- */

START_TEST(jpegs_are_read_if_all_their_blocks_are_there) {
    static const struct {
        const char *name;
        uint8_t tail[8];
        int bytes;
    } ends[] = {{"whole", {0xff, 0xd9}, 2},
                {"without its end", {0}, 0},
                {"half an end", {0xff}, 1},
                {"a restart", {0xff, 0xd1, 0xff, 0xd9}, 4},
                {"filled", {0xff, 0xff, 0xff, 0xd9}, 4},
                {"followed", {0xff, 0xd9, 1, 2, 0xff, 0xd8, 7}, 7},
                {"with bytes too many", {0, 0, 0, 0, 0xff, 0xd9}, 6}};
    for (int i = 0; i < LENGTH(ends); i++) {
        jpeg_start(0xc0, 16, 16, 1);
        jpeg_scan(1, 1, 0, 63);
        PUT(0, 0); /* four blocks of four bits */
        put(ends[i].tail, (size_t)ends[i].bytes);
        const char *path = write_made(ends[i].name);
        expect_read(path);
        fcnn_image image = load(path, 1);
        for (int k = 0; k < 256; k++) ck_assert_int_eq(image.pixels[k], 128);
        fcnn_image_clear(&image);
    }
    jpeg_start(0xc0, 24, 16, 1); /* six blocks, of which there are four */
    jpeg_scan(1, 1, 0, 63);
    PUT(0, 0);
    expect_refused(write_made("cut.jpg"), FCNN_ERROR_FORMAT, "cut.jpg: truncated");
    PUT(0xff, 0xd9);
    fcnn_image image;
    expect_words(fcnn_image_load(write_made("short.jpg"), 3, &image), FCNN_ERROR_FORMAT,
                 "short.jpg: damaged JPEG|premature end");
}
END_TEST

/* Wherever a file is cut, it is refused before a pixel is lost, and never read past its end. */
START_TEST(jpegs_cut_anywhere_are_refused) {
    jpeg_start(0xc0, 24, 16, 1);
    jpeg_scan(1, 1, 0, 63);
    PUT(0, 0, 0);
    size_t whole = made_bytes;
    for (made_bytes = 4; made_bytes < whole; made_bytes++)
        expect_refused(write_made("cut.jpg"), FCNN_ERROR_FORMAT, "cut.jpg: truncated");
    expect_read(write_made("whole.jpg"));
}
END_TEST

/* A file that ends between two scans looks whole to libjpeg. */
START_TEST(jpegs_that_lack_scans_are_truncated) {
    jpeg_start(0xc2, 8, 8, 1);
    jpeg_scan(1, 1, 0, 0);
    PUT(0x3f);
    expect_refused(write_made("progressive.jpg"), FCNN_ERROR_FORMAT, "truncated");
    jpeg_scan(1, 1, 1, 63);
    PUT(0x3f);
    expect_read(write_made("complete.jpg"));
    jpeg_start(0xc0, 8, 8, 3);
    for (int c = 1; c <= 3; c++) {
        jpeg_scan(c, 1, 0, 63);
        PUT(0x0f);
        if (c < 3)
            expect_refused(write_made("planes.jpg"), FCNN_ERROR_FORMAT, "truncated");
        else
            expect_read(write_made("planes.jpg"));
    }
}
END_TEST

START_TEST(jpegs_of_other_kinds_are_named) {
    for (int lossless = 0; lossless < 2; lossless++) {
        jpeg_start(lossless ? 0xc3 : 0xc1, 8, 8, 1);
        if (!lossless) made[2 + 69 + 4] = 12; /* bits of a sample */
        jpeg_scan(1, 1, 0, 63);
        PUT(0x0f, 0xff, 0xd9);
        expect_refused(write_made("other.jpg"), FCNN_ERROR_FORMAT,
                       lossless ? "a JPEG of a kind that is not read|SOF"
                                : "a kind that is not read|12");
    }
}
END_TEST

/* Inks of 0, inverted as Adobe's are, leave no light; else all of it. */
START_TEST(inks_become_light) {
    for (int adobe = 0; adobe < 2; adobe++) {
        jpeg_start(0xc0, 8, 8, 4);
        if (adobe) jpeg_segment(0xee, "Adobe\0\x64\0\0\0\0\0", 12);
        jpeg_scan(1, 4, 0, 63);
        PUT(0, 0, 0xff, 0xd9);
        fcnn_image image = load(write_made("inks.jpg"), 3); /* all four are 128 */
        int want = adobe ? (128 * 128 + 127) / 255 : (127 * 127 + 127) / 255;
        for (int i = 0; i < 192; i++) ck_assert_int_eq(image.pixels[i], want);
        fcnn_image_clear(&image);
    }
}
END_TEST

static void put_gif(uint8_t code_size) {
    begin();
    put("GIF89a", 6);
    put_little(2, 2), put_little(2, 2);
    PUT(0x80, 0, 0, 10, 20, 30, 40, 50, 60);
    PUT(0x21, 0xfe, 1, 'x', 0); /* a comment */
    PUT(0x2c, 0, 0, 0, 0, 2, 0, 2, 0, 0);
    PUT(code_size, 3, 0x8c, 0x53, 0, 0, 0x3b);
}

/* Without the end mark, and the empty block before it, all pixels are there; with less they may not
 * be, and are not made up. */
START_TEST(gifs_that_are_cut_are_truncated) {
    put_gif(2);
    for (size_t all = made_bytes, cut = 0; cut <= all - 6; cut++) {
        made_bytes = all - cut;
        if (cut <= 2)
            expect_read(write_made("cut.gif"));
        else
            expect_words(load_made("cut.gif"), FCNN_ERROR_FORMAT, "cut.gif: truncated");
    }
}
END_TEST

START_TEST(gifs_of_wrong_contents_are_damaged) {
    put_gif(9);
    expect_refused(write_made("code.gif"), FCNN_ERROR_FORMAT,
                   "code.gif: damaged GIF: its contents");
    put_gif(2);
    made[10] = 0; /* the colours are said not to be there, and their bytes are no block */
    expect_refused(write_made("mark.gif"), FCNN_ERROR_FORMAT, "mark.gif: damaged GIF");
    put_gif(2);
    made[19] = 0x3b;
    expect_refused(write_made("none.gif"), FCNN_ERROR_FORMAT, "none.gif: damaged GIF: it holds no");
    put_gif(2);
    made[made_bytes - 5] = 0x2d; /* the end code behind the clear code */
    expect_words(load_made("end.gif"), FCNN_ERROR_FORMAT, "end.gif: damaged GIF: Image EOF");
    begin();
    put("GIF89a", 6);
    put_little(1, 2), put_little(1, 2);
    PUT(0, 0, 0, 0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 1, 0, 0x3b);
    expect_refused(write_made("grey.gif"), FCNN_ERROR_FORMAT, "it has no colours");
}
END_TEST

/* A frame of 2 x 2 pixels of colour 1 on a screen of 4 x 3 with background 2; or beyond it. */
START_TEST(gif_frames_lie_on_their_screen) {
    for (int beyond = 0; beyond < 2; beyond++) {
        begin();
        put("GIF89a", 6);
        put_little(4, 2), put_little(3, 2);
        PUT(0x81, 2, 0, 0, 0, 0, 10, 20, 30, 40, 50, 60, 70, 80, 90);
        PUT(0x2c, (uint8_t)(beyond ? 3 : 1), 0, 1, 0, 2, 0, 2, 0, 0);
        PUT(2, 3, 0x8c, 0x53, 0, 0, 0x3b); /* clear = 4, 1, 6 = "1 1", 1, end = 5, in three bits */
        fcnn_image image = load(write_made("frame.gif"), 3);
        ck_assert(image.width == (beyond ? 5 : 4) && image.height == 3);
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < image.width; x++) {
                int left = beyond ? 3 : 1;
                bool inside = x >= left && x < left + 2 && y >= 1;
                const uint8_t *want = (const uint8_t[2][3]){{40, 50, 60}, {10, 20, 30}}[inside];
                ck_assert_mem_eq(image.pixels + 3 * (y * image.width + x), want, 3);
            }
        fcnn_image_clear(&image);
    }
}
END_TEST

/* ---- Names and other formats ---- */

START_TEST(contents_count_and_not_names) {
    copy_file(FCNN_TEST_DIR "/images/ankle-boot.png", below("set/c/1.jpg"));
    copy_file(FCNN_TEST_DIR "/images/formats/progressive.jpg", below("set/c/2.gif"));
    copy_file(FCNN_TEST_DIR "/images/formats/frames.gif", below("set/c/3.JFIF"));
    fcnn_dataset *set = open_good(below("set"));
    ck_assert(set->count[FCNN_SPLIT_TRAIN] == 3 && set->problems.count == 0);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(other_formats_are_named) {
    static const struct {
        const char *bytes, *words;
        size_t count;
    } kinds[] = {{"II*\0\x10\0\0\0CR\2\0", "a RAW image (Canon)", 12},
                 {"\0\0\0\x18"
                  "ftypheic",
                  "a HEIC image", 12},
                 {"\0\0\0\x18"
                  "ftypavif",
                  "an AVIF image", 12},
                 {"8BPS\0\1", "a Photoshop file", 6},
                 {"<?xml version=\"1.0\"?>\n<svg>", "an SVG drawing", 27},
                 {"<!DOCTYPE html><html>", "an HTML page", 21},
                 {"version https://git-lfs.github.com/spec/v1\n", "Git LFS", 43},
                 {"\x89PNG\r\n\x1a", "another kind of file", 7}};
    for (int i = 0; i < LENGTH(kinds); i++) {
        write_file(below("x.jpg"), kinds[i].bytes, kinds[i].count);
        expect_refused(below("x.jpg"), FCNN_ERROR_FORMAT,
                       "x.jpg: expected a JPEG, PNG, WebP, TIFF, BMP or GIF");
        expect_refused(below("x.jpg"), FCNN_ERROR_FORMAT, kinds[i].words);
    }
    write_file(below("x.jpg"), "", 0);
    expect_refused(below("x.jpg"), FCNN_ERROR_FORMAT, "x.jpg: truncated: the file is empty");
}
END_TEST

/* ---- No fault of the file ---- */

START_TEST(open_files_that_run_out_are_no_bad_picture) {
    copy_file(FCNN_TEST_DIR "/images/ankle-boot.png", below("set/c/1.png"));
    const char *path = below("set/c/1.png"), *folder = below("set");
    struct rlimit limit;
    fcnn_image image;
    fcnn_dataset *set;
    int next = dup(0);
    ck_assert_int_eq(close(next), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)next;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    fcnn_status loaded = fcnn_image_load(path, 3, &image);
    expect_words(loaded, FCNN_ERROR_MEMORY, "1.png: cannot be read: Too many open files");
    for (int free_files = 0; free_files < 3; free_files++) {
        limit.rlim_cur = (rlim_t)(next + free_files);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        fcnn_status opened = fcnn_dataset_open(folder, 0, &set);
        if (opened) {
            ck_assert_ptr_nonnull(strstr(fcnn_status_message(), "Too many open files"));
        } else {
            ck_assert(set->count[FCNN_SPLIT_TRAIN] == 1 && set->problems.count == 0);
            fcnn_dataset_close(set);
        }
    }
}
END_TEST

START_TEST(links_in_a_circle_are_named) {
    copy_file(FCNN_TEST_DIR "/images/ankle-boot.png", below("set/c/1.png"));
    ck_assert_int_eq(symlink("loop.png", below("set/c/loop.png")), 0);
    ck_assert_int_eq(symlink("nowhere", below("set/c/lost")), 0);
    ck_assert_int_eq(symlink("..", below("set/c/up")), 0);
    fcnn_dataset *set = open_good(below("set"));
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], 1);
    ck_assert_int_eq(set->problems.count, 3);
    static const char *const words[] = {"loop.png: cannot be read: Too many levels",
                                        "lost: No such file", "up: a folder inside"};
    for (int i = 0; i < 3; i++)
        ck_assert_msg(strstr(set->problems.messages[i], words[i]) != NULL, "%s",
                      set->problems.messages[i]);
    fcnn_dataset_close(set);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("image formats");
    TCase *bits = add_case(suite, "16 bits");
    tcase_add_test(bits, sixteen_bits_are_kept);
    tcase_add_test(bits, sums_of_sixteen_bits_are_exact);
    tcase_add_test(bits, statistics_of_mixed_folders_agree);
    TCase *bounds = add_case(suite, "bounds");
    tcase_add_test(bounds, headers_beyond_their_files_are_refused);
    tcase_add_test(bounds, what_is_no_pixel_takes_no_memory);
    TCase *odd = add_case(suite, "odd files");
    tcase_add_test(odd, jpegs_are_read_if_all_their_blocks_are_there);
    tcase_add_test(odd, jpegs_cut_anywhere_are_refused);
    tcase_add_test(odd, jpegs_that_lack_scans_are_truncated);
    tcase_add_test(odd, jpegs_of_other_kinds_are_named);
    tcase_add_test(odd, inks_become_light);
    tcase_add_test(odd, gifs_that_are_cut_are_truncated);
    tcase_add_test(odd, gifs_of_wrong_contents_are_damaged);
    tcase_add_test(odd, gif_frames_lie_on_their_screen);
    TCase *others = add_case(suite, "others");
    tcase_add_test(others, contents_count_and_not_names);
    tcase_add_test(others, other_formats_are_named);
    tcase_add_test(others, open_files_that_run_out_are_no_bad_picture);
    tcase_add_test(others, links_in_a_circle_are_named);
    return run_suite(suite);
}
