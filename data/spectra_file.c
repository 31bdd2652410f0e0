/* Opening a cache file: its name, the lock that keeps other processes waiting
 * meanwhile, the header's check, and a new file where there is none that fits.
 * A new file is made under another name, takes all its room at once and is then
 * renamed, so that a process which has the old one mapped goes on with that. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "band.h"
#include "files.h"
#include "number.h"
#include "spectra_cache.h"
#include "text.h"

enum { VERSION = 1, BYTE_ORDER_MARK = 0x01020304, ALIGNMENT = 64, NAME_MOST = 40 };

static const char magic[8] = {'f', 'c', 'n', 'n', 's', 'p', 'e', 'c'};

typedef struct {
    char magic[8];
    uint32_t version, byte_order;
    uint64_t settings_hash, fingerprint;
    int64_t count[FCNN_SPLIT_COUNT], record_bytes;
    int32_t channels, radius, type;
    uint32_t crc; /* the header's, taken with 0 here */
    char settings[FCNN_CACHE_HEADER_BYTES - 72];
} cache_header;

static_assert(sizeof(cache_header) == FCNN_CACHE_HEADER_BYTES, "the header has no gaps");
static_assert(sizeof(fcnn_cache_record) == 128, "a record's bins are aligned");

size_t fcnn_cache_record_bytes(int channels, int radius, fcnn_number type) {
    size_t number = type == FCNN_FLOAT16 ? sizeof(uint16_t) : sizeof(float);
    size_t bins = (size_t)channels * (size_t)fcnn_band_count(radius) * 2 * number;
    return sizeof(fcnn_cache_record) + (size_t)fcnn_align_up((int64_t)bins, ALIGNMENT);
}

void fcnn_cache_note(fcnn_cache_notes *notes, const char *format, ...) {
    char text[2 * FCNN_CACHE_PATH_BYTES];
    size_t used = strlen(notes->text);
    va_list arguments;
    va_start(arguments, format);
    fcnn_number_vformat(text, sizeof text, format, arguments);
    va_end(arguments);
    if (sizeof notes->text - used < 64) return;
    fcnn_text_printable(text, notes->text + used, sizeof notes->text - 1 - used);
    strcat(notes->text, "\n");
}

/* ---- What a file is made of ---- */

/* Writes down all that decides what a spectrum is, but for the radius. */
static void describe_settings(const fcnn_cache_key *key, char *text, size_t bytes) {
    static const char *const paddings[] = {"none", "zero", "reflect"};
    const fcnn_placement *p = &key->placement;
    char crop[40] = "stretch", margin[40] = "";
    if (p->crop) fcnn_number_format(crop, sizeof crop, "crop %.17g", p->crop_fraction);
    if (p->padding) fcnn_number_format(margin, sizeof margin, " %.17g", p->margin);
    snprintf(text, bytes,
             "\nspectra of images\nplacement: %s\npadding: %s%s\nchannels: %d\nnumbers: %s\n"
             "data: %s\n",
             crop, paddings[p->padding], margin, key->channels,
             key->type == FCNN_FLOAT16 ? "half" : "float", key->data);
}

static uint32_t header_crc(const cache_header *header) {
    cache_header copy = *header;
    copy.crc = 0;
    return (uint32_t)crc32_z(0, (const unsigned char *)&copy, sizeof copy);
}

static void fill_header(const fcnn_cache_key *key, cache_header *header) {
    char settings[FCNN_CACHE_PATH_BYTES + 256];
    describe_settings(key, settings, sizeof settings);
    *header = (cache_header){
        .version = VERSION,
        .byte_order = BYTE_ORDER_MARK,
        .settings_hash = fcnn_fingerprint(FCNN_FINGERPRINT, settings, strlen(settings)),
        .fingerprint = key->fingerprint,
        .record_bytes = (int64_t)fcnn_cache_record_bytes(key->channels, key->radius, key->type),
        .channels = key->channels,
        .radius = key->radius,
        .type = (int32_t)key->type};
    memcpy(header->magic, magic, sizeof magic);
    memcpy(header->count, key->count, sizeof header->count);
    snprintf(header->settings, sizeof header->settings, "%.*s", (int)sizeof header->settings - 1,
             settings);
    header->crc = header_crc(header);
}

/* Where the parts lie; false where there are more bytes than a file can have. */
static bool lay_out(const cache_header *header, fcnn_cache_file *file) {
    size_t images, table, records;
    file->radius = header->radius;
    file->record_bytes = (size_t)header->record_bytes;
    if (__builtin_add_overflow((size_t)header->count[0], (size_t)header->count[1], &images) ||
        __builtin_mul_overflow(images, sizeof(uint64_t), &table) ||
        __builtin_mul_overflow(images, file->record_bytes, &records) || table > SIZE_MAX / 4)
        return false;
    file->records_at = (size_t)fcnn_align_up((int64_t)(FCNN_CACHE_HEADER_BYTES + table), ALIGNMENT);
    return !__builtin_add_overflow(file->records_at, records, &file->bytes) &&
           file->bytes <= INT64_MAX;
}

/* The file's name begins with the last part of the data's, without what a shell would mind. */
static void fill_path(const fcnn_cache_key *key, uint64_t hash, fcnn_cache_file *file) {
    const char *slash = strrchr(key->data, '/');
    char name[NAME_MOST + 1];
    snprintf(name, sizeof name, "%s", slash ? slash + 1 : key->data);
    name[strcspn(name, ":")] = '\0';
    for (char *at = name; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *at))
            *at = '_';
    snprintf(file->path, sizeof file->path, "%.*s/%s-%016llx.spectra", FCNN_CACHE_PATH_BYTES - 128,
             key->folder, *name ? name : "images", (unsigned long long)hash);
}

/* ---- An existing file ---- */

/* Why the file does not serve; NULL if it does, and then `file` is laid out. */
static const char *find_fault(const cache_header *wanted, fcnn_cache_file *file, int64_t bytes) {
    cache_header found = {.version = 0};
    ssize_t got = pread(file->descriptor, &found, sizeof found, 0);
    if (got < (ssize_t)sizeof magic || memcmp(found.magic, magic, sizeof magic) != 0)
        return "it is no cache of spectra";
    if (got < (ssize_t)sizeof found) return "it is cut short";
    if (found.byte_order != BYTE_ORDER_MARK) return "it was written by another kind of machine";
    if (found.version != VERSION) return "it was written by another version of fcnn";
    if (found.crc != header_crc(&found)) return "its header is damaged";
    if (found.settings_hash != wanted->settings_hash ||
        memcmp(found.settings, wanted->settings, sizeof found.settings) != 0 ||
        found.channels != wanted->channels || found.type != wanted->type)
        return "it was made with other settings";
    if (found.fingerprint != wanted->fingerprint ||
        memcmp(found.count, wanted->count, sizeof found.count) != 0)
        return "it is stale: the files' names, sizes or times have changed";
    if (found.radius < wanted->radius) return "its spectra have a smaller radius than is needed";
    if (found.radius > FCNN_RADIUS_MAX ||
        found.record_bytes != (int64_t)fcnn_cache_record_bytes(found.channels, found.radius,
                                                               (fcnn_number)found.type) ||
        !lay_out(&found, file))
        return "its header is damaged";
    return bytes < (int64_t)file->bytes ? "it is cut short" : NULL;
}

typedef enum { USED, UNUSABLE, ABSENT } existing;

static existing open_existing(const cache_header *wanted, fcnn_cache_file *file,
                              fcnn_cache_notes *notes) {
    struct stat info;
    int flags = O_CLOEXEC | O_NONBLOCK; /* a pipe would wait for its other end */
    file->descriptor = open(file->path, O_RDWR | flags);
    file->read_only = file->descriptor < 0 && errno != ENOENT;
    if (file->read_only) file->descriptor = open(file->path, O_RDONLY | flags);
    if (file->descriptor < 0 && errno == ENOENT) return ABSENT;
    bool opened = file->descriptor >= 0 && !fstat(file->descriptor, &info);
    if (!opened || !S_ISREG(info.st_mode)) {
        fcnn_cache_note(notes, "no cache: %s: %s", file->path,
                        opened ? "expected a file" : strerror(errno));
        if (file->descriptor >= 0) close(file->descriptor);
        return UNUSABLE;
    }
    const char *fault = find_fault(wanted, file, (int64_t)info.st_size);
    if (!fault) return USED;
    fcnn_cache_note(notes, "the cache %s is made anew: %s", file->path, fault);
    close(file->descriptor);
    return ABSENT;
}

/* ---- A new file ---- */

/* Takes the file's room on the disk; returns 0 or an errno. */
static int take_room(const fcnn_cache_file *file, const char *folder) {
    struct rlimit limit;
    struct statvfs space;
    /* A write beyond the limit would raise a signal that ends the program. */
    if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < file->bytes)
        return EFBIG;
    if (!statvfs(folder, &space) && space.f_bavail < file->bytes / space.f_frsize) return ENOSPC;
    return posix_fallocate(file->descriptor, 0, (off_t)file->bytes);
}

static bool create(const fcnn_cache_key *key, const cache_header *header, fcnn_cache_file *file,
                   fcnn_cache_notes *notes) {
    char fresh[FCNN_CACHE_PATH_BYTES + 8];
    snprintf(fresh, sizeof fresh, "%s.new", file->path);
    unlink(fresh); /* a killed process left it: the lock is ours */
    if (!lay_out(header, file)) {
        fcnn_cache_note(notes, "no cache: %s would be larger than any file", file->path);
        return false;
    }
    file->read_only = false;
    file->descriptor = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int error = file->descriptor < 0 ? errno : take_room(file, key->folder);
    if (!error && pwrite(file->descriptor, header, sizeof *header, 0) != (ssize_t)sizeof *header)
        error = errno ? errno : EIO;
    if (!error && rename(fresh, file->path)) error = errno;
    if (!error) return true;
    fcnn_cache_note(notes, "no cache: %s of %.1f MiB cannot be made: %s", file->path,
                    (double)file->bytes / 1048576.0, strerror(error));
    if (file->descriptor >= 0) {
        close(file->descriptor);
        unlink(fresh);
    }
    return false;
}

/* ---- Opening ---- */

static bool make_folder(const char *folder, fcnn_cache_notes *notes) {
    if (strlen(folder) >= FCNN_CACHE_PATH_BYTES - 128)
        fcnn_cache_note(notes, "no cache: %s: the path is too long", folder);
    else if (fcnn_folder_create(folder))
        fcnn_cache_note(notes, "no cache: %s", fcnn_status_message());
    else
        return true;
    return false;
}

/* Says once who has the lock. */
static void tell_of_wait(const fcnn_cache_key *key, const char *path, int lock) {
    char holder[64] = "", text[FCNN_CACHE_PATH_BYTES + 128];
    ssize_t got = pread(lock, holder, sizeof holder - 1, 0);
    holder[got > 0 ? got : 0] = '\0';
    holder[strcspn(holder, "\n")] = '\0';
    snprintf(text, sizeof text, "the cache waits for %s, which has %s",
             *holder ? holder : "another process", path);
    if (key->waiting) key->waiting(text);
}

/* Writes into the lock whose it is; those that wait say so. */
static void name_holder(int lock) {
    char text[64];
    int length = snprintf(text, sizeof text, "process %ld\n", (long)getpid());
    if (ftruncate(lock, 0) || pwrite(lock, text, (size_t)length, 0) < 0) return; /* unnamed */
}

/* Waits until no other process opens a file here; false where it was interrupted. *lock is -1
 * without one: where the folder is read-only, nothing is made either. */
static bool lock_folder(const fcnn_cache_key *key, int *lock) {
    const struct timespec pause = {.tv_nsec = 20000000};
    char path[FCNN_CACHE_PATH_BYTES];
    bool told = false;
    snprintf(path, sizeof path, "%s/.lock", key->folder);
    *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    while (*lock >= 0 && flock(*lock, LOCK_EX | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) return true; /* no locks here */
        if (key->interrupted && *key->interrupted) {
            close(*lock);
            return false;
        }
        if (!told && errno == EWOULDBLOCK) {
            tell_of_wait(key, path, *lock);
            told = true;
        }
        nanosleep(&pause, NULL);
    }
    if (*lock >= 0) name_holder(*lock);
    return true;
}

bool fcnn_cache_file_open(const fcnn_cache_key *key, fcnn_cache_file *file,
                          fcnn_cache_notes *notes) {
    cache_header header;
    fill_header(key, &header);
    *file = (fcnn_cache_file){.descriptor = -1};
    if (!make_folder(key->folder, notes)) return false;
    fill_path(key, header.settings_hash, file);
    int lock;
    if (!lock_folder(key, &lock)) return false;
    existing found = open_existing(&header, file, notes);
    bool opened = found == USED || (found == ABSENT && create(key, &header, file, notes));
    if (lock >= 0) close(lock);
    return opened;
}
