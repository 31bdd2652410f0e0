/* WebP by libwebp, lossy and lossless; of an animation the first frame on its
 * canvas. The file is in memory while it is decoded. */
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "image_format.h"
#include "image_orientation.h"

enum {
    /* Pixels that may go to a byte: of one colour, lossless, next to none are needed. */
    PIXELS_A_BYTE = 4096,
    PIXELS_FREE = 1 << 20,
    HEADER_BYTES = 64,
    ROOM_A_PIXEL = 12, /* that decoding takes */
    ROOM_BESIDE = 1 << 22,
    BYTES_A_PIXEL = 16, /* at most, and so many beside: profiles, EXIF */
    BYTES_BESIDE = 1 << 24
};

static fcnn_status damaged(fcnn_image_source *source, VP8StatusCode code) {
    if (code == VP8_STATUS_OUT_OF_MEMORY) return fcnn_source_no_memory(source);
    if (code == VP8_STATUS_NOT_ENOUGH_DATA || code == VP8_STATUS_SUSPENDED)
        return fcnn_source_truncated(source);
    return fcnn_source_failure(source, "WebP",
                               code == VP8_STATUS_UNSUPPORTED_FEATURE ? "of a kind that is not read"
                                                                      : "its data are no image");
}

/* ---- The file ---- */

static fcnn_status read_features(fcnn_image_source *source, WebPBitstreamFeatures *features) {
    uint8_t start[HEADER_BYTES];
    size_t count = fcnn_source_read(source, start, sizeof start);
    VP8StatusCode code = WebPGetFeatures(start, count, features);
    if (code != VP8_STATUS_OK) return damaged(source, code);
    int64_t pixels = (int64_t)features->width * features->height;
    FCNN_TRY(fcnn_source_check_sides(source, features->width, features->height));
    FCNN_TRY(fcnn_source_check_bytes(source, features->width, features->height,
                                     pixels > PIXELS_FREE ? pixels / PIXELS_A_BYTE : 0));
    /* The file says its own size behind its first four bytes. */
    int64_t bytes = 8 + ((int64_t)start[4] | (int64_t)start[5] << 8 | (int64_t)start[6] << 16 |
                         (int64_t)start[7] << 24);
    return bytes > source->bytes ? fcnn_source_truncated(source) : FCNN_OK;
}

static fcnn_status load(fcnn_image_source *source, const WebPBitstreamFeatures *features,
                        uint8_t **file) {
    int64_t most = (int64_t)features->width * features->height * BYTES_A_PIXEL + BYTES_BESIDE;
    if (!features->has_animation && source->bytes > most)
        return fcnn_source_failure(source, "WebP", "it is far too large for its pixels");
    *file = malloc((size_t)source->bytes);
    if (!*file) return fcnn_source_no_memory(source);
    fcnn_source_seek(source, 0);
    if (fcnn_source_read(source, *file, (size_t)source->bytes) == (size_t)source->bytes)
        return FCNN_OK;
    return fcnn_source_failure(source, "WebP", "it was cut while it was read");
}

/* ---- Decoding ---- */

static void put_rows(fcnn_image *image, const uint8_t *rows) {
    for (int y = 0; y < image->height; y++)
        fcnn_image_put(image, y, 0, 1, image->width, rows + (size_t)y * (size_t)image->width * 3,
                       3);
}

static fcnn_status decode_still(fcnn_image_source *source, const uint8_t *file, fcnn_image *image) {
    WebPDecoderConfig config;
    size_t bytes = (size_t)image->height * (size_t)image->width * 3;
    bool apart = image->channels != 3;
    uint8_t *rows = apart ? malloc(bytes) : image->storage;
    if (!rows) return fcnn_source_no_memory(source);
    WebPInitDecoderConfig(&config);
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA =
        (WebPRGBABuffer){.rgba = rows, .stride = 3 * image->width, .size = bytes};
    VP8StatusCode code = WebPDecode(file, (size_t)source->bytes, &config);
    if (code == VP8_STATUS_OK && apart) put_rows(image, rows);
    if (apart) free(rows);
    return code == VP8_STATUS_OK ? FCNN_OK : damaged(source, code);
}

/* Drops the alpha of [height][width][4], in place. */
static void drop_alpha(uint8_t *rows, size_t pixels) {
    for (size_t i = 0; i < pixels; i++) memmove(rows + 3 * i, rows + 4 * i, 3);
}

static fcnn_status decode_animated(fcnn_image_source *source, const uint8_t *file,
                                   fcnn_image *image) {
    WebPAnimDecoderOptions options;
    uint8_t *canvas = NULL;
    int time;
    WebPAnimDecoderOptionsInit(&options);
    options.color_mode = MODE_RGBA;
    WebPAnimDecoder *decoder =
        WebPAnimDecoderNew(&(WebPData){.bytes = file, .size = (size_t)source->bytes}, &options);
    bool good = decoder && WebPAnimDecoderGetNext(decoder, &canvas, &time);
    if (good) {
        drop_alpha(canvas, (size_t)image->height * (size_t)image->width);
        put_rows(image, canvas);
    }
    WebPAnimDecoderDelete(decoder);
    return good ? FCNN_OK : damaged(source, VP8_STATUS_BITSTREAM_ERROR);
}

static fcnn_status read_orientation(fcnn_image_source *source, const uint8_t *file) {
    WebPDemuxer *demuxer = WebPDemux(&(WebPData){.bytes = file, .size = (size_t)source->bytes});
    WebPChunkIterator chunk;
    if (demuxer && WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) {
        source->orientation = fcnn_orientation_of_exif(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demuxer);
    return demuxer ? FCNN_OK : damaged(source, VP8_STATUS_BITSTREAM_ERROR);
}

static fcnn_status decode(fcnn_image_source *source, int channels, fcnn_image *image) {
    WebPBitstreamFeatures features;
    uint8_t *file = NULL;
    FCNN_TRY(read_features(source, &features));
    fcnn_status status = load(source, &features, &file);
    if (!status)
        status = fcnn_image_create(source, features.height, features.width, channels, 8, image);
    if (!status)
        status = fcnn_source_reserve(
            source, (size_t)features.height * (size_t)features.width * ROOM_A_PIXEL + ROOM_BESIDE);
    fcnn_source_clear_errno();
    if (!status)
        status = features.has_animation ? decode_animated(source, file, image)
                                        : decode_still(source, file, image);
    if (!status) status = read_orientation(source, file);
    free(file);
    return fcnn_source_check_memory(source, status);
}

static fcnn_status probe(fcnn_image_source *source, int *height, int *width) {
    WebPBitstreamFeatures features = {0};
    fcnn_status status = read_features(source, &features);
    *height = features.height;
    *width = features.width;
    return status;
}

static bool recognises(const uint8_t *start, size_t bytes) {
    return bytes >= 12 && !memcmp(start, "RIFF", 4) && !memcmp(start + 8, "WEBP", 4);
}

const fcnn_image_format fcnn_format_webp = {
    .name = "WebP", .recognises = recognises, .probe = probe, .decode = decode};
