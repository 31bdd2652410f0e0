/* For the tests of data: a temporary folder that each test has to itself, files
 * written and copied into it, and the check of an error's words. */
#ifndef FCNN_TESTS_TEMPORARY_H
#define FCNN_TESTS_TEMPORARY_H

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_file.h"
#include "image_identity.h"
#include "readers.h"
#include "suite.h"

enum { PATH_BYTES = 512 };

static char root[PATH_BYTES / 2];

static inline void make_root(void) {
    const char *base = getenv("TMPDIR");
    snprintf(root, sizeof root, "%s/fcnn-data-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static inline void remove_tree(const char *path) {
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        char below[2 * PATH_BYTES];
        int used = snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        ck_assert(used > 0 && used < (int)sizeof below);
        struct stat info;
        if (!lstat(below, &info) && S_ISDIR(info.st_mode))
            remove_tree(below);
        else
            unlink(below);
    }
    if (folder) closedir(folder);
    rmdir(path);
}

static inline void remove_root(void) { remove_tree(root); }

/* A path below the temporary folder, in one of a few buffers; its folders are made. */
__attribute__((format(printf, 1, 2))) static inline const char *below(const char *format, ...) {
    static char paths[8][PATH_BYTES];
    static int next;
    char *path = paths[next++ % 8];
    int used = snprintf(path, PATH_BYTES, "%s/", root);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(path + used, PATH_BYTES - (size_t)used, format, arguments);
    va_end(arguments);
    for (char *slash = path + used; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        ck_assert(mkdir(path, 0777) == 0 || errno == EEXIST);
        *slash = '/';
    }
    return path;
}

static inline void write_file(const char *path, const void *bytes, size_t count) {
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
    ck_assert_uint_eq(fwrite(bytes, 1, count, file), count);
    ck_assert_int_eq(fclose(file), 0);
}

static inline size_t read_file(const char *path, uint8_t *bytes, size_t room) {
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "%s: %s", path, strerror(errno));
    size_t count = fread(bytes, 1, room, file);
    ck_assert(count < room);
    fclose(file);
    return count;
}

static inline void copy_file(const char *from, const char *to) {
    uint8_t bytes[8192];
    write_file(to, bytes, read_file(from, bytes, sizeof bytes));
}

/* A 24-bit BMP of one colour, 4 x 2 pixels. */
static inline void write_bmp(const char *path, uint8_t red, uint8_t green, uint8_t blue) {
    uint8_t bytes[54 + 24] = {'B', 'M', 78, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40,
                              0,   0,   0,  4, 0, 0, 0, 2, 0, 0, 0,  1, 0, 24};
    for (int i = 0; i < 8; i++) {
        bytes[54 + 3 * i] = blue;
        bytes[55 + 3 * i] = green;
        bytes[56 + 3 * i] = red;
    }
    write_file(path, bytes, sizeof bytes);
}

/* A PNG that is whole to look at, header and end, and whose data are none. */
static inline void write_damaged_png(const char *path) {
    uint8_t bytes[8192];
    size_t count = read_file(FCNN_TEST_DIR "/images/ankle-boot.png", bytes, sizeof bytes);
    for (size_t i = 60; i < count - 30; i++) bytes[i] = 0xff;
    write_file(path, bytes, count);
}

static inline fcnn_dataset *open_good(const char *spec) {
    fcnn_dataset *set = NULL;
    fcnn_status status = fcnn_dataset_open(spec, 1, &set);
    ck_assert_msg(status == FCNN_OK && set, "%s: %s", spec, fcnn_status_message());
    return set;
}

/* The fingerprint of all images of a data set. */
static inline uint64_t all_images_of(fcnn_dataset *set) {
    uint64_t fingerprint = FCNN_FINGERPRINT;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        fcnn_identity images;
        ck_assert_int_eq(fcnn_identity_take(set, (fcnn_split)s, NULL, set->count[s], &images),
                         FCNN_OK);
        fingerprint = fcnn_fingerprint(fingerprint, &images.all, sizeof images.all);
        fcnn_identity_clear(&images);
    }
    return fingerprint;
}

static inline uint64_t fingerprint_of(const char *spec) {
    fcnn_dataset *set = open_good(spec);
    uint64_t fingerprint = all_images_of(set);
    fcnn_dataset_close(set);
    return fingerprint;
}

/* Fails with this status, and a message that has each of the words, split at '|'. */
static inline void expect_words(fcnn_status status, fcnn_status want, const char *words) {
    const char *message = fcnn_status_message();
    ck_assert_msg(status == want, "expected status %d, found %d: %s", want, status, message);
    char text[256], *rest = text;
    snprintf(text, sizeof text, "%s", words);
    for (char *word; (word = strsep(&rest, "|"));)
        ck_assert_msg(strstr(message, word) != NULL, "expected '%s' in: %s", word, message);
}

static inline void expect_open_error(const char *spec, fcnn_status want, const char *words) {
    fcnn_dataset *set = (fcnn_dataset *)root;
    expect_words(fcnn_dataset_open(spec, 1, &set), want, words);
    ck_assert_ptr_null(set);
}

static inline TCase *add_case(Suite *suite, const char *name) {
    TCase *cases = tcase_create(name);
    tcase_add_checked_fixture(cases, make_root, remove_root);
    suite_add_tcase(suite, cases);
    return cases;
}

#define LENGTH(array) ((int)(sizeof(array) / sizeof(array)[0]))

#endif
