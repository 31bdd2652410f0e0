/* How much memory a loop works on before it goes on to the next, by the cache where this is to
 * stay. The first cache is taken for 32 KiB a core; the second for 1 MiB where registers have 512
 * bits, for half of it elsewhere; the third for a few MiB a core. Where sums are cut depends on
 * some of these numbers, which were tuned: a change of them changes bits, not speed alone. */
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
    /* Registers of pairs of channels that taps become spectra of at a time: a bin's stretch of them
     * is two kilobytes in a row, and u, v and the taps of small kernels stay in the caches. With
     * more than 32 taps across, 16 registers of all taps do not: one is taken. */
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
    DENSE_TERMS = 256,    /* terms of a sum: their rows of x stay in the second cache */
    DENSE_FEATURES = 96,  /* features of a unit backward, */
    DENSE_UNITS = 128,    /* whose weights of so many units are packed in the second cache, */
    DENSE_IMAGES = 128,   /* or whose x of so many images is turned there */
    UPDATE_BLOCK = 16384, /* numbers: 64 KiB of each of the optimizer's buffers */

    /* ---- Input ---- */
    DFT_ROWS = 64,             /* rows of the partial DFT, and pixels of a row, whose factors are */
    DFT_COLUMNS = 512,         /* made at a time and stay in the second cache */
    DFT_PIXELS_MOST = 1 << 22, /* of FFTW: a larger plane and its spectrum fill any cache */
    WEAVE_BINS = 64,           /* of TILE images: 4 KiB that are turned in the first cache */

    /* ---- Convolution of maps ---- */
    /* A tile's packed input, or one channel if that is larger: in the second cache, beside ... */
    MAP_PACKED_FLOATS = 160 << 10,
    DIRECT_TILE_FLOATS = 2048, /* ... the outputs of 64 filters, */
    GEMM_TILE_FLOATS = 1024,   /* or columns of GEMM_DEPTH channels x taps and the product's copy */
    GEMM_DEPTH = 96,
    GEMM_DW_DEPTH = 576,             /* channels x taps of dw, whose columns are made at once */
    DIRECT_DW_DEPTH = 64,            /* products of a number of dy: enough to be worth its copy */
    WINOGRAD_PLANES_BYTES = 4 << 20, /* the planes of both operands at work, in the third cache */
    /* Tori of some channels that a thread transforms together, in the third cache. */
    TORI_BYTES = 16 << 20,
    OAA_SPECTRA_BYTES = 72 << 20 /* a block's spectra, which bound the workspace */
};

#endif
