/* GIF by giflib, of which the first frame is taken, row by row: the frame on the
 * screen that it belongs to, black where it is transparent, the background's
 * colour beside it. A frame that reaches over its screen widens it. */
#include <gif_lib.h>
#include <stdlib.h>
#include <string.h>

#include "image_format.h"

enum {
    /* Pixels that may go to a byte: codes of 12 bits for strings of up to 4096. */
    PIXELS_A_BYTE = 4096,
    PIXELS_FREE = 1 << 20
};

typedef struct {
    fcnn_image_source *source;
    GifFileType *file;
    int error; /* giflib's, where it is not in the file's struct */
    int transparent;
    int height, width; /* of the screen, widened */
} gif_job;

static int read_bytes(GifFileType *file, GifByteType *bytes, int count) {
    fcnn_image_source *source = file->UserData;
    return count > 0 ? (int)fcnn_source_read(source, bytes, (size_t)count) : 0;
}

static fcnn_status failure(const gif_job *job) {
    int error = job->file && job->file->Error ? job->file->Error : job->error;
    const char *why = GifErrorString(error);
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM) return fcnn_source_no_memory(job->source);
    return fcnn_source_failure(job->source, "GIF", why ? why : "its contents are wrong");
}

/* ---- Up to the first frame ---- */

static fcnn_status read_extension(gif_job *job) {
    GifByteType *block;
    int kind;
    if (DGifGetExtension(job->file, &kind, &block) == GIF_ERROR) return failure(job);
    while (block) {
        GraphicsControlBlock control;
        if (kind == GRAPHICS_EXT_FUNC_CODE &&
            DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
            job->transparent = control.TransparentColor;
        if (DGifGetExtensionNext(job->file, &block) == GIF_ERROR) return failure(job);
    }
    return FCNN_OK;
}

static fcnn_status find_frame(gif_job *job) {
    GifRecordType kind = UNDEFINED_RECORD_TYPE;
    while (kind != IMAGE_DESC_RECORD_TYPE) {
        if (DGifGetRecordType(job->file, &kind) == GIF_ERROR) return failure(job);
        if (kind == EXTENSION_RECORD_TYPE) FCNN_TRY(read_extension(job));
        if (kind == TERMINATE_RECORD_TYPE)
            return fcnn_source_failure(job->source, "GIF", "it holds no image");
    }
    if (DGifGetImageDesc(job->file) == GIF_ERROR) return failure(job);
    const GifImageDesc *frame = &job->file->Image;
    job->width = job->file->SWidth;
    job->height = job->file->SHeight;
    if (job->width < frame->Left + frame->Width) job->width = frame->Left + frame->Width;
    if (job->height < frame->Top + frame->Height) job->height = frame->Top + frame->Height;
    FCNN_TRY(fcnn_source_check_sides(job->source, frame->Width, frame->Height));
    FCNN_TRY(fcnn_source_check_sides(job->source, job->width, job->height));
    int64_t pixels = (int64_t)job->width * job->height;
    return fcnn_source_check_bytes(job->source, job->width, job->height,
                                   pixels > PIXELS_FREE ? pixels / PIXELS_A_BYTE : 0);
}

static fcnn_status start(fcnn_image_source *source, gif_job *job) {
    *job = (gif_job){.source = source, .transparent = NO_TRANSPARENT_COLOR};
    job->file = DGifOpen(source, read_bytes, &job->error);
    if (!job->file) return failure(job);
    return find_frame(job);
}

static void finish(gif_job *job) {
    int error;
    if (job->file) DGifCloseFile(job->file, &error);
}

/* ---- The frame ---- */

static GifColorType colour_of(const ColorMapObject *map, int index) {
    return map && index < map->ColorCount ? map->Colors[index] : (GifColorType){0, 0, 0};
}

/* Paints the screen, as the frame need not cover it. */
static void paint_screen(const gif_job *job, fcnn_image *image, uint8_t *row) {
    const GifFileType *file = job->file;
    GifColorType colour = {0, 0, 0};
    if (file->SBackGroundColor > 0) colour = colour_of(file->SColorMap, file->SBackGroundColor);
    for (int x = 0; x < job->width; x++)
        memcpy(row + 3 * x, (uint8_t[]){colour.Red, colour.Green, colour.Blue}, 3);
    for (int y = 0; y < job->height; y++) fcnn_image_put(image, y, 0, 1, job->width, row, 3);
}

/* Puts the frame's rows in the order of the file; an interlaced one has them in four passes. */
static fcnn_status read_frame(const gif_job *job, fcnn_image *image, uint8_t *row,
                              GifPixelType *indices) {
    static const int starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
    const GifImageDesc *frame = &job->file->Image;
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : job->file->SColorMap;
    if (!map) return fcnn_source_failure(job->source, "GIF", "it has no colour table");
    for (int pass = 0; pass < (frame->Interlace ? 4 : 1); pass++) {
        int step = frame->Interlace ? steps[pass] : 1;
        for (int y = frame->Interlace ? starts[pass] : 0; y < frame->Height; y += step) {
            if (DGifGetLine(job->file, indices, frame->Width) == GIF_ERROR) return failure(job);
            for (int x = 0; x < frame->Width; x++) {
                GifColorType colour = {0, 0, 0};
                if (indices[x] != job->transparent) colour = colour_of(map, indices[x]);
                memcpy(row + 3 * x, (uint8_t[]){colour.Red, colour.Green, colour.Blue}, 3);
            }
            fcnn_image_put(image, frame->Top + y, frame->Left, 1, frame->Width, row, 3);
        }
    }
    return FCNN_OK;
}

static fcnn_status decode_frame(const gif_job *job, int channels, fcnn_image *image) {
    FCNN_TRY(fcnn_image_create(job->source, job->height, job->width, channels, 8, image));
    uint8_t *row = malloc(4 * (size_t)job->width);
    if (!row) return fcnn_source_no_memory(job->source);
    paint_screen(job, image, row);
    fcnn_status status = read_frame(job, image, row, row + 3 * (size_t)job->width);
    free(row);
    return status;
}

static fcnn_status decode(fcnn_image_source *source, int channels, fcnn_image *image) {
    gif_job job;
    fcnn_status status = start(source, &job);
    if (!status) status = decode_frame(&job, channels, image);
    finish(&job);
    return status;
}

static fcnn_status probe(fcnn_image_source *source, int *height, int *width) {
    gif_job job;
    fcnn_status status = start(source, &job);
    *height = job.height;
    *width = job.width;
    finish(&job);
    return status;
}

static bool recognises(const uint8_t *start, size_t bytes) {
    return bytes >= 6 && (!memcmp(start, "GIF87a", 6) || !memcmp(start, "GIF89a", 6));
}

const fcnn_image_format fcnn_format_gif = {
    .name = "GIF", .recognises = recognises, .probe = probe, .decode = decode};
