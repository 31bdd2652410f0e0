/* For the tests of picture files: files made byte by byte, right ones and such
 * as no program would write. */
#ifndef FCNN_TESTS_IMAGE_BYTES_H
#define FCNN_TESTS_IMAGE_BYTES_H

#include <zlib.h>

#include "temporary.h"

enum { BYTES_MOST = 1 << 21 };

static uint8_t made[BYTES_MOST];
static size_t made_bytes;

static inline void begin(void) { made_bytes = 0; }

static inline void put(const void *bytes, size_t count) {
    ck_assert(made_bytes + count <= sizeof made);
    memcpy(made + made_bytes, bytes, count);
    made_bytes += count;
}

#define PUT(...) put((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline void put_big(uint32_t number, int bytes) {
    while (bytes-- > 0) PUT((uint8_t)(number >> 8 * bytes));
}

static inline void put_little(uint32_t number, int bytes) {
    for (int i = 0; i < bytes; i++) PUT((uint8_t)(number >> 8 * i));
}

/* ---- PNG ---- */

static inline void png_chunk(const char *kind, const void *data, size_t count) {
    put_big((uint32_t)count, 4);
    size_t from = made_bytes;
    put(kind, 4);
    put(data, count);
    put_big((uint32_t)crc32(0, made + from, (uInt)(made_bytes - from)), 4);
}

static inline void png_start(uint32_t width, uint32_t height, int bits, int colours) {
    begin();
    put("\x89PNG\r\n\x1a\n", 8);
    uint8_t header[13] = {(uint8_t)(width >> 24), (uint8_t)(width >> 16),  (uint8_t)(width >> 8),
                          (uint8_t)width,         (uint8_t)(height >> 24), (uint8_t)(height >> 16),
                          (uint8_t)(height >> 8), (uint8_t)height,         (uint8_t)bits,
                          (uint8_t)colours};
    png_chunk("IHDR", header, sizeof header);
}

/* A chunk of these bytes deflated, behind `before` bytes as they are. */
static inline void png_deflated(const char *kind, const char *before, const void *raw,
                                size_t count) {
    static uint8_t packed[1 << 20];
    size_t head = strlen(before) ? strlen(before) + 2 : 0; /* a text's name, 0, its method */
    uLongf room = sizeof packed - head;
    memset(packed, 0, head);
    memcpy(packed, before, strlen(before));
    ck_assert_int_eq(compress2(packed + head, &room, raw, (uLong)count, 9), Z_OK);
    png_chunk(kind, packed, head + room);
}

/* A whole file of grey (colours 0) or RGB (2) samples of 8 or 16 bits, given row by row. */
static inline void write_png(const char *path, int width, int height, int bits, int colours,
                             const uint16_t *samples) {
    static uint8_t raw[1 << 16];
    size_t used = 0;
    for (int y = 0; y < height; y++) {
        raw[used++] = 0;
        for (int i = 0; i < width * (colours ? 3 : 1); i++, samples++) {
            if (bits == 16) raw[used++] = (uint8_t)(*samples >> 8);
            raw[used++] = (uint8_t)*samples;
        }
    }
    png_start((uint32_t)width, (uint32_t)height, bits, colours);
    png_deflated("IDAT", "", raw, used);
    png_chunk("IEND", "", 0);
    write_file(path, made, made_bytes);
}

/* ---- JPEG: grey blocks of 8 x 8 whose coefficients are all 0 but DC's ---- */

static inline void jpeg_segment(int marker, const void *data, size_t count) {
    PUT(0xff, (uint8_t)marker);
    put_big((uint32_t)count + 2, 2);
    put(data, count);
}

/* All before a scan; code 0 is "no difference" of DC and "end of block". `frame` is 0xc0 for a
 * sequential file, 0xc2 for a progressive one. */
static inline void jpeg_start(int frame, int width, int height, int components) {
    uint8_t quantiser[65] = {0}, sizes[32], codes[18] = {0, 0, 1};
    memset(quantiser + 1, 16, 64);
    begin();
    PUT(0xff, 0xd8);
    jpeg_segment(0xdb, quantiser, sizeof quantiser);
    uint8_t head[6] = {8,
                       (uint8_t)(height >> 8),
                       (uint8_t)height,
                       (uint8_t)(width >> 8),
                       (uint8_t)width,
                       (uint8_t)components};
    memcpy(sizes, head, 6);
    for (int c = 0; c < components; c++)
        memcpy(sizes + 6 + 3 * c, (uint8_t[]){(uint8_t)(c + 1), 0x11, 0}, 3);
    jpeg_segment(frame, sizes, 6 + 3 * (size_t)components);
    jpeg_segment(0xc4, codes, sizeof codes);
    codes[0] = 0x10;
    jpeg_segment(0xc4, codes, sizeof codes);
}

/* The head of a scan of component `first` and those behind it. */
static inline void jpeg_scan(int first, int components, int from, int to) {
    uint8_t head[12] = {(uint8_t)components};
    for (int c = 0; c < components; c++) head[1 + 2 * c] = (uint8_t)(first + c);
    head[1 + 2 * components] = (uint8_t)from;
    head[2 + 2 * components] = (uint8_t)to;
    jpeg_segment(0xda, head, 4 + 2 * (size_t)components);
}

#endif
