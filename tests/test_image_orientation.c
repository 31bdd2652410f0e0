/* Pictures that lie on their side: the tag in EXIF and TIFF, and what it does to the pixels. */
#include <webp/encode.h>

#include "image_bytes.h"
#include "image_orientation.h"

/* ---- The tag ---- */

/* EXIF of one tag, Orientation, behind another one. */
static size_t make_exif(bool little, int orientation, uint8_t exif[64]) {
    void (*number)(uint32_t, int) = little ? put_little : put_big;
    begin();
    put("Exif\0\0", 6);
    put(little ? "II" : "MM", 2);
    number(42, 2);
    number(8, 4);
    number(2, 2);
    number(0x010f, 2); /* the maker's name */
    number(2, 2);
    number(4, 4);
    put("ab\0\0", 4);
    number(0x0112, 2);
    number(3, 2);
    number(1, 4);
    number((uint32_t)orientation, 2);
    number(0, 2);
    number(0, 4);
    memcpy(exif, made, made_bytes);
    return made_bytes;
}

START_TEST(tag_is_found) {
    uint8_t exif[64];
    for (int little = 0; little < 2; little++)
        for (int value = 1; value <= 8; value++) {
            size_t bytes = make_exif(little, value, exif);
            ck_assert_int_eq(fcnn_orientation_of_exif(exif, bytes), value);
            ck_assert_int_eq(fcnn_orientation_of_exif(exif + 6, bytes - 6), value);
        }
}
END_TEST

/* Whatever the bytes are, the answer is 1 to 8, and nothing behind them is read. */
START_TEST(any_bytes_have_an_orientation) {
    uint8_t exif[64];
    size_t bytes = make_exif(true, 6, exif);
    for (size_t cut = 0; cut < bytes; cut++) {
        uint8_t *part = malloc(cut ? cut : 1);
        ck_assert_ptr_nonnull(part);
        memcpy(part, exif, cut);
        int value = fcnn_orientation_of_exif(part, cut);
        ck_assert(value == 1 || value == 6);
        free(part);
    }
    for (size_t at = 0; at < bytes; at++)
        for (int value = 0; value < 256; value += 5) {
            uint8_t kept = exif[at];
            exif[at] = (uint8_t)value;
            int found = fcnn_orientation_of_exif(exif, bytes);
            ck_assert(found >= 1 && found <= 8);
            exif[at] = kept;
        }
    ck_assert_int_eq(fcnn_orientation_of_exif(exif, make_exif(true, 9, exif)), 1);
}
END_TEST

/* ---- The pixels ---- */

/* A picture of three columns and two rows, abc over def, as it is seen when it is stored in each
 * orientation: what a reader of EXIF's definition writes down. */
static const struct {
    int width;
    const char *seen;
} turned[9] = {[1] = {3, "abcdef"}, [2] = {3, "cbafed"}, [3] = {3, "fedcba"}, [4] = {3, "defabc"},
               [5] = {2, "adbecf"}, [6] = {2, "daebfc"}, [7] = {2, "fcebda"}, [8] = {2, "cfbead"}};

START_TEST(pixels_are_turned) {
    for (int orientation = 1; orientation <= 8; orientation++)
        for (int channels = 1; channels <= 3; channels += 2)
            for (int deep = 0; deep < 2; deep++) {
                size_t samples = 6 * (size_t)channels, size = deep ? 2 : 1;
                void *storage = malloc(samples * size);
                ck_assert_ptr_nonnull(storage);
                for (size_t i = 0; i < samples; i++) {
                    int value = (int)("abcdef"[i / (size_t)channels]) + (int)(i % (size_t)channels);
                    if (deep)
                        ((uint16_t *)storage)[i] = (uint16_t)(value * 257);
                    else
                        ((uint8_t *)storage)[i] = (uint8_t)value;
                }
                fcnn_image image = {.height = 2,
                                    .width = 3,
                                    .channels = channels,
                                    .pixels = deep ? NULL : storage,
                                    .pixels16 = deep ? storage : NULL,
                                    .storage = storage};
                ck_assert_int_eq(fcnn_orientation_apply(&image, orientation), FCNN_OK);
                ck_assert_int_eq(image.width, turned[orientation].width);
                ck_assert_int_eq(image.height * image.width, 6);
                for (size_t i = 0; i < samples; i++) {
                    int want = turned[orientation].seen[i / (size_t)channels] +
                               (int)(i % (size_t)channels);
                    int found = deep ? image.pixels16[i] / 257 : image.pixels[i];
                    ck_assert_msg(found == want, "orientation %d, sample %zu: %c, not %c",
                                  orientation, i, found, want);
                }
                fcnn_image_clear(&image);
            }
}
END_TEST

/* ---- Files ---- */

enum { WIDTH = 16, HEIGHT = 8 }; /* dark on the left half, light on the right */

static void write_with_exif(const char *format, int orientation, const char *path) {
    uint8_t exif[64], rgb[HEIGHT * WIDTH * 3], *file = NULL;
    uint16_t grey[HEIGHT * WIDTH];
    size_t bytes = make_exif(orientation % 2, orientation, exif);
    for (int i = 0; i < HEIGHT * WIDTH; i++) {
        grey[i] = i % WIDTH < WIDTH / 2 ? 20 : 220;
        memset(rgb + 3 * i, grey[i], 3);
    }
    if (!strcmp(format, "png")) {
        write_png(path, WIDTH, HEIGHT, 8, 0, grey);
        size_t whole = read_file(path, made, sizeof made);
        static uint8_t rest[1 << 12];
        ck_assert(whole > 33 && whole < sizeof rest);
        memcpy(rest, made, whole);
        made_bytes = 33; /* behind the header */
        png_chunk("eXIf", exif + 6, bytes - 6);
        put(rest + 33, whole - 33);
    } else if (!strcmp(format, "tiff")) {
        begin();
        put("II*\0\x08\0\0\0", 8);
        const uint32_t tags[][3] = {{256, 3, WIDTH},
                                    {257, 3, HEIGHT},
                                    {258, 3, 8},
                                    {259, 3, 1},
                                    {262, 3, 1},
                                    {273, 4, 8 + 2 + 9 * 12 + 4},
                                    {274, 3, (uint32_t)orientation},
                                    {278, 3, HEIGHT},
                                    {279, 4, HEIGHT * WIDTH}};
        put_little(9, 2);
        for (int t = 0; t < 9; t++) {
            put_little(tags[t][0], 2);
            put_little(tags[t][1], 2);
            put_little(1, 4);
            put_little(tags[t][2], 4);
        }
        put_little(0, 4);
        for (int i = 0; i < HEIGHT * WIDTH; i++) PUT((uint8_t)grey[i]);
    } else {
        size_t length = WebPEncodeLosslessRGB(rgb, WIDTH, HEIGHT, 3 * WIDTH, &file);
        ck_assert_uint_gt(length, 20);
        begin();
        put("RIFF", 4);
        size_t image = length - 12 + length % 2, block = bytes - 6;
        put_little((uint32_t)(4 + 18 + image + 8 + block + block % 2), 4);
        put("WEBPVP8X", 8);
        put_little(10, 4);
        put_little(8, 4); /* has EXIF */
        put_little(WIDTH - 1, 3);
        put_little(HEIGHT - 1, 3);
        put(file + 12, image);
        put("EXIF", 4);
        put_little((uint32_t)block, 4);
        put(exif + 6, block);
        if (block % 2) PUT(0);
        WebPFree(file);
    }
    write_file(path, made, made_bytes);
}

/* The dark half is on the left, right, top or bottom of what is seen. */
START_TEST(files_are_turned) {
    static const char *const formats[] = {"png", "tiff", "webp"};
    static const char dark[9] = {0, 'l', 'r', 'r', 'l', 't', 't', 'b', 'b'};
    for (int f = 0; f < 3; f++)
        for (int orientation = 1; orientation <= 8; orientation++) {
            const char *path = below("turned.%s", formats[f]);
            fcnn_image image;
            write_with_exif(formats[f], orientation, path);
            ck_assert_msg(!fcnn_image_load(path, 1, &image), "%s", fcnn_status_message());
            bool upright = orientation < 5;
            ck_assert_int_eq(image.width, upright ? WIDTH : HEIGHT);
            ck_assert_int_eq(image.height, upright ? HEIGHT : WIDTH);
            int y = dark[orientation] == 't' ? 0 : image.height - 1;
            int x = dark[orientation] == 'l' ? 0 : image.width - 1;
            if (upright) y = 0;
            ck_assert_msg(image.pixels[y * image.width + x] == 20, "%s, orientation %d: %d",
                          formats[f], orientation, image.pixels[y * image.width + x]);
            int other_y = upright ? y : image.height - 1 - y;
            int other_x = upright ? image.width - 1 - x : x;
            ck_assert_int_eq(image.pixels[other_y * image.width + other_x], 220);
            fcnn_image_clear(&image);
        }
}
END_TEST

START_TEST(jpegs_are_turned) {
    uint8_t exif[64];
    size_t bytes = make_exif(false, 6, exif);
    jpeg_start(0xc0, 16, 8, 1);
    jpeg_segment(0xe1, exif, bytes);
    jpeg_scan(1, 1, 0, 63);
    PUT(0, 0xff, 0xd9); /* two blocks of four bits */
    const char *path = below("turned.jpg");
    write_file(path, made, made_bytes);
    fcnn_image image;
    ck_assert_msg(!fcnn_image_load(path, 1, &image), "%s", fcnn_status_message());
    ck_assert(image.width == 8 && image.height == 16);
    fcnn_image_clear(&image);
}
END_TEST

/* ---- Damage ---- */

/* Every beginning of a file is an image or an error that names it, and so is a file with any byte
 * changed: what libraries make of it stays within the limits. */
START_TEST(damaged_files_are_errors) {
    static const char *const formats[] = {"tiff", "webp"};
    static uint8_t whole[1 << 12];
    for (int f = 0; f < 2; f++) {
        const char *path = below("damaged.%s", formats[f]);
        write_with_exif(formats[f], 3, path);
        size_t bytes = made_bytes;
        memcpy(whole, made, bytes);
        for (size_t cut = 0; cut < bytes; cut++) {
            fcnn_image image;
            write_file(path, whole, cut);
            fcnn_status status = fcnn_image_load(path, 3, &image);
            ck_assert(status == FCNN_OK || status == FCNN_ERROR_FORMAT);
            ck_assert(!status || strstr(fcnn_status_message(), "damaged."));
            fcnn_image_clear(&image);
        }
        for (size_t at = 0; at < bytes; at++)
            for (int bit = 0; bit < 8; bit += 3) {
                fcnn_image image;
                whole[at] ^= (uint8_t)(1 << bit);
                write_file(path, whole, bytes);
                fcnn_status status = fcnn_image_load(path, 3, &image);
                ck_assert_msg(status == FCNN_OK || status == FCNN_ERROR_FORMAT, "%s byte %zu: %s",
                              formats[f], at, fcnn_status_message());
                fcnn_image_clear(&image);
                whole[at] ^= (uint8_t)(1 << bit);
            }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("image_orientation");
    TCase *test_case = add_case(suite, "orientation");
    tcase_add_test(test_case, tag_is_found);
    tcase_add_test(test_case, any_bytes_have_an_orientation);
    tcase_add_test(test_case, pixels_are_turned);
    tcase_add_test(test_case, files_are_turned);
    tcase_add_test(test_case, jpegs_are_turned);
    tcase_add_test(test_case, damaged_files_are_errors);
    return run_suite(suite);
}
