/* TIFF by libtiff: the first image of a file. 16-bit grey and RGB in strips keep
 * their 16 bits; all else that libtiff can show is read as 8-bit RGB. */
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

#include "image_format.h"

enum {
    PIXELS_A_BYTE = 4096, /* blank pages of fax codes come near it */
    PIXELS_FREE = 1 << 24,
    ROOM_BESIDE = 1 << 22,  /* that reading takes, beside the image */
    MEMORY_BESIDE = 1 << 26 /* of one allocation, beside the image's bytes */
};

typedef struct {
    fcnn_image_source *source;
    char why[1024]; /* as many as TIFFRGBAImageBegin may write */
} tiff_job;

/* ---- What libtiff calls ---- */

static tmsize_t read_bytes(thandle_t user, void *bytes, tmsize_t count) {
    tiff_job *job = user;
    return count > 0 ? (tmsize_t)fcnn_source_read(job->source, bytes, (size_t)count) : 0;
}

static tmsize_t write_bytes(thandle_t user, void *bytes, tmsize_t count) {
    (void)user, (void)bytes, (void)count;
    return 0;
}

static toff_t seek(thandle_t user, toff_t offset, int whence) {
    tiff_job *job = user;
    if (whence != SEEK_SET || offset > (toff_t)job->source->bytes) return (toff_t)-1;
    fcnn_source_seek(job->source, (int64_t)offset);
    return offset;
}

static int close_nothing(thandle_t user) {
    (void)user;
    return 0;
}

static toff_t size(thandle_t user) { return (toff_t)((tiff_job *)user)->source->bytes; }

static int on_error(TIFF *tiff, void *user, const char *module, const char *format,
                    va_list arguments) {
    tiff_job *job = user;
    (void)tiff, (void)module;
    if (!*job->why) vsnprintf(job->why, sizeof job->why, format, arguments);
    return 1; /* not printed */
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format,
                      va_list arguments) {
    (void)tiff, (void)user, (void)module, (void)format, (void)arguments;
    return 1;
}

/* ---- The header ---- */

typedef struct {
    uint32_t width, height;
    uint16_t bits, samples, photometric, planar, orientation, format;
    bool tiled;
} tiff_header;

static fcnn_status failure(tiff_job *job) {
    job->source->ended = false; /* libtiff looks behind the end of good files too */
    return fcnn_source_failure(job->source, "TIFF", *job->why ? job->why : "no image in it");
}

static fcnn_status read_header(tiff_job *job, TIFF *tiff, tiff_header *h) {
    *h = (tiff_header){0};
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &h->width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &h->height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &h->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &h->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &h->planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ORIENTATION, &h->orientation);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &h->format);
    TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &h->photometric);
    h->tiled = TIFFIsTiled(tiff);
    int64_t pixels = (int64_t)h->width * h->height;
    FCNN_TRY(fcnn_source_check_sides(job->source, h->width, h->height));
    return fcnn_source_check_bytes(job->source, h->width, h->height,
                                   pixels > PIXELS_FREE ? pixels / PIXELS_A_BYTE : 0);
}

static bool is_deep(const tiff_header *h) {
    bool grey = h->photometric <= PHOTOMETRIC_MINISBLACK,
         colour = h->photometric == PHOTOMETRIC_RGB;
    return h->bits == 16 && h->format == SAMPLEFORMAT_UINT && !h->tiled &&
           ((grey && h->samples >= 1) || (colour && h->samples >= 3)) &&
           (h->planar == PLANARCONFIG_CONTIG || h->samples == 1);
}

/* ---- Decoding ---- */

/* Rows of 16-bit samples, of which those beyond grey or RGB are dropped. */
static fcnn_status decode_deep(tiff_job *job, TIFF *tiff, const tiff_header *h, int channels,
                               fcnn_image *image) {
    int kept = h->photometric == PHOTOMETRIC_RGB ? 3 : 1;
    size_t row_bytes = (size_t)TIFFScanlineSize(tiff);
    size_t least = (size_t)h->width * h->samples * sizeof(uint16_t);
    uint16_t *row = row_bytes >= least ? malloc(row_bytes) : NULL;
    fcnn_status status = row ? FCNN_OK : fcnn_source_no_memory(job->source);
    if (!status)
        status = fcnn_image_create(job->source, (int)h->height, (int)h->width, channels, 16, image);
    for (uint32_t y = 0; !status && y < h->height; y++) {
        if (TIFFReadScanline(tiff, row, y, 0) < 0) {
            status = failure(job);
            break;
        }
        for (uint32_t x = 0; x < h->width; x++)
            for (int s = 0; s < kept; s++) {
                uint16_t value = row[(size_t)x * h->samples + (size_t)s];
                bool inverted = h->photometric == PHOTOMETRIC_MINISWHITE;
                row[(size_t)x * (size_t)kept + (size_t)s] = inverted ? (uint16_t)~value : value;
            }
        fcnn_image_put(image, (int)y, 0, 1, (int)h->width, (const uint8_t *)row, kept);
    }
    free(row);
    return status;
}

/* What libtiff makes RGB of. It is asked not to turn the image. */
static fcnn_status decode_shown(tiff_job *job, TIFF *tiff, const tiff_header *h, int channels,
                                fcnn_image *image) {
    TIFFRGBAImage shown;
    size_t pixels = (size_t)h->width * h->height;
    uint32_t *raster = NULL;
    if (!TIFFRGBAImageBegin(&shown, tiff, 1, job->why)) {
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: a TIFF of a kind that is not read: %.100s",
                               job->source->path, job->why);
    }
    shown.orientation = shown.req_orientation = ORIENTATION_TOPLEFT;
    fcnn_status status = FCNN_OK;
    if (!(raster = malloc(pixels * sizeof *raster))) status = fcnn_source_no_memory(job->source);
    if (!status)
        status = fcnn_image_create(job->source, (int)h->height, (int)h->width, channels, 8, image);
    if (!status && !TIFFRGBAImageGet(&shown, raster, h->width, h->height)) status = failure(job);
    uint8_t *bytes = (uint8_t *)raster;
    for (size_t i = 0; !status && i < pixels; i++) {
        uint32_t value = raster[i];
        bytes[3 * i] = (uint8_t)TIFFGetR(value);
        bytes[3 * i + 1] = (uint8_t)TIFFGetG(value);
        bytes[3 * i + 2] = (uint8_t)TIFFGetB(value);
    }
    for (uint32_t y = 0; !status && y < h->height; y++)
        fcnn_image_put(image, (int)y, 0, 1, (int)h->width, bytes + (size_t)y * h->width * 3, 3);
    TIFFRGBAImageEnd(&shown);
    free(raster);
    return status;
}

static TIFF *open_job(tiff_job *job, fcnn_image_source *source) {
    *job = (tiff_job){.source = source};
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, job);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, job);
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)source->bytes + MEMORY_BESIDE);
    /* r: no mapping, which a file that is cut would make a signal of. */
    TIFF *tiff = TIFFClientOpenExt(source->path, "rm", job, read_bytes, write_bytes, seek,
                                   close_nothing, size, NULL, NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

static fcnn_status decode(fcnn_image_source *source, int channels, fcnn_image *image) {
    tiff_job job;
    tiff_header header;
    FCNN_TRY(fcnn_source_reserve(source, ROOM_BESIDE));
    fcnn_source_clear_errno();
    TIFF *tiff = open_job(&job, source);
    fcnn_status status = tiff ? read_header(&job, tiff, &header) : failure(&job);
    if (!status)
        status = is_deep(&header) ? decode_deep(&job, tiff, &header, channels, image)
                                  : decode_shown(&job, tiff, &header, channels, image);
    if (!status) source->orientation = header.orientation;
    if (tiff) TIFFClose(tiff);
    return fcnn_source_check_memory(source, status);
}

/* A strip that the file lacks would show only in decoding, as most of a file is its strips. */
static fcnn_status probe(fcnn_image_source *source, int *height, int *width) {
    return fcnn_source_probe_whole(source, decode, height, width);
}

static bool recognises(const uint8_t *start, size_t bytes) {
    static const char marks[][5] = {"II*\0", "MM\0*", "II+\0", "MM\0+"};
    /* Canon's raw files are TIFFs of a picture of the picture. */
    if (bytes < 10 || !memcmp(start + 8, "CR", 2)) return false;
    for (int i = 0; i < 4; i++)
        if (!memcmp(start, marks[i], 4)) return true;
    return false;
}

const fcnn_image_format fcnn_format_tiff = {
    .name = "TIFF", .recognises = recognises, .probe = probe, .decode = decode};
