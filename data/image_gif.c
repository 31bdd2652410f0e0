/* GIF by giflib, of which the first frame is taken, row by row: the frame on the
 * screen that it belongs to, black where it is transparent, the background's
 * colour beside it. A frame that reaches over its screen widens it. */
#include <errno.h>
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
} gif_file;

/* Where the file ends between blocks, gives the empty block that ends an image: giflib looks for it
 * behind the last row, and takes it for damage before. */
static int read_bytes(GifFileType *file, GifByteType *bytes, int count) {
    fcnn_image_source *source = file->UserData;
    size_t got = count > 0 ? fcnn_source_read(source, bytes, (size_t)count) : 0;
    if (got || count != 1 || source->error) return (int)got;
    bytes[0] = 0;
    return 1;
}

static fcnn_status failure(const gif_file *gif) {
    int error = gif->file && gif->file->Error ? gif->file->Error : gif->error;
    /* It says that reading failed of codes of a wrong size too. */
    const char *why = error == D_GIF_ERR_READ_FAILED ? NULL : GifErrorString(error);
    /* Of the screen's colours, giflib does not tell whether they are cut or had no memory. */
    if (error == D_GIF_ERR_NOT_ENOUGH_MEM || (errno == ENOMEM && !gif->source->error))
        return fcnn_source_no_memory(gif->source);
    return fcnn_source_failure(gif->source, "GIF", why ? why : "its contents are wrong");
}

/* ---- Up to the first frame ---- */

static fcnn_status read_extension(gif_file *gif) {
    GifByteType *block;
    int kind;
    if (DGifGetExtension(gif->file, &kind, &block) == GIF_ERROR) return failure(gif);
    while (block) {
        GraphicsControlBlock control;
        if (kind == GRAPHICS_EXT_FUNC_CODE &&
            DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
            gif->transparent = control.TransparentColor;
        if (DGifGetExtensionNext(gif->file, &block) == GIF_ERROR) return failure(gif);
    }
    return FCNN_OK;
}

static int larger(int a, int b) { return a > b ? a : b; }

static fcnn_status find_frame(gif_file *gif) {
    GifRecordType kind = UNDEFINED_RECORD_TYPE;
    while (kind != IMAGE_DESC_RECORD_TYPE) {
        if (DGifGetRecordType(gif->file, &kind) == GIF_ERROR) return failure(gif);
        if (kind == EXTENSION_RECORD_TYPE) FCNN_TRY(read_extension(gif));
        if (kind == TERMINATE_RECORD_TYPE)
            return fcnn_source_failure(gif->source, "GIF", "it holds no image");
    }
    if (DGifGetImageDesc(gif->file) == GIF_ERROR) return failure(gif);
    if (gif->source->ended) return fcnn_source_truncated(gif->source);
    const GifImageDesc *frame = &gif->file->Image;
    if (!frame->ColorMap && !gif->file->SColorMap)
        return fcnn_source_failure(gif->source, "GIF", "it has no colours");
    gif->width = larger(gif->file->SWidth, frame->Left + frame->Width);
    gif->height = larger(gif->file->SHeight, frame->Top + frame->Height);
    FCNN_TRY(fcnn_source_check_sides(gif->source, frame->Width, frame->Height));
    FCNN_TRY(fcnn_source_check_sides(gif->source, gif->width, gif->height));
    int64_t pixels = (int64_t)gif->width * gif->height;
    return fcnn_source_check_bytes(gif->source, gif->width, gif->height,
                                   pixels > PIXELS_FREE ? pixels / PIXELS_A_BYTE : 0);
}

static fcnn_status start(fcnn_image_source *source, gif_file *gif) {
    *gif = (gif_file){.source = source, .transparent = NO_TRANSPARENT_COLOR};
    errno = 0;
    gif->file = DGifOpen(source, read_bytes, &gif->error);
    if (!gif->file) return failure(gif);
    return find_frame(gif);
}

static void finish(gif_file *gif) {
    if (gif->file) DGifCloseFile(gif->file, NULL);
}

/* ---- The frame ---- */

/* Stores a colour of a palette, or black where it has none such. */
static void put_colour(const ColorMapObject *map, int index, uint8_t *to) {
    GifColorType colour = {0, 0, 0};
    if (map && index >= 0 && index < map->ColorCount) colour = map->Colors[index];
    memcpy(to, (uint8_t[]){colour.Red, colour.Green, colour.Blue}, 3);
}

/* Paints the screen, as the frame need not cover it. */
static void paint_screen(const gif_file *gif, fcnn_image *image, uint8_t *row) {
    int background = gif->file->SBackGroundColor;
    for (int x = 0; x < gif->width; x++)
        put_colour(gif->file->SColorMap, background ? background : -1, row + 3 * x);
    for (int y = 0; y < gif->height; y++) fcnn_image_put(image, y, 0, 1, gif->width, row, 3);
}

/* Puts the frame's rows in the order of the file; an interlaced one has them in four passes. */
static fcnn_status read_frame(const gif_file *gif, fcnn_image *image, uint8_t *row,
                              GifPixelType *indices) {
    static const int starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
    const GifImageDesc *frame = &gif->file->Image;
    const ColorMapObject *map = frame->ColorMap ? frame->ColorMap : gif->file->SColorMap;
    for (int pass = 0; pass < (frame->Interlace ? 4 : 1); pass++) {
        int step = frame->Interlace ? steps[pass] : 1;
        for (int y = frame->Interlace ? starts[pass] : 0; y < frame->Height; y += step) {
            if (DGifGetLine(gif->file, indices, frame->Width) == GIF_ERROR) return failure(gif);
            for (int x = 0; x < frame->Width; x++)
                put_colour(map, indices[x] == gif->transparent ? -1 : indices[x], row + 3 * x);
            fcnn_image_put(image, frame->Top + y, frame->Left, 1, frame->Width, row, 3);
        }
    }
    return FCNN_OK;
}

static fcnn_status decode_frame(const gif_file *gif, int channels, fcnn_image *image) {
    FCNN_TRY(fcnn_image_create(gif->source, gif->height, gif->width, channels, 8, image));
    uint8_t *row = malloc(4 * (size_t)gif->width);
    if (!row) return fcnn_source_no_memory(gif->source);
    paint_screen(gif, image, row);
    errno = 0;
    fcnn_status status = read_frame(gif, image, row, row + 3 * (size_t)gif->width);
    free(row);
    return status;
}

static fcnn_status decode(fcnn_image_source *source, int channels, fcnn_image *image) {
    gif_file gif;
    fcnn_status status = start(source, &gif);
    if (!status) status = decode_frame(&gif, channels, image);
    finish(&gif);
    return status;
}

static fcnn_status probe(fcnn_image_source *source, int *height, int *width) {
    gif_file gif;
    fcnn_status status = start(source, &gif);
    *height = gif.height;
    *width = gif.width;
    finish(&gif);
    return status;
}

static bool recognises(const uint8_t *start, size_t bytes) {
    return bytes >= 6 && (!memcmp(start, "GIF87a", 6) || !memcmp(start, "GIF89a", 6));
}

const fcnn_image_format fcnn_format_gif = {
    .name = "GIF", .recognises = recognises, .probe = probe, .decode = decode};
