/* An archive as a tree of files. Its pictures' bytes lie one after the other in a file that has no
 * name: nothing is unpacked to a path that the archive chose, and nothing is left when the program
 * ends, however it ends. The index is sorted such that what lies below a folder is one stretch of
 * it, in the order of the names of each folder. Names are bytes, as in a folder. */
#define _GNU_SOURCE /* O_TMPFILE */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_names.h"
#include "archive_reader.h"
#include "file_tree.h"
#include "folder_names.h"

enum { BLOCK_BYTES = 1 << 16 };

typedef struct {
    char *path;          /* below the root */
    char *link;          /* the path of the file that it is once more, or NULL */
    int64_t start, size; /* in the file of bytes; start -1: not kept */
    int64_t number;      /* of the archive's members: of equal paths the last one counts */
} packed_file;

typedef struct {
    fcnn_tree base;
    packed_file *files; /* [count] */
    int64_t count, room;
    int bytes; /* the file without a name, or -1 */
    int64_t length;
    char folder[FCNN_PATH_BYTES]; /* where that is */
} archive_tree;

static fcnn_status no_memory(const char *root) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory for the list of files", root);
}

/* ---- The file of bytes ---- */

static fcnn_status bytes_failure(const archive_tree *tree, const char *root, int error) {
    return fcnn_status_set(FCNN_ERROR_IO,
                           "%s: its pictures cannot be put into a temporary file in %s, behind "
                           "%.1f MiB of them: %s (TMPDIR names another folder)",
                           root, tree->folder, (double)tree->length / 1048576.0, strerror(error));
}

static fcnn_status bytes_open(archive_tree *tree, const char *root) {
    const char *folder = getenv("TMPDIR");
    char path[FCNN_PATH_BYTES];
    FCNN_TRY(fcnn_path_join(tree->folder, folder && *folder ? folder : "/tmp", "", ""));
    tree->bytes = open(tree->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (tree->bytes >= 0) return FCNN_OK;
    /* Not every file system has files without a name; what cannot be made says why here. */
    FCNN_TRY(fcnn_path_join(path, tree->folder, "fcnn-XXXXXX", ""));
    tree->bytes = mkostemp(path, O_CLOEXEC);
    if (tree->bytes < 0) return bytes_failure(tree, root, errno);
    unlink(path);
    return FCNN_OK;
}

static fcnn_status bytes_write(archive_tree *tree, const char *root, const uint8_t *bytes,
                               size_t count) {
    for (size_t used = 0; used < count;) {
        ssize_t put = pwrite(tree->bytes, bytes + used, count - used, (off_t)tree->length);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return bytes_failure(tree, root, put ? errno : ENOSPC);
        used += (size_t)put;
        tree->length += put;
    }
    return FCNN_OK;
}

/* ---- The index ---- */

/* Orders paths such that a folder stands before what is in it, and that before what has the
 * folder's name as its beginning: '/' is less than all bytes of a name. */
static int compare_bytes(unsigned char a, unsigned char b) {
    int x = a == '/' ? 1 : a ? a + 1 : 0, y = b == '/' ? 1 : b ? b + 1 : 0;
    return x - y;
}

static int compare_paths(const char *a, const char *b) {
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return compare_bytes((unsigned char)*a, (unsigned char)*b);
}

static int by_path(const void *a, const void *b) {
    const packed_file *x = a, *y = b;
    int order = compare_paths(x->path, y->path);
    if (order) return order;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* The place of the first file that does not stand before a path; `count` where none follows. */
static int64_t find_place(const archive_tree *tree, const char *path) {
    int64_t low = 0, high = tree->count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (compare_paths(tree->files[middle].path, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The file of a path, or NULL. */
static const packed_file *find_file(const archive_tree *tree, const char *path) {
    int64_t place = find_place(tree, path);
    bool found = place < tree->count && !strcmp(tree->files[place].path, path);
    return found ? &tree->files[place] : NULL;
}

static bool is_below(const char *path, const char *folder, size_t length) {
    return !length || (!strncmp(path, folder, length) && path[length] == '/');
}

/* ---- Reading the archive ---- */

static fcnn_status leave_out(archive_tree *tree, const char *root, const char *name,
                             const char *why) {
    fcnn_status_record("%s:%s: %s (left out)", root, name, why);
    return fcnn_problems_add(&tree->base.problems);
}

static fcnn_status copy_bytes(archive_tree *tree, const char *root, fcnn_stream *from,
                              packed_file *file) {
    uint8_t block[BLOCK_BYTES];
    size_t found;
    if (tree->bytes < 0) FCNN_TRY(bytes_open(tree, root));
    file->start = tree->length;
    do {
        FCNN_TRY(fcnn_check_interrupted(tree->base.interrupted));
        FCNN_TRY(fcnn_stream_read(from, block, sizeof block, &found));
        FCNN_TRY(bytes_write(tree, root, block, found));
    } while (found);
    file->size = tree->length - file->start;
    return FCNN_OK;
}

static void clear_file(packed_file *file) {
    free(file->path);
    free(file->link);
}

static fcnn_status copy_link(const char *root, const char *target, packed_file *file) {
    file->link = malloc(strlen(target) + 1);
    if (!file->link) return no_memory(root);
    if (!fcnn_archive_path(target, file->link)) *file->link = '\0';
    return FCNN_OK;
}

static fcnn_status append(archive_tree *tree, const char *root, packed_file *file) {
    if (tree->count == tree->room) {
        int64_t room = 2 * tree->room + 1024;
        packed_file *grown = realloc(tree->files, (size_t)room * sizeof *grown);
        if (!grown) return no_memory(root);
        tree->files = grown;
        tree->room = room;
    }
    tree->files[tree->count++] = *file;
    file->path = file->link = NULL;
    return FCNN_OK;
}

static fcnn_status add_file(archive_tree *tree, const char *root, fcnn_archive *archive,
                            const fcnn_archive_member *member, packed_file *file) {
    file->path = malloc(strlen(member->name) + 1);
    if (!file->path) return no_memory(root);
    if (!fcnn_archive_path(member->name, file->path)) return FCNN_OK;
    if (fcnn_archive_path_goes_up(file->path))
        return leave_out(tree, root, member->name, "its path goes up, by ..");
    if (member->symbolic)
        return leave_out(tree, root, member->name,
                         "a symbolic link; expected the file itself (tar -h)");
    if (strlen(root) + strlen(file->path) + 2 > FCNN_PATH_BYTES)
        return leave_out(tree, root, member->name, "its path is too long");
    if (member->link)
        FCNN_TRY(copy_link(root, member->link, file));
    else if (fcnn_folder_name_is_image(file->path))
        FCNN_TRY(copy_bytes(tree, root, fcnn_archive_file(archive), file));
    return append(tree, root, file);
}

static fcnn_status read_members(archive_tree *tree, const char *root, fcnn_archive *archive) {
    fcnn_archive_member member;
    fcnn_status status;
    for (int64_t number = 0;; number++) {
        status = fcnn_check_interrupted(tree->base.interrupted);
        if (!status) status = fcnn_archive_next_member(archive, &member);
        if (status || !member.name) return status;
        packed_file file = {.start = -1, .number = number};
        status = add_file(tree, root, archive, &member, &file);
        clear_file(&file); /* of nothing, where the index has taken it over */
        if (status) return status;
    }
}

/* Sorts the index; of files with one path the last one stays, as when an archive is unpacked. */
static void sort_files(archive_tree *tree) {
    int64_t kept = 0;
    if (tree->count) qsort(tree->files, (size_t)tree->count, sizeof *tree->files, by_path);
    for (int64_t i = 0; i < tree->count; i++) {
        if (i + 1 < tree->count && !strcmp(tree->files[i].path, tree->files[i + 1].path))
            clear_file(&tree->files[i]);
        else
            tree->files[kept++] = tree->files[i];
    }
    tree->count = kept;
}

/* Gives hard links the bytes of their files. */
static void follow_links(archive_tree *tree) {
    for (int64_t i = 0; i < tree->count; i++) {
        packed_file *file = &tree->files[i];
        const packed_file *target = file->link ? find_file(tree, file->link) : NULL;
        if (!target) continue;
        file->start = target->start;
        file->size = target->size;
    }
}

/* ---- The tree ---- */

/* The last part of what is in the folder on the way to a path below it. */
static fcnn_status add_child(const fcnn_tree *base, const char *rest, fcnn_tree_list *list) {
    size_t length = strcspn(rest, "/");
    bool folder = rest[length] == '/';
    const fcnn_tree_entry *last = list->count ? &list->entries[list->count - 1] : NULL;
    if (last && last->folder == folder && strlen(last->name) == length &&
        !memcmp(last->name, rest, length))
        return FCNN_OK;
    char *name = strndup(rest, length);
    if (!name) return no_memory(base->root);
    fcnn_status status =
        fcnn_tree_list_add(list, &(fcnn_tree_entry){.name = name, .folder = folder}, base->root);
    free(name);
    return status;
}

static fcnn_status list_folder(fcnn_tree *base, const char *path, fcnn_tree_list *list) {
    archive_tree *tree = (archive_tree *)base;
    size_t length = strlen(path);
    for (int64_t i = find_place(tree, path); i < tree->count; i++) {
        const char *found = tree->files[i].path;
        if (length && !strcmp(found, path)) continue; /* a file of the folder's name */
        if (!is_below(found, path, length)) break;
        FCNN_TRY(add_child(base, found + length + (length > 0), list));
    }
    return FCNN_OK;
}

static fcnn_status open_file(fcnn_tree *base, const char *path, const char *shown,
                             fcnn_image_source *source) {
    archive_tree *tree = (archive_tree *)base;
    const packed_file *file = find_file(tree, path);
    bool found = file && file->start >= 0;
    fcnn_source_open_part(shown, found ? tree->bytes : -1, found ? file->start : 0,
                          found ? file->size : 0, source);
    if (found) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO, "%s: no picture of the archive", shown);
}

static void close_tree(fcnn_tree *base) {
    archive_tree *tree = (archive_tree *)base;
    for (int64_t i = 0; i < tree->count; i++) clear_file(&tree->files[i]);
    free(tree->files);
    if (tree->bytes >= 0) close(tree->bytes);
    free(tree);
}

/* ---- The root ---- */

/* The only folder of a list, beside files that are no pictures, or NULL: it may be one around all.
 * One of training images is not. */
static const char *only_folder(const fcnn_tree_list *list) {
    const char *name = NULL;
    for (int64_t i = 0; i < list->count; i++) {
        const fcnn_tree_entry *entry = &list->entries[i];
        fcnn_split split;
        if (!entry->folder) {
            if (fcnn_folder_name_is_picture(entry->name)) return NULL;
            continue;
        }
        if (name) return NULL;
        if (fcnn_folder_names_split(entry->name, &split) && split == FCNN_SPLIT_TRAIN) return NULL;
        name = entry->name;
    }
    return name;
}

/* Whether a folder holds folders and no pictures. */
static fcnn_status is_around(archive_tree *tree, const char *name, bool *around) {
    fcnn_tree_list list;
    bool folders = false, pictures = false;
    fcnn_status status = fcnn_tree_list_folder(&tree->base, name, &list);
    for (int64_t i = 0; i < list.count; i++) {
        folders |= list.entries[i].folder;
        pictures |= !list.entries[i].folder && fcnn_folder_name_is_picture(list.entries[i].name);
    }
    fcnn_tree_list_clear(&list);
    *around = folders && !pictures;
    return status;
}

/* Makes a folder the root: the paths below it lose its name, other files are no part of it. */
static void make_root(archive_tree *tree, const char *name) {
    size_t length = strlen(name);
    int64_t kept = 0;
    for (int64_t i = 0; i < tree->count; i++) {
        packed_file file = tree->files[i];
        if (is_below(file.path, name, length)) {
            memmove(file.path, file.path + length + 1, strlen(file.path + length + 1) + 1);
            tree->files[kept++] = file;
        } else {
            clear_file(&file);
        }
    }
    tree->count = kept;
}

/* Goes into a folder that is around all others, and into one in that. */
static fcnn_status find_root(archive_tree *tree) {
    for (bool around = true; around;) {
        fcnn_tree_list list;
        around = false;
        fcnn_status status = fcnn_tree_list_folder(&tree->base, "", &list);
        const char *name = status ? NULL : only_folder(&list);
        if (name) status = is_around(tree, name, &around);
        if (!status && around) make_root(tree, name);
        fcnn_tree_list_clear(&list);
        FCNN_TRY(status);
    }
    return FCNN_OK;
}

fcnn_status fcnn_archive_tree_open(const char *root, const volatile int *interrupted,
                                   fcnn_tree **out) {
    archive_tree *tree = calloc(1, sizeof *tree);
    fcnn_archive *archive;
    if (!tree) return no_memory(root);
    tree->base = (fcnn_tree){.root = (char *)root,
                             .mark = ':',
                             .interrupted = interrupted,
                             .list = list_folder,
                             .open = open_file,
                             .close = close_tree};
    tree->bytes = -1;
    fcnn_status status = fcnn_archive_open(root, &archive);
    if (!status) {
        status = read_members(tree, root, archive);
        fcnn_archive_close(archive);
    }
    if (!status) {
        sort_files(tree);
        follow_links(tree);
        status = find_root(tree);
    }
    if (status) {
        fcnn_problems_clear(&tree->base.problems);
        close_tree(&tree->base);
        return status;
    }
    *out = &tree->base;
    return FCNN_OK;
}
