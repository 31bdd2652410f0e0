/* PNG by libpng, which is fed chunk by chunk: text, profiles and all else that
 * does not make the pixels never reach it, and it is fed no more once the last
 * row is there, so that memory and time follow the pixels. Rows of 16-bit files
 * keep their 16 bits. Interlaced rows are put to their places here. */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_format.h"
#include "image_orientation.h"

enum {
    HEADER_BYTES = 8 + 8 + 13, /* signature, IHDR's length and name, its contents */
    IHDR = 0x49484452,
    IEND = 0x49454e44,
    CGBI = 0x43674249,
    EXIF = 0x65584966,
    ANCILLARY = 0x20000000, /* of a chunk's name */
    DEFLATE_MOST = 1032     /* bytes that one byte of deflated data can become */
};

/* ---- The header ---- */

typedef struct {
    int64_t width, height;
    int bits, colours; /* of a sample; colour type */
    bool interlaced;
} png_header;

static uint32_t number_at(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Samples a pixel has in the file. */
static int samples_of(const png_header *header) {
    return 1 + (header->colours == PNG_COLOR_TYPE_RGB ? 2 : 0) +
           (header->colours == PNG_COLOR_TYPE_RGB_ALPHA ? 3 : 0) +
           (header->colours == PNG_COLOR_TYPE_GRAY_ALPHA ? 1 : 0);
}

static fcnn_status read_header(fcnn_image_source *source, png_header *header) {
    uint8_t bytes[HEADER_BYTES];
    if (fcnn_source_read(source, bytes, sizeof bytes) < sizeof bytes)
        return fcnn_source_failure(source, "PNG", "no header");
    if (number_at(bytes + 12) == CGBI)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: expected a PNG as everywhere, found one in Apple's own form "
                               "(CgBI)",
                               source->path);
    if (number_at(bytes + 8) != 13 || number_at(bytes + 12) != IHDR)
        return fcnn_source_failure(source, "PNG", "it does not begin with its header");
    *header = (png_header){.width = number_at(bytes + 16),
                           .height = number_at(bytes + 20),
                           .bits = bytes[24],
                           .colours = bytes[25],
                           .interlaced = bytes[28] != 0};
    FCNN_TRY(fcnn_source_check_sides(source, header->width, header->height));
    int64_t row = (header->width * header->bits * samples_of(header) + 7) / 8 + 1;
    return fcnn_source_check_bytes(source, header->width, header->height,
                                   row * header->height / DEFLATE_MOST);
}

/* ---- Decoding ---- */

typedef struct {
    fcnn_image_source *source;
    fcnn_image *image;
    png_header header;
    int channels;
    int samples;       /* of a pixel in a decoded row */
    int64_t rows_left; /* 0: the image is complete, whatever comes behind */
    fcnn_status status;
    bool out_of_memory;
    char why[128];
    jmp_buf failed;
} png_job;

static void on_error(png_structp png, png_const_charp why) {
    png_job *job = png_get_error_ptr(png);
    snprintf(job->why, sizeof job->why, "%s", why);
    longjmp(job->failed, 1);
}

static void on_warning(png_structp png, png_const_charp why) { (void)png, (void)why; }

static png_voidp allocate(png_structp png, png_alloc_size_t bytes) {
    png_job *job = png_get_mem_ptr(png);
    void *memory = malloc(bytes);
    if (!memory) job->out_of_memory = true;
    return memory;
}

static void release(png_structp png, png_voidp memory) {
    (void)png;
    free(memory);
}

static int64_t count_rows(const png_header *header) {
    int64_t rows = 0;
    uint32_t height = (uint32_t)header->height, width = (uint32_t)header->width;
    if (!header->interlaced) return header->height;
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        if (PNG_PASS_COLS(width, pass)) rows += PNG_PASS_ROWS(height, pass);
    return rows;
}

/* The header and the palette are read: asks for grey or RGB of 8 or 16 bits. */
static void on_header(png_structp png, png_infop info) {
    png_job *job = png_get_progressive_ptr(png);
    int colours = png_get_color_type(png, info), bits = png_get_bit_depth(png, info);
    if (colours == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (colours == PNG_COLOR_TYPE_GRAY && bits < 8) png_set_expand_gray_1_2_4_to_8(png);
    if (colours & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (bits == 16) png_set_swap(png);
#endif
    png_read_update_info(png, info);
    job->samples = colours & PNG_COLOR_MASK_COLOR ? 3 : 1;
    job->status = fcnn_image_create(job->source, (int)job->header.height, (int)job->header.width,
                                    job->channels, bits == 16 ? 16 : 8, job->image);
    if (job->status) png_error(png, "no image");
}

static void on_row(png_structp png, png_bytep samples, png_uint_32 row, int pass) {
    png_job *job = png_get_progressive_ptr(png);
    uint32_t width = (uint32_t)job->header.width;
    if (!samples || !job->rows_left) return;
    if (job->header.interlaced)
        fcnn_image_put(job->image, (int)PNG_ROW_FROM_PASS_ROW(row, pass), PNG_PASS_START_COL(pass),
                       1 << PNG_PASS_COL_SHIFT(pass), (int)PNG_PASS_COLS(width, pass), samples,
                       job->samples);
    else
        fcnn_image_put(job->image, (int)row, 0, 1, (int)width, samples, job->samples);
    job->rows_left--;
}

/* Gives libpng the next bytes of the file. */
static void feed(png_job *job, png_structp png, png_infop info, int64_t bytes) {
    uint8_t block[4096];
    while (bytes > 0 && job->rows_left) {
        size_t wanted = bytes < (int64_t)sizeof block ? (size_t)bytes : sizeof block;
        size_t got = fcnn_source_read(job->source, block, wanted);
        if (!got) return;
        png_process_data(png, info, block, got);
        bytes -= (int64_t)got;
    }
}

/* Reads the start of the chunk eXIf, where the tag is; returns how many bytes. */
static int64_t read_orientation(png_job *job, int64_t bytes) {
    uint8_t exif[1024];
    size_t wanted = bytes < (int64_t)sizeof exif ? (size_t)(bytes > 0 ? bytes : 0) : sizeof exif;
    size_t got = fcnn_source_read(job->source, exif, wanted);
    job->source->orientation = fcnn_orientation_of_exif(exif, got);
    return (int64_t)got;
}

static void feed_chunks(png_job *job, png_structp png, png_infop info) {
    fcnn_source_seek(job->source, 0);
    feed(job, png, info, 8);
    while (job->rows_left) {
        uint8_t head[8];
        if (fcnn_source_read(job->source, head, sizeof head) < sizeof head) return;
        uint32_t kind = number_at(head + 4);
        int64_t rest = (int64_t)number_at(head) + 4; /* its contents and its CRC */
        if (kind == IEND) return;
        if (kind == EXIF) {
            rest -= read_orientation(job, rest - 4);
            fcnn_source_skip(job->source, rest);
        } else if (kind & ANCILLARY) {
            fcnn_source_skip(job->source, rest);
        } else {
            png_process_data(png, info, head, sizeof head);
            feed(job, png, info, rest);
        }
    }
}

/* Holds the place that errors jump to. What changes after it is in the job. */
static void decode_guarded(png_job *job, png_structp *png, png_infop *info) {
    if (setjmp(job->failed)) return;
    *png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, allocate,
                                    release);
    if (*png) *info = png_create_info_struct(*png);
    if (!*info) {
        job->out_of_memory = true;
        return;
    }
    png_set_user_limits(*png, FCNN_IMAGE_SIDE_MAX, FCNN_IMAGE_SIDE_MAX);
    png_set_progressive_read_fn(*png, job, on_header, on_row, NULL);
    feed_chunks(job, *png, *info);
}

static fcnn_status decode(fcnn_image_source *source, int channels, fcnn_image *image) {
    png_job job = {
        .source = source, .image = image, .channels = channels, .why = "image data are missing"};
    png_structp png = NULL;
    png_infop info = NULL;
    FCNN_TRY(read_header(source, &job.header));
    job.rows_left = count_rows(&job.header);
    decode_guarded(&job, &png, &info);
    png_destroy_read_struct(&png, &info, NULL);
    if (job.status) return job.status;
    /* An error behind the last row takes nothing from the image. */
    if (!job.rows_left) return FCNN_OK;
    return job.out_of_memory ? fcnn_source_no_memory(source)
                             : fcnn_source_failure(source, "PNG", job.why);
}

/* ---- Probing ---- */

/* Walks over the chunks, as something may follow the last of them. */
static bool has_end(fcnn_image_source *source) {
    if (fcnn_source_ends_with(source, "IEND", 4)) return true;
    fcnn_source_seek(source, 8);
    for (;;) {
        int64_t length = fcnn_source_number(source, 4), kind = fcnn_source_number(source, 4);
        if (kind == IEND) return true;
        if (kind <= 0) return false;
        fcnn_source_skip(source, length + 4);
    }
}

static fcnn_status probe(fcnn_image_source *source, int *height, int *width) {
    png_header header;
    FCNN_TRY(read_header(source, &header));
    *height = (int)header.height;
    *width = (int)header.width;
    return has_end(source) ? FCNN_OK : fcnn_source_probe_whole(source, decode, height, width);
}

static bool recognises(const uint8_t *start, size_t bytes) {
    return bytes >= 8 && !memcmp(start, "\x89PNG\r\n\x1a\n", 8);
}

const fcnn_image_format fcnn_format_png = {
    .name = "PNG", .recognises = recognises, .probe = probe, .decode = decode};
