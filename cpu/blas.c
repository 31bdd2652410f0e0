/* Loading the CBLAS: OpenBLAS if it is there, else the system's. */
#include "blas.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A workspace of OpenBLAS on x86-64 and ARM is 128 MiB of addresses, of which it uses what it
 * needs; older ones have less. It has room for 50 of them, or for twice the threads that it was
 * built for. */
enum { WORKSPACE_BYTES = 128 << 20, WORKSPACES_LEAST = 48, WORKSPACES_MOST = 512 };

cpu_blas fcnn_cpu_blas;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char failure[256]; /* why a library that is there cannot be loaded */
static const char *const libraries[] = {"libopenblas.so.0", "libcblas.so.3", "libblas.so.3"};

/* The kernels of OpenBLAS for this processor's vectors; NULL: let it choose. */
static const char *core_type(void) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
    return NULL;
}

/* An environment variable set for a while. */
typedef struct {
    const char *name;
    char *before; /* NULL: it was not set */
} borrowed_variable;

static borrowed_variable borrow(const char *name, const char *value) {
    const char *now = getenv(name);
    borrowed_variable v = {name, now ? strdup(now) : NULL};
    setenv(name, value, 1);
    return v;
}

static void restore(borrowed_variable *v) {
    if (v->before)
        setenv(v->name, v->before, 1);
    else
        unsetenv(v->name);
    free(v->before);
}

/* A library that is there and cannot be loaded is no reason to take another one. */
static void *open_first(void) {
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++) {
        void *library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
        if (library) return library;
        const char *why = dlerror();
        if (why && strstr(why, "No such file")) continue;
        snprintf(failure, sizeof failure, "%s cannot be loaded: %s", libraries[i],
                 why ? why : "unknown reason");
        return NULL;
    }
    return NULL;
}

/* OpenBLAS starts its threads while it is loaded, and each asks for memory until it has some. */
static void *open_library(void) {
    static const char core[] = "OPENBLAS_CORETYPE";
    bool ours = !getenv(core) && core_type();
    if (ours) setenv(core, core_type(), 1);
    borrowed_variable threads = borrow("OPENBLAS_NUM_THREADS", "1");
    void *library = open_first();
    restore(&threads);
    if (ours) unsetenv(core);
    return library;
}

/* ---- Workspaces ---- */

/* OpenBLAS takes a workspace for each product under way and keeps it for the next. Where none can
 * be had it asks again and again without end. So they are made beforehand, by functions that it
 * exports for itself, and no more products run at a time than there are workspaces. */
static struct {
    void *(*take)(int where);
    void (*give_back)(void *workspace);
    sem_t left;
    int most;
    int count;
    pthread_mutex_t mutex; /* guards count */
} workspaces = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static cpu_blas library_calls; /* what the semaphore stands before */

static void wait_for_workspace(void) {
    while (sem_wait(&workspaces.left) && errno == EINTR) continue;
}

static void sgemm_in_turn(CBLAS_ORDER order, CBLAS_TRANSPOSE turn_a, CBLAS_TRANSPOSE turn_b, int m,
                          int n, int k, float alpha, const float *a, int lda, const float *b,
                          int ldb, float beta, float *c, int ldc) {
    wait_for_workspace();
    library_calls.sgemm(order, turn_a, turn_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    sem_post(&workspaces.left);
}

static void cgemm_in_turn(CBLAS_ORDER order, CBLAS_TRANSPOSE turn_a, CBLAS_TRANSPOSE turn_b, int m,
                          int n, int k, const void *alpha, const void *a, int lda, const void *b,
                          int ldb, const void *beta, void *c, int ldc) {
    wait_for_workspace();
    library_calls.cgemm(order, turn_a, turn_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    sem_post(&workspaces.left);
}

/* Whether memory could be had as OpenBLAS asks for it. */
static bool can_have(size_t bytes) {
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    munmap(memory, bytes);
    return true;
}

/* Makes workspaces up to `wanted`, which are held at the same time so that they are as many. After
 * the first one most of the memory is left to others. */
static void make_workspaces(int wanted) {
    void *held[WORKSPACES_MOST];
    int count = 0;
    for (int i = 0; i < workspaces.count; i++) wait_for_workspace(); /* no product runs */
    for (; count < wanted; count++) {
        size_t needed = count ? 4 * (size_t)WORKSPACE_BYTES : WORKSPACE_BYTES;
        if (count >= workspaces.count && !can_have(needed)) break;
        held[count] = workspaces.take(0);
    }
    for (int i = 0; i < count; i++) workspaces.give_back(held[i]);
    if (count > workspaces.count) workspaces.count = count;
    for (int i = 0; i < workspaces.count; i++) sem_post(&workspaces.left);
}

fcnn_status fcnn_cpu_reserve_blas(int callers) {
    if (!workspaces.take) return FCNN_OK;
    pthread_mutex_lock(&workspaces.mutex);
    int wanted = callers < workspaces.most ? callers : workspaces.most;
    if (wanted > workspaces.count) make_workspaces(wanted);
    int count = workspaces.count;
    pthread_mutex_unlock(&workspaces.mutex);
    if (count) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_MEMORY,
                           "out of memory: OpenBLAS needs %d MiB to compute products (is the "
                           "memory limited, as by ulimit -v?)",
                           WORKSPACE_BYTES >> 20);
}

/* ---- Loading ---- */

static void find_workspaces(void *library) {
    *(void **)&workspaces.take = dlsym(library, "blas_memory_alloc");
    *(void **)&workspaces.give_back = dlsym(library, "blas_memory_free");
    if (!workspaces.give_back || sem_init(&workspaces.left, 0, 0)) workspaces.take = NULL;
    if (!workspaces.take) return; /* another build, or another library: it is trusted */
    char *(*config)(void);
    *(void **)&config = dlsym(library, "openblas_get_config");
    const char *threads = config ? strstr(config(), "MAX_THREADS=") : NULL;
    long room = threads ? 2 * strtol(threads + 12, NULL, 10) - 2 : 0;
    workspaces.most = room > WORKSPACES_MOST ? WORKSPACES_MOST : (int)room;
    if (room < WORKSPACES_LEAST) workspaces.most = WORKSPACES_LEAST;
    library_calls = fcnn_cpu_blas;
    fcnn_cpu_blas.sgemm = sgemm_in_turn;
    fcnn_cpu_blas.cgemm = cgemm_in_turn;
}

static void load(void) {
    void *library = open_library();
    if (!library) return;
    /* POSIX: an object pointer from dlsym holds a function. */
    *(void **)&fcnn_cpu_blas.sgemm = dlsym(library, "cblas_sgemm");
    *(void **)&fcnn_cpu_blas.cgemm = dlsym(library, "cblas_cgemm");
    void (*set_threads)(int);
    int (*get_threads)(void);
    char *(*core_name)(void);
    *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
    *(void **)&get_threads = dlsym(library, "openblas_get_num_threads");
    *(void **)&core_name = dlsym(library, "openblas_get_corename");
    /* Parallelism is over bins and tiles, never inside a product. A program may have loaded the
     * library before, with threads. */
    if (set_threads && (!get_threads || get_threads() != 1)) set_threads(1);
    snprintf(fcnn_cpu_blas.description, sizeof fcnn_cpu_blas.description, "%s%s",
             core_name ? "OpenBLAS " : "the system's CBLAS", core_name ? core_name() : "");
    if (fcnn_cpu_blas.sgemm && fcnn_cpu_blas.cgemm && core_name) find_workspaces(library);
}

fcnn_status fcnn_cpu_load_blas(void) {
    pthread_once(&once, load);
    if (fcnn_cpu_blas.sgemm && fcnn_cpu_blas.cgemm) return FCNN_OK;
    if (*failure) return fcnn_status_set(FCNN_ERROR_DEVICE, "%s", failure);
    return fcnn_status_set(FCNN_ERROR_DEVICE,
                           "no CBLAS library was found (looked for %s, %s and %s): install "
                           "Debian's package libopenblas0",
                           libraries[0], libraries[1], libraries[2]);
}
