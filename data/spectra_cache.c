/* The cache in use. Records are read with pread and written with pwrite, never
 * through a mapping: a disk that fills up, or a file that somebody cuts, is then an error
 * of a call and no signal. A record is written before its place in the table,
 * which holds its crc32; so processes that fill one file at once, or die while
 * they do, leave at worst a record that fails its check and is written again. */
#include "spectra_cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Upper half of a table entry whose record is there; the lower half is the crc32. */
#define PRESENT ((uint64_t)0x46434e4e << 32)

struct fcnn_cache {
    fcnn_cache_file file;
    int64_t count[FCNN_SPLIT_COUNT];
    const uint64_t *contents[FCNN_SPLIT_COUNT];
    /* A record whose crc32 was right is not checked again while the file is as it was then: of the
     * same size and time. Generations number the states that were seen. */
    atomic_uint *verified; /* [images] the generation, or 0 */
    atomic_bool unreadable, unwritable;
    pthread_mutex_t mutex; /* guards: */
    unsigned generation;
    struct timespec changed; /* of the generation, with its size */
    off_t size;
    char stopped[sizeof((fcnn_spectra_usage *)0)->stopped];
};

/* ---- Opening and closing ---- */

fcnn_cache *fcnn_cache_open(const fcnn_cache_key *key, fcnn_cache_notes *notes) {
    fcnn_cache *cache = calloc(1, sizeof *cache);
    int64_t images = 0;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) images += key->count[s];
    if (cache) cache->verified = calloc((size_t)images + 1, sizeof *cache->verified);
    bool opened = cache && cache->verified;
    if (!opened)
        fcnn_cache_note(notes, "no cache: out of memory");
    else
        opened = fcnn_cache_file_open(key, &cache->file, notes);
    if (!opened) {
        if (cache) free(cache->verified);
        free(cache);
        return NULL;
    }
    memcpy(cache->count, key->count, sizeof cache->count);
    memcpy(cache->contents, key->contents, sizeof cache->contents);
    pthread_mutex_init(&cache->mutex, NULL);
    cache->unwritable = cache->file.read_only;
    return cache;
}

void fcnn_cache_close(fcnn_cache *cache) {
    if (!cache) return;
    close(cache->file.descriptor);
    pthread_mutex_destroy(&cache->mutex);
    free(cache->verified);
    free(cache);
}

int fcnn_cache_radius(const fcnn_cache *cache) { return cache->file.radius; }

bool fcnn_cache_writable(const fcnn_cache *cache) {
    return !cache->unreadable && !cache->unwritable;
}

/* ---- Places ---- */

static int64_t place_of(const fcnn_cache *cache, fcnn_split split, int64_t index) {
    for (int before = 0; before < (int)split; before++) index += cache->count[before];
    return index;
}

static size_t entry_at(const fcnn_cache *cache, int64_t place) {
    return cache->file.table_at + (size_t)place * sizeof(uint64_t);
}

static size_t record_at(const fcnn_cache *cache, int64_t place) {
    return cache->file.records_at + (size_t)place * cache->file.record_bytes;
}

static bool is_present(uint64_t entry) { return entry >> 32 == PRESENT >> 32; }

/* What the table says of a record: its crc32 begins with the fingerprint of the image's bytes, so
 * that a record is not taken for another's, wherever it lies. */
static uint64_t entry_of(const fcnn_cache *cache, fcnn_split split, int64_t index,
                         const fcnn_cache_record *record) {
    const uint64_t *contents = &cache->contents[split][index];
    uLong crc = crc32_z(0, (const unsigned char *)contents, sizeof *contents);
    return PRESENT | crc32_z(crc, (const unsigned char *)record, cache->file.record_bytes);
}

static void stop(fcnn_cache *cache, const char *what, const char *why) {
    pthread_mutex_lock(&cache->mutex);
    if (!cache->stopped[0]) snprintf(cache->stopped, sizeof cache->stopped, "%s: %s", what, why);
    pthread_mutex_unlock(&cache->mutex);
}

/* ---- Reading ---- */

/* Where the file is not what it was, the cache is given up: images come from their source again. */
static bool read_all(fcnn_cache *cache, void *bytes, size_t count, size_t at) {
    char *to = bytes;
    while (count && !cache->unreadable) {
        ssize_t got = pread(cache->file.descriptor, to, count, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            stop(cache, "no longer used", got ? strerror(errno) : "another program cut the file");
            cache->unreadable = true;
            break;
        }
        to += got;
        at += (size_t)got;
        count -= (size_t)got;
    }
    return count == 0;
}

static bool is_sane(const fcnn_cache_record *r) {
    return r->height > 0 && r->width > 0 && r->top >= 0 && r->left >= 0 && r->inside_height > 0 &&
           r->inside_width > 0 && r->inside_height <= r->height - r->top &&
           r->inside_width <= r->width - r->left;
}

/* The file's generation now. A file that was cut and has grown again, with zeros where records
 * were, has another one than before. */
static unsigned generation_of(fcnn_cache *cache) {
    struct stat info;
    if (fstat(cache->file.descriptor, &info)) return 0;
    pthread_mutex_lock(&cache->mutex);
    if (!cache->generation || info.st_size != cache->size ||
        info.st_mtim.tv_sec != cache->changed.tv_sec ||
        info.st_mtim.tv_nsec != cache->changed.tv_nsec) {
        cache->generation++;
        cache->size = info.st_size;
        cache->changed = info.st_mtim;
    }
    unsigned generation = cache->generation;
    pthread_mutex_unlock(&cache->mutex);
    return generation;
}

bool fcnn_cache_read(fcnn_cache *cache, fcnn_split split, int64_t index,
                     fcnn_cache_record *record) {
    int64_t place = place_of(cache, split, index);
    uint64_t entry;
    if (!read_all(cache, &entry, sizeof entry, entry_at(cache, place)) || !is_present(entry) ||
        !read_all(cache, record, cache->file.record_bytes, record_at(cache, place)))
        return false;
    unsigned generation = generation_of(cache); /* after what it vouches for */
    if (generation && cache->verified[place] == generation) return true;
    if (entry_of(cache, split, index, record) != entry || !is_sane(record)) return false;
    cache->verified[place] = generation;
    return true;
}

/* ---- Writing ---- */

void fcnn_cache_store(fcnn_cache *cache, fcnn_split split, int64_t index,
                      const fcnn_cache_record *record) {
    if (!fcnn_cache_writable(cache)) return;
    int64_t place = place_of(cache, split, index);
    uint64_t entry = entry_of(cache, split, index, record);
    errno = 0;
    int file = cache->file.descriptor;
    if (fcnn_cache_write_at(file, record, cache->file.record_bytes, record_at(cache, place)) &&
        fcnn_cache_write_at(file, &entry, sizeof entry, entry_at(cache, place)))
        return;
    cache->unwritable = true;
    stop(cache, "not written any more", strerror(errno ? errno : ENOSPC));
}

static int64_t count_stored(fcnn_cache *cache, int64_t images) {
    enum { PIECE = 512 };
    uint64_t entries[PIECE];
    int64_t stored = 0;
    for (int64_t first = 0; first < images; first += PIECE) {
        int64_t count = images - first < PIECE ? images - first : PIECE;
        if (!read_all(cache, entries, (size_t)count * sizeof *entries, entry_at(cache, first)))
            return 0;
        for (int64_t i = 0; i < count; i++) stored += is_present(entries[i]);
    }
    return stored;
}

void fcnn_cache_used(fcnn_cache *cache, fcnn_spectra_usage *usage) {
    snprintf(usage->path, sizeof usage->path, "%s", cache->file.path);
    usage->bytes = (int64_t)cache->file.bytes;
    usage->images = place_of(cache, FCNN_SPLIT_COUNT, 0);
    usage->stored = count_stored(cache, usage->images);
    pthread_mutex_lock(&cache->mutex);
    memcpy(usage->stopped, cache->stopped, sizeof usage->stopped);
    pthread_mutex_unlock(&cache->mutex);
}
