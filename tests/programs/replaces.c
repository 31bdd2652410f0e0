/* To be preloaded: when model.safetensors is opened, a run seems to save right before: the files of
 * the folder FCNN_SAVE take the place of those of FCNN_RUN, once. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void save(const char *name) {
    char from[4096], to[4096];
    snprintf(from, sizeof from, "%s/%s", getenv("FCNN_SAVE"), name);
    snprintf(to, sizeof to, "%s/%s", getenv("FCNN_RUN"), name);
    rename(from, to);
}

static void met(const char *path) {
    const char *name = strrchr(path, '/');
    if (!name || strcmp(name, "/model.safetensors") != 0) return;
    save("checkpoint.safetensors");
    save("model.safetensors");
}

/* Defines open() or its namesake for large files. */
#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        int (*real)(const char *, int, ...);                                                       \
        *(void **)&real = dlsym(RTLD_NEXT, #name);                                                 \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0;                     \
        va_end(arguments);                                                                         \
        met(path);                                                                                 \
        return real(path, flags, mode);                                                            \
    }

OPEN(open)
OPEN(open64)
