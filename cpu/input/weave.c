/* Images' bins, normalised and augmented, woven into a band [F][C][N]: pieces of
 * some bins of TILE images are made one behind the other, then turned, so that
 * whole cache lines are written. */
#include "cpu/half_lanes.h"
#include "cpu/lanes.h"
#include "cpu/streaming.h"
#include "input.h"

/* Complex numbers of a register, and registers of a cache line. */
enum { NUMBERS = LANES / 2, REGISTERS = TILE / NUMBERS };

/* ---- Turning ---- */

/* Registers of complex numbers are turned as lanes_transpose turns floats. */
typedef int64_t numbers __attribute__((vector_size(FCNN_LANES * 4)));
#if FCNN_LANES == 4
#define FIRST_NUMBERS  0, 2
#define SECOND_NUMBERS 1, 3
#elif FCNN_LANES == 8
#define FIRST_NUMBERS  0, 4, 1, 5
#define SECOND_NUMBERS 2, 6, 3, 7
#else
#define FIRST_NUMBERS  0, 8, 1, 9, 2, 10, 3, 11
#define SECOND_NUMBERS 4, 12, 5, 13, 6, 14, 7, 15
#endif

ALWAYS_INLINE void numbers_transpose(numbers rows[NUMBERS]) {
    for (int round = 1; round < NUMBERS; round *= 2) {
        numbers turned[NUMBERS];
        for (int i = 0; i < NUMBERS / 2; i++) {
            numbers a = rows[i], b = rows[i + NUMBERS / 2];
            turned[2 * i] = __builtin_shufflevector(a, b, FIRST_NUMBERS);
            turned[2 * i + 1] = __builtin_shufflevector(a, b, SECOND_NUMBERS);
        }
        for (int i = 0; i < NUMBERS; i++) rows[i] = turned[i];
    }
}

/* Stores a bin of a tile of images in its row. */
ALWAYS_INLINE void store_line(const numbers line[REGISTERS], int images, bool past,
                              fcnn_complex *to) {
    if (images < TILE) {
        memcpy(to, line, (size_t)images * sizeof *to);
        return;
    }
    for (int r = 0; r < REGISTERS; r++) {
        float *at = &to[r * NUMBERS].re;
        if (past)
            lanes_stream(at, (lanes)line[r]);
        else
            lanes_store(at, (lanes)line[r]);
    }
}

/* Turns pieces and stores their bins' rows, which lie `row` complex numbers apart. */
ALWAYS_INLINE void turn_pieces(const fcnn_complex pieces[TILE][WEAVE_BINS], int count, int images,
                               bool past, fcnn_complex *to, int64_t row) {
    for (int k = 0; k < count; k += NUMBERS) {
        numbers rows[REGISTERS][NUMBERS];
        for (int r = 0; r < REGISTERS; r++) {
            for (int i = 0; i < NUMBERS; i++)
                memcpy(&rows[r][i], &pieces[r * NUMBERS + i][k], sizeof(numbers));
            numbers_transpose(rows[r]);
        }
        for (int i = 0; i < NUMBERS && k + i < count; i++) {
            numbers line[REGISTERS];
            for (int r = 0; r < REGISTERS; r++) line[r] = rows[r][i];
            store_line(line, images, past, to + (k + i) * row);
        }
    }
}

/* ---- Bins of a block ---- */

typedef struct {
    int count;
    bool listed; /* the following are made */
    int16_t ky[WEAVE_BINS], kx[WEAVE_BINS];
    int32_t mirror[WEAVE_BINS]; /* fcnn_mirror_index */
} block_bins;

static void list_bins(const cpu_input_block *block, block_bins *bins) {
    int64_t left = fcnn_band_count(block->band->radius) - block->first;
    bins->count = left < WEAVE_BINS ? (int)left : WEAVE_BINS;
    bins->listed = false;
    for (int i = 0; i < block->image_count && !bins->listed; i++)
        bins->listed = block->images[i].source.turned || block->images[i].source.framed;
    if (!bins->listed) return;
    int ky, kx;
    fcnn_band_frequency(block->first, &ky, &kx);
    for (int k = 0; k < bins->count; k++) {
        bins->ky[k] = (int16_t)ky;
        bins->kx[k] = (int16_t)kx;
        bins->mirror[k] = (int32_t)fcnn_mirror_index(ky, kx);
        fcnn_band_next(&ky, &kx);
    }
}

/* The bins of the block that truncation leaves. */
static int kept_bins(const cpu_input_block *block, const block_bins *bins,
                     const fcnn_input_source *source) {
    int64_t left = source->kept > block->first ? source->kept - block->first : 0;
    return left < bins->count ? (int)left : bins->count;
}

/* ---- A piece: a block's bins of one image and channel ---- */

/* An image's factors of a block's bins, the same for all channels. */
typedef struct {
    fcnn_complex phase[WEAVE_BINS], inside[WEAVE_BINS];
} block_factors;

static void make_factors(const cpu_input_image *image, const block_bins *bins, int count,
                         block_factors *factors) {
    const fcnn_input_source *source = &image->source;
    const fcnn_input_tables *t = &image->tables;
    if (!source->turned && !source->framed) return;
    for (int k = 0; k < count; k++)
        fcnn_input_factors(source, t, bins->ky[k], bins->kx[k], &factors->inside[k],
                           &factors->phase[k]);
}

static void widen(const uint16_t *from, int count, float *to) {
    int k = 0;
    for (; k + LANES <= count; k += LANES) lanes_store(to + k, lanes_load_half(from + k));
    for (; k < count; k++) to[k] = fcnn_half_to_float(from[k]);
}

/* Returns the block's bins as they are stored, or those of the mirrored image: where they lie, or
 * copied to `piece`. */
static const fcnn_complex *fetch(const cpu_input_image *image, const block_bins *bins,
                                 int64_t first, int count, int channel, fcnn_complex *piece) {
    const fcnn_complex *floats = (const fcnn_complex *)image->bins + channel * image->stride;
    const uint16_t *halves = (const uint16_t *)image->bins + 2 * channel * image->stride;
    bool half = image->type == FCNN_FLOAT16;
    if (!image->source.mirror) {
        if (!half) return floats + first;
        widen(halves + 2 * first, 2 * count, &piece->re);
        return piece;
    }
    if (half) {
        uint16_t turned[WEAVE_BINS][2];
        for (int k = 0; k < count; k++)
            memcpy(turned[k], halves + 2 * (int64_t)bins->mirror[k], sizeof turned[k]);
        widen(turned[0], 2 * count, &piece->re);
    } else {
        for (int k = 0; k < count; k++) piece[k] = floats[bins->mirror[k]];
    }
    return piece;
}

static void make_piece(const cpu_input_block *block, const block_bins *bins,
                       const cpu_input_image *image, const block_factors *factors, int channel,
                       fcnn_complex *piece) {
    const fcnn_input_source *source = &image->source;
    const fcnn_input_statistics *s = block->statistics;
    float scale = source->scale[channel], mean = s->mean[channel];
    int kept = kept_bins(block, bins, source);
    const fcnn_complex *x = fetch(image, bins, block->first, kept, channel, piece);
    fcnn_complex first = x[0];
    if (source->framed || source->turned)
        for (int k = 0; k < kept; k++)
            piece[k] = fcnn_input_bin(x[k], factors->inside[k], mean, scale,
                                      source->mirror && bins->kx[k] > 0, factors->phase[k]);
    else
        for (int k = 0; k < kept; k++) piece[k] = (fcnn_complex){x[k].re * scale, x[k].im * scale};
    for (int k = kept; k < bins->count; k++) piece[k] = (fcnn_complex){0.0f, 0.0f};
    if (block->first == 0)
        piece[0] = fcnn_input_dc(first.re, source->inside, s->mean[channel], s->deviation[channel],
                                 source->gain[channel], source->offset[channel]);
}

/* Fetches what the next pieces are made of while others are made. */
static void prefetch_piece(const cpu_input_image *image, const block_bins *bins, int64_t first,
                           int channel) {
    enum { LINE = 8 };
    size_t number = image->type == FCNN_FLOAT16 ? 2 * sizeof(uint16_t) : sizeof(fcnn_complex);
    const char *at = (const char *)image->bins + (size_t)(channel * image->stride) * number;
    for (int k = 0; k < bins->count; k += LINE)
        __builtin_prefetch(at +
                           number * (size_t)(image->source.mirror ? bins->mirror[k] : first + k));
}

void CPU(weave)(const cpu_input_block *block) {
    const fcnn_tensor *band = block->band;
    bool past = streams(band);
    block_bins bins;
    block_factors factors[TILE];
    fcnn_complex pieces[TILE][WEAVE_BINS] = {{{0.0f, 0.0f}}};
    list_bins(block, &bins);
    for (int from = 0; from < block->image_count; from += TILE) {
        int images = block->image_count - from < TILE ? block->image_count - from : TILE;
        const cpu_input_image *tile = block->images + from;
        for (int i = 0; i < images; i++)
            make_factors(&tile[i], &bins, kept_bins(block, &bins, &tile[i].source), &factors[i]);
        for (int c = 0; c < band->channels; c++) {
            bool last = c + 1 == band->channels;
            for (int i = 0; i < images; i++) {
                int next = from + i + (last ? TILE : 0);
                if (next < block->image_count)
                    prefetch_piece(&block->images[next], &bins, block->first, last ? 0 : c + 1);
                make_piece(block, &bins, &tile[i], &factors[i], c, pieces[i]);
            }
            turn_pieces(pieces, bins.count, images, past,
                        fcnn_cpu_row(band, block->first, c) + block->image + from,
                        (int64_t)band->channels * band->capacity);
        }
    }
    if (past) stream_end();
}

fcnn_status CPU(images_to_band)(fcnn_device *device, const fcnn_image *images,
                                const fcnn_placement *placement,
                                const fcnn_input_statistics *statistics, fcnn_tensor *band) {
    return fcnn_cpu_images_to_band(device, images, placement, statistics, band, CPU(weave));
}
