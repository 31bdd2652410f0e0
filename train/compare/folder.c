/* Entries of a comparison's folder: compare.csv and its like, for each variant NAME.cfg and NAME,
 * and in that for each run seedN and seedN.log. */
#include "folder.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool is_variant(const comparison *c, const char *name, size_t length) {
    for (int i = 0; i < c->variant_count; i++)
        if (strlen(c->variants[i].name) == length && !strncmp(c->variants[i].name, name, length))
            return true;
    return false;
}

/* Whether NAME.cfg, beside it or itself, was made for a variant. */
static bool has_made_config(const char *folder, const char *name, size_t length) {
    static const char start[] = "# Made by fcnn-compare ";
    char path[PATH_MAX], line[sizeof start] = "";
    snprintf(path, sizeof path, "%s/%.*s.cfg", folder, (int)length, name);
    FILE *file = fopen(path, "r");
    bool made = file && fgets(line, sizeof line, file) && !strcmp(line, start);
    if (file) fclose(file);
    return made;
}

static bool is_result(const char *name, size_t length) {
    static const char *const names[] = {"compare.csv", "compare.md", "compare.svg"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == length && !strncmp(names[i], name, length)) return true;
    return false;
}

/* Looks for what is neither a run nor a run's log in a variant's folder; true where there is
 * nothing. */
static bool holds_runs_alone(const char *folder, const char *name, char within[PATH_MAX]) {
    char path[PATH_MAX], run[PATH_MAX];
    rundir_file(folder, name, path);
    DIR *entries = opendir(path);
    bool good = entries != NULL;
    for (const struct dirent *entry; good && (entry = readdir(entries));) {
        const char *inner = entry->d_name;
        rundir_contents found = {.foreign = ""};
        struct stat info;
        if (!strcmp(inner, ".") || !strcmp(inner, "..")) continue;
        rundir_file(path, inner, run);
        good = !strncmp(inner, "seed", 4) && isdigit((unsigned char)inner[4]);
        if (good && !lstat(run, &info) && S_ISDIR(info.st_mode))
            good = !rundir_look(run, &rundir_of_run, "", &found) && !*found.foreign;
        if (good) continue;
        int length = snprintf(within, PATH_MAX, "%s/%s%s%s", name, inner, *found.foreign ? "/" : "",
                              found.foreign);
        if (length >= PATH_MAX) within[0] = '\0';
    }
    if (entries) closedir(entries);
    return good;
}

static bool owns(const void *context, const char *folder, const char *name, bool *proof,
                 char within[PATH_MAX]) {
    const comparison *c = context;
    size_t length = strlen(name);
    bool unfinished = rundir_is_unfinished(name, &length);
    char path[PATH_MAX];
    struct stat info;
    *proof = false;
    rundir_file(folder, name, path);
    if (lstat(path, &info)) return false;
    if (S_ISDIR(info.st_mode)) {
        *proof = is_variant(c, name, length) || has_made_config(folder, name, length);
        return *proof && holds_runs_alone(folder, name, within);
    }
    if (is_result(name, length)) return true;
    if (length < 5 || strncmp(name + length - 4, ".cfg", 4) != 0) return false;
    *proof = !unfinished && has_made_config(folder, name, length - 4);
    return *proof || is_variant(c, name, length - 4);
}

rundir_kind comparison_folder_kind(const comparison *c) {
    return (rundir_kind){.what = "comparison", .owns = owns, .context = c};
}
