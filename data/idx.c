/* Fashion-MNIST and any folder of the same four idx files, plain or gzipped:
 *   magic 0x0000TTDD (TT = 08, unsigned bytes; DD dimensions), DD sizes of 32
 *   bits, big-endian, then the bytes; images are (count, height, width) or
 *   (count, height, width, channels), labels (count).
 * Format: http://yann.lecun.com/exdb/mnist. The header is not trusted: memory
 * grows with the bytes found, not with the bytes promised. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_file.h"
#include "names.h"
#include "paths.h"
#include "readers_internal.h"
#include "stream.h"

enum { CHUNK_BYTES = 1 << 20, DIMENSIONS_MAX = 4 };

static const char *const split_names[] = {"train", "t10k"};
static const char fashion_names[] = "T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|"
                                    "Bag|Ankle boot";

typedef struct {
    uint8_t *pixels;
    int32_t *labels;
    int height, width, channels, largest_label;
    int64_t count;
} idx_split;

typedef struct {
    fcnn_dataset base;
    idx_split splits[FCNN_SPLIT_COUNT];
    fcnn_names names;
} idx_set;

/* ---- One idx file ---- */

typedef struct {
    char path[FCNN_PATH_BYTES];
    fcnn_stream stream;
    int dimensions;
    uint32_t sizes[DIMENSIONS_MAX];
    size_t bytes;         /* the product of the sizes */
    uint64_t fingerprint; /* of this file and those before it */
} idx_file;

static fcnn_status no_memory(const char *path) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", path);
}

static uint32_t big_endian(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Writes the sizes as "4294967295 x 28 x 28". */
static const char *sizes_text(const idx_file *file, char text[64]) {
    size_t used = 0;
    for (int i = 0; i < file->dimensions; i++)
        used += (size_t)snprintf(text + used, 64 - used, "%s%u", i ? " x " : "", file->sizes[i]);
    return text;
}

static fcnn_status read_header(idx_file *file, bool images) {
    uint8_t header[4 + 4 * DIMENSIONS_MAX];
    FCNN_TRY(fcnn_stream_read_all(&file->stream, header, 4, "a magic number"));
    if (header[0] || header[1] || header[2] != 0x08)
        return fcnn_status_set(
            FCNN_ERROR_FORMAT, "%s: magic number 0x%08x: expected 0x%s of unsigned bytes",
            file->path, big_endian(header), images ? "00000803 or 0x00000804" : "00000801");
    file->dimensions = header[3];
    if (images ? file->dimensions != 3 && file->dimensions != 4 : file->dimensions != 1)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: %d dimensions: expected %s", file->path,
                               file->dimensions, images ? "3 or 4 for images" : "1 for labels");
    size_t bytes = 4 * (size_t)file->dimensions;
    FCNN_TRY(fcnn_stream_read_all(&file->stream, header + 4, bytes, "the sizes"));
    for (int i = 0; i < file->dimensions; i++) file->sizes[i] = big_endian(header + 4 + 4 * i);
    return FCNN_OK;
}

static fcnn_status check_sizes(idx_file *file) {
    char text[64];
    sizes_text(file, text);
    if (file->sizes[0] == 0)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected at least one item, found %s",
                               file->path, text);
    for (int i = 1; i < file->dimensions; i++) {
        uint32_t size = file->sizes[i];
        if (i == 3 ? size != 1 && size != 3 : size < 1 || size > FCNN_IMAGE_SIDE_MAX)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "%s: dimensions %s: expected sides of 1 to %d, 1 or 3 channels",
                                   file->path, text, FCNN_IMAGE_SIDE_MAX);
    }
    file->bytes = 1;
    for (int i = 0; i < file->dimensions; i++)
        if (__builtin_mul_overflow(file->bytes, (size_t)file->sizes[i], &file->bytes) ||
            file->bytes > SIZE_MAX / 2)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "%s: dimensions %s: their product overflows the memory's size",
                                   file->path, text);
    return FCNN_OK;
}

/* Reads the bytes behind the header into memory that doubles as they arrive. */
static fcnn_status read_body(idx_file *file, uint8_t **data) {
    size_t found = 0, room = 0;
    while (found < file->bytes) {
        room = room ? room * 2 : CHUNK_BYTES;
        if (room > file->bytes) room = file->bytes;
        uint8_t *grown = realloc(*data, room);
        if (!grown) return no_memory(file->path);
        *data = grown;
        size_t got;
        FCNN_TRY(fcnn_stream_read(&file->stream, grown + found, room - found, &got));
        found += got;
        if (found < room) break;
    }
    char text[64];
    if (found < file->bytes)
        return fcnn_stream_truncated(&file->stream, sizes_text(file, text), file->bytes, found);
    uint8_t extra;
    FCNN_TRY(fcnn_stream_read(&file->stream, &extra, 1, &found));
    if (found)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: trailing bytes: expected %s = %zu bytes, the file has more",
                               file->path, sizes_text(file, text), file->bytes);
    return file->stream.end ? fcnn_stream_truncated(&file->stream, "a gzip trailer", 8, 0)
                            : FCNN_OK;
}

/* ---- Four files ---- */

/* Finds FOLDER/PREFIX-images-idx3-ubyte and the like; path is the last name tried. */
static bool find_file(const char *folder, const char *prefix, bool images,
                      char path[FCNN_PATH_BYTES]) {
    static const char *const image_forms[] = {"images-idx3-ubyte", "images-idx4-ubyte", NULL};
    static const char *const label_forms[] = {"labels-idx1-ubyte", NULL};
    for (const char *const *form = images ? image_forms : label_forms; *form; form++)
        for (int zipped = 0; zipped < 2; zipped++) {
            char name[64];
            snprintf(name, sizeof name, "%s-%s%s", prefix, *form, zipped ? ".gz" : "");
            if (fcnn_path_join(path, folder, name, "")) return false;
            FILE *file = fopen(path, "rb");
            if (file) fclose(file);
            if (file || errno != ENOENT) return true;
        }
    return false;
}

static fcnn_status load_file(const char *folder, const char *prefix, bool images, idx_file *file,
                             uint8_t **data) {
    if (!find_file(folder, prefix, images, file->path))
        return fcnn_status_set(
            FCNN_ERROR_IO, "%s: expected the file %s-%s, plain or .gz; it is missing", folder,
            prefix, images ? "images-idx3-ubyte (or idx4)" : "labels-idx1-ubyte");
    file->fingerprint =
        fcnn_fingerprint_file(file->fingerprint, file->path + strlen(folder), file->path);
    FCNN_TRY(fcnn_stream_open(file->path, &file->stream));
    fcnn_status status = read_header(file, images);
    if (!status) status = check_sizes(file);
    if (!status) status = read_body(file, data);
    fcnn_stream_close(&file->stream);
    return status;
}

static fcnn_status load_images(const char *folder, const char *prefix, idx_file *file,
                               idx_split *split) {
    FCNN_TRY(load_file(folder, prefix, true, file, &split->pixels));
    split->count = file->sizes[0];
    split->height = (int)file->sizes[1];
    split->width = (int)file->sizes[2];
    split->channels = file->dimensions == 4 ? (int)file->sizes[3] : 1;
    return FCNN_OK;
}

static fcnn_status load_labels(const char *folder, const char *prefix, idx_file *file,
                               idx_split *split) {
    char images_path[FCNN_PATH_BYTES];
    memcpy(images_path, file->path, sizeof images_path);
    uint8_t *labels = NULL;
    fcnn_status status = load_file(folder, prefix, false, file, &labels);
    if (!status && (int64_t)file->sizes[0] != split->count)
        status = fcnn_status_set(FCNN_ERROR_FORMAT, "%s: %u labels for the %lld images of %s",
                                 file->path, file->sizes[0], (long long)split->count, images_path);
    if (!status && !(split->labels = malloc(file->bytes * sizeof *split->labels)))
        status = no_memory(file->path);
    for (size_t i = 0; !status && i < file->bytes; i++) {
        split->labels[i] = labels[i];
        if (labels[i] > split->largest_label) split->largest_label = labels[i];
    }
    free(labels);
    return status;
}

static fcnn_status load_split(const char *folder, const char *prefix, idx_split *split,
                              uint64_t *fingerprint) {
    idx_file file = {.fingerprint = *fingerprint};
    FCNN_TRY(load_images(folder, prefix, &file, split));
    FCNN_TRY(load_labels(folder, prefix, &file, split));
    *fingerprint = file.fingerprint;
    return FCNN_OK;
}

/* ---- Class names ---- */

/* Takes the names from classes.txt where there is one; else they are the labels, "0", "1", ... */
static fcnn_status folder_names(idx_set *set, const char *folder) {
    char path[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_path_join(path, folder, "classes.txt", ""));
    FILE *file = fopen(path, "r");
    if (file) {
        fcnn_status status = fcnn_names_read(&set->names, file, path);
        fclose(file);
        return status;
    }
    if (errno != ENOENT)
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    int largest = 0;
    for (int i = 0; i < FCNN_SPLIT_COUNT; i++)
        if (set->splits[i].largest_label > largest) largest = set->splits[i].largest_label;
    for (int c = 0; c <= largest; c++) {
        char name[12];
        snprintf(name, sizeof name, "%d", c);
        FCNN_TRY(fcnn_names_add(&set->names, name, folder));
    }
    return FCNN_OK;
}

static fcnn_status check_labels(const idx_set *set, const char *folder) {
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        if (set->splits[s].largest_label >= set->base.classes)
            return fcnn_status_set(
                FCNN_ERROR_FORMAT, "%s: %s-labels hold the label %d: there are %d class names",
                folder, split_names[s], set->splits[s].largest_label, set->base.classes);
    return FCNN_OK;
}

/* ---- The reader ---- */

static fcnn_status read_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                              fcnn_image *image) {
    const idx_split *s = &((idx_set *)dataset)->splits[split];
    size_t bytes = (size_t)s->height * (size_t)s->width * (size_t)s->channels;
    *image = (fcnn_image){.height = s->height,
                          .width = s->width,
                          .channels = s->channels,
                          .pixels = s->pixels + (size_t)index * bytes};
    return FCNN_OK;
}

static void close_set(fcnn_dataset *dataset) {
    idx_set *set = (idx_set *)dataset;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        free(set->splits[s].pixels);
        free(set->splits[s].labels);
    }
    fcnn_names_clear(&set->names);
    free(set);
}

static fcnn_status load_set(idx_set *set, const char *folder, bool fashion) {
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        FCNN_TRY(load_split(folder, split_names[s], &set->splits[s], &set->base.fingerprint));
    if (set->splits[0].channels != set->splits[1].channels)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: training images have %d channels, test images %d", folder,
                               set->splits[0].channels, set->splits[1].channels);
    set->base.channels = set->splits[0].channels;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        set->base.count[s] = set->splits[s].count;
        set->base.labels[s] = set->splits[s].labels;
    }
    FCNN_TRY(fashion ? fcnn_names_split(&set->names, fashion_names, folder)
                     : folder_names(set, folder));
    set->base.classes = set->names.count;
    return check_labels(set, folder);
}

static fcnn_status open_set(const char *spec, const fcnn_dataset_options *options,
                            fcnn_dataset **dataset) {
    (void)options; /* a second of work */
    bool fashion = !strcmp(spec, "fashion-mnist");
    const char *folder = spec, *given = getenv("FCNN_FASHION_MNIST");
    if (fashion) folder = given && *given ? given : "/usr/share/datasets/fashion-mnist";
    if (!fcnn_path_is_folder(folder))
        return fcnn_status_set(FCNN_ERROR_IO,
                               "fashion-mnist: the folder %s is missing: install Debian's package "
                               "dataset-fashion-mnist, or name another folder in the environment "
                               "variable FCNN_FASHION_MNIST",
                               folder);
    idx_set *set = calloc(1, sizeof *set);
    if (!set) return no_memory(folder);
    *dataset = &set->base;
    set->base = (fcnn_dataset){.class_names = (const char *const *)set->names.names,
                               .held_out_is_test = true,
                               .fingerprint = FCNN_FINGERPRINT,
                               .read = read_image,
                               .describe = fcnn_describe_number,
                               .close = close_set};
    return load_set(set, folder, fashion);
}

/* Any of the four files tells an idx folder; what is missing is then said by name. */
static bool accepts_spec(const char *spec) {
    if (!strcmp(spec, "fashion-mnist")) return true;
    char path[FCNN_PATH_BYTES];
    if (!fcnn_path_is_folder(spec)) return false;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        for (int images = 0; images < 2; images++)
            if (find_file(spec, split_names[s], images, path)) return true;
    return false;
}

const fcnn_reader fcnn_reader_idx = {
    .name = "fashion-mnist",
    .help = "Fashion-MNIST from Debian's package dataset-fashion-mnist; or any folder of "
            "train-images-idx3-ubyte[.gz] and its three companions",
    .accepts = accepts_spec,
    .open = open_set,
};
