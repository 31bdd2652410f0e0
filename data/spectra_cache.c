/* The cache in use. Records are read through a read-only mapping and written
 * with pwrite, never through the mapping: a disk that fills up is then an error
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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Upper half of a table entry whose record is there; the lower half is the crc32. */
#define PRESENT ((uint64_t)0x46434e4e << 32)

enum { RESIDENT_MOST = 512 << 20 };

struct fcnn_cache {
    fcnn_cache_file file;
    const unsigned char *map;
    int64_t count[FCNN_SPLIT_COUNT];
    atomic_uchar *verified; /* [images] the record's crc32 has been checked */
    atomic_size_t touched;  /* bytes of the mapping since it was last given back */
    atomic_bool unreadable, unwritable;
    pthread_mutex_t mutex; /* guards: */
    char stopped[sizeof((fcnn_spectra_usage *)0)->stopped];
};

/* ---- Opening and closing ---- */

fcnn_cache *fcnn_cache_open(const fcnn_cache_key *key, fcnn_cache_notes *notes) {
    fcnn_cache *cache = calloc(1, sizeof *cache);
    int64_t images = 0;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) images += key->count[s];
    if (cache) cache->verified = calloc((size_t)images + 1, sizeof *cache->verified);
    if (!cache || !cache->verified) {
        fcnn_cache_note(notes, "no cache: out of memory");
        free(cache);
        return NULL;
    }
    memcpy(cache->count, key->count, sizeof cache->count);
    pthread_mutex_init(&cache->mutex, NULL);
    void *map = MAP_FAILED;
    if (fcnn_cache_file_open(key, &cache->file, notes)) {
        map = mmap(NULL, cache->file.bytes, PROT_READ, MAP_SHARED, cache->file.descriptor, 0);
        if (map == MAP_FAILED)
            fcnn_cache_note(notes, "no cache: %s cannot be mapped: %s", cache->file.path,
                            strerror(errno));
    }
    if (map == MAP_FAILED) {
        fcnn_cache_close(cache);
        return NULL;
    }
    cache->map = map;
    cache->unwritable = cache->file.read_only;
    return cache;
}

void fcnn_cache_close(fcnn_cache *cache) {
    if (!cache) return;
    if (cache->map) munmap((void *)cache->map, cache->file.bytes);
    if (cache->file.descriptor >= 0) close(cache->file.descriptor);
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

static size_t entry_at(int64_t place) {
    return FCNN_CACHE_HEADER_BYTES + (size_t)place * sizeof(uint64_t);
}

static size_t record_at(const fcnn_cache *cache, int64_t place) {
    return cache->file.records_at + (size_t)place * cache->file.record_bytes;
}

static uint64_t load_entry(const fcnn_cache *cache, int64_t place) {
    const uint64_t *entry = (const uint64_t *)(const void *)(cache->map + entry_at(place));
    return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
}

static bool is_present(uint64_t entry) { return entry >> 32 == PRESENT >> 32; }

/* What the table says of a record: its crc32 begins with its place, so that a record is not taken
 * for another's. */
static uint64_t entry_of(const fcnn_cache *cache, int64_t place, const fcnn_cache_record *record) {
    uLong crc = crc32_z(0, (const unsigned char *)&place, sizeof place);
    return PRESENT | crc32_z(crc, (const unsigned char *)record, cache->file.record_bytes);
}

static void stop(fcnn_cache *cache, const char *what, const char *why) {
    pthread_mutex_lock(&cache->mutex);
    if (!cache->stopped[0]) snprintf(cache->stopped, sizeof cache->stopped, "%s: %s", what, why);
    pthread_mutex_unlock(&cache->mutex);
}

/* ---- Reading ---- */

/* Reading behind the end of a file that was cut meanwhile would end the program. */
static bool is_whole(fcnn_cache *cache) {
    struct stat info;
    if (cache->unreadable) return false;
    if (!fstat(cache->file.descriptor, &info) && info.st_size >= (off_t)cache->file.bytes)
        return true;
    cache->unreadable = true;
    stop(cache, "no longer used", "another program cut the file");
    return false;
}

static bool is_sane(const fcnn_cache_record *r) {
    return r->height > 0 && r->width > 0 && r->top >= 0 && r->left >= 0 && r->inside_height > 0 &&
           r->inside_width > 0 && r->inside_height <= r->height - r->top &&
           r->inside_width <= r->width - r->left;
}

/* Pages of the mapping count as the process's own memory until they are given back; they stay in
 * the system's cache, and return at the next touch. */
static void give_back(fcnn_cache *cache) {
    size_t bytes = cache->file.record_bytes;
    if (atomic_fetch_add(&cache->touched, bytes) + bytes < RESIDENT_MOST) return;
    atomic_store(&cache->touched, 0);
    madvise((void *)cache->map, cache->file.bytes, MADV_DONTNEED);
}

const fcnn_cache_record *fcnn_cache_find(fcnn_cache *cache, fcnn_split split, int64_t index) {
    if (!is_whole(cache)) return NULL;
    int64_t place = place_of(cache, split, index);
    uint64_t entry = load_entry(cache, place);
    if (!is_present(entry)) return NULL;
    const fcnn_cache_record *record =
        (const fcnn_cache_record *)(const void *)(cache->map + record_at(cache, place));
    if (!cache->verified[place]) {
        if (entry_of(cache, place, record) != entry || !is_sane(record)) return NULL;
        cache->verified[place] = 1;
    }
    give_back(cache);
    return record;
}

/* ---- Writing ---- */

static bool write_all(const fcnn_cache *cache, const void *bytes, size_t count, size_t at) {
    for (const char *from = bytes; count;) {
        ssize_t written = pwrite(cache->file.descriptor, from, count, (off_t)at);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        from += written;
        at += (size_t)written;
        count -= (size_t)written;
    }
    return true;
}

void fcnn_cache_store(fcnn_cache *cache, fcnn_split split, int64_t index,
                      const fcnn_cache_record *record) {
    if (!fcnn_cache_writable(cache)) return;
    int64_t place = place_of(cache, split, index);
    uint64_t entry = entry_of(cache, place, record);
    errno = 0;
    if (write_all(cache, record, cache->file.record_bytes, record_at(cache, place)) &&
        write_all(cache, &entry, sizeof entry, entry_at(place)))
        return;
    cache->unwritable = true;
    stop(cache, "not written any more", strerror(errno ? errno : ENOSPC));
}

void fcnn_cache_used(fcnn_cache *cache, fcnn_spectra_usage *usage) {
    snprintf(usage->path, sizeof usage->path, "%s", cache->file.path);
    usage->bytes = (int64_t)cache->file.bytes;
    usage->images = place_of(cache, FCNN_SPLIT_COUNT, 0);
    usage->stored = 0;
    int64_t readable = is_whole(cache) ? usage->images : 0;
    for (int64_t i = 0; i < readable; i++) usage->stored += is_present(load_entry(cache, i));
    pthread_mutex_lock(&cache->mutex);
    memcpy(usage->stopped, cache->stopped, sizeof usage->stopped);
    pthread_mutex_unlock(&cache->mutex);
}
