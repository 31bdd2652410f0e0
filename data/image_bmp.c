/* BMP by stb_image, once the header is known to fit the file: stb would take
 * memory on a header's word and paint what is missing black. */
#include <stdlib.h>
#include <string.h>

#include "image_format.h"

/* stb says "out of memory" of headers too: what counts is whether there was any. */
static _Thread_local bool out_of_memory;

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes);
    if (!memory) out_of_memory = true;
    return memory;
}

#define STBI_MALLOC(bytes)       allocate(bytes)
#define STBI_REALLOC(old, bytes) realloc(old, bytes) /* of no use to BMP */
#define STBI_FREE(memory)        free(memory)
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_FAILURE_USERMSG
#if defined(__GNUC__)
/* gcc reports unused functions where the file ends, so not within the push and pop below. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wsign-compare"
#endif
#include <stb/stb_image.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/* ---- What stb calls ---- */

/* stb reads ahead: only a read that finds nothing at all is one behind the end. */
static int source_read(void *user, char *data, int bytes) {
    fcnn_image_source *source = user;
    size_t got = bytes > 0 ? fcnn_source_read(source, data, (size_t)bytes) : 0;
    if (got) source->ended = false;
    return (int)got;
}

static void source_skip(void *user, int bytes) { fcnn_source_skip(user, bytes); }

static int source_at_end(void *user) {
    fcnn_image_source *source = user;
    bool ended = source->ended;
    int byte = fcnn_source_byte(source);
    if (byte >= 0) source->at--;
    source->ended = ended;
    return byte < 0;
}

static const stbi_io_callbacks callbacks = {source_read, source_skip, source_at_end};

/* ---- The header ---- */

enum { HEADER_BYTES = 34, CORE_BYTES = 12 };

static int64_t little_endian(const uint8_t *b, int count) {
    uint32_t number = 0;
    for (int i = 0; i < count; i++) number |= (uint32_t)b[i] << 8 * i;
    return number;
}

/* Of the ways to store pixels stb knows plain ones and those with masks. */
static fcnn_status check_kind(const fcnn_image_source *source, int64_t compression) {
    static const char *const kinds[] = {NULL, "RLE", "RLE", NULL, "JPEG", "PNG"};
    size_t known = sizeof kinds / sizeof kinds[0];
    if (compression < (int64_t)known && !kinds[compression]) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: a BMP of a kind that is not read: compressed%s%s", source->path,
                           compression < (int64_t)known ? " by " : "",
                           compression < (int64_t)known ? kinds[compression] : "");
}

/* The sides of either kind of header, and that the rows they say are in the file. */
static fcnn_status check_header(fcnn_image_source *source, int *height, int *width) {
    uint8_t bytes[HEADER_BYTES] = {0};
    size_t got = fcnn_source_read(source, bytes, sizeof bytes);
    bool core = little_endian(bytes + 14, 4) == CORE_BYTES;
    if (got < (core ? 14 + CORE_BYTES : sizeof bytes))
        return fcnn_source_failure(source, "BMP", "no header");
    int64_t w = core ? little_endian(bytes + 18, 2) : (int32_t)little_endian(bytes + 18, 4);
    int64_t h = core ? little_endian(bytes + 20, 2) : (int32_t)little_endian(bytes + 22, 4);
    int64_t bits = little_endian(bytes + (core ? 24 : 28), 2);
    if (h < 0) h = -h; /* from the top down */
    FCNN_TRY(check_kind(source, core ? 0 : little_endian(bytes + 30, 4)));
    /* Rows of no bits would take no bytes. */
    if (bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32)
        return fcnn_source_failure(source, "BMP", "a pixel has a number of bits that is not known");
    FCNN_TRY(fcnn_source_check_sides(source, w, h));
    *width = (int)w;
    *height = (int)h;
    int64_t row = (w * bits + 31) / 32 * 4, last = (w * bits + 7) / 8;
    return fcnn_source_check_bytes(source, w, h,
                                   little_endian(bytes + 10, 4) + row * (h - 1) + last);
}

/* ---- Decoding ---- */

static fcnn_status failure(const fcnn_image_source *source) {
    if (out_of_memory) return fcnn_source_no_memory(source);
    return fcnn_source_failure(source, "BMP", stbi_failure_reason());
}

static fcnn_status decode(fcnn_image_source *source, int channels, fcnn_image *image) {
    int height, width, components;
    FCNN_TRY(check_header(source, &height, &width));
    FCNN_TRY(fcnn_image_create(source, height, width, channels, 8, image));
    fcnn_source_seek(source, 0);
    out_of_memory = false;
    /* stb weighs colours by luminance; the contract here is their average. */
    uint8_t *pixels = stbi_load_from_callbacks(&callbacks, source, &width, &height, &components, 3);
    fcnn_status status = FCNN_OK;
    if (!pixels || source->error || source->ended)
        status = failure(source);
    else if (height != image->height || width != image->width)
        status = fcnn_source_failure(source, "BMP", "its header contradicts itself");
    for (int y = 0; y < height && !status; y++)
        fcnn_image_put(image, y, 0, 1, width, pixels + (size_t)y * (size_t)width * 3, 3);
    stbi_image_free(pixels);
    return status;
}

static fcnn_status probe(fcnn_image_source *source, int *height, int *width) {
    int components, w, h;
    FCNN_TRY(check_header(source, height, width));
    fcnn_source_seek(source, 0);
    out_of_memory = false;
    return stbi_info_from_callbacks(&callbacks, source, &w, &h, &components) ? FCNN_OK
                                                                             : failure(source);
}

static bool recognises(const uint8_t *start, size_t bytes) {
    return bytes >= 2 && start[0] == 'B' && start[1] == 'M';
}

const fcnn_image_format fcnn_format_bmp = {
    .name = "BMP", .recognises = recognises, .probe = probe, .decode = decode};
