/* Operands become a list of names; the pictures' bytes are read one at a time. */
#include "picture_list.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "folder_names.h"
#include "train/signals.h"

static fcnn_status no_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the list of pictures");
}

/* ---- Adding ---- */

static fcnn_status add_text(picture_list *list, const char *text, size_t *at) {
    size_t bytes = strlen(text) + 1;
    if (list->text_room - list->used < bytes) {
        size_t room = 2 * list->text_room + bytes + FCNN_PATH_BYTES;
        char *grown = realloc(list->text, room);
        if (!grown) return no_memory();
        list->text = grown;
        list->text_room = room;
    }
    memcpy(list->text + list->used, text, bytes);
    *at = list->used;
    list->used += bytes;
    return FCNN_OK;
}

/* `failure` is a message, or NULL. */
static fcnn_status add_picture(picture_list *list, int tree, const char *path,
                               const char *failure) {
    if (list->count == list->room) {
        int64_t room = 2 * list->room + 256;
        listed_picture *grown = realloc(list->pictures, (size_t)room * sizeof *grown);
        if (!grown) return no_memory();
        list->pictures = grown;
        list->room = room;
    }
    listed_picture picture = {.tree = tree};
    FCNN_TRY(add_text(list, path, &picture.path));
    if (failure && !(picture.failure = strdup(failure))) return no_memory();
    list->pictures[list->count++] = picture;
    return FCNN_OK;
}

/* ---- Folders ---- */

/* The folders that the one being listed is in: a link may lead back to one of them. */
typedef struct ancestor {
    struct stat info;
    const struct ancestor *above;
} ancestor;

static bool leads_back(const picture_list *list, const fcnn_tree *tree, ancestor *self) {
    char shown[FCNN_PATH_BYTES];
    if (fcnn_tree_show(tree, list->path, shown) || stat(shown, &self->info)) return false;
    for (const ancestor *above = self->above; above; above = above->above)
        if (above->info.st_dev == self->info.st_dev && above->info.st_ino == self->info.st_ino)
            return true;
    return false;
}

static fcnn_status add_folder(picture_list *list, int tree, const ancestor *above);

static fcnn_status note_other(picture_list *list, const fcnn_tree *tree, const char *why) {
    char shown[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_tree_show(tree, list->path, shown));
    fcnn_status_record("%s: %s (left out)", shown, why);
    return fcnn_problems_add(&list->others);
}

/* Adds what list->path leads to. */
static fcnn_status add_entry(picture_list *list, int number, const fcnn_tree_entry *entry,
                             const ancestor *above) {
    const fcnn_tree *tree = list->trees[number];
    if (entry->folder) return add_folder(list, number, above);
    if (fcnn_folder_name_is_image(entry->name)) return add_picture(list, number, list->path, NULL);
    if (!fcnn_folder_name_format(entry->name))
        return note_other(list, tree, "not named " FCNN_FOLDER_NAMES);
    char shown[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_tree_show(tree, list->path, shown));
    (void)fcnn_folder_name_refuse(shown);
    return add_picture(list, number, list->path, fcnn_status_message());
}

/* Adds what is in the folder list->path. One that cannot be read is a failure among the others. */
static fcnn_status add_folder(picture_list *list, int number, const ancestor *above) {
    fcnn_tree *tree = list->trees[number];
    ancestor self = {.above = above};
    fcnn_tree_list found;
    size_t length = strlen(list->path);
    if (tree->mark == '/' && leads_back(list, tree, &self))
        return note_other(list, tree, "a link back to a folder that it is in");
    FCNN_TRY(fcnn_check_interrupted(&signals_interrupted));
    fcnn_status status = fcnn_tree_list_folder(tree, list->path, &found);
    if (fcnn_dataset_does_without(status))
        status = add_picture(list, number, list->path, fcnn_status_message());
    for (int64_t i = 0; !status && i < found.count; i++) {
        const fcnn_tree_entry *entry = &found.entries[i];
        int bytes = snprintf(list->path + length, sizeof list->path - length, "%s%s",
                             length ? "/" : "", entry->name);
        if (bytes < 0 || (size_t)bytes >= sizeof list->path - length) {
            list->path[length] = '\0';
            status = note_other(list, tree, "paths in it are too long");
            break;
        }
        status = add_entry(list, number, entry, &self);
    }
    list->path[length] = '\0';
    fcnn_tree_list_clear(&found);
    return status;
}

/* ---- Operands ---- */

/* The message takes the place of the problems of the files that were found there. */
static fcnn_status nothing_found(picture_list *list, const char *operand, int64_t before) {
    fcnn_problems *others = &list->others;
    fcnn_status_record("%s: expected pictures named " FCNN_FOLDER_NAMES ", found none%s%s", operand,
                       others->count > before ? "; the first problem: " : "",
                       others->count > before ? others->messages[before] : "");
    while (others->count > before) free(others->messages[--others->count]);
    return FCNN_ERROR_FORMAT;
}

static fcnn_status add_tree(picture_list *list, const char *operand) {
    int number = list->tree_count;
    int64_t pictures = list->count, others = list->others.count;
    fcnn_tree **grown = realloc(list->trees, ((size_t)number + 1) * sizeof *grown);
    if (!grown) return no_memory();
    list->trees = grown;
    FCNN_TRY(fcnn_tree_open(operand, &signals_interrupted, &grown[number]));
    list->tree_count++;
    for (int64_t i = 0; i < grown[number]->problems.count; i++) {
        fcnn_status_record("%s", grown[number]->problems.messages[i]);
        FCNN_TRY(fcnn_problems_add(&list->others));
    }
    list->path[0] = '\0';
    FCNN_TRY(add_folder(list, number, NULL));
    return list->count > pictures ? FCNN_OK : nothing_found(list, operand, others);
}

/* A folder or archive without pictures is a failure among the others, as a missing file is. */
static fcnn_status add_operand(picture_list *list, const char *operand) {
    if (!fcnn_tree_accepts(operand)) return add_picture(list, -1, operand, NULL);
    fcnn_status status = add_tree(list, operand);
    if (!fcnn_dataset_does_without(status)) return status;
    return add_picture(list, -1, operand, fcnn_status_message());
}

/* ---- The data set ---- */

fcnn_status picture_list_name(const picture_list *list, int64_t index, char name[FCNN_PATH_BYTES]) {
    const listed_picture *picture = &list->pictures[index];
    const char *path = list->text + picture->path;
    if (picture->tree >= 0) return fcnn_tree_show(list->trees[picture->tree], path, name);
    snprintf(name, FCNN_PATH_BYTES, "%s", path);
    return FCNN_OK;
}

fcnn_status picture_list_load(picture_list *list, int64_t index, fcnn_image *image) {
    const listed_picture *picture = &list->pictures[index];
    const char *path = list->text + picture->path;
    if (picture->tree < 0) return fcnn_image_load(path, list->base.channels, image);
    return fcnn_tree_load(list->trees[picture->tree], path, list->base.channels, image);
}

static fcnn_status read_picture(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                                fcnn_image *image) {
    picture_list *list = (picture_list *)dataset;
    listed_picture *picture = &list->pictures[index];
    (void)split;
    *image = (fcnn_image){0};
    fcnn_status status = FCNN_OK;
    if (!picture->failure) status = picture_list_load(list, index, image);
    if (!picture->failure && !status) return FCNN_OK;
    if (status && !fcnn_dataset_does_without(status)) return status;
    if (!picture->failure) picture->failure = strdup(fcnn_status_message());
    uint8_t *pixel = calloc(1, (size_t)dataset->channels);
    *image = (fcnn_image){1, 1, .channels = dataset->channels, .pixels = pixel, .storage = pixel};
    return pixel && picture->failure ? FCNN_OK : no_memory();
}

static void describe_picture(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                             size_t bytes) {
    const picture_list *list = (const picture_list *)dataset;
    (void)split;
    fcnn_text_printable(list->text + list->pictures[index].path, text, bytes);
}

static void close_nothing(fcnn_dataset *dataset) { (void)dataset; }

fcnn_status picture_list_open(char *const *operands, int channels, picture_list *list) {
    static const char *const classes[] = {"unknown"};
    *list = (picture_list){.base = {.channels = channels,
                                    .classes = 1,
                                    .class_names = classes,
                                    .interrupted = &signals_interrupted,
                                    .read = read_picture,
                                    .describe = describe_picture,
                                    .close = close_nothing}};
    for (; *operands; operands++) FCNN_TRY(add_operand(list, *operands));
    list->labels = calloc((size_t)list->count, sizeof *list->labels);
    if (!list->labels) return no_memory();
    list->base.count[FCNN_SPLIT_TRAIN] = list->count;
    list->base.labels[FCNN_SPLIT_TRAIN] = list->labels;
    return FCNN_OK;
}

void picture_list_limit(picture_list *list, int64_t count) {
    while (list->count > count) free(list->pictures[--list->count].failure);
    list->base.count[FCNN_SPLIT_TRAIN] = count;
}

void picture_list_close(picture_list *list) {
    for (int64_t i = 0; i < list->count; i++) free(list->pictures[i].failure);
    for (int i = 0; i < list->tree_count; i++) fcnn_tree_close(list->trees[i]);
    free(list->pictures);
    free(list->trees);
    free(list->text);
    free(list->labels);
    fcnn_problems_clear(&list->others);
}
