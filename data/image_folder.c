/* A folder of images: DIR/train/<class>/<file> with DIR/val/<class>/<file> (or
 * DIR/test, a test set), or DIR/<class>/<file> alone, all for training. Classes
 * and files are in the order of their bytes, whatever the locale. Headers are
 * checked when the set is opened; pixels are decoded when an image is read. */
#include "readers.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CLASSES_MAX = 65536, BAD_FREE = 10, BAD_SHARE = 10 };

typedef struct {
    size_t *paths; /* offsets into the folder's text */
    int32_t *labels;
    int64_t count, room;
} folder_split;

typedef struct {
    fcnn_dataset base;
    char *root;
    char *text; /* paths below the root, one after the other */
    size_t text_used, text_room;
    folder_split splits[FCNN_SPLIT_COUNT];
    char **classes;
    int64_t image_files, bad_files;
} folder_set;

static fcnn_status no_memory(const folder_set *set) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory for the list of images",
                           set->root);
}

/* ---- Lists ---- */

typedef struct {
    struct dirent **entries;
    int count;
} listing;

static int not_hidden(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static fcnn_status list_folder(const char *path, listing *list) {
    list->count = scandir(path, &list->entries, not_hidden, by_bytes);
    if (list->count >= 0) return FCNN_OK;
    *list = (listing){0};
    return fcnn_status_set(FCNN_ERROR_IO, "%s: the folder cannot be read: %s", path,
                           strerror(errno));
}

static void list_free(listing *list) {
    for (int i = 0; i < list->count; i++) free(list->entries[i]);
    free(list->entries);
}

static fcnn_status add_image(folder_set *set, folder_split *split, const char *path,
                             int32_t label) {
    size_t bytes = strlen(path) + 1;
    if (set->text_room - set->text_used < bytes) {
        size_t room = 2 * set->text_room + FCNN_PATH_BYTES;
        char *grown = realloc(set->text, room);
        if (!grown) return no_memory(set);
        set->text = grown;
        set->text_room = room;
    }
    if (split->count == split->room) {
        int64_t room = 2 * split->room + 1024;
        size_t *paths = realloc(split->paths, (size_t)room * sizeof *paths);
        if (paths) split->paths = paths;
        int32_t *labels = realloc(split->labels, (size_t)room * sizeof *labels);
        if (labels) split->labels = labels;
        if (!paths || !labels) return no_memory(set);
        split->room = room;
    }
    memcpy(set->text + set->text_used, path, bytes);
    split->paths[split->count] = set->text_used;
    split->labels[split->count++] = label;
    set->text_used += bytes;
    return FCNN_OK;
}

/* ---- Scanning ---- */

/* Counts a file that is left out; this thread's message says why. */
static fcnn_status skip_file(folder_set *set) {
    if (set->base.skipped++ == 0) {
        set->base.skipped_example = strdup(fcnn_status_message());
        if (!set->base.skipped_example) return no_memory(set);
    }
    return FCNN_OK;
}

static bool has_image_extension(const char *name) {
    static const char *const known[] = {"jpg", "jpeg", "png", "bmp", "gif"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof known / sizeof known[0]; i++)
        if (!strcasecmp(dot + 1, known[i])) return true;
    return false;
}

static fcnn_status scan_file(folder_set *set, folder_split *split, const char *below,
                             const char *name, int32_t label) {
    char path[FCNN_PATH_BYTES], relative[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_path_join(path, set->root, below, name));
    FCNN_TRY(fcnn_path_join(relative, below, name, ""));
    if (fcnn_path_is_folder(path)) {
        fcnn_status_set(FCNN_ERROR_FORMAT, "%s: a folder inside a class folder", path);
        return skip_file(set);
    }
    if (!has_image_extension(name)) {
        fcnn_status_set(FCNN_ERROR_FORMAT, "%s: not named .jpg, .jpeg, .png, .bmp or .gif", path);
        return skip_file(set);
    }
    set->image_files++;
    fcnn_status status = fcnn_image_probe(path);
    if (!status) return add_image(set, split, relative, label);
    if (status == FCNN_ERROR_MEMORY) return status;
    set->bad_files++;
    return skip_file(set);
}

static fcnn_status scan_class(folder_set *set, folder_split *split, const char *below,
                              int32_t label) {
    char path[FCNN_PATH_BYTES];
    listing list;
    FCNN_TRY(fcnn_path_join(path, set->root, below, ""));
    FCNN_TRY(list_folder(path, &list));
    int64_t before = split->count;
    fcnn_status status = FCNN_OK;
    for (int i = 0; i < list.count && !status; i++)
        status = scan_file(set, split, below, list.entries[i]->d_name, label);
    if (!status && split->count == before)
        status = fcnn_status_set(FCNN_ERROR_FORMAT,
                                 "%s: the class folder holds no usable image; expected JPEG, PNG, "
                                 "BMP or GIF files%s%s",
                                 path, list.count ? "; left out: " : "",
                                 list.count ? set->base.skipped_example : "");
    list_free(&list);
    return status;
}

static fcnn_status add_class(folder_set *set, const char *name, int32_t *label) {
    if (set->base.classes == CLASSES_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: more than %d classes", set->root,
                               CLASSES_MAX);
    if ((set->base.classes & (set->base.classes - 1)) == 0) {
        size_t room = set->base.classes ? 2 * (size_t)set->base.classes : 1;
        char **grown = realloc(set->classes, room * sizeof *grown);
        if (!grown) return no_memory(set);
        set->classes = grown;
    }
    char *copy = strdup(name);
    if (!copy) return no_memory(set);
    *label = set->base.classes;
    set->classes[set->base.classes++] = copy;
    return FCNN_OK;
}

static int by_name(const void *key, const void *item) { return strcmp(key, *(char *const *)item); }

static fcnn_status find_class(folder_set *set, const char *below, const char *name,
                              int32_t *label) {
    char **found =
        bsearch(name, set->classes, (size_t)set->base.classes, sizeof *set->classes, by_name);
    if (!found)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s/%s/%s: the class '%s' is not among the %d of the training set",
                               set->root, below, name, name, set->base.classes);
    *label = (int32_t)(found - set->classes);
    return FCNN_OK;
}

/* One entry of DIR, DIR/train or DIR/val: a class, or a stray file. */
static fcnn_status scan_entry(folder_set *set, fcnn_split split, const char *below,
                              const char *name) {
    char path[FCNN_PATH_BYTES], relative[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_path_join(path, set->root, below, name));
    FCNN_TRY(fcnn_path_join(relative, below, name, ""));
    if (!fcnn_path_is_folder(path)) {
        fcnn_status_set(FCNN_ERROR_FORMAT, "%s: a file outside the class folders", path);
        return skip_file(set);
    }
    int32_t label = 0;
    FCNN_TRY(split == FCNN_SPLIT_TRAIN ? add_class(set, name, &label)
                                       : find_class(set, below, name, &label));
    return scan_class(set, &set->splits[split], relative, label);
}

static fcnn_status scan_split(folder_set *set, fcnn_split split, const char *below) {
    char path[FCNN_PATH_BYTES];
    listing list;
    FCNN_TRY(fcnn_path_join(path, set->root, below, ""));
    FCNN_TRY(list_folder(path, &list));
    fcnn_status status = FCNN_OK;
    for (int i = 0; i < list.count && !status; i++)
        status = scan_entry(set, split, below, list.entries[i]->d_name);
    list_free(&list);
    if (!status && set->splits[split].count == 0)
        status = fcnn_status_set(FCNN_ERROR_FORMAT,
                                 "%s: expected a folder for each class, found none", path);
    return status;
}

static bool has_folder(const folder_set *set, const char *name) {
    char path[FCNN_PATH_BYTES];
    return !fcnn_path_join(path, set->root, name, "") && fcnn_path_is_folder(path);
}

static fcnn_status scan_set(folder_set *set) {
    bool val = has_folder(set, "val"), test = !val && has_folder(set, "test");
    const char *held_out = val ? "val" : test ? "test" : NULL;
    if (has_folder(set, "train")) {
        FCNN_TRY(scan_split(set, FCNN_SPLIT_TRAIN, "train"));
        if (held_out) FCNN_TRY(scan_split(set, FCNN_SPLIT_HELD_OUT, held_out));
        set->base.held_out_is_test = test;
    } else if (held_out) {
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected the folder train beside %s",
                               set->root, held_out);
    } else {
        FCNN_TRY(scan_split(set, FCNN_SPLIT_TRAIN, ""));
    }
    if (set->bad_files > BAD_FREE && set->bad_files * BAD_SHARE > set->image_files)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: %lld of %lld image files cannot be used; left out: %s",
                               set->root, (long long)set->bad_files, (long long)set->image_files,
                               set->base.skipped_example);
    return FCNN_OK;
}

/* ---- The reader ---- */

static const char *image_path(const folder_set *set, fcnn_split split, int64_t index) {
    return set->text + set->splits[split].paths[index];
}

static fcnn_status read_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                              fcnn_image *image) {
    const folder_set *set = (const folder_set *)dataset;
    char path[FCNN_PATH_BYTES];
    *image = (fcnn_image){0};
    FCNN_TRY(fcnn_path_join(path, set->root, image_path(set, split, index), ""));
    return fcnn_image_load(path, dataset->channels, image);
}

static void describe_image(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                           size_t bytes) {
    snprintf(text, bytes, "%s", image_path((const folder_set *)dataset, split, index));
}

static void close_set(fcnn_dataset *dataset) {
    folder_set *set = (folder_set *)dataset;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        free(set->splits[s].paths);
        free(set->splits[s].labels);
    }
    for (int c = 0; c < set->base.classes; c++) free(set->classes[c]);
    free(set->classes);
    free(set->text);
    free(set->root);
    free(set->base.skipped_example);
    free(set);
}

static fcnn_status open_set(const char *spec, uint64_t seed, fcnn_dataset **dataset) {
    (void)seed;
    *dataset = NULL;
    folder_set *set = calloc(1, sizeof *set);
    if (set) set->root = strdup(spec);
    if (!set || !set->root) {
        free(set);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", spec);
    }
    for (size_t n = strlen(set->root); n > 1 && set->root[n - 1] == '/';) set->root[--n] = '\0';
    set->base = (fcnn_dataset){.reader = &fcnn_reader_image_folder,
                               .channels = 3,
                               .read = read_image,
                               .describe = describe_image,
                               .close = close_set};
    fcnn_status status = scan_set(set);
    if (status) {
        close_set(&set->base);
        return status;
    }
    set->base.class_names = (const char *const *)set->classes;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        set->base.count[s] = set->splits[s].count;
        set->base.labels[s] = set->splits[s].labels;
    }
    *dataset = &set->base;
    return FCNN_OK;
}

const fcnn_reader fcnn_reader_image_folder = {
    .name = "DIR",
    .help = "a folder of JPEG, PNG, BMP or GIF images: train/<class>/* and val/<class>/* (or "
            "test/<class>/*), or <class>/* alone",
    .accepts = fcnn_path_is_folder,
    .open = open_set,
};
