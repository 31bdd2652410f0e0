/* The sizes of what loops work on, chosen so that it stays in a given cache. The first cache is
 * taken for 32 KiB a core; the second for 1 MiB where registers have 512 bits, for half of it
 * elsewhere; the third for a few MiB a core. Where sums are cut depends on some of these numbers,
 * which were tuned: a change of them changes bits, not speed alone. */
#ifndef FCNN_CPU_CACHES_H
#define FCNN_CPU_CACHES_H

enum {
    /* ---- Bins ---- */
    /* Operands that taps.c packs for some rows of bins at a time: a product reads them again for
     * every panel of its other operand, so they have to stay in the second cache, ... */
    TAPS_OPERAND_BYTES = 600 << 10,
    /* ... as does what is fetched for the next rows meanwhile, or fetching it is of no use. */
    TAPS_AHEAD_BYTES = 1000 << 10,
    /* All slots' sums: many slots keep many threads busy, but they are all written and added up, in
     * the third cache if it is large. */
    TAPS_SLOTS_BYTES = 48 << 20,
    TAPS_FINISH_BLOCK = 4096, /* numbers of a slot: a sum of 16 KiB stays in the first cache */
    /* Taps become spectra in blocks of 16 registers of pairs of channels, so that a bin's part of a
     * block is 2 KiB in a row. Above 32 taps across a block is one register, as the taps of 16
     * would not stay in the caches. */
    KERNEL_REGISTERS = 16,
    KERNEL_LARGE = 32,

    /* ---- Channels ---- */
    /* Registers of the rings of srelu's tiles that a thread takes in turn: 640 KiB of the second
     * cache with 512 bits, half as much with 256. */
    SRELU_REGISTERS = 10 << 10,
    /* Images of all channels of a norm's block: a bin's stretch is two kilobytes, which is fetched
     * some bins ahead. */
    NORM_BLOCK_IMAGES = 256,

    /* ---- Stores ---- */
    /* An output this large is no more in the third cache when it is read. */
    STREAM_BYTES = 16 << 20,

    /* ---- Dense layers ---- */
    DENSE_TERMS = 256, /* terms of a sum: their rows of x stay in the second cache */
    /* Backward, a unit of work has 96 features. It packs the weights of 128 units of the layer, or
     * turns x of 128 images, in the second cache. */
    DENSE_FEATURES = 96,
    DENSE_UNITS = 128,
    DENSE_IMAGES = 128,
    UPDATE_BLOCK = 16384, /* numbers: 64 KiB of each of the optimizer's buffers */

    /* ---- Input ---- */
    /* The partial DFT takes 64 rows at a time and makes factors for 512 pixels of a row, which stay
     * in the second cache. */
    DFT_ROWS = 64,
    DFT_COLUMNS = 512,
    DFT_PIXELS_MOST = 1 << 22, /* of FFTW: a larger plane and its spectrum fill any cache */
    WEAVE_BINS = 64,           /* of TILE images: 4 KiB that are turned in the first cache */

    /* ---- Convolution of maps ---- */
    /* A tile's packed input, or one channel if that is larger, stays in the second cache. */
    MAP_PACKED_FLOATS = 160 << 10,
    DIRECT_TILE_FLOATS =
        2048,                /* a tile's outputs of a filter; those of 64 filters stay there too */
    GEMM_TILE_FLOATS = 1024, /* the same, beside columns of GEMM_DEPTH channels x taps */
    GEMM_DEPTH = 96,
    GEMM_DW_DEPTH = 576,             /* channels x taps of dw, whose columns are made at once */
    DIRECT_DW_DEPTH = 64,            /* products of a packed number of dy, so that packing pays */
    WINOGRAD_PLANES_BYTES = 4 << 20, /* the planes of both operands at work, in the third cache */
    /* Tori of some channels that a thread transforms together, in the third cache. */
    TORI_BYTES = 16 << 20,
    OAA_SPECTRA_BYTES = 72 << 20 /* a block's spectra, which bound the workspace */
};

#endif
