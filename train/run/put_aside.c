/* What a folder holds, and moving an earlier run's files out of the way. The folder itself stays,
 * and with it its lock; so it may be a mount point, a link, or the current folder. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder_lock.h"
#include "rundir.h"

enum { EARLIER_MOST = 10000 };

static const char earlier[] = "earlier-";

/* ---- Looking ---- */

/* Entries that systems and programs put into any folder, and our own that stay. */
static bool is_ignored(const char *name) {
    static const char *const names[] = {".",          "..",         FOLDER_LOCK_NAME, ".DS_Store",
                                        ".directory", ".gitignore", ".gitkeep",       "lost+found"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(name, names[i])) return true;
    if (!strncmp(name, ".nfs", 4)) return true; /* files removed while open */
    const char *number = name + sizeof earlier - 1;
    return !strncmp(name, earlier, sizeof earlier - 1) && *number &&
           !number[strspn(number, "0123456789")];
}

static bool ends_with(const char *name, const char *ending) {
    size_t length = strlen(name), end = strlen(ending);
    return length > end && !strcmp(name + length - end, ending);
}

/* Whether an entry is, or leads to, the cache; in the folder of the cache, whether it is its file.
 */
static bool is_of_cache(const char *folder, const char *name, const char *cache) {
    char path[PATH_MAX], real[PATH_MAX], spectra[PATH_MAX];
    if (!*cache || rundir_real_path(cache, spectra)) return false;
    if (rundir_real_path(folder, real)) return false;
    if (!strcmp(real, spectra))
        return !strcmp(name, ".lock") || ends_with(name, ".spectra") ||
               ends_with(name, ".spectra.new");
    rundir_file(folder, name, path);
    return !rundir_real_path(path, real) && rundir_inside(spectra, real);
}

/* Whoever works in the folder may have renamed it since it was listed. */
static bool is_there(const char *folder, const char *name) {
    char path[PATH_MAX];
    struct stat info;
    rundir_file(folder, name, path);
    return lstat(path, &info) == 0;
}

/* Why a file cannot be opened for reading, an errno, or 0 if it can or is gone. */
static int why_unreadable(const char *folder, const char *name) {
    char path[PATH_MAX];
    rundir_file(folder, name, path);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return errno == ENOENT ? 0 : errno;
    close(file);
    return 0;
}

fcnn_status rundir_look(const char *folder, const rundir_kind *kind, const char *cache,
                        rundir_contents *contents) {
    char unproven[PATH_MAX] = "", unread[PATH_MAX] = "";
    int reason = 0;
    *contents = (rundir_contents){.present = false};
    DIR *entries = opendir(folder);
    /* Making it will tell of what is no folder. */
    if (!entries && (errno == ENOENT || errno == ENOTDIR)) return FCNN_OK;
    if (!entries) return rundir_error(folder, "read");
    for (const struct dirent *entry; (entry = readdir(entries));) {
        char within[PATH_MAX] = "";
        bool proof = false;
        const char *name = entry->d_name;
        if (is_ignored(name) || is_of_cache(folder, name, cache)) continue;
        if (!kind->owns(kind->context, folder, name, &proof, within)) {
            if (!*contents->foreign && is_there(folder, name))
                snprintf(contents->foreign, PATH_MAX, "%s", *within ? within : name);
        } else if (proof) {
            contents->present = true;
        } else if (!rundir_is_unfinished(name, NULL) && strcmp(name, RUNDIR_TEST) != 0) {
            snprintf(unproven, sizeof unproven, "%s", name);
            if (!reason && (reason = why_unreadable(folder, name)))
                rundir_file(folder, name, unread);
        }
    }
    closedir(entries);
    /* What cannot be read may well be ours. */
    if (!contents->present && reason) {
        errno = reason;
        return rundir_error(unread, "read");
    }
    /* A name of ours alone does not make it ours. */
    if (!contents->present && !*contents->foreign)
        snprintf(contents->foreign, PATH_MAX, "%s", unproven);
    return FCNN_OK;
}

/* ---- Moving ---- */

typedef struct {
    char **names;
    int count;
} name_list;

static void free_names(name_list *list) {
    for (int i = 0; i < list->count; i++) free(list->names[i]);
    free(list->names);
}

/* Lists what is of the kind, its last entry at the end. */
static fcnn_status list_own(const rundir *dir, name_list *list) {
    *list = (name_list){0};
    DIR *entries = opendir(dir->folder);
    if (!entries) return rundir_error(dir->folder, "read");
    bool good = true;
    int last = -1;
    for (const struct dirent *entry; good && (entry = readdir(entries));) {
        char within[PATH_MAX] = "";
        bool proof;
        const char *name = entry->d_name;
        if (is_ignored(name) || is_of_cache(dir->folder, name, dir->cache)) continue;
        if (!dir->kind->owns(dir->kind->context, dir->folder, name, &proof, within)) continue;
        char **grown = realloc(list->names, ((size_t)list->count + 1) * sizeof *grown);
        if (grown) list->names = grown;
        char *copy = grown ? strdup(name) : NULL;
        good = copy != NULL;
        if (!good) break;
        if (dir->kind->last && !strcmp(name, dir->kind->last)) last = list->count;
        list->names[list->count++] = copy;
    }
    closedir(entries);
    if (!good) {
        free_names(list);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", dir->folder);
    }
    if (last >= 0) {
        char *name = list->names[last];
        list->names[last] = list->names[list->count - 1];
        list->names[list->count - 1] = name;
    }
    return FCNN_OK;
}

/* Makes a folder of a new name: BASE.old, BASE.old.2, ... or BASE/earlier-1, ... */
static bool make_place(const char *base, bool beside, char *place) {
    for (int i = 1; i < EARLIER_MOST; i++) {
        int length;
        if (!beside)
            length = snprintf(place, PATH_MAX, "%s/%s%d", base, earlier, i);
        else if (i == 1)
            length = snprintf(place, PATH_MAX, "%s.old", base);
        else
            length = snprintf(place, PATH_MAX, "%s.old.%d", base, i);
        errno = ENAMETOOLONG;
        if (length >= PATH_MAX) return false;
        if (!mkdir(place, 0777)) return true;
        if (errno != EEXIST) return false;
    }
    return false;
}

static bool move_one(const char *from, const char *to, const char *name) {
    char old_path[PATH_MAX], new_path[PATH_MAX];
    rundir_file(from, name, old_path);
    rundir_file(to, name, new_path);
    return rename(old_path, new_path) == 0;
}

/* Moves all or, where that fails, none. */
static bool move_all(const char *from, const char *to, const name_list *list) {
    int moved = 0;
    while (moved < list->count && move_one(from, to, list->names[moved])) moved++;
    if (moved == list->count) return true;
    int reason = errno;
    while (moved > 0) (void)move_one(to, from, list->names[--moved]);
    rmdir(to);
    errno = reason;
    return false;
}

/* Whether a name lies beside the folder that it is of: "." does not. */
static bool has_beside(const char *folder) {
    const char *slash = strrchr(folder, '/'), *name = slash ? slash + 1 : folder;
    return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

fcnn_status rundir_put_aside(rundir *dir) {
    char plain[PATH_MAX], place[PATH_MAX];
    name_list list;
    snprintf(plain, sizeof plain, "%s", dir->folder);
    size_t length = strlen(plain);
    while (length > 1 && plain[length - 1] == '/') plain[--length] = '\0';
    FCNN_TRY(list_own(dir, &list));
    bool done = list.count == 0;
    /* Beside it may be another file system, or a folder that nothing can be made in. */
    bool moved = !done && has_beside(plain) && make_place(plain, true, place) &&
                 move_all(plain, place, &list);
    if (!done && !moved) moved = make_place(plain, false, place) && move_all(plain, place, &list);
    int reason = errno;
    free_names(&list);
    errno = reason;
    if (!done && !moved) return rundir_error(plain, "emptied of what is to be kept");
    if (moved) fprintf(stderr, "the earlier %s is now in %s\n", dir->kind->what, FCNN_SHOWN(place));
    dir->present = false;
    return FCNN_OK;
}
