/* An archive of pictures: the input is the whole archive. It is opened as a data set, and walked as
 * fcnn-infer walks it. */
#include "data.h"
#include "file_tree.h"

enum { DEPTH = 8 };

static void walk(fcnn_tree *tree, const char *folder, int depth) {
    fcnn_tree_list list;
    char path[FCNN_PATH_BYTES];
    fcnn_image image;
    if (!fcnn_tree_list_folder(tree, folder, &list))
        for (int64_t i = 0; i < list.count; i++) {
            const fcnn_tree_entry *entry = &list.entries[i];
            fuzz_expect(*entry->name && !strchr(entry->name, '/'), "a name of one part");
            fuzz_expect(!i || strcmp(list.entries[i - 1].name, entry->name) <= 0, "order");
            if (fcnn_path_join(path, folder, entry->name, "")) continue;
            if (entry->folder && depth < DEPTH)
                walk(tree, path, depth + 1);
            else if (!fcnn_tree_load(tree, path, 3, &image))
                fcnn_image_clear(&image);
        }
    fcnn_tree_list_clear(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_path("pictures.zip");
    fcnn_tree *tree;
    fuzz_write(path, (fuzz_part){data, size});
    fuzz_dataset(path);
    if (!fcnn_tree_open(path, NULL, &tree)) walk(tree, "", 0);
    fcnn_tree_close(tree);
    return 0;
}
