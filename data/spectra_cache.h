/* The file that keeps the spectra of a data set's images. In this order:
 *   header    4096 bytes: what it was made of, in numbers and again as text
 *   contents  8 bytes an image: the fingerprint of its bytes
 *   table     8 bytes an image: whether its record is there, and its crc32
 *   records   an image each, all of one size, aligned to 64 bytes
 * Training images come first. A record belongs to the bytes of an image and not
 * to a path, so the spectra of data that moved, or of which some images changed,
 * are found again. Every number is the machine's own; a file of another kind of
 * machine is told by its byte order and made anew. */
#ifndef FCNN_DATA_SPECTRA_CACHE_H
#define FCNN_DATA_SPECTRA_CACHE_H

#include "spectra.h"

enum { FCNN_CACHE_HEADER_BYTES = 4096, FCNN_CACHE_PATH_BYTES = 4096 };

/* What a cache must have been made of. */
typedef struct {
    const char *folder, *data;
    fcnn_placement placement;
    fcnn_number type;
    int channels, radius;                       /* at least this radius */
    const uint64_t *contents[FCNN_SPLIT_COUNT]; /* as the data set's, [count] */
    int64_t count[FCNN_SPLIT_COUNT];
    void (*waiting)(const void *user, const char *text); /* as in fcnn_spectra_options */
    const void *user;
    const volatile int *interrupted; /* ends the wait */
} fcnn_cache_key;

/* A record holds an image's sums and, after this head, its bins [channels][F(radius)]. */
typedef struct {
    int32_t height, width, top, left, inside_height, inside_width;
    fcnn_image_sums sums;
    uint8_t unused[8];
} fcnn_cache_record;

/* The notes tell what the user should know, one a line. */
typedef struct {
    char text[4 * FCNN_CACHE_PATH_BYTES];
} fcnn_cache_notes;

void fcnn_cache_note(fcnn_cache_notes *notes, const char *format, ...) FCNN_PRINTF(2, 3);

/* ---- The form of a file: spectra_format.c ---- */

typedef struct {
    char magic[8];
    uint32_t version, byte_order;
    uint64_t settings_hash; /* of the settings without the data's name */
    uint64_t fingerprint;   /* of all contents, in order */
    int64_t count[FCNN_SPLIT_COUNT], record_bytes;
    int32_t channels, radius, type;
    uint32_t crc; /* the header's, taken with 0 here */
    char settings[FCNN_CACHE_HEADER_BYTES - 56 - 8 * FCNN_SPLIT_COUNT];
} fcnn_cache_header;

typedef struct {
    char path[FCNN_CACHE_PATH_BYTES];
    int descriptor;
    bool read_only;
    int radius; /* the radius of the records */
    size_t record_bytes, table_at, records_at, bytes;
} fcnn_cache_file;

/* Gives the bytes of a record, its bins included. */
size_t fcnn_cache_record_bytes(int channels, int radius, fcnn_number type);

/* Fills in the header of the file that a key wants. */
void fcnn_cache_fill_header(const fcnn_cache_key *key, fcnn_cache_header *header);
/* Lays out the file of a header; false where it has more bytes than a file can have. */
bool fcnn_cache_lay_out(const fcnn_cache_header *header, fcnn_cache_file *file);
/* Reads and checks the header of an open file, as it must be to hold spectra of the wanted
 * settings, whatever the images; NULL, or what is wrong with it. `file` is then laid out. */
const char *fcnn_cache_read_header(const fcnn_cache_header *wanted, fcnn_cache_file *file,
                                   fcnn_cache_header *found);
/* Reads or writes all the bytes at a place of a file; false by errno. */
bool fcnn_cache_read_at(int descriptor, void *bytes, size_t count, size_t at);
bool fcnn_cache_write_at(int descriptor, const void *bytes, size_t count, size_t at);

/* ---- Other files of the folder: spectra_reuse.c ---- */

enum { FCNN_CACHE_STALE_MOST = 16 };

/* Paths are "" where there is none. */
typedef struct {
    char same[FCNN_CACHE_PATH_BYTES];   /* of just these images, under another name */
    char shared[FCNN_CACHE_PATH_BYTES]; /* the one that has the most of these images */
    int64_t images;                     /* how many it has */
    int stale_count;
    struct {
        char name[256];
        char fault[80];
    } stale[FCNN_CACHE_STALE_MOST]; /* of this data as it was, or where it was: to be removed */
} fcnn_cache_others;

/* Looks through the key's folder for what its files other than own_path hold. */
void fcnn_cache_search(const fcnn_cache_key *key, const fcnn_cache_header *wanted,
                       const char *own_path, fcnn_cache_others *others);
/* Copies the records of the key's images from others->shared into a new file. Returns how many. */
int64_t fcnn_cache_copy(const fcnn_cache_key *key, const fcnn_cache_header *wanted,
                        const fcnn_cache_others *others, const fcnn_cache_file *to);

/* ---- Opening: spectra_file.c ---- */

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
/* Reads an image's record, of fcnn_cache_record_bytes; false where it has none. */
bool fcnn_cache_read(fcnn_cache *cache, fcnn_split split, int64_t index, fcnn_cache_record *record);
/* Keeps a record of fcnn_cache_record_bytes; after a failure, no more are written. */
void fcnn_cache_store(fcnn_cache *cache, fcnn_split split, int64_t index,
                      const fcnn_cache_record *record);
/* Fills in all but the hits and misses. */
void fcnn_cache_used(fcnn_cache *cache, fcnn_spectra_usage *usage);

#endif
