/* Messages by MPI, compiled by each library's own compiler into a module. */
#include <mpi.h>
#include <stdio.h>

#include "module.h"

enum { PIECE_BYTES = 1 << 28 }; /* MPI counts in int */

static int start(int *rank, int *size, char *host, size_t bytes) {
    char name[MPI_MAX_PROCESSOR_NAME];
    int provided, length, error = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (!error) error = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (!error) error = MPI_Comm_rank(MPI_COMM_WORLD, rank);
    if (!error) error = MPI_Comm_size(MPI_COMM_WORLD, size);
    if (!error) error = MPI_Get_processor_name(name, &length);
    if (!error) snprintf(host, bytes, "%s", name);
    return error;
}

static int piece(int64_t bytes) { return bytes < PIECE_BYTES ? (int)bytes : PIECE_BYTES; }

static int exchange(int to, const void *out, int64_t out_bytes, int from, void *in,
                    int64_t in_bytes) {
    const char *next_out = out;
    char *next_in = in;
    int error = MPI_SUCCESS;
    while (!error && (out_bytes > 0 || in_bytes > 0)) {
        int sent = piece(out_bytes), received = piece(in_bytes);
        error = MPI_Sendrecv(next_out, sent, MPI_BYTE, sent ? to : MPI_PROC_NULL, 0, next_in,
                             received, MPI_BYTE, received ? from : MPI_PROC_NULL, 0, MPI_COMM_WORLD,
                             MPI_STATUS_IGNORE);
        next_out += sent;
        next_in += received;
        out_bytes -= sent;
        in_bytes -= received;
    }
    return error;
}

static int barrier(void) { return MPI_Barrier(MPI_COMM_WORLD); }

static void describe(int error, char *text, size_t bytes) {
    char message[MPI_MAX_ERROR_STRING];
    int length;
    if (MPI_Error_string(error, message, &length)) length = 0;
    snprintf(text, bytes, "%.*s", length, message);
}

static void abort_all(int code) { MPI_Abort(MPI_COMM_WORLD, code); }

extern const fcnn_ranks_module fcnn_ranks_mpi;
const fcnn_ranks_module fcnn_ranks_mpi = {
#if defined(OPEN_MPI)
    .family = "Open MPI",
#elif defined(MPICH)
    .family = "MPICH",
#else
    .family = "MPI",
#endif
    .start = start,
    .exchange = exchange,
    .barrier = barrier,
    .describe = describe,
    .abort = abort_all,
    .end = MPI_Finalize};
