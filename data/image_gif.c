/* GIF, of which the first frame is taken: the frame on the screen that it
 * belongs to, black where it is transparent, the background's colour beside it.
 * A frame that reaches over its screen widens it. Data are blocks of up to 255
 * bytes, and in them Welch's codes, which here need no memory but the image's.
 * Format: GIF89a, https://www.w3.org/Graphics/GIF/spec-gif89a.txt. */
#include <stdlib.h>
#include <string.h>

#include "image_format.h"

enum {
    CODE_BITS = 12,
    CODES = 1 << CODE_BITS,
    /* Pixels that may go to a byte: codes of 12 bits for strings of up to 4096. */
    PIXELS_A_BYTE = 4096,
    PIXELS_FREE = 1 << 20
};

typedef struct {
    bool present;
    uint8_t colours[256][3];
} gif_palette;

typedef struct {
    fcnn_image_source *source;
    int screen_width, screen_height, background;
    gif_palette global, local;
    int transparent;              /* an index; -1: none */
    int left, top, width, height; /* of the frame */
    bool interlaced;
    int all_width, all_height; /* of the screen, widened */
} gif_file;

static fcnn_status damaged(const gif_file *gif, const char *why) {
    return fcnn_source_failure(gif->source, "GIF", why);
}

/* Reads a number of two bytes; behind the end it is what it may be, as `ended` is asked later. */
static int number(gif_file *gif) {
    int low = fcnn_source_byte(gif->source), high = fcnn_source_byte(gif->source);
    return low < 0 || high < 0 ? 0 : low | high << 8;
}

static void read_palette(gif_file *gif, int flags, gif_palette *palette) {
    memset(palette, 0, sizeof *palette);
    palette->present = flags & 0x80;
    size_t bytes = (size_t)(2 << (flags & 7)) * 3;
    if (palette->present) fcnn_source_read(gif->source, palette->colours, bytes);
}

/* ---- Up to the first frame ---- */

static void read_screen(gif_file *gif) {
    fcnn_source_skip(gif->source, 6); /* the signature */
    gif->screen_width = number(gif);
    gif->screen_height = number(gif);
    int flags = fcnn_source_byte(gif->source);
    gif->background = fcnn_source_byte(gif->source);
    fcnn_source_byte(gif->source); /* the pixels' shape */
    read_palette(gif, flags < 0 ? 0 : flags, &gif->global);
}

/* Passes over an extension, of which the one before a frame names the transparent index. */
static void read_extension(gif_file *gif) {
    int kind = fcnn_source_byte(gif->source), bytes;
    while ((bytes = fcnn_source_byte(gif->source)) > 0) {
        uint8_t block[255];
        fcnn_source_read(gif->source, block, (size_t)bytes);
        if (kind == 0xf9 && bytes == 4) gif->transparent = block[0] & 1 ? block[3] : -1;
    }
}

static void read_descriptor(gif_file *gif) {
    gif->left = number(gif);
    gif->top = number(gif);
    gif->width = number(gif);
    gif->height = number(gif);
    int flags = fcnn_source_byte(gif->source);
    gif->interlaced = flags & 0x40;
    read_palette(gif, flags < 0 ? 0 : flags, &gif->local);
}

static int larger(int a, int b) { return a > b ? a : b; }

static fcnn_status find_frame(fcnn_image_source *source, gif_file *gif) {
    gif->source = source;
    gif->transparent = -1;
    read_screen(gif);
    int kind;
    while ((kind = fcnn_source_byte(source)) == 0x21) read_extension(gif);
    if (kind != 0x2c) return damaged(gif, "it holds no image");
    read_descriptor(gif);
    if (source->ended || source->error) return damaged(gif, "its header is cut");
    if (!gif->global.present && !gif->local.present) return damaged(gif, "it has no colours");
    gif->all_width = larger(gif->screen_width, gif->left + gif->width);
    gif->all_height = larger(gif->screen_height, gif->top + gif->height);
    FCNN_TRY(fcnn_source_check_sides(source, gif->width, gif->height));
    FCNN_TRY(fcnn_source_check_sides(source, gif->all_width, gif->all_height));
    int64_t pixels = (int64_t)gif->all_width * gif->all_height;
    return fcnn_source_check_bytes(source, gif->all_width, gif->all_height,
                                   pixels > PIXELS_FREE ? pixels / PIXELS_A_BYTE : 0);
}

/* ---- Where pixels go ---- */

typedef struct {
    const gif_file *gif;
    fcnn_image *image;
    uint8_t *row; /* [width][3] */
    int x, y, pass;
    int rows_left;
} gif_canvas;

/* The rows of an interlaced frame come in four passes. */
static void next_row(gif_canvas *canvas) {
    static const int starts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
    canvas->x = 0;
    canvas->rows_left--;
    if (!canvas->gif->interlaced) {
        canvas->y++;
        return;
    }
    canvas->y += steps[canvas->pass];
    while (canvas->y >= canvas->gif->height && canvas->pass < 3) canvas->y = starts[++canvas->pass];
}

static void put_pixel(gif_canvas *canvas, int index) {
    static const uint8_t black[3];
    const gif_file *gif = canvas->gif;
    const gif_palette *palette = gif->local.present ? &gif->local : &gif->global;
    const uint8_t *colour = index == gif->transparent ? black : palette->colours[index];
    memcpy(canvas->row + 3 * canvas->x, colour, 3);
    if (++canvas->x < gif->width) return;
    fcnn_image_put(canvas->image, gif->top + canvas->y, gif->left, 1, gif->width, canvas->row, 3);
    next_row(canvas);
}

/* Paints the screen, as the frame need not cover it. */
static void paint_screen(const gif_file *gif, fcnn_image *image, uint8_t *row) {
    static const uint8_t black[3];
    const uint8_t *colour = gif->background ? gif->global.colours[gif->background] : black;
    for (int x = 0; x < gif->all_width; x++) memcpy(row + 3 * x, colour, 3);
    for (int y = 0; y < gif->all_height; y++)
        fcnn_image_put(image, y, 0, 1, gif->all_width, row, 3);
}

/* ---- Codes ---- */

typedef struct {
    fcnn_image_source *source;
    int block_left; /* bytes of the current block */
    uint32_t bits;
    int bit_count;
} code_reader;

/* Gives the next code, or -1 where the data end. */
static int read_code(code_reader *reader, int bits) {
    while (reader->bit_count < bits) {
        if (!reader->block_left) reader->block_left = fcnn_source_byte(reader->source);
        if (reader->block_left <= 0) return -1;
        int byte = fcnn_source_byte(reader->source);
        if (byte < 0) return -1;
        reader->block_left--;
        reader->bits |= (uint32_t)byte << reader->bit_count;
        reader->bit_count += 8;
    }
    int code = (int)(reader->bits & ((1u << bits) - 1));
    reader->bits >>= bits;
    reader->bit_count -= bits;
    return code;
}

/* A code is a string: that of its prefix, and one index more. */
typedef struct {
    uint16_t prefix[CODES];
    uint8_t last[CODES], first[CODES];
} code_table;

/* Puts a code's string, which is found from its end. */
static void put_string(gif_canvas *canvas, const code_table *table, int code, int clear) {
    uint8_t string[CODES];
    int length = 0;
    for (; code >= clear; code = table->prefix[code]) string[length++] = table->last[code];
    string[length++] = (uint8_t)code;
    while (length > 0 && canvas->rows_left) put_pixel(canvas, string[--length]);
}

static fcnn_status read_codes(const gif_file *gif, gif_canvas *canvas) {
    code_reader reader = {.source = gif->source};
    code_table table;
    int least = fcnn_source_byte(gif->source);
    if (least < 1 || least > 8) return damaged(gif, "codes of a wrong size");
    int clear = 1 << least, next = clear + 2, bits = least + 1, before = -1;
    for (int i = 0; i < clear; i++) table.first[i] = (uint8_t)i;
    while (canvas->rows_left) {
        int code = read_code(&reader, bits);
        if (code < 0 || code == clear + 1) return damaged(gif, "its image data end early");
        if (code == clear) {
            next = clear + 2;
            bits = least + 1;
            before = -1;
            continue;
        }
        if (code > next || (code >= clear && before < 0) || (code == next && next == CODES))
            return damaged(gif, "a code that is none");
        if (before >= 0 && next < CODES) { /* also the code that is being read, if it is new */
            table.prefix[next] = (uint16_t)before;
            table.first[next] = table.first[before];
            table.last[next] = table.first[code == next ? before : code];
            next++;
        }
        put_string(canvas, &table, code, clear);
        if (next == 1 << bits && bits < CODE_BITS) bits++;
        before = code;
    }
    return FCNN_OK;
}

/* ---- The format ---- */

static fcnn_status decode(fcnn_image_source *source, int channels, fcnn_image *image) {
    gif_file gif = {0};
    FCNN_TRY(find_frame(source, &gif));
    FCNN_TRY(fcnn_image_create(source, gif.all_height, gif.all_width, channels, 8, image));
    uint8_t *row = malloc(3 * (size_t)gif.all_width);
    if (!row) return fcnn_source_no_memory(source);
    gif_canvas canvas = {.gif = &gif, .image = image, .row = row, .rows_left = gif.height};
    paint_screen(&gif, image, row);
    fcnn_status status = read_codes(&gif, &canvas);
    free(row);
    return status;
}

static fcnn_status probe(fcnn_image_source *source, int *height, int *width) {
    gif_file gif = {0};
    FCNN_TRY(find_frame(source, &gif));
    *height = gif.all_height;
    *width = gif.all_width;
    return FCNN_OK;
}

static bool recognises(const uint8_t *start, size_t bytes) {
    return bytes >= 6 && (!memcmp(start, "GIF87a", 6) || !memcmp(start, "GIF89a", 6));
}

const fcnn_image_format fcnn_format_gif = {
    .name = "GIF", .recognises = recognises, .probe = probe, .decode = decode};
