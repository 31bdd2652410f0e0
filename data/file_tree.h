/* Files below a root, which is a folder or an archive: what lies in a folder is listed, and a
 * picture is read, in the same way. Paths are those below the root, with '/' between their parts,
 * "" for the root itself. */
#ifndef FCNN_DATA_FILE_TREE_H
#define FCNN_DATA_FILE_TREE_H

#include "dataset.h"
#include "image_format.h"
#include "paths.h"

/* A file or folder in a folder. */
typedef struct {
    char *name;
    bool folder;
    int error; /* errno where it cannot be looked at, as of a link to nowhere; else 0 */
} fcnn_tree_entry;

/* What is in a folder, in the order of the names' bytes, whatever the locale; without what a system
 * has put there by itself (folder_names.h). */
typedef struct {
    fcnn_tree_entry *entries; /* [count] */
    int64_t count, room;
} fcnn_tree_list;

typedef struct fcnn_tree fcnn_tree;
struct fcnn_tree {
    char *root;                      /* without '/' at its end */
    char mark;                       /* between the root and a path, in messages: '/' or ':' */
    const volatile int *interrupted; /* NULL, or a flag that ends what takes long */
    fcnn_problems problems;          /* of files that are left out before they are listed */
    fcnn_status (*list)(fcnn_tree *tree, const char *path, fcnn_tree_list *list);
    /* Opens a file; `shown` is its name in messages and outlives the source. Thread-safe. */
    fcnn_status (*open)(fcnn_tree *tree, const char *path, const char *shown,
                        fcnn_image_source *source);
    void (*close)(fcnn_tree *tree); /* of what is the kind's own */
};

/* Whether a path leads to a folder, or to a file that is named as an archive. */
bool fcnn_tree_accepts(const char *root);

/* Opens a folder, or an archive of the kinds of archive_reader.h. An archive is read once, and the
 * pictures among its files are kept in a temporary file without a name, in TMPDIR or /tmp; its
 * root is then its only folder where that holds nothing but folders (and is no folder train). */
fcnn_status fcnn_tree_open(const char *root, const volatile int *interrupted, fcnn_tree **tree);
void fcnn_tree_close(fcnn_tree *tree); /* NULL is none */

/* Lists a folder; the caller clears the list, also after an error. */
fcnn_status fcnn_tree_list_folder(fcnn_tree *tree, const char *path, fcnn_tree_list *list);
void fcnn_tree_list_clear(fcnn_tree_list *list);

/* Writes the name of a file as messages call it: "flowers/rose/1.jpg", "flowers.zip:rose/1.jpg". */
fcnn_status fcnn_tree_show(const fcnn_tree *tree, const char *path, char shown[FCNN_PATH_BYTES]);

/* As fcnn_image_probe and fcnn_image_load, of a file of the tree; the first gives the fingerprint
 * of its bytes as well (contents.h). */
fcnn_status fcnn_tree_probe(fcnn_tree *tree, const char *path, int *height, int *width,
                            uint64_t *contents);
fcnn_status fcnn_tree_load(fcnn_tree *tree, const char *path, int channels, fcnn_image *image);

/* For the kinds of trees: adds an entry, whose name is copied. */
fcnn_status fcnn_tree_list_add(fcnn_tree_list *list, const fcnn_tree_entry *entry,
                               const char *root);
/* Makes a tree of each kind. */
fcnn_status fcnn_folder_tree_open(fcnn_tree **tree);
fcnn_status fcnn_archive_tree_open(const char *root, const volatile int *interrupted,
                                   fcnn_tree **tree);

#endif
