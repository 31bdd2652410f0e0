/* Folders made with their parents, and files that replace others as a whole or
 * leave them as they were (files.h). */
#include "files.h"

#include <signal.h>
#include <sys/resource.h>

#include "temporary.h"

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static int entries(const char *path) {
    int count = 0;
    DIR *folder = opendir(path);
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count - 2; /* without itself and its parent */
}

static void expect_text(const char *path, const char *text) {
    uint8_t found[256] = {0};
    read_file(path, found, sizeof found);
    ck_assert_str_eq((char *)found, text);
}

START_TEST(folders_are_made_with_their_parents) {
    char path[PATH_BYTES];
    static const char *const endings[] = {"one", "a/b/c", "a//d/", "a/b/../e", "a/b"};
    for (int i = 0; i < LENGTH(endings); i++) {
        snprintf(path, sizeof path, "%s/%s", root, endings[i]);
        ck_assert_int_eq(fcnn_folder_create(path), FCNN_OK);
        ck_assert(is_folder(path));
    }
    ck_assert_int_eq(fcnn_folder_create("/"), FCNN_OK);
    ck_assert_int_eq(chdir(root), 0);
    ck_assert_int_eq(fcnn_folder_create("here/below"), FCNN_OK);
    ck_assert(is_folder(below("here/below")));
}
END_TEST

START_TEST(folders_that_cannot_be_made_are_named) {
    char path[PATH_BYTES];
    write_file(below("file"), "x", 1);
    expect_words(fcnn_folder_create(below("file")), FCNN_ERROR_IO, "/file: |Not a directory");
    snprintf(path, sizeof path, "%s/file/x/y", root);
    expect_words(fcnn_folder_create(path), FCNN_ERROR_IO, "/file: cannot be created|Not a dir");
    expect_words(fcnn_folder_create(""), FCNN_ERROR_IO, "name of a folder|empty");
    if (geteuid() == 0) return; /* permissions do not bind root */
    ck_assert_int_eq(chmod(root, 0500), 0);
    snprintf(path, sizeof path, "%s/new", root);
    expect_words(fcnn_folder_create(path), FCNN_ERROR_IO, "/new: cannot be created|Permission");
    ck_assert_int_eq(chmod(root, 0700), 0);
}
END_TEST

START_TEST(a_file_is_in_its_place_when_it_is_whole) {
    const char *path = below("text");
    fcnn_output output;
    char stale[PATH_BYTES];
    snprintf(stale, sizeof stale, "%s.tmp.%ld", path, (long)getpid());
    write_file(stale, "of a killed process", 19);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(fcnn_output_open(path, &output), FCNN_OK);
        fprintf(output.stream, "number %d\n", i);
        ck_assert_int_eq(fflush(output.stream), 0);
        if (i) expect_text(path, "number 0\n");
        ck_assert(i || access(path, F_OK) != 0);
        ck_assert_int_eq(fcnn_output_close(&output, FCNN_OK), FCNN_OK);
        expect_text(path, i ? "number 1\n" : "number 0\n");
        ck_assert_int_eq(entries(root), 1);
    }
}
END_TEST

START_TEST(a_failure_leaves_the_earlier_file) {
    const char *path = below("text");
    fcnn_output output;
    write_file(path, "old", 3);
    ck_assert_int_eq(fcnn_output_open(path, &output), FCNN_OK);
    fputs("half of it", output.stream);
    fcnn_status status = fcnn_status_set(FCNN_ERROR_FORMAT, "what went wrong");
    expect_words(fcnn_output_close(&output, status), FCNN_ERROR_FORMAT, "/text: what went wrong");
    expect_text(path, "old");
    ck_assert_int_eq(entries(root), 1);
}
END_TEST

/* The first is noticed by the last flush alone, the others while the text is written. */
START_TEST(a_full_disk_leaves_the_earlier_file) {
    const char *path = below("text");
    struct rlimit before;
    fcnn_output output;
    write_file(path, "old", 3);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    static const int lines[] = {3, 3000, 30000};
    for (int i = 0; i < LENGTH(lines); i++) {
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){10, before.rlim_max});
        ck_assert_int_eq(fcnn_output_open(path, &output), FCNN_OK);
        for (int line = 0; line < lines[i]; line++) fputs("a line\n", output.stream);
        fcnn_status status = fcnn_output_close(&output, FCNN_OK);
        setrlimit(RLIMIT_FSIZE, &before);
        expect_words(status, FCNN_ERROR_IO, "/text: cannot be written: File too large");
        expect_text(path, "old");
        ck_assert_int_eq(entries(root), 1);
    }
}
END_TEST

START_TEST(what_cannot_be_replaced_is_named) {
    fcnn_output output;
    const char *folder = below("folder"), *pipe = below("pipe");
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    ck_assert_int_eq(mkfifo(pipe, 0666), 0);
    expect_words(fcnn_output_open(folder, &output), FCNN_ERROR_IO,
                 "/folder: cannot be written|a folder");
    expect_words(fcnn_output_open(pipe, &output), FCNN_ERROR_IO,
                 "/pipe: cannot be written|no regular file");
    expect_words(fcnn_output_open("/dev/null", &output), FCNN_ERROR_IO, "/dev/null: |no regular");
    ck_assert_int_eq(entries(root), 2);
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/missing/text", root);
    expect_words(fcnn_output_open(path, &output), FCNN_ERROR_IO,
                 "/missing/text: cannot be written|.tmp.|No such file");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("files");
    TCase *folders = add_case(suite, "folders");
    tcase_add_test(folders, folders_are_made_with_their_parents);
    tcase_add_test(folders, folders_that_cannot_be_made_are_named);
    TCase *files = add_case(suite, "files");
    tcase_add_test(files, a_file_is_in_its_place_when_it_is_whole);
    tcase_add_test(files, a_failure_leaves_the_earlier_file);
    tcase_add_test(files, a_full_disk_leaves_the_earlier_file);
    tcase_add_test(files, what_cannot_be_replaced_is_named);
    return run_suite(suite);
}
