/* Decodes JPEG, PNG, BMP and GIF files with stb_image, which reads through
 * callbacks over stdio: I/O errors then carry their reason, and a decoder that
 * asks for bytes behind the end of the file gives a truncated image away (stb
 * itself would fill a cut JPEG or BMP with grey or black). */
#include "readers.h"

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
/* Reported where the file ends, so not within the push and pop below. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wsign-compare"
#endif
#include <stb/stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

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

/* Why stb gave up, the file's own errors first. */
static fcnn_status source_failure(const source *s, const char *path) {
    if (s->error)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read: %s", path, strerror(s->error));
    if (s->past_end)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: truncated: the file ends before the image",
                               path);
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: expected a JPEG, PNG, BMP or GIF image, found: %s", path,
                           stbi_failure_reason());
}

static fcnn_status check_header(source *s, const char *path, int *components) {
    int width, height;
    if (!stbi_info_from_callbacks(&source_callbacks, s, &width, &height, components))
        return source_failure(s, path);
    if (width < 1 || height < 1 || width > FCNN_IMAGE_SIDE_MAX || height > FCNN_IMAGE_SIDE_MAX ||
        (int64_t)width * height > FCNN_IMAGE_PIXELS_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: the header says %d x %d pixels; expected sides of 1 to %d and "
                               "at most %d pixels",
                               path, width, height, FCNN_IMAGE_SIDE_MAX, FCNN_IMAGE_PIXELS_MAX);
    return FCNN_OK;
}

/* ---- JPEG ---- */

/* The next marker, whether among segments or at the end of a scan, or EOF. */
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

static int get_length(FILE *file) {
    int high = getc_unlocked(file), low = getc_unlocked(file);
    return high == EOF || low == EOF ? 0 : high << 8 | low;
}

/* The tables of one DHT segment: a class byte, 16 counts, as many codes each. */
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
        int length = get_length(s->file);
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

/* ---- Decoding ---- */

fcnn_status fcnn_image_probe(const char *path) {
    source s;
    int components;
    FCNN_TRY(source_open(path, &s));
    fcnn_status status = check_jpeg(&s, path, true);
    if (!status) status = check_header(&s, path, &components);
    fclose(s.file);
    return status;
}

/* Averages three interleaved channels into the front of the same buffer. */
static void average_channels(uint8_t *pixels, size_t count) {
    for (size_t i = 0; i < count; i++)
        pixels[i] = (uint8_t)((pixels[3 * i] + pixels[3 * i + 1] + pixels[3 * i + 2] + 1) / 3);
}

static fcnn_status decode(source *s, const char *path, int channels, fcnn_image *image) {
    int components, width, height, found;
    FCNN_TRY(check_jpeg(s, path, false));
    FCNN_TRY(check_header(s, path, &components));
    rewind(s->file);
    s->past_end = false;
    /* stb weighs colours by luminance; the contract here is their average. */
    bool average = channels == 1 && components > 2;
    uint8_t *pixels = stbi_load_from_callbacks(&source_callbacks, s, &width, &height, &found,
                                               average ? 3 : channels);
    if (!pixels || s->error || s->past_end) {
        stbi_image_free(pixels);
        return source_failure(s, path);
    }
    if (average) average_channels(pixels, (size_t)width * (size_t)height);
    *image = (fcnn_image){height, width, channels, pixels, pixels};
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

void fcnn_image_clear(fcnn_image *image) {
    free(image->storage);
    *image = (fcnn_image){0};
}
