/* Launchers say in the environment what they have started; the module whose library is that of the
 * launcher is loaded then. */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ranks_internal.h"

/* ---- Launchers ---- */

typedef struct {
    const char *variable;   /* holds the number of ranks */
    const char *beside;     /* another one that has to be there; NULL: none */
    const char *modules[2]; /* of the libraries that it may have started, and NULL */
} launcher;

/* srun speaks PMI-2 to MPICH and its kin, and PMIx to both. */
static const launcher launchers[] = {
    {"OMPI_COMM_WORLD_SIZE", NULL, {"libfcnn_openmpi.so", NULL}},
    {"PMI_SIZE", NULL, {"libfcnn_mpich.so", NULL}},
    {"SLURM_STEP_NUM_TASKS", "PMIX_RANK", {"libfcnn_openmpi.so", "libfcnn_mpich.so"}}};

static int launched(const launcher **found) {
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
        *found = &launchers[i];
        const char *size = getenv(launchers[i].variable), *beside = launchers[i].beside;
        if (size && (!beside || getenv(beside))) return atoi(size);
    }
    return 1;
}

/* ---- Modules ---- */

/* Where modules lie, from the program's folder: in a build, and installed. */
static const char *const folders[] = {"", FCNN_MODULE_FOLDER "/"};

/* Plugins of MPI libraries look for its symbols among all that are loaded. */
static void *load(const char *folder, const char *module) {
    char path[PATH_MAX], place[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash) return NULL;
    slash[1] = '\0';
    int written = snprintf(place, sizeof place, "%s%s%s", path, folder, module);
    if (written < 0 || written >= (int)sizeof place) return NULL;
    return dlopen(place, RTLD_NOW | RTLD_GLOBAL);
}

static fcnn_status find_module(const launcher *by, fcnn_ranks *ranks) {
    char why[512] = "";
    for (size_t m = 0; m < sizeof by->modules / sizeof by->modules[0] && by->modules[m]; m++)
        for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++) {
            void *library = load(folders[f], by->modules[m]);
            ranks->module = library ? dlsym(library, FCNN_RANKS_SYMBOL) : NULL;
            if (ranks->module) return FCNN_OK;
            const char *error = dlerror();
            if (!*why) snprintf(why, sizeof why, "%s", error ? error : by->modules[m]);
        }
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                           "%s=%s: a launcher has started several ranks, and there is no module "
                           "for its library (%s); CMake's FCNN_MPI builds it",
                           by->variable, getenv(by->variable), why);
}

static fcnn_status start(const launcher *by, int expected, fcnn_ranks *ranks) {
    char text[256];
    int error = ranks->module->start(&ranks->number, &ranks->size, &ranks->threads, ranks->host,
                                     sizeof ranks->host);
    if (error) {
        ranks->module->describe(error, text, sizeof text);
        return fcnn_status_set(FCNN_ERROR_IO, "%s cannot be started: %s", ranks->module->family,
                               text);
    }
    snprintf(ranks->name, sizeof ranks->name, "rank %d on %s", ranks->number, ranks->host);
    if (ranks->size == expected) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                           "%s=%d, and %s knows of %d rank%s: the launcher and the library do not "
                           "belong together",
                           by->variable, expected, ranks->module->family, ranks->size,
                           ranks->size == 1 ? "" : "s");
}

fcnn_status fcnn_ranks_open(fcnn_ranks **out) {
    const launcher *by;
    int expected = launched(&by);
    *out = NULL;
    if (expected <= 1) return FCNN_OK;
    fcnn_ranks *ranks = calloc(1, sizeof *ranks);
    if (!ranks) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the ranks");
    fcnn_status status = find_module(by, ranks);
    if (!status) status = start(by, expected, ranks);
    if (status)
        free(ranks);
    else
        *out = ranks;
    return status;
}

/* The library stays: threads of its own may still be in it. */
void fcnn_ranks_close(fcnn_ranks *ranks) {
    if (!ranks) return;
    /* None ends before all have told what they have to: launchers end all when one has failed. */
    ranks->module->barrier();
    ranks->module->end();
    free(ranks);
}
