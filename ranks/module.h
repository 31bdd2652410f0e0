/* What a module of ranks/ gives: messages between processes, by a library that is loaded for
 * programs which a launcher started, and for no others. Functions return 0 or the library's error.
 */
#ifndef FCNN_RANKS_MODULE_H
#define FCNN_RANKS_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a process stands among the ranks, and among those of its host. */
typedef struct {
    int number, size, local;
    char host[256];
} fcnn_ranks_place;

typedef struct {
    const char *family; /* "Open MPI", "MPICH" or another library's name */
    /* *threads: whether messages may be another thread's than the one that calls this, where no two
     * send at once. */
    int (*start)(fcnn_ranks_place *place, bool *threads);
    /* Sends to one rank while it receives from another; -1: neither. Both ends know the bytes. */
    int (*exchange)(int to, const void *out, int64_t out_bytes, int from, void *in,
                    int64_t in_bytes);
    int (*barrier)(void);
    /* Lets an exchange that another thread waits in fail, and all later ones. */
    void (*cancel)(void);
    void (*describe)(int error, char *text, size_t bytes);
    /* Ends the processes of all ranks. */
    void (*abort)(int code);
    int (*end)(void);
} fcnn_ranks_module;

/* The name of the one symbol that is looked up. */
#define FCNN_RANKS_SYMBOL "fcnn_ranks_mpi"

#endif
