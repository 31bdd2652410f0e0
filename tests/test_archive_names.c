/* The names of an archive's files as paths, and the order in which its folders are listed. */
#include "archive_names.h"
#include "file_tree.h"
#include "temporary.h"

START_TEST(names_become_paths) {
    static const struct {
        const char *name, *path; /* NULL: left out in silence */
    } cases[] = {{"a/b.png", "a/b.png"},
                 {"./a//b.png", "a/b.png"},
                 {"/a/./b.png", "a/b.png"},
                 {"top\\a\\b.png", "top/a/b.png"},
                 {"\\a\\\\b.png", "a/b.png"},
                 {"top/a\\b.png", "top/a\\b.png"}, /* a name as Unix may have it */
                 {"a\xff/\xc3\xa4.png", "a\xff/\xc3\xa4.png"},
                 {"../a.png", "../a.png"},
                 {"a/../../b.png", "a/../../b.png"},
                 {"a/..b.png", NULL}, /* hidden, as it begins with a dot */
                 {"__MACOSX/a/b.png", NULL},
                 {"a/._b.png", NULL},
                 {"a/.git/b.png", NULL},
                 {"a/Thumbs.db", NULL},
                 {"a/", NULL},
                 {"a\\", NULL},
                 {"a/.", NULL},
                 {"/", NULL},
                 {"", NULL}};
    for (int i = 0; i < LENGTH(cases); i++) {
        char path[64];
        bool found = fcnn_archive_path(cases[i].name, path);
        ck_assert_msg(found == (cases[i].path != NULL), "%s: %d", cases[i].name, found);
        if (found) ck_assert_str_eq(path, cases[i].path);
    }
    ck_assert(fcnn_archive_path_goes_up("../a") && fcnn_archive_path_goes_up("a/../b"));
    ck_assert(fcnn_archive_path_goes_up("a/.."));
    ck_assert(!fcnn_archive_path_goes_up("..a/b") && !fcnn_archive_path_goes_up("a/b.."));
}
END_TEST

/* What is listed, as one text: folders end with '/'. */
static const char *listed(fcnn_tree *tree, const char *path) {
    static char text[512];
    fcnn_tree_list list;
    text[0] = '\0';
    ck_assert_msg(!fcnn_tree_list_folder(tree, path, &list), "%s", fcnn_status_message());
    for (int64_t i = 0; i < list.count; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s ", list.entries[i].name,
                 list.entries[i].folder ? "/" : "");
    }
    fcnn_tree_list_clear(&list);
    return text;
}

/* A folder and a tar of it are listed alike, and give the same pictures. */
START_TEST(folders_and_archives_are_listed_alike) {
    static const char *const files[] = {"set/b/2.bmp",   "set/b/10.bmp", "set/b-a/1.bmp",
                                        "set/b.a/1.bmp", "set/B/x.bmp",  "set/b/in/y.bmp",
                                        "set/z.bmp",     "set/b/.h.bmp"};
    for (int i = 0; i < LENGTH(files); i++)
        write_bmp(below("%s", files[i]), (uint8_t)(20 * i), 9, 9);
    char command[3 * PATH_BYTES];
    snprintf(command, sizeof command, "tar -C %s -cf %s .", below("set"), below("set.tar"));
    ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c) */
    for (int kind = 0; kind < 2; kind++) {
        fcnn_tree *tree;
        fcnn_image image;
        char shown[FCNN_PATH_BYTES];
        const char *path = kind ? below("set.tar") : below("set/");
        ck_assert(fcnn_tree_accepts(path));
        ck_assert_msg(!fcnn_tree_open(path, NULL, &tree), "%s", fcnn_status_message());
        ck_assert_str_eq(listed(tree, ""), "B/ b/ b-a/ b.a/ z.bmp ");
        ck_assert_str_eq(listed(tree, "b"), "10.bmp 2.bmp in/ ");
        ck_assert_str_eq(listed(tree, "b/in"), "y.bmp ");
        ck_assert_int_eq(fcnn_tree_load(tree, "b-a/1.bmp", 3, &image), FCNN_OK);
        ck_assert_int_eq(image.pixels[0], 40);
        fcnn_image_clear(&image);
        expect_words(fcnn_tree_load(tree, "b/none.bmp", 3, &image), FCNN_ERROR_IO, "none.bmp");
        ck_assert_int_eq(fcnn_tree_show(tree, "b/2.bmp", shown), FCNN_OK);
        ck_assert_ptr_nonnull(strstr(shown, kind ? "set.tar:b/2.bmp" : "set/b/2.bmp"));
        fcnn_tree_close(tree);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("archive_names");
    TCase *names = add_case(suite, "names");
    tcase_add_test(names, names_become_paths);
    tcase_add_test(names, folders_and_archives_are_listed_alike);
    return run_suite(suite);
}
