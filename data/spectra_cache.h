/* The file that keeps the spectra of a data set's images. In this order:
 *   header   4096 bytes: what it was made of, in numbers and again as text
 *   table    8 bytes an image: whether its record is there, and its crc32
 *   records  an image each, all of one size, aligned to 64 bytes
 * Training images come first. Every number is the machine's own; a file of
 * another kind of machine is told by its byte order and made anew. */
#ifndef FCNN_DATA_SPECTRA_CACHE_H
#define FCNN_DATA_SPECTRA_CACHE_H

#include "spectra.h"

enum { FCNN_CACHE_HEADER_BYTES = 4096, FCNN_CACHE_PATH_BYTES = 4096 };

/* What a cache must have been made of. */
typedef struct {
    const char *folder, *data;
    fcnn_placement placement;
    fcnn_number type;
    int channels, radius; /* at least this radius */
    uint64_t fingerprint;
    int64_t count[FCNN_SPLIT_COUNT];
    void (*waiting)(const char *text); /* as in fcnn_spectra_options */
    const volatile int *interrupted;   /* ends the wait */
} fcnn_cache_key;

/* A record holds an image's sums and, after this head, its bins [channels][F(radius)]. */
typedef struct {
    int32_t height, width, top, left, inside_height, inside_width;
    fcnn_image_sums sums;
    uint8_t unused[24];
} fcnn_cache_record;

/* The notes tell what the user should know, one a line. */
typedef struct {
    char text[4 * FCNN_CACHE_PATH_BYTES];
} fcnn_cache_notes;

void fcnn_cache_note(fcnn_cache_notes *notes, const char *format, ...) FCNN_PRINTF(2, 3);

/* Gives the bytes of a record, its bins included. */
size_t fcnn_cache_record_bytes(int channels, int radius, fcnn_number type);

/* ---- The file: spectra_file.c ---- */

typedef struct {
    char path[FCNN_CACHE_PATH_BYTES];
    int descriptor;
    bool read_only;
    int radius; /* the radius of the records */
    size_t record_bytes, records_at, bytes;
} fcnn_cache_file;

/* Opens the key's file, made or made anew where needed; false, and a note why, where none can be
 * had. Two processes that open it at once get the same one. */
bool fcnn_cache_file_open(const fcnn_cache_key *key, fcnn_cache_file *file,
                          fcnn_cache_notes *notes);

/* ---- The cache: by any thread ---- */

typedef struct fcnn_cache fcnn_cache;

/* Opens a cache; NULL, and a note why, where none can be had. */
fcnn_cache *fcnn_cache_open(const fcnn_cache_key *key, fcnn_cache_notes *notes);
void fcnn_cache_close(fcnn_cache *cache);
/* Gives the radius of its records. */
int fcnn_cache_radius(const fcnn_cache *cache);
/* Whether fcnn_cache_store would keep a record. */
bool fcnn_cache_writable(const fcnn_cache *cache);
/* Gives an image's record in the mapped file, until the cache is closed; NULL where it has none. */
const fcnn_cache_record *fcnn_cache_find(fcnn_cache *cache, fcnn_split split, int64_t index);
/* Keeps a record of fcnn_cache_record_bytes; after a failure, no more are written. */
void fcnn_cache_store(fcnn_cache *cache, fcnn_split split, int64_t index,
                      const fcnn_cache_record *record);
/* Fills in all but the hits and misses. */
void fcnn_cache_used(fcnn_cache *cache, fcnn_spectra_usage *usage);

#endif
