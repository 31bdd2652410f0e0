/* CIFAR-10 and CIFAR-100 in their binary form, from a folder or straight from
 * the .tar.gz they are published as, or from another archive of the same files.
 * A record is its labels (CIFAR-10: one byte; CIFAR-100: the coarse and the fine
 * one, of which the fine is the class), then the red, the green and the blue
 * plane of 32 x 32 pixels. They are interleaved as they arrive, so that an image
 * is read by pointing at it.
 * Format: https://www.cs.toronto.edu/~kriz/cifar.html. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_reader.h"
#include "contents.h"
#include "folder_names.h"
#include "names.h"
#include "paths.h"
#include "readers_internal.h"
#include "stream.h"

enum {
    SIDE = 32,
    PIXELS = SIDE * SIDE,
    IMAGE_BYTES = 3 * PIXELS,
    LABELS_MAX = 2,
    RECORDS_MAX = 100000, /* in one file */
    NAMES_BYTES_MAX = 1 << 16,
    FILES = 8
};

typedef struct {
    const char *title, *folder, *names_file;
    int labels, classes; /* a record has so many label bytes, the class last */
    const char *names;   /* used where the file is missing; NULL: "class 0", ... */
} kind;

static const kind kinds[] = {
    {"CIFAR-10", "cifar-10-batches-bin", "batches.meta.txt", 1, 10,
     "airplane|automobile|bird|cat|deer|dog|frog|horse|ship|truck"},
    {"CIFAR-100", "cifar-100-binary", "fine_label_names.txt", 2, 100, NULL},
};

/* The table lists a split's files in the order of its images. */
static const struct {
    const char *name;
    const kind *kind;
    fcnn_split split;
} known[FILES] = {
    {"data_batch_1.bin", &kinds[0], FCNN_SPLIT_TRAIN},
    {"data_batch_2.bin", &kinds[0], FCNN_SPLIT_TRAIN},
    {"data_batch_3.bin", &kinds[0], FCNN_SPLIT_TRAIN},
    {"data_batch_4.bin", &kinds[0], FCNN_SPLIT_TRAIN},
    {"data_batch_5.bin", &kinds[0], FCNN_SPLIT_TRAIN},
    {"test_batch.bin", &kinds[0], FCNN_SPLIT_HELD_OUT},
    {"train.bin", &kinds[1], FCNN_SPLIT_TRAIN},
    {"test.bin", &kinds[1], FCNN_SPLIT_HELD_OUT},
};

typedef struct {
    uint8_t *pixels; /* [count][32][32][3] */
    uint8_t *labels;
    int64_t count;
} batch;

typedef struct {
    fcnn_dataset base;
    const kind *kind; /* NULL until the first file is found */
    batch batches[FILES];
    int32_t *labels[FCNN_SPLIT_COUNT];
    uint64_t *contents[FCNN_SPLIT_COUNT];
    fcnn_names names;
} cifar_set;

static fcnn_status no_memory(const char *path) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", path);
}

/* ---- One file ---- */

static fcnn_status grow(batch *b, int64_t room, const char *path) {
    uint8_t *pixels = realloc(b->pixels, (size_t)room * IMAGE_BYTES);
    if (pixels) b->pixels = pixels;
    uint8_t *labels = realloc(b->labels, (size_t)room);
    if (labels) b->labels = labels;
    return pixels && labels ? FCNN_OK : no_memory(path);
}

static void interleave(const uint8_t *planes, uint8_t *pixels) {
    for (int i = 0; i < PIXELS; i++)
        for (int c = 0; c < 3; c++) pixels[3 * i + c] = planes[c * PIXELS + i];
}

static fcnn_status check_size(const kind *k, const char *path, const char *name, uint64_t bytes) {
    unsigned record = (unsigned)k->labels + IMAGE_BYTES;
    if (bytes == 0 || bytes % record || bytes / record > RECORDS_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: %s: expected 1 to %d records of %u bytes, found %llu bytes",
                               path, name, RECORDS_MAX, record, (unsigned long long)bytes);
    return FCNN_OK;
}

/* Reads a file of `bytes` bytes into memory that doubles as the records arrive. */
static fcnn_status read_batch(fcnn_stream *stream, const kind *k, const char *name, uint64_t bytes,
                              batch *b) {
    uint8_t record[LABELS_MAX + IMAGE_BYTES];
    size_t record_bytes = (size_t)k->labels + IMAGE_BYTES;
    FCNN_TRY(check_size(k, stream->path, name, bytes));
    int64_t all = (int64_t)(bytes / record_bytes), room = 0;
    while (b->count < all) {
        if (b->count == room) {
            room = room ? 2 * room : 512;
            if (room > all) room = all;
            FCNN_TRY(grow(b, room, stream->path));
        }
        fcnn_status status = fcnn_stream_read_all(stream, record, record_bytes, "a record");
        if (status == FCNN_ERROR_FORMAT)
            return fcnn_status_prefix(status, "%s: image %lld of %lld", name, (long long)b->count,
                                      (long long)all);
        FCNN_TRY(status);
        int label = record[k->labels - 1];
        if (label >= k->classes)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "%s: %s: image %lld has the label %d; expected 0 to %d",
                                   stream->path, name, (long long)b->count, label, k->classes - 1);
        b->labels[b->count] = (uint8_t)label;
        interleave(record + k->labels, b->pixels + b->count++ * IMAGE_BYTES);
    }
    return FCNN_OK;
}

static fcnn_status read_names(cifar_set *set, fcnn_stream *stream, const char *name,
                              uint64_t bytes) {
    if (bytes > NAMES_BYTES_MAX || bytes == 0)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: %s: expected 1 to %d bytes, found %llu",
                               stream->path, name, NAMES_BYTES_MAX, (unsigned long long)bytes);
    char *text = malloc((size_t)bytes);
    if (!text) return no_memory(stream->path);
    fcnn_status status = fcnn_stream_read_all(stream, text, (size_t)bytes, "class names");
    FILE *file = status ? NULL : fmemopen(text, (size_t)bytes, "r");
    if (!status) status = file ? fcnn_names_read(&set->names, file, name) : no_memory(stream->path);
    if (file) fclose(file);
    free(text);
    return status;
}

/* Reads the file if it is one of the set's, else leaves the stream alone. */
static fcnn_status read_file(cifar_set *set, fcnn_stream *stream, const char *name,
                             uint64_t bytes) {
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        if (!strcmp(name, kinds[k].names_file) && !set->names.count)
            return read_names(set, stream, name, bytes);
    for (int i = 0; i < FILES; i++) {
        if (strcmp(name, known[i].name)) continue;
        if (set->kind && set->kind != known[i].kind)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "%s: expected files of %s, found %s of %s too", stream->path,
                                   set->kind->title, name, known[i].kind->title);
        if (set->batches[i].count)
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: holds %s twice", stream->path, name);
        set->kind = known[i].kind;
        return read_batch(stream, set->kind, name, bytes, &set->batches[i]);
    }
    return FCNN_OK;
}

/* ---- A folder, or an archive ---- */

static bool has_files(const char *folder, const char *sub) {
    char path[FCNN_PATH_BYTES];
    for (int i = 0; i < FILES; i++)
        if (!fcnn_path_join(path, folder, sub, known[i].name) && !access(path, F_OK)) return true;
    return false;
}

/* Whether the files are in the folder itself or in a published sub-folder. */
static bool find_files(const char *folder) {
    return has_files(folder, "") || has_files(folder, kinds[0].folder) ||
           has_files(folder, kinds[1].folder);
}

static fcnn_status read_folder_file(cifar_set *set, const char *folder, const char *name) {
    char path[FCNN_PATH_BYTES];
    struct stat info;
    fcnn_stream stream;
    FCNN_TRY(fcnn_path_join(path, folder, name, ""));
    if (stat(path, &info)) {
        if (errno == ENOENT) return FCNN_OK;
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (!S_ISREG(info.st_mode))
        return fcnn_status_set(FCNN_ERROR_IO, "%s: expected a file, found a folder or device",
                               path);
    FCNN_TRY(fcnn_stream_open(path, &stream));
    fcnn_status status = read_file(set, &stream, name, (uint64_t)info.st_size);
    fcnn_stream_close(&stream);
    return status;
}

static fcnn_status read_folder(cifar_set *set, const char *path) {
    char folder[FCNN_PATH_BYTES];
    const char *sub = "";
    for (int k = 0; k < 2 && !has_files(path, ""); k++) {
        if (!has_files(path, kinds[k].folder)) continue;
        if (*sub)
            return fcnn_status_set(FCNN_ERROR_USAGE,
                                   "%s: holds CIFAR-10 (%s) and CIFAR-100 (%s); give the path of "
                                   "one of the two",
                                   path, kinds[0].folder, kinds[1].folder);
        sub = kinds[k].folder;
    }
    FCNN_TRY(fcnn_path_join(folder, path, sub, ""));
    for (int i = 0; i < FILES; i++) FCNN_TRY(read_folder_file(set, folder, known[i].name));
    return set->kind ? read_folder_file(set, folder, set->kind->names_file) : FCNN_OK;
}

static fcnn_status read_archive(cifar_set *set, const char *path) {
    fcnn_archive *archive;
    const char *name;
    uint64_t bytes;
    FCNN_TRY(fcnn_archive_open(path, &archive));
    fcnn_status status;
    while (!(status = fcnn_archive_next(archive, &name, &bytes)) && name) {
        status = fcnn_check_interrupted(set->base.interrupted);
        if (status) break;
        const char *slash = strrchr(name, '/');
        status = read_file(set, fcnn_archive_file(archive), slash ? slash + 1 : name, bytes);
        if (status) break;
    }
    fcnn_archive_close(archive);
    return status;
}

/* ---- The set ---- */

static fcnn_status check_complete(const cifar_set *set, const char *path) {
    if (!set->kind)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: expected the binary CIFAR-10 (data_batch_1.bin and so on) or "
                               "CIFAR-100 (train.bin), or pictures in a folder for each class, "
                               "found neither",
                               path);
    for (int i = 0; i < FILES; i++)
        if (known[i].kind == set->kind && !set->batches[i].count)
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: %s: %s is missing", path,
                                   set->kind->title, known[i].name);
    return FCNN_OK;
}

static fcnn_status complete_names(cifar_set *set, const char *path) {
    const kind *k = set->kind;
    if (!set->names.count && k->names) FCNN_TRY(fcnn_names_split(&set->names, k->names, path));
    for (int c = 0; c < k->classes && set->names.count == c; c++) {
        char name[24];
        snprintf(name, sizeof name, "class %d", c);
        FCNN_TRY(fcnn_names_add(&set->names, name, path));
    }
    if (set->names.count != k->classes)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected %d class names in %s, found %d",
                               path, k->classes, k->names_file, set->names.count);
    return FCNN_OK;
}

static fcnn_status join_labels(cifar_set *set, fcnn_split split, const char *path) {
    int64_t count = 0, at = 0;
    for (int i = 0; i < FILES; i++)
        if (known[i].split == split) count += set->batches[i].count;
    int32_t *labels = malloc((size_t)count * sizeof *labels);
    if (!labels) return no_memory(path);
    for (int i = 0; i < FILES; i++)
        for (int64_t n = 0; known[i].split == split && n < set->batches[i].count; n++)
            labels[at++] = set->batches[i].labels[n];
    set->base.labels[split] = set->labels[split] = labels;
    set->base.count[split] = count;
    return FCNN_OK;
}

static fcnn_status join_contents(cifar_set *set, fcnn_split split, const char *path) {
    uint64_t *all = malloc(((size_t)set->base.count[split] + 1) * sizeof *all), *contents;
    int64_t at = 0;
    set->base.contents[split] = set->contents[split] = all;
    if (!all) return no_memory(path);
    for (int i = 0; i < FILES; i++) {
        const batch *b = &set->batches[i];
        if (known[i].split != split || !b->count) continue;
        FCNN_TRY(fcnn_contents_of_pixels(b->pixels, 1, b->count, SIDE, SIDE, 3, path, &contents));
        memcpy(all + at, contents, (size_t)b->count * sizeof *all);
        free(contents);
        at += b->count;
    }
    return FCNN_OK;
}

static fcnn_status load_set(cifar_set *set, const char *path) {
    FCNN_TRY(fcnn_path_is_folder(path) ? read_folder(set, path) : read_archive(set, path));
    FCNN_TRY(check_complete(set, path));
    FCNN_TRY(complete_names(set, path));
    set->base.classes = set->kind->classes;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        FCNN_TRY(join_labels(set, (fcnn_split)s, path));
        FCNN_TRY(join_contents(set, (fcnn_split)s, path));
    }
    return FCNN_OK;
}

/* ---- The reader ---- */

static fcnn_status read_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                              fcnn_image *image) {
    const cifar_set *set = (const cifar_set *)dataset;
    int i = 0;
    for (; known[i].split != split || index >= set->batches[i].count; i++)
        if (known[i].split == split) index -= set->batches[i].count;
    *image = (fcnn_image){.height = SIDE,
                          .width = SIDE,
                          .channels = 3,
                          .pixels = set->batches[i].pixels + index * IMAGE_BYTES};
    return FCNN_OK;
}

static void close_set(fcnn_dataset *dataset) {
    cifar_set *set = (cifar_set *)dataset;
    for (int i = 0; i < FILES; i++) {
        free(set->batches[i].pixels);
        free(set->batches[i].labels);
    }
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        free(set->labels[s]);
        free(set->contents[s]);
    }
    fcnn_names_clear(&set->names);
    free(set);
}

static fcnn_status open_set(const char *spec, const fcnn_dataset_options *options,
                            fcnn_dataset **dataset) {
    cifar_set *set = calloc(1, sizeof *set);
    if (!set) return no_memory(spec);
    *dataset = &set->base;
    set->base = (fcnn_dataset){.channels = 3,
                               .class_names = (const char *const *)set->names.names,
                               .held_out_is_test = true,
                               .interrupted = options->interrupted,
                               .read = read_image,
                               .describe = fcnn_describe_number,
                               .close = close_set};
    return load_set(set, spec);
}

/* Whether the first telling file of an archive is a picture, so that it is one of pictures. What
 * cannot be read, or tells nothing, is left to opening, which says so. */
static fcnn_status holds_pictures(const char *path, bool *pictures) {
    fcnn_archive *archive;
    const char *name;
    uint64_t bytes;
    bool told = *pictures = false;
    fcnn_status status = fcnn_archive_open(path, &archive);
    if (status) return status == FCNN_ERROR_MEMORY ? status : FCNN_OK;
    while (!told && !(status = fcnn_archive_next(archive, &name, &bytes)) && name) {
        const char *slash = strrchr(name, '/');
        const char *last = slash ? slash + 1 : name;
        *pictures = fcnn_folder_name_is_picture(last) && !fcnn_folder_name_is_systems(last);
        told = *pictures;
        for (int i = 0; i < FILES; i++) told |= !strcmp(last, known[i].name);
    }
    fcnn_archive_close(archive);
    return status == FCNN_ERROR_MEMORY ? status : FCNN_OK;
}

static fcnn_status accepts_spec(const char *spec, bool *accepted) {
    bool pictures = false;
    *accepted = fcnn_path_is_folder(spec) ? find_files(spec) : fcnn_archive_is_named(spec);
    if (*accepted && !fcnn_path_is_folder(spec)) FCNN_TRY(holds_pictures(spec, &pictures));
    *accepted &= !pictures;
    return FCNN_OK;
}

const fcnn_reader fcnn_reader_cifar = {
    .name = "cifar",
    .help =
        "CIFAR-10 or CIFAR-100, binary: the path of the .tar.gz, of a .zip, or of the folder with "
        "its files",
    .by_path = true,
    .accepts = accepts_spec,
    .open = open_set,
};
