/* What the other files of a cache's folder hold of a data set's images: all of
 * them where the data moved, most of them where some changed. Records are found
 * by the fingerprints of the images' bytes. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "spectra_cache.h"

/* ---- Fingerprints, sorted ---- */

typedef struct {
    uint64_t contents;
    int64_t place;
} image;

static int by_contents(const void *a, const void *b) {
    uint64_t x = ((const image *)a)->contents, y = ((const image *)b)->contents;
    return x < y ? -1 : x > y;
}

static void sort(image *images, int64_t count) {
    qsort(images, (size_t)count, sizeof *images, by_contents);
}

static int64_t images_of(const int64_t count[FCNN_SPLIT_COUNT]) {
    int64_t images = 0;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) images += count[s];
    return images;
}

static image *wanted_images(const fcnn_cache_key *key) {
    image *images = malloc(((size_t)images_of(key->count) + 1) * sizeof *images);
    int64_t at = 0;
    for (int s = 0; images && s < FCNN_SPLIT_COUNT; s++)
        for (int64_t i = 0; i < key->count[s]; i++, at++)
            images[at] = (image){key->contents[s][i], at};
    if (images) sort(images, at);
    return images;
}

/* The images of a file that have a record; the caller frees them. */
static image *stored_images(const fcnn_cache_file *file, int64_t count, int64_t *stored) {
    size_t bytes = (size_t)count * sizeof(uint64_t);
    uint64_t *contents = malloc(bytes + 1), *entries = malloc(bytes + 1);
    image *images = malloc(((size_t)count + 1) * sizeof *images);
    *stored = 0;
    bool good = contents && entries && images &&
                fcnn_cache_read_at(file->descriptor, contents, bytes, FCNN_CACHE_HEADER_BYTES) &&
                fcnn_cache_read_at(file->descriptor, entries, bytes, file->table_at);
    for (int64_t i = 0; good && i < count; i++)
        if (entries[i]) images[(*stored)++] = (image){contents[i], i};
    if (good) sort(images, *stored);
    free(contents);
    free(entries);
    return images;
}

/* Calls pair(state, wanted, stored) for each wanted image that is stored; returns how many. */
static int64_t pair_up(const image *wanted, int64_t count, const image *stored,
                       int64_t stored_count, bool (*pair)(void *, int64_t, int64_t), void *state) {
    int64_t found = 0;
    for (int64_t i = 0, j = 0; i < count; i++) {
        while (j < stored_count && stored[j].contents < wanted[i].contents) j++;
        if (j == stored_count) break;
        if (stored[j].contents != wanted[i].contents) continue;
        if (pair && !pair(state, wanted[i].place, stored[j].place)) break;
        found++;
    }
    return found;
}

/* ---- Searching ---- */

static bool path_of(const fcnn_cache_key *key, const char *name, char *path) {
    int length = snprintf(path, FCNN_CACHE_PATH_BYTES, "%s/%s", key->folder, name);
    return length > 0 && length < FCNN_CACHE_PATH_BYTES;
}

static bool is_spectra_file(const char *name) {
    static const char ending[] = ".spectra";
    size_t length = strlen(name), end = sizeof ending - 1;
    return length > end && length < sizeof((fcnn_cache_others *)0)->stale[0].name &&
           !strcmp(name + length - end, ending);
}

/* Whether the data that a file names, by an absolute path, is there no more. */
static bool data_is_gone(const fcnn_cache_header *header) {
    char path[FCNN_CACHE_HEADER_BYTES];
    const char *line = strstr(header->settings, "\ndata: /");
    if (!line) return false;
    snprintf(path, sizeof path, "%s", line + strlen("\ndata: "));
    path[strcspn(path, "\n")] = '\0';
    return access(path, F_OK) != 0;
}

static void add_stale(fcnn_cache_others *others, const char *name, const char *fault) {
    if (others->stale_count == FCNN_CACHE_STALE_MOST) return;
    int i = others->stale_count++;
    snprintf(others->stale[i].name, sizeof others->stale[i].name, "%s", name);
    snprintf(others->stale[i].fault, sizeof others->stale[i].fault, "%s", fault);
}

/* Judges one file. */
static void look_at(const fcnn_cache_key *key, const fcnn_cache_header *wanted, const image *images,
                    const char *name, fcnn_cache_file *file, fcnn_cache_others *others) {
    fcnn_cache_header found;
    const char *fault = fcnn_cache_read_header(wanted, file, &found);
    found.settings[sizeof found.settings - 1] = '\0';
    bool own = !memcmp(found.magic, wanted->magic, sizeof found.magic) &&
               !strcmp(found.settings, wanted->settings);
    if (fault) {
        if (own) add_stale(others, name, fault);
        return;
    }
    int64_t count = images_of(found.count), stored;
    if (found.fingerprint == wanted->fingerprint &&
        !memcmp(found.count, wanted->count, sizeof found.count)) {
        memcpy(others->same, file->path, sizeof others->same);
        return;
    }
    image *theirs = stored_images(file, count, &stored);
    int64_t shared =
        theirs ? pair_up(images, images_of(key->count), theirs, stored, NULL, NULL) : 0;
    free(theirs);
    /* Moved and changed: of a disk that is not there now, little would be shared. */
    if (own || (2 * shared > stored && data_is_gone(&found)))
        add_stale(others, name, "it is stale: the images have changed");
    if (shared <= others->images || found.radius != wanted->radius) return;
    others->images = shared;
    memcpy(others->shared, file->path, sizeof others->shared);
}

void fcnn_cache_search(const fcnn_cache_key *key, const fcnn_cache_header *wanted,
                       const char *own_path, fcnn_cache_others *others) {
    DIR *folder = opendir(key->folder);
    image *images = wanted_images(key);
    *others = (fcnn_cache_others){.images = 0};
    for (const struct dirent *entry; folder && images && (entry = readdir(folder));) {
        fcnn_cache_file file;
        struct stat info;
        if (!is_spectra_file(entry->d_name) || !path_of(key, entry->d_name, file.path) ||
            !strcmp(file.path, own_path))
            continue;
        file.descriptor = open(file.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (file.descriptor < 0) continue;
        if (!fstat(file.descriptor, &info) && S_ISREG(info.st_mode))
            look_at(key, wanted, images, entry->d_name, &file, others);
        close(file.descriptor);
    }
    free(images);
    if (folder) closedir(folder);
}

/* ---- Copying ---- */

typedef struct {
    const fcnn_cache_file *from, *to;
    void *record;
} copying;

/* The check of a record goes with it: a damaged one is found when it is read. */
static bool copy_record(void *state, int64_t wanted, int64_t stored) {
    const copying *c = state;
    size_t bytes = c->to->record_bytes;
    uint64_t entry;
    return fcnn_cache_read_at(c->from->descriptor, c->record, bytes,
                              c->from->records_at + (size_t)stored * bytes) &&
           fcnn_cache_read_at(c->from->descriptor, &entry, sizeof entry,
                              c->from->table_at + (size_t)stored * sizeof entry) &&
           fcnn_cache_write_at(c->to->descriptor, c->record, bytes,
                               c->to->records_at + (size_t)wanted * bytes) &&
           fcnn_cache_write_at(c->to->descriptor, &entry, sizeof entry,
                               c->to->table_at + (size_t)wanted * sizeof entry);
}

int64_t fcnn_cache_copy(const fcnn_cache_key *key, const fcnn_cache_header *wanted,
                        const fcnn_cache_others *others, const fcnn_cache_file *to) {
    fcnn_cache_header found;
    fcnn_cache_file from = {.descriptor = -1};
    int64_t copied = 0, stored;
    if (*others->shared) from.descriptor = open(others->shared, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (from.descriptor < 0) return 0;
    if (!fcnn_cache_read_header(wanted, &from, &found) && from.record_bytes == to->record_bytes) {
        copying state = {&from, to, malloc(to->record_bytes)};
        image *images = wanted_images(key);
        image *theirs = stored_images(&from, images_of(found.count), &stored);
        if (state.record && images && theirs)
            copied = pair_up(images, images_of(key->count), theirs, stored, copy_record, &state);
        free(state.record);
        free(images);
        free(theirs);
    }
    close(from.descriptor);
    return copied;
}
