/* What a module of ranks/ gives: messages between processes, by a library that is loaded for
 * programs which a launcher started, and for no others. Functions return 0 or the library's error.
 */
#ifndef FCNN_RANKS_MODULE_H
#define FCNN_RANKS_MODULE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *family; /* "Open MPI", "MPICH" or another library's name */
    int (*start)(int *rank, int *size, char *host, size_t bytes);
    /* Sends to one rank while it receives from another; -1: neither. Both ends know the bytes. */
    int (*exchange)(int to, const void *out, int64_t out_bytes, int from, void *in,
                    int64_t in_bytes);
    int (*barrier)(void);
    void (*describe)(int error, char *text, size_t bytes);
    /* Ends the processes of all ranks. */
    void (*abort)(int code);
    int (*end)(void);
} fcnn_ranks_module;

/* The name of the one symbol that is looked up. */
#define FCNN_RANKS_SYMBOL "fcnn_ranks_mpi"

#endif
