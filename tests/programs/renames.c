/* To be preloaded: appends the new name of each file that is renamed to the file FCNN_RENAMES. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *);
    *(void **)&real = dlsym(RTLD_NEXT, "rename");
    const char *path = getenv("FCNN_RENAMES");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (file) fprintf(file, "%s\n", to);
    if (file) fclose(file);
    return real(from, to);
}
