/* Opening a cache file: its name, the lock that keeps other processes waiting
 * meanwhile, the header's check, and a new file where there is none that fits.
 * A new file is made under another name, takes all its room at once and is then
 * renamed, so that a process which has the old one mapped goes on with that. */
#include <errno.h>
#include <fcntl.h>
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

#include "files.h"
#include "number.h"
#include "spectra_cache.h"
#include "text.h"

enum { NAME_MOST = 40 };

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
static const char *find_fault(const fcnn_cache_header *wanted, fcnn_cache_file *file) {
    fcnn_cache_header found;
    const char *fault = fcnn_cache_read_header(wanted, file, &found);
    bool same = found.fingerprint == wanted->fingerprint &&
                !memcmp(found.count, wanted->count, sizeof found.count);
    return fault || same ? fault : "it is of other images";
}

typedef enum { USED, UNUSABLE, ABSENT } existing;

static existing open_existing(const fcnn_cache_header *wanted, fcnn_cache_file *file,
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
    const char *fault = find_fault(wanted, file);
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

/* Writes the header and the contents; returns 0 or an errno. */
static int write_heads(const fcnn_cache_key *key, const fcnn_cache_header *header,
                       const fcnn_cache_file *file) {
    size_t at = sizeof *header;
    errno = 0;
    bool good = fcnn_cache_write_at(file->descriptor, header, sizeof *header, 0);
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        size_t bytes = (size_t)key->count[s] * sizeof *key->contents[s];
        good = good && fcnn_cache_write_at(file->descriptor, key->contents[s], bytes, at);
        at += bytes;
    }
    return good ? 0 : errno ? errno : EIO;
}

/* Makes the file; returns 0 or an errno. */
static int make_file(const fcnn_cache_key *key, const fcnn_cache_header *header,
                     const fcnn_cache_others *others, fcnn_cache_file *file, int64_t *copied) {
    char fresh[FCNN_CACHE_PATH_BYTES + 8];
    snprintf(fresh, sizeof fresh, "%s.new", file->path);
    unlink(fresh); /* a killed process left it: the lock is ours */
    file->descriptor = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int error = file->descriptor < 0 ? errno : take_room(file, key->folder);
    if (!error) error = write_heads(key, header, file);
    if (!error) *copied = fcnn_cache_copy(key, header, others, file);
    if (!error && rename(fresh, file->path)) error = errno;
    if (error && file->descriptor >= 0) {
        close(file->descriptor);
        unlink(fresh);
    }
    return error;
}

static void remove_stale(const fcnn_cache_key *key, fcnn_cache_others *others) {
    char path[FCNN_CACHE_PATH_BYTES];
    for (int i = 0; i < others->stale_count; i++) {
        snprintf(path, sizeof path, "%.*s/%s", FCNN_CACHE_PATH_BYTES - 260, key->folder,
                 others->stale[i].name);
        unlink(path);
    }
}

static void note_stale(const fcnn_cache_key *key, const fcnn_cache_others *others, int64_t copied,
                       fcnn_cache_notes *notes) {
    for (int i = 0; i < others->stale_count; i++)
        fcnn_cache_note(notes, "the cache %s/%s is made anew: %s", key->folder,
                        others->stale[i].name, others->stale[i].fault);
    int64_t images = 0;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) images += key->count[s];
    if (copied)
        fcnn_cache_note(notes, "%lld of %lld images did not change: their spectra are kept",
                        (long long)copied, (long long)images);
}

static bool create(const fcnn_cache_key *key, const fcnn_cache_header *header,
                   fcnn_cache_others *others, fcnn_cache_file *file, fcnn_cache_notes *notes) {
    int64_t copied = 0;
    if (!fcnn_cache_lay_out(header, file)) {
        fcnn_cache_note(notes, "no cache: %s would be larger than any file", file->path);
        return false;
    }
    file->read_only = false;
    int error = make_file(key, header, others, file, &copied);
    if (error == ENOSPC && others->stale_count) { /* there is no room for both */
        remove_stale(key, others);
        others->shared[0] = '\0';
        error = make_file(key, header, others, file, &copied);
    }
    if (!error) {
        remove_stale(key, others);
        note_stale(key, others, copied, notes);
        return true;
    }
    fcnn_cache_note(notes, "no cache: %s of %.1f MiB cannot be made: %s", file->path,
                    (double)file->bytes / 1048576.0, strerror(error));
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
    if (key->waiting) key->waiting(key->user, text);
}

/* Writes into the lock whose it is; those that wait say so. */
static void name_holder(int lock) {
    char text[64];
    int length = snprintf(text, sizeof text, "process %ld\n", (long)getpid());
    if (ftruncate(lock, 0) || pwrite(lock, text, (size_t)length, 0) < 0) return; /* unnamed */
}

static void lock_path(const char *folder, char path[FCNN_CACHE_PATH_BYTES]) {
    snprintf(path, FCNN_CACHE_PATH_BYTES, "%s/.lock", folder);
}

/* The lock's file stays there as long as the folder. */
bool fcnn_spectra_is_cache(const char *folder) {
    char path[FCNN_CACHE_PATH_BYTES];
    lock_path(folder, path);
    return access(path, F_OK) == 0;
}

/* Waits until no other process opens a file here; false where it was interrupted. *lock is -1
 * without one: where the folder is read-only, nothing is made either. */
static bool lock_folder(const fcnn_cache_key *key, int *lock) {
    const struct timespec pause = {.tv_nsec = 20000000};
    char path[FCNN_CACHE_PATH_BYTES];
    bool told = false;
    lock_path(key->folder, path);
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

/* Opens another file of the folder that has just these images, or makes one. */
static bool open_other(const fcnn_cache_key *key, const fcnn_cache_header *header,
                       fcnn_cache_file *file, fcnn_cache_notes *notes) {
    fcnn_cache_others *others = calloc(1, sizeof *others);
    if (!others) {
        fcnn_cache_note(notes, "no cache: out of memory");
        return false;
    }
    fcnn_cache_search(key, header, file->path, others);
    existing found = ABSENT;
    if (*others->same) {
        char own[FCNN_CACHE_PATH_BYTES];
        memcpy(own, file->path, sizeof own);
        memcpy(file->path, others->same, sizeof file->path);
        found = open_existing(header, file, notes);
        if (found != USED) memcpy(file->path, own, sizeof own);
    }
    bool opened = found == USED || create(key, header, others, file, notes);
    free(others);
    return opened;
}

bool fcnn_cache_file_open(const fcnn_cache_key *key, fcnn_cache_file *file,
                          fcnn_cache_notes *notes) {
    fcnn_cache_header header;
    *file = (fcnn_cache_file){.descriptor = -1};
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        if (key->count[s] && !key->contents[s]) {
            fcnn_cache_note(notes, "no cache: the data set has no fingerprints of its images");
            return false;
        }
    fcnn_cache_fill_header(key, &header);
    if (!make_folder(key->folder, notes)) return false;
    fill_path(key, header.settings_hash ^ header.fingerprint, file);
    int lock;
    if (!lock_folder(key, &lock)) return false;
    existing found = open_existing(&header, file, notes);
    bool opened = found == USED || (found == ABSENT && open_other(key, &header, file, notes));
    if (lock >= 0) close(lock);
    return opened;
}
