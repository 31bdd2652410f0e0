/* Fashion-MNIST and any folder of the same four idx files, plain or gzipped:
 *   magic 0x0000TTDD (TT = 08, unsigned bytes; DD dimensions), DD sizes of 32
 *   bits, big-endian, then the bytes; images are (count, height, width) or
 *   (count, height, width, channels), labels (count).
 * Format: http://yann.lecun.com/exdb/mnist. The header is not trusted: memory
 * grows with the bytes found, not with the bytes promised. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "contents.h"
#include "image_file.h"
#include "names.h"
#include "paths.h"
#include "readers_internal.h"
#include "stream.h"

enum { CHUNK_BYTES = 1 << 20, DIMENSIONS_MAX = 4, SPLITS = 2 }; /* training and test images */

static const char *const split_names[] = {"train", "t10k"};
static const char fashion_names[] = "T-shirt/top|Trouser|Pullover|Dress|Coat|Sandal|Shirt|Sneaker|"
                                    "Bag|Ankle boot";

typedef struct {
    uint8_t *pixels;
    int32_t *labels;
    uint64_t *contents;
    int height, width, channels, largest_label;
    int64_t count;
} idx_split;

typedef struct {
    fcnn_dataset base;
    idx_split splits[SPLITS];
    fcnn_names names;
} idx_set;

/* ---- One idx file ---- */

typedef struct {
    char path[FCNN_PATH_BYTES];
    fcnn_stream stream;
    int dimensions;
    uint32_t sizes[DIMENSIONS_MAX];
    size_t bytes; /* the product of the sizes */
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

/* One of the four files. */
typedef struct {
    int split;
    bool images;
} idx_role;

/* Finds FOLDER/train-images-idx3-ubyte and the like; path is the last name tried. */
static bool find_exactly(const char *folder, idx_role role, char path[FCNN_PATH_BYTES]) {
    static const char *const image_forms[] = {"images-idx3-ubyte", "images-idx4-ubyte", NULL};
    static const char *const label_forms[] = {"labels-idx1-ubyte", NULL};
    for (const char *const *form = role.images ? image_forms : label_forms; *form; form++)
        for (int zipped = 0; zipped < 2; zipped++) {
            char name[64];
            snprintf(name, sizeof name, "%s-%s%s", split_names[role.split], *form,
                     zipped ? ".gz" : "");
            if (fcnn_path_join(path, folder, name, "")) return false;
            struct stat info;
            if (!stat(path, &info) ? !S_ISDIR(info.st_mode) : errno != ENOENT) return true;
        }
    return false;
}

/* Writes a name as the four are spelled: in lower case, '-' for '.' and '_', without ".gz". */
static void spell(const char *name, char spelled[256]) {
    size_t length = 0;
    for (; name[length] && length < 255; length++) {
        int c = name[length] >= 'A' && name[length] <= 'Z' ? name[length] + 32 : name[length];
        spelled[length] = c == '.' || c == '_' ? '-' : (char)c;
    }
    if (length > 3 && !memcmp(spelled + length - 3, "-gz", 3)) length -= 3;
    spelled[length] = '\0';
}

/* Whether a spelled name is that of a role, alone or behind a data set's name and '-', as in
 * emnist-letters-test-images-idx3-ubyte. */
static bool plays(const char *spelled, idx_role role) {
    static const char *const forms[2][2] = {{"labels-idx1-ubyte", "labels-idx1-ubyte"},
                                            {"images-idx3-ubyte", "images-idx4-ubyte"}};
    static const char *const names[SPLITS][2] = {{"train", "train"}, {"t10k", "test"}};
    for (int f = 0; f < 2; f++)
        for (int n = 0; n < 2; n++) {
            char wanted[64];
            size_t length = strlen(spelled);
            size_t bytes = (size_t)snprintf(wanted, sizeof wanted, "%s-%s", names[role.split][n],
                                            forms[role.images][f]);
            if (length < bytes || strcmp(spelled + length - bytes, wanted) != 0) continue;
            if (length == bytes || spelled[length - bytes - 1] == '-') return true;
        }
    return false;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Finds a role's file under another spelling; *name is "" where there is none. Of several the first
 * by name is taken, unless they are of several data sets. `others` tells some of the folder's
 * files. */
static fcnn_status find_spelled(const char *folder, idx_role role, char name[256],
                                char others[256]) {
    struct dirent **entries;
    char first[256] = "", spelled[256];
    int count = scandir(folder, &entries, NULL, by_bytes), error = errno;
    fcnn_status status = FCNN_OK;
    size_t told = 0;
    *name = *others = '\0';
    if (count < 0)
        return fcnn_status_set(fcnn_path_failure(error), "%s: the folder cannot be read: %s",
                               folder, strerror(error));
    for (int i = 0; i < count; i++) {
        const char *entry = entries[i]->d_name;
        char path[FCNN_PATH_BYTES];
        if (fcnn_path_join(path, folder, entry, "")) continue;
        bool file = !fcnn_path_is_folder(path);
        spell(entry, spelled);
        if (strstr(spelled, "ubyte") && told < 200)
            told += (size_t)snprintf(others + told, 256 - told, "%s%.40s%s", told ? ", " : "",
                                     entry, file ? "" : "/");
        if (status || !file || !plays(spelled, role)) continue;
        if (*name && strcmp(spelled, first) != 0)
            status = fcnn_status_set(FCNN_ERROR_FORMAT,
                                     "%s: expected the idx files of one data set, found %s and %s",
                                     folder, name, entry);
        if (*name) continue;
        snprintf(name, 256, "%s", entry);
        memcpy(first, spelled, sizeof first);
    }
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    return status;
}

static fcnn_status find_file(const char *folder, idx_role role, char path[FCNN_PATH_BYTES]) {
    char name[256], others[256];
    if (find_exactly(folder, role, path)) return FCNN_OK;
    FCNN_TRY(find_spelled(folder, role, name, others));
    if (*name) return fcnn_path_join(path, folder, name, "");
    return fcnn_status_set(
        FCNN_ERROR_IO, "%s: expected the file %s-%s, plain or .gz; it is missing%s%s", folder,
        split_names[role.split], role.images ? "images-idx3-ubyte (or idx4)" : "labels-idx1-ubyte",
        *others ? "; found: " : "", others);
}

static fcnn_status load_file(const char *folder, idx_role role, idx_file *file, uint8_t **data) {
    FCNN_TRY(find_file(folder, role, file->path));
    FCNN_TRY(fcnn_stream_open(file->path, &file->stream));
    fcnn_status status = read_header(file, role.images);
    if (!status) status = check_sizes(file);
    if (!status) status = read_body(file, data);
    fcnn_stream_close(&file->stream);
    return status;
}

static fcnn_status load_images(const char *folder, int number, idx_file *file, idx_split *split) {
    FCNN_TRY(load_file(folder, (idx_role){number, true}, file, &split->pixels));
    split->count = file->sizes[0];
    split->height = (int)file->sizes[1];
    split->width = (int)file->sizes[2];
    split->channels = file->dimensions == 4 ? (int)file->sizes[3] : 1;
    return FCNN_OK;
}

static fcnn_status load_labels(const char *folder, int number, idx_file *file, idx_split *split) {
    char images_path[FCNN_PATH_BYTES];
    memcpy(images_path, file->path, sizeof images_path);
    uint8_t *labels = NULL;
    fcnn_status status = load_file(folder, (idx_role){number, false}, file, &labels);
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

static fcnn_status load_split(const char *folder, int number, idx_split *split) {
    idx_file file = {.bytes = 0};
    FCNN_TRY(load_images(folder, number, &file, split));
    FCNN_TRY(load_labels(folder, number, &file, split));
    return fcnn_contents_of_pixels(split->pixels, 1, split->count, split->height, split->width,
                                   split->channels, folder, &split->contents);
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
    for (int i = 0; i < SPLITS; i++)
        if (set->splits[i].largest_label > largest) largest = set->splits[i].largest_label;
    for (int c = 0; c <= largest; c++) {
        char name[12];
        snprintf(name, sizeof name, "%d", c);
        FCNN_TRY(fcnn_names_add(&set->names, name, folder));
    }
    return FCNN_OK;
}

static fcnn_status check_labels(const idx_set *set, const char *folder) {
    for (int s = 0; s < SPLITS; s++)
        if (set->splits[s].largest_label >= set->base.classes)
            return fcnn_status_set(
                FCNN_ERROR_FORMAT,
                "%s: %s-labels hold the label %d: expected %d class names at least (classes.txt), "
                "found %d",
                folder, split_names[s], set->splits[s].largest_label,
                set->splits[s].largest_label + 1, set->base.classes);
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
    for (int s = 0; s < SPLITS; s++) {
        free(set->splits[s].pixels);
        free(set->splits[s].labels);
        free(set->splits[s].contents);
    }
    fcnn_names_clear(&set->names);
    free(set);
}

static fcnn_status load_set(idx_set *set, const char *folder, bool fashion) {
    for (int s = 0; s < SPLITS; s++) FCNN_TRY(load_split(folder, s, &set->splits[s]));
    if (set->splits[0].channels != set->splits[1].channels)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: training images have %d channels, test images %d", folder,
                               set->splits[0].channels, set->splits[1].channels);
    set->base.channels = set->splits[0].channels;
    for (int s = 0; s < SPLITS; s++) {
        set->base.count[s] = set->splits[s].count;
        set->base.labels[s] = set->splits[s].labels;
        set->base.contents[s] = set->splits[s].contents;
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
                               .read = read_image,
                               .describe = fcnn_describe_number,
                               .close = close_set};
    return load_set(set, folder, fashion);
}

/* Any of the four files tells an idx folder, in any spelling; what is missing is then said by name.
 */
static fcnn_status accepts_spec(const char *spec, bool *accepted) {
    char path[FCNN_PATH_BYTES], name[256], others[256] = "";
    *accepted = !strcmp(spec, "fashion-mnist");
    if (*accepted || !fcnn_path_is_folder(spec)) return FCNN_OK;
    for (int s = 0; s < SPLITS; s++)
        for (int images = 0; images < 2; images++) {
            idx_role role = {s, images};
            *accepted = find_exactly(spec, role, path);
            if (*accepted) return FCNN_OK;
            fcnn_status status = find_spelled(spec, role, name, others);
            if (status == FCNN_ERROR_MEMORY) return status;
            /* Files of two data sets are for this reader to explain, a folder that cannot be read
             * is for that of images. */
            *accepted = status == FCNN_ERROR_FORMAT || *name;
            if (*accepted || status) return FCNN_OK;
        }
    *accepted = strstr(others, "idx") != NULL;
    return FCNN_OK;
}

const fcnn_reader fcnn_reader_idx = {
    .name = "fashion-mnist",
    .help = "Fashion-MNIST from Debian's package dataset-fashion-mnist; or any folder of "
            "train-images-idx3-ubyte[.gz] and its three companions",
    .accepts = accepts_spec,
    .open = open_set,
};
