/* Decodes JPEG, PNG, BMP and GIF files with stb_image, which reads through
 * callbacks over stdio: I/O errors then carry their reason, and a decoder that
 * asks for bytes behind the end of the file gives a truncated image away (stb
 * itself would fill a cut JPEG or BMP with grey or black). Limits: transparency
 * is dropped, 16-bit samples keep their upper byte, of an animation the first
 * frame counts, and EXIF's orientation is not applied: pixels count as they are
 * stored. */
#include "image_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_FAILURE_USERMSG
#if defined(__GNUC__)
/* gcc reports unused functions where the file ends, so not within the push and pop below. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wsign-compare"
#endif
#include <stb/stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

enum { TAIL_BYTES = 2048 };

typedef struct {
    FILE *file;
    int error;     /* errno of the first failed read, or 0 */
    bool past_end; /* bytes behind the end were asked for */
} source;

static int source_read(void *user, char *data, int size) {
    source *s = user;
    size_t got = size > 0 ? fread(data, 1, (size_t)size, s->file) : 0;
    if (size > 0 && got < (size_t)size && ferror(s->file) && !s->error)
        s->error = errno ? errno : EIO;
    if (size > 0 && got == 0) s->past_end = true;
    return (int)got;
}

static void source_skip(void *user, int count) {
    source *s = user;
    if (fseek(s->file, count, SEEK_CUR) && !s->error) s->error = errno;
}

static int source_at_end(void *user) {
    source *s = user;
    int c = fgetc(s->file);
    if (c != EOF) ungetc(c, s->file);
    return c == EOF;
}

/* Reads the big-endian number in the next two or four bytes; behind the end it is 0. */
static uint32_t get_number(FILE *file, int bytes) {
    uint32_t number = 0;
    for (int i = 0; i < bytes; i++) {
        int c = getc_unlocked(file);
        if (c == EOF) return 0;
        number = number << 8 | (uint32_t)c;
    }
    return number;
}

static const stbi_io_callbacks source_callbacks = {source_read, source_skip, source_at_end};

static fcnn_status source_open(const char *path, source *s) {
    struct stat info;
    *s = (source){0};
    if (stat(path, &info))
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
    /* Opening a pipe would wait for a writer. */
    if (!S_ISREG(info.st_mode))
        return fcnn_status_set(FCNN_ERROR_IO, "%s: expected an image file, found a %s", path,
                               S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
    s->file = fopen(path, "rb");
    if (!s->file)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
    return FCNN_OK;
}

static fcnn_status truncated(const char *path) {
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: truncated: the file ends before the image",
                           path);
}

/* Says why stb gave up: errors of the file come before what stb thinks of its bytes. */
static fcnn_status source_failure(const source *s, const char *path) {
    if (s->error)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read: %s", path, strerror(s->error));
    if (s->past_end) return truncated(path);
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: expected a JPEG, PNG, BMP or GIF image, found: %s", path,
                           stbi_failure_reason());
}

typedef struct {
    int height, width, components;
} shape;

static fcnn_status check_sides(const char *path, int64_t width, int64_t height) {
    if (width < 1 || height < 1 || width > FCNN_IMAGE_SIDE_MAX || height > FCNN_IMAGE_SIDE_MAX ||
        width * height > FCNN_IMAGE_PIXELS_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: the header says %lld x %lld pixels; expected sides of 1 to %d "
                               "and at most %d pixels",
                               path, (long long)width, (long long)height, FCNN_IMAGE_SIDE_MAX,
                               FCNN_IMAGE_PIXELS_MAX);
    return FCNN_OK;
}

static fcnn_status check_header(source *s, const char *path, shape *found) {
    /* stb calls a PNG that is too large no PNG, so its sides are checked before. */
    bool png = get_number(s->file, 4) == 0x89504e47;
    bool header = png && !fseek(s->file, 12, SEEK_SET) && get_number(s->file, 4) == 0x49484452;
    int64_t width = get_number(s->file, 4), height = get_number(s->file, 4);
    if (header && width && height) FCNN_TRY(check_sides(path, width, height));
    rewind(s->file);
    if (!stbi_info_from_callbacks(&source_callbacks, s, &found->width, &found->height,
                                  &found->components))
        return source_failure(s, path);
    return check_sides(path, found->width, found->height);
}

/* ---- JPEG ---- */

/* Finds the next marker, whether among segments or at the end of a scan, or EOF. */
static int next_marker(FILE *file) {
    for (;;) {
        int c;
        do c = getc_unlocked(file);
        while (c != EOF && c != 0xff);
        while (c == 0xff) c = getc_unlocked(file);
        /* 0 is a stuffed byte of a scan, D0 to D7 are its restarts. */
        if (c != 0 && (c < 0xd0 || c > 0xd7)) return c;
    }
}

/* Reads the tables of one DHT segment: each is a class byte, 16 counts and as many codes. */
static bool tables_fit(FILE *file, int left) {
    while (left > 0) {
        int codes = 0;
        getc_unlocked(file);
        for (int i = 0; i < 16; i++) {
            int count = getc_unlocked(file);
            codes += count == EOF ? 0 : count;
        }
        if (codes > 256) return false;
        if (fseek(file, codes, SEEK_CUR)) return true;
        left -= 17 + codes;
    }
    return true;
}

/* stb_image before 2.28 writes behind its tables where a Huffman table claims more
 * than 256 codes, so such files must not reach it. What it refuses by itself may
 * pass here. */
static fcnn_status check_jpeg(source *s, const char *path, bool header_only) {
    int first = getc_unlocked(s->file);
    rewind(s->file);
    if (first != 0xff) return FCNN_OK;
    for (int marker; (marker = next_marker(s->file)) != EOF && marker != 0xd9;) {
        if (marker == 0xd8) continue;
        if (header_only && marker >= 0xc0 && marker <= 0xc2) break; /* the dimensions */
        int length = (int)get_number(s->file, 2);
        if (length < 2) break;
        if (marker != 0xc4 && fseek(s->file, length - 2, SEEK_CUR)) break;
        if (marker == 0xc4 && !tables_fit(s->file, length - 2))
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "%s: damaged JPEG: expected at most 256 codes in a Huffman "
                                   "table, found more",
                                   path);
    }
    rewind(s->file);
    return FCNN_OK;
}

static bool jpeg_has_end(FILE *file) {
    for (int marker; (marker = next_marker(file)) != EOF;) {
        if (marker == 0xd9) return true;
        int length = marker == 0xd8 ? 2 : (int)get_number(file, 2);
        if (length < 2 || fseek(file, length - 2, SEEK_CUR)) break;
    }
    return false;
}

/* ---- The end of a file ---- */

static bool png_has_end(FILE *file) {
    if (fseek(file, 8, SEEK_SET)) return false;
    for (;;) {
        uint32_t length = get_number(file, 4), kind = get_number(file, 4);
        if (kind == 0x49454e44) return true; /* IEND */
        if (!kind || fseek(file, (long)length + 4, SEEK_CUR)) return false;
    }
}

static bool contains(const char *bytes, size_t count, const char *mark, size_t length) {
    for (size_t i = 0; i + length <= count; i++)
        if (!memcmp(bytes + i, mark, length)) return true;
    return false;
}

/* JPEG and PNG end in a mark of their own. It is looked for in the last bytes, and only where
 * more than those follow the image by a walk through the file. */
static fcnn_status check_end(source *s, const char *path) {
    static const struct {
        int first;
        size_t bytes;
        const char *mark;
        bool (*walk)(FILE *file);
    } kinds[] = {{0xff, 2, "\xff\xd9", jpeg_has_end}, {0x89, 4, "IEND", png_has_end}};
    char tail[TAIL_BYTES];
    rewind(s->file);
    int first = getc_unlocked(s->file);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        if (first != kinds[k].first) continue;
        if (fseek(s->file, -TAIL_BYTES, SEEK_END)) rewind(s->file);
        size_t count = fread(tail, 1, sizeof tail, s->file);
        if (contains(tail, count, kinds[k].mark, kinds[k].bytes)) return FCNN_OK;
        rewind(s->file);
        return kinds[k].walk(s->file) ? FCNN_OK : truncated(path);
    }
    return FCNN_OK;
}

/* ---- Decoding ---- */

fcnn_status fcnn_image_probe(const char *path, int *height, int *width) {
    source s;
    shape found = {0};
    FCNN_TRY(source_open(path, &s));
    fcnn_status status = check_jpeg(&s, path, true);
    if (!status) status = check_header(&s, path, &found);
    if (!status) status = check_end(&s, path);
    fclose(s.file);
    *height = found.height;
    *width = found.width;
    return status;
}

/* Averages three interleaved channels into the front of the same buffer. */
static void average_channels(uint8_t *pixels, size_t count) {
    for (size_t i = 0; i < count; i++)
        pixels[i] = (uint8_t)((pixels[3 * i] + pixels[3 * i + 1] + pixels[3 * i + 2] + 1) / 3);
}

static fcnn_status decode(source *s, const char *path, int channels, fcnn_image *image) {
    int width, height, components;
    shape header;
    FCNN_TRY(check_jpeg(s, path, false));
    FCNN_TRY(check_header(s, path, &header));
    FCNN_TRY(check_end(s, path));
    rewind(s->file);
    s->past_end = false;
    /* stb weighs colours by luminance; the contract here is their average. */
    bool average = channels == 1 && header.components > 2;
    uint8_t *pixels = stbi_load_from_callbacks(&source_callbacks, s, &width, &height, &components,
                                               average ? 3 : channels);
    if (!pixels || s->error || s->past_end) {
        stbi_image_free(pixels);
        return source_failure(s, path);
    }
    if (average) average_channels(pixels, (size_t)width * (size_t)height);
    *image = (fcnn_image){.height = height,
                          .width = width,
                          .channels = channels,
                          .pixels = pixels,
                          .storage = pixels};
    return FCNN_OK;
}

fcnn_status fcnn_image_load(const char *path, int channels, fcnn_image *image) {
    *image = (fcnn_image){0};
    if (channels != 1 && channels != 3)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: expected 1 or 3 channels, asked for %d", path,
                               channels);
    source s;
    FCNN_TRY(source_open(path, &s));
    fcnn_status status = decode(&s, path, channels, image);
    fclose(s.file);
    return status;
}
