/* A folder of images: DIR/train/<class>/<file> with DIR/val/<class>/<file> and
 * DIR/test/<class>/<file>, or DIR/<class>/<file> alone, all for training. The
 * folders' other names are in folder_names.c. Classes and files are in the
 * order of their bytes, whatever the locale. Headers are
 * checked when the set is opened; pixels are decoded when an image is read.
 * What is wrong with a file or a class is a problem of the set, which goes on
 * without it: only where nothing is left to train on, or where too many images
 * are bad, is it an error. An image counts as stored: EXIF's orientation is not
 * applied (see image_file.c for the limits of decoding). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "contents.h"
#include "folder_names.h"
#include "image_file.h"
#include "paths.h"
#include "readers_internal.h"
#include "text.h"

enum { CLASSES_MAX = 65536, BAD_FREE = 10, BAD_SHARE = 10 };

typedef struct {
    size_t *paths; /* offsets into the folder's text */
    int32_t *labels;
    uint64_t *contents;
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
    int64_t class_folders; /* how many the split being scanned has */
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

static int is_users(const struct dirent *entry) {
    return !fcnn_folder_name_is_systems(entry->d_name);
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static fcnn_status list_folder(const char *path, listing *list) {
    list->count = scandir(path, &list->entries, is_users, by_bytes);
    if (list->count >= 0) return FCNN_OK;
    int error = errno;
    *list = (listing){0};
    return fcnn_status_set(fcnn_path_failure(error), "%s: the folder cannot be read: %s", path,
                           strerror(error));
}

static void list_free(listing *list) {
    for (int i = 0; i < list->count; i++) free(list->entries[i]);
    free(list->entries);
}

static fcnn_status add_image(folder_set *set, folder_split *split, const char *path, int32_t label,
                             uint64_t contents) {
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
        uint64_t *images = realloc(split->contents, (size_t)room * sizeof *images);
        if (images) split->contents = images;
        if (!paths || !labels || !images) return no_memory(set);
        split->room = room;
    }
    memcpy(set->text + set->text_used, path, bytes);
    split->paths[split->count] = set->text_used;
    split->contents[split->count] = contents;
    split->labels[split->count++] = label;
    set->text_used += bytes;
    return FCNN_OK;
}

/* ---- Scanning ---- */

/* Notes a file or folder that is left out; this thread's message says why. */
static fcnn_status leave_out(folder_set *set) {
    fcnn_status_record("%s (left out)", fcnn_status_message());
    return fcnn_problems_add(&set->base.problems);
}

static fcnn_status leave_out_as(folder_set *set, const char *path, const char *what) {
    fcnn_status_record("%s: %s", path, what);
    return leave_out(set);
}

static const char *first_problem(const folder_set *set) {
    return set->base.problems.count ? set->base.problems.messages[0] : "it is empty";
}

/* A file that is not read by its name. */
static fcnn_status leave_out_unread(folder_set *set, const char *path, const char *name) {
    const char *format = fcnn_folder_name_format(name);
    struct stat info;
    if (stat(path, &info)) return leave_out_as(set, path, strerror(errno)); /* a link to nowhere */
    if (!format)
        return leave_out_as(set, path,
                            "not named .jpg, .jpeg, .png, .webp, .tif, .tiff, .bmp or .gif");
    fcnn_status_record("%s: a file of the format %s, which is not read", path, format);
    return leave_out(set);
}

static fcnn_status scan_file(folder_set *set, folder_split *split, const char *below,
                             const char *name, int32_t label) {
    char path[FCNN_PATH_BYTES], relative[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_check_interrupted(set->base.interrupted));
    FCNN_TRY(fcnn_path_join(path, set->root, below, name));
    FCNN_TRY(fcnn_path_join(relative, below, name, ""));
    if (fcnn_path_is_folder(path)) return leave_out_as(set, path, "a folder inside a class folder");
    if (!fcnn_folder_name_is_image(name)) return leave_out_unread(set, path, name);
    set->image_files++;
    int height, width;
    uint64_t contents;
    fcnn_status status = fcnn_image_probe(path, &height, &width);
    if (!status) status = fcnn_contents_of_file(path, &contents);
    if (status == FCNN_ERROR_MEMORY) return status;
    if (status) {
        set->bad_files++;
        return leave_out(set);
    }
    if (height == 1 && width == 1) {
        fcnn_status_record("%s: 1x1 pixels: used, though only its mean colour enters", path);
        FCNN_TRY(fcnn_problems_add(&set->base.problems));
    }
    return add_image(set, split, relative, label, contents);
}

/* Adds the files of a class folder. A folder without a usable image is a problem. */
static fcnn_status scan_class(folder_set *set, folder_split *split, const char *below,
                              int32_t label) {
    char path[FCNN_PATH_BYTES];
    listing list;
    FCNN_TRY(fcnn_path_join(path, set->root, below, ""));
    fcnn_status status = list_folder(path, &list);
    if (status == FCNN_ERROR_IO) return leave_out(set);
    FCNN_TRY(status);
    int64_t before = split->count;
    for (int i = 0; i < list.count && !status; i++)
        status = scan_file(set, split, below, list.entries[i]->d_name, label);
    if (!status && split->count == before)
        status = leave_out_as(set, path, "a class folder without a usable image");
    list_free(&list);
    return status;
}

static fcnn_status add_class(folder_set *set, const char *name, int32_t *label) {
    if (set->base.classes == CLASSES_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: more than %d classes", set->root,
                               CLASSES_MAX);
    char **grown = realloc(set->classes, ((size_t)set->base.classes + 1) * sizeof *grown);
    if (grown) set->classes = grown;
    char *copy = grown ? strdup(name) : NULL;
    if (!copy) return no_memory(set);
    *label = set->base.classes;
    set->classes[set->base.classes++] = copy;
    return FCNN_OK;
}

static int by_name(const void *key, const void *item) { return strcmp(key, *(char *const *)item); }

/* Adds a class of the training set; a class without a usable image is taken away again. */
static fcnn_status scan_training_class(folder_set *set, const char *below, const char *name) {
    folder_split *split = &set->splits[FCNN_SPLIT_TRAIN];
    int64_t before = split->count;
    int32_t label = 0;
    FCNN_TRY(add_class(set, name, &label));
    FCNN_TRY(scan_class(set, split, below, label));
    if (split->count == before) free(set->classes[--set->base.classes]);
    return FCNN_OK;
}

static fcnn_status scan_held_out_class(folder_set *set, fcnn_split split, const char *below,
                                       const char *name, const char *path) {
    char **found = set->base.classes ? bsearch(name, set->classes, (size_t)set->base.classes,
                                               sizeof *found, by_name)
                                     : NULL;
    if (!found) {
        fcnn_status_record("%s: the class '%s' is not among the %d of the training set", path, name,
                           set->base.classes);
        return leave_out(set);
    }
    return scan_class(set, &set->splits[split], below, (int32_t)(found - set->classes));
}

/* Adds one entry of DIR, DIR/train or DIR/val, which is a class or a stray file. */
static fcnn_status scan_entry(folder_set *set, fcnn_split split, const char *below,
                              const char *name) {
    char path[FCNN_PATH_BYTES], relative[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_path_join(path, set->root, below, name));
    FCNN_TRY(fcnn_path_join(relative, below, name, ""));
    if (!fcnn_path_is_folder(path))
        return leave_out_as(set, path, "a file outside the class folders");
    set->class_folders++;
    return split == FCNN_SPLIT_TRAIN ? scan_training_class(set, relative, name)
                                     : scan_held_out_class(set, split, relative, name, path);
}

/* Says why a split is empty. */
static fcnn_status nothing_usable(const folder_set *set, const char *path, int64_t files) {
    if (!set->class_folders)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: expected a folder for each class, found none; the first "
                               "problem: %s",
                               path, first_problem(set));
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: none of %lld image files in %lld class folders can be used; the "
                           "first problem: %s",
                           path, (long long)files, (long long)set->class_folders,
                           first_problem(set));
}

static fcnn_status scan_split(folder_set *set, fcnn_split split, const char *below) {
    char path[FCNN_PATH_BYTES];
    listing list;
    FCNN_TRY(fcnn_path_join(path, set->root, below, ""));
    FCNN_TRY(list_folder(path, &list));
    int64_t files = set->image_files;
    set->class_folders = 0;
    fcnn_status status = FCNN_OK;
    for (int i = 0; i < list.count && !status; i++)
        status = scan_entry(set, split, below, list.entries[i]->d_name);
    list_free(&list);
    if (status || set->splits[split].count) return status;
    if (split == FCNN_SPLIT_TRAIN) return nothing_usable(set, path, set->image_files - files);
    return leave_out_as(set, path, "a folder without a usable image");
}

/* ---- The splits ---- */

/* The names of the folders that hold the splits; "" where there is none. */
typedef struct {
    char name[FCNN_SPLIT_COUNT][256];
} split_folders;

/* A class may be called "valid" or "Test": it holds pictures, where a split holds folders. */
static fcnn_status holds_folders(const folder_set *set, const char *name, bool *holds) {
    char path[FCNN_PATH_BYTES], inner[FCNN_PATH_BYTES];
    listing list;
    *holds = true;
    FCNN_TRY(fcnn_path_join(path, set->root, name, ""));
    if (!fcnn_path_is_folder(path)) {
        *holds = false;
        return FCNN_OK;
    }
    if (fcnn_folder_name_is_reserved(name)) return FCNN_OK;
    FCNN_TRY(list_folder(path, &list));
    *holds = false;
    for (int i = 0; i < list.count && !*holds; i++)
        *holds =
            !fcnn_path_join(inner, path, list.entries[i]->d_name, "") && fcnn_path_is_folder(inner);
    list_free(&list);
    return FCNN_OK;
}

static fcnn_status find_splits(const folder_set *set, const listing *list, split_folders *found) {
    *found = (split_folders){0};
    for (int i = 0; i < list->count; i++) {
        const char *name = list->entries[i]->d_name;
        fcnn_split split;
        bool holds;
        if (!fcnn_folder_names_split(name, &split)) continue;
        FCNN_TRY(holds_folders(set, name, &holds));
        if (!holds) continue;
        if (*found->name[split])
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "%s: expected one of the folders %s and %s, which mean the "
                                   "same, found both",
                                   set->root, found->name[split], name);
        snprintf(found->name[split], sizeof found->name[split], "%s", name);
    }
    return FCNN_OK;
}

/* Names what lies beside the folder train and is no split; texts and tables are expected there. */
static fcnn_status name_others(folder_set *set, const listing *list, const split_folders *found) {
    char path[FCNN_PATH_BYTES];
    for (int i = 0; i < list->count; i++) {
        const char *name = list->entries[i]->d_name;
        bool split = false;
        for (int s = 0; s < FCNN_SPLIT_COUNT; s++) split |= !strcmp(name, found->name[s]);
        if (split) continue;
        FCNN_TRY(fcnn_path_join(path, set->root, name, ""));
        if (fcnn_path_is_folder(path)) {
            fcnn_status_record("%s: a folder beside %s that is none of val, valid, validation, "
                               "dev, test and testing with class folders",
                               path, found->name[FCNN_SPLIT_TRAIN]);
            FCNN_TRY(leave_out(set));
        } else if (fcnn_folder_name_is_image(name)) {
            FCNN_TRY(leave_out_as(set, path, "a file outside the class folders"));
        }
    }
    return FCNN_OK;
}

static fcnn_status scan_splits(folder_set *set, const listing *list, const split_folders *found) {
    const char *train = found->name[FCNN_SPLIT_TRAIN], *val = found->name[FCNN_SPLIT_HELD_OUT];
    const char *test = found->name[FCNN_SPLIT_TEST];
    if (!*train && !*val && !*test) return scan_split(set, FCNN_SPLIT_TRAIN, "");
    if (!*train)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected the folder train beside %s",
                               set->root, *val ? val : test);
    set->base.held_out_is_test = *test && !*val;
    FCNN_TRY(scan_split(set, FCNN_SPLIT_TRAIN, train));
    if (*val) FCNN_TRY(scan_split(set, FCNN_SPLIT_HELD_OUT, val));
    if (*test) FCNN_TRY(scan_split(set, *val ? FCNN_SPLIT_TEST : FCNN_SPLIT_HELD_OUT, test));
    return name_others(set, list, found);
}

static fcnn_status scan_set(folder_set *set) {
    split_folders found;
    listing list;
    FCNN_TRY(list_folder(set->root, &list));
    fcnn_status status = find_splits(set, &list, &found);
    if (!status) status = scan_splits(set, &list, &found);
    list_free(&list);
    FCNN_TRY(status);
    if (set->bad_files > BAD_FREE && set->bad_files * BAD_SHARE > set->image_files)
        return fcnn_status_set(
            FCNN_ERROR_FORMAT, "%s: %lld of %lld image files cannot be used; the first problem: %s",
            set->root, (long long)set->bad_files, (long long)set->image_files, first_problem(set));
    return FCNN_OK;
}

/* ---- The reader ---- */

static const char *image_path(fcnn_dataset *dataset, fcnn_split split, int64_t index) {
    const folder_set *set = (const folder_set *)dataset;
    return set->text + set->splits[split].paths[index];
}

static fcnn_status read_image(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                              fcnn_image *image) {
    const folder_set *set = (const folder_set *)dataset;
    char path[FCNN_PATH_BYTES];
    *image = (fcnn_image){0};
    FCNN_TRY(fcnn_path_join(path, set->root, image_path(dataset, split, index), ""));
    return fcnn_image_load(path, dataset->channels, image);
}

static void describe_image(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                           size_t bytes) {
    fcnn_text_printable(image_path(dataset, split, index), text, bytes);
}

static void close_set(fcnn_dataset *dataset) {
    folder_set *set = (folder_set *)dataset;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        free(set->splits[s].paths);
        free(set->splits[s].labels);
        free(set->splits[s].contents);
    }
    for (int c = 0; c < set->base.classes; c++) free(set->classes[c]);
    free(set->classes);
    free(set->text);
    free(set->root);
    fcnn_problems_clear(&set->base.problems);
    free(set);
}

/* Models, reports and tables hold class names, and expect UTF-8 of them. */
static fcnn_status make_names_printable(folder_set *set) {
    char text[4 * 256];
    for (int c = 0; c < set->base.classes; c++) {
        fcnn_text_printable(set->classes[c], text, sizeof text);
        if (!strcmp(text, set->classes[c])) continue;
        char *copy = strdup(text);
        if (!copy) return no_memory(set);
        free(set->classes[c]);
        set->classes[c] = copy;
        for (int other = 0; other < set->base.classes; other++)
            if (other != c && !strcmp(set->classes[other], copy))
                return fcnn_status_set(FCNN_ERROR_FORMAT,
                                       "%s: two class folders have names that are both written %s: "
                                       "rename one",
                                       set->root, copy);
    }
    return FCNN_OK;
}

static fcnn_status open_set(const char *spec, const fcnn_dataset_options *options,
                            fcnn_dataset **dataset) {
    folder_set *set = calloc(1, sizeof *set);
    char *root = strdup(spec);
    if (!set || !root) {
        free(set);
        free(root);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", spec);
    }
    *dataset = &set->base;
    set->root = root;
    set->base = (fcnn_dataset){.channels = 3,
                               .interrupted = options->interrupted,
                               .read = read_image,
                               .path = image_path,
                               .describe = describe_image,
                               .close = close_set};
    for (size_t n = strlen(set->root); n > 1 && set->root[n - 1] == '/';) set->root[--n] = '\0';
    FCNN_TRY(scan_set(set));
    FCNN_TRY(make_names_printable(set));
    set->base.class_names = (const char *const *)set->classes;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        set->base.count[s] = set->splits[s].count;
        set->base.labels[s] = set->splits[s].labels;
        set->base.contents[s] = set->splits[s].contents;
    }
    return FCNN_OK;
}

static fcnn_status accepts_spec(const char *spec, bool *accepted) {
    *accepted = fcnn_path_is_folder(spec);
    return FCNN_OK;
}

const fcnn_reader fcnn_reader_image_folder = {
    .name = "DIR",
    .help = "a folder of JPEG, PNG, WebP, TIFF, BMP or GIF images: train/<class>/* with "
            "val/<class>/* or "
            "test/<class>/* or both, or <class>/* alone",
    .by_path = true,
    .accepts = accepts_spec,
    .open = open_set,
};
