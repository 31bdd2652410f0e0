/* A folder of images, or an archive of one: DIR/train/<class>/<file> with
 * DIR/val/<class>/<file> and DIR/test/<class>/<file>, or DIR/<class>/<file>
 * alone, all for training. The folders' other names are in folder_names.c.
 * Headers are checked when the set is opened (folder_scan.c); pixels are decoded
 * when an image is read. What is wrong with a file or a class is a problem of
 * the set, which goes on without it: only where nothing is left to train on, or
 * where too many images are bad, is it an error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive_reader.h"
#include "folder_names.h"
#include "folder_set.h"
#include "readers_internal.h"
#include "text.h"

enum { BAD_FREE = 10, BAD_SHARE = 10 };

/* ---- The splits ---- */

/* The names of the folders that hold the splits; "" where there is none. */
typedef struct {
    char name[FCNN_SPLIT_COUNT][256];
} split_folders;

/* A class may be called "valid" or "Test": it holds pictures, where a split holds folders. */
static fcnn_status holds_folders(const folder_set *set, const fcnn_tree_entry *entry, bool *holds) {
    fcnn_tree_list list;
    *holds = entry->folder;
    if (!entry->folder || fcnn_folder_name_is_reserved(entry->name)) return FCNN_OK;
    fcnn_status status = fcnn_tree_list_folder(set->tree, entry->name, &list);
    *holds = false;
    for (int64_t i = 0; i < list.count && !*holds; i++) *holds = list.entries[i].folder;
    fcnn_tree_list_clear(&list);
    return status;
}

static fcnn_status find_splits(const folder_set *set, const fcnn_tree_list *list,
                               split_folders *found) {
    *found = (split_folders){0};
    for (int64_t i = 0; i < list->count; i++) {
        const char *name = list->entries[i].name;
        fcnn_split split;
        bool holds;
        if (!fcnn_folder_names_split(name, &split)) continue;
        FCNN_TRY(holds_folders(set, &list->entries[i], &holds));
        if (!holds) continue;
        if (*found->name[split])
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "%s: expected one of the folders %s and %s, which mean the "
                                   "same, found both",
                                   set->tree->root, found->name[split], name);
        snprintf(found->name[split], sizeof found->name[split], "%s", name);
    }
    return FCNN_OK;
}

/* Names what lies beside the folder train and is no split; texts and tables are expected there. */
static fcnn_status name_others(folder_set *set, const fcnn_tree_list *list,
                               const split_folders *found) {
    char shown[FCNN_PATH_BYTES];
    for (int64_t i = 0; i < list->count; i++) {
        const fcnn_tree_entry *entry = &list->entries[i];
        bool split = false;
        for (int s = 0; s < FCNN_SPLIT_COUNT; s++) split |= !strcmp(entry->name, found->name[s]);
        if (split) continue;
        FCNN_TRY(fcnn_tree_show(set->tree, entry->name, shown));
        if (entry->folder) {
            fcnn_status_record("%s: a folder beside %s that is none of val, valid, validation, "
                               "dev, test and testing with class folders",
                               shown, found->name[FCNN_SPLIT_TRAIN]);
            FCNN_TRY(folder_set_leave_out(set));
        } else if (fcnn_folder_name_is_image(entry->name)) {
            FCNN_TRY(folder_set_leave_out_as(set, entry->name, "a file outside the class folders"));
        }
    }
    return FCNN_OK;
}

static fcnn_status scan_splits(folder_set *set, const fcnn_tree_list *list,
                               const split_folders *found) {
    const char *train = found->name[FCNN_SPLIT_TRAIN], *val = found->name[FCNN_SPLIT_HELD_OUT];
    const char *test = found->name[FCNN_SPLIT_TEST];
    if (!*train && !*val && !*test) return folder_set_scan(set, FCNN_SPLIT_TRAIN, "");
    if (!*train)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: expected the folder train beside %s",
                               set->tree->root, *val ? val : test);
    set->base.held_out_is_test = *test && !*val;
    FCNN_TRY(folder_set_scan(set, FCNN_SPLIT_TRAIN, train));
    if (*val) FCNN_TRY(folder_set_scan(set, FCNN_SPLIT_HELD_OUT, val));
    if (*test) FCNN_TRY(folder_set_scan(set, *val ? FCNN_SPLIT_TEST : FCNN_SPLIT_HELD_OUT, test));
    return name_others(set, list, found);
}

static fcnn_status scan_set(folder_set *set) {
    split_folders found;
    fcnn_tree_list list;
    fcnn_status status = fcnn_tree_list_folder(set->tree, "", &list);
    if (!status) status = find_splits(set, &list, &found);
    if (!status) status = scan_splits(set, &list, &found);
    fcnn_tree_list_clear(&list);
    FCNN_TRY(status);
    if (set->bad_files > BAD_FREE && set->bad_files * BAD_SHARE > set->image_files)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s: %lld of %lld image files cannot be used; the first problem: %s",
                               set->tree->root, (long long)set->bad_files,
                               (long long)set->image_files, folder_set_first_problem(set));
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
    return fcnn_tree_load(set->tree, image_path(dataset, split, index), dataset->channels, image);
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
    fcnn_tree_close(set->tree);
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
        if (!copy) return folder_set_no_memory(set);
        free(set->classes[c]);
        set->classes[c] = copy;
        for (int other = 0; other < set->base.classes; other++)
            if (other != c && !strcmp(set->classes[other], copy))
                return fcnn_status_set(FCNN_ERROR_FORMAT,
                                       "%s: two class folders have names that are both written %s: "
                                       "rename one",
                                       set->tree->root, copy);
    }
    return FCNN_OK;
}

static fcnn_status open_set(const char *spec, const fcnn_dataset_options *options,
                            fcnn_dataset **dataset) {
    folder_set *set = calloc(1, sizeof *set);
    if (!set) return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", spec);
    *dataset = &set->base;
    set->base = (fcnn_dataset){.channels = 3,
                               .interrupted = options->interrupted,
                               .read = read_image,
                               .path = image_path,
                               .describe = describe_image,
                               .close = close_set};
    FCNN_TRY(fcnn_tree_open(spec, options->interrupted, &set->tree));
    set->base.problems = set->tree->problems; /* they come first */
    set->tree->problems = (fcnn_problems){0};
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

static fcnn_status accepts_folder(const char *spec, bool *accepted) {
    *accepted = fcnn_path_is_folder(spec);
    return FCNN_OK;
}

static fcnn_status accepts_archive(const char *spec, bool *accepted) {
    *accepted = fcnn_archive_is_named(spec);
    return FCNN_OK;
}

const fcnn_reader fcnn_reader_image_folder = {
    .name = "DIR",
    .help = "a folder of JPEG, PNG, WebP, TIFF, BMP or GIF images: train/<class>/* with "
            "val/<class>/* or "
            "test/<class>/* or both, or <class>/* alone",
    .by_path = true,
    .accepts = accepts_folder,
    .open = open_set,
};

const fcnn_reader fcnn_reader_image_archive = {
    .name = "ARCHIVE",
    .help = "such a folder as a .zip or .tar, which may be compressed (.tar.gz, .tar.bz2, .tar.xz, "
            ".tar.zst); its pictures are kept in a temporary file, in TMPDIR or /tmp",
    .by_path = true,
    .accepts = accepts_archive,
    .open = open_set,
};
