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

/* srun speaks PMI-2 to MPICH and its kin, and to an Open MPI that was built for it; PMIx to both.
 * Its steps alone have the last variable, so a batch script's own programs are started by none. */
static const launcher launchers[] = {
    {"OMPI_COMM_WORLD_SIZE", NULL, {"libfcnn_openmpi.so", NULL}},
    {"PMI_SIZE", NULL, {"libfcnn_mpich.so", "libfcnn_openmpi.so"}},
    {"SLURM_STEP_NUM_TASKS", "PMIX_RANK", {"libfcnn_openmpi.so", "libfcnn_mpich.so"}},
    {"SLURM_STEP_NUM_TASKS", NULL, {NULL, NULL}}};

static int launched(const launcher **found) {
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
        *found = &launchers[i];
        const char *size = getenv(launchers[i].variable), *beside = launchers[i].beside;
        if (size && (!beside || getenv(beside))) return atoi(size);
    }
    return 1;
}

/* hydra, the launcher of MPICH, which alone has the last variable, names a process that may be
 * another one. */
int fcnn_ranks_unnamed(void) {
    const char *number = getenv("PMI_RANK"), *size = getenv("PMI_SIZE");
    bool by_hydra = number && size && getenv("MPI_LOCALRANKID");
    return by_hydra && atoi(size) > 1 ? atoi(number) : -1;
}

/* srun says by which of its plugins it has started a step. Launchers that use it themselves start a
 * task a host, and then ranks. */
static void name_launch(const launcher *by, int size, char *text, size_t bytes) {
    const char *plugin = getenv("SLURM_MPI_TYPE"), *tasks = getenv("SLURM_STEP_NUM_TASKS");
    if (by != &launchers[0] && plugin && tasks && atoi(tasks) == size)
        snprintf(text, bytes, "srun --mpi=%s -n %d", plugin, size);
    else
        snprintf(text, bytes, "mpirun -n %d", size);
}

/* ---- Modules ---- */

/* Where modules lie, from the program's folder: in a build, and installed. */
static const char *const folders[] = {"", FCNN_MODULE_FOLDER "/"};

static bool find_file(const char *folder, const char *module, char *place, size_t bytes) {
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash) return false;
    slash[1] = '\0';
    int written = snprintf(place, bytes, "%s%s%s", path, folder, module);
    return written > 0 && written < (int)bytes && !access(place, F_OK);
}

static const char fitting[] = "mpirun has to be that of the library; of srun, --mpi=pmix fits Open "
                              "MPI and --mpi=pmi2 MPICH";

/* Plugins of MPI libraries look for its symbols among all that are loaded. */
static fcnn_status load(const char *place, fcnn_ranks *ranks) {
    void *library = dlopen(place, RTLD_NOW | RTLD_GLOBAL);
    ranks->module = library ? dlsym(library, FCNN_RANKS_SYMBOL) : NULL;
    if (ranks->module) return FCNN_OK;
    const char *error = dlerror();
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "the module for ranks cannot be loaded: %s",
                           error ? error : place);
}

static fcnn_status find_module(const launcher *by, fcnn_ranks *ranks) {
    char place[PATH_MAX];
    if (!by->modules[0])
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                               "%s=%s: srun has started several tasks, which cannot find each "
                               "other: srun --mpi=pmix makes them ranks by Open MPI, --mpi=pmi2 by "
                               "MPICH; a task that is to train alone is started without that "
                               "variable",
                               by->variable, getenv(by->variable));
    for (size_t m = 0; m < sizeof by->modules / sizeof by->modules[0] && by->modules[m]; m++)
        for (size_t f = 0; f < sizeof folders / sizeof folders[0]; f++)
            if (find_file(folders[f], by->modules[m], place, sizeof place))
                return load(place, ranks);
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                           "%s=%s: a launcher has started several ranks, and there is no module "
                           "for its library (%s); CMake's FCNN_MPI builds it",
                           by->variable, getenv(by->variable), by->modules[0]);
}

static fcnn_status start(const launcher *by, int expected, fcnn_ranks *ranks) {
    char text[256];
    const fcnn_ranks_place *place = &ranks->place;
    name_launch(by, expected, ranks->launch, sizeof ranks->launch);
    int error = ranks->module->start(&ranks->place, &ranks->threads);
    if (error) {
        ranks->module->describe(error, text, sizeof text);
        return fcnn_status_set(FCNN_ERROR_IO, "%s cannot be started: %s", ranks->module->family,
                               text);
    }
    snprintf(ranks->name, sizeof ranks->name, "rank %d on %s", place->number, place->host);
    if (place->size == expected) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_UNSUPPORTED,
                           "%s=%d, and %s knows of %d rank%s: the launcher and the library do not "
                           "belong together (%s)",
                           by->variable, expected, ranks->module->family, place->size,
                           place->size == 1 ? "" : "s", fitting);
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
