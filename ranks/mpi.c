/* Messages by MPI, compiled by each library's own compiler into a module. */
#include <mpi.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "module.h"

enum { PIECE_BYTES = 1 << 28 }; /* MPI counts in int */

/* Open MPI writes large messages into each other's memory by default: over TCP what asks for one
 * waits behind those that go the other way, and an exchange takes twice its time. */
static void send_plainly(void) { setenv("OMPI_MCA_btl_tcp_flags", "send", 0); }

/* Processes that can share memory are those of one host. */
static int count_locally(int rank, int *local) {
    MPI_Comm host;
    int error =
        MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &host);
    if (error) return error;
    error = MPI_Comm_rank(host, local);
    int freed = MPI_Comm_free(&host);
    return error ? error : freed;
}

static int start(fcnn_ranks_place *place, bool *threads) {
    char name[MPI_MAX_PROCESSOR_NAME];
    send_plainly();
    int provided, length, error = MPI_Init_thread(NULL, NULL, MPI_THREAD_SERIALIZED, &provided);
    if (!error) error = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (!error) error = MPI_Comm_rank(MPI_COMM_WORLD, &place->number);
    if (!error) error = MPI_Comm_size(MPI_COMM_WORLD, &place->size);
    if (!error) error = count_locally(place->number, &place->local);
    if (!error) error = MPI_Get_processor_name(name, &length);
    if (!error) snprintf(place->host, sizeof place->host, "%s", name);
    *threads = !error && provided >= MPI_THREAD_SERIALIZED;
    return error;
}

/* ---- Waiting ---- */

/* A library's own wait takes a whole processor from those that compute. Here pauses grow with the
 * time that has passed: they are a small part of it, and a long wait costs next to nothing. */
static const double spin_seconds = 100e-6, pause_part = 0.01, pause_least = 1e-6,
                    pause_most = 200e-6;
static atomic_bool cancelled;

/* Timers of a thread are 50 us late where it does not ask for better ones. */
static void pause_for(double seconds) {
    static _Thread_local bool precise;
    const struct timespec pause = {0, (long)(1e9 * seconds)};
    if (!precise) precise = !prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    nanosleep(&pause, NULL);
}

static void pause_since(double began) {
    double passed = MPI_Wtime() - began, pause = pause_part * passed;
    if (passed < spin_seconds)
        sched_yield();
    else
        pause_for(pause < pause_least ? pause_least : pause < pause_most ? pause : pause_most);
}

static int wait_for(int count, MPI_Request *requests) {
    double began = MPI_Wtime();
    for (;;) {
        MPI_Status statuses[2];
        int done, error = MPI_Testall(count, requests, &done, statuses);
        for (int i = 0; error == MPI_ERR_IN_STATUS && i < count; i++)
            if (statuses[i].MPI_ERROR && statuses[i].MPI_ERROR != MPI_ERR_PENDING)
                error = statuses[i].MPI_ERROR;
        if (error || done) return error;
        if (atomic_load(&cancelled)) return MPI_ERR_OTHER;
        pause_since(began);
    }
}

static void cancel(void) { atomic_store(&cancelled, true); }

/* ---- Messages ---- */

static int piece(int64_t bytes) { return bytes < PIECE_BYTES ? (int)bytes : PIECE_BYTES; }

static int exchange_piece(int to, const void *out, int sent, int from, void *in, int received) {
    MPI_Request requests[2];
    int count = 0, error = MPI_SUCCESS;
    if (received)
        error = MPI_Irecv(in, received, MPI_BYTE, from, 0, MPI_COMM_WORLD, &requests[count++]);
    if (!error && sent)
        error = MPI_Isend(out, sent, MPI_BYTE, to, 0, MPI_COMM_WORLD, &requests[count++]);
    return error ? error : wait_for(count, requests);
}

static int exchange(int to, const void *out, int64_t out_bytes, int from, void *in,
                    int64_t in_bytes) {
    const char *next_out = out;
    char *next_in = in;
    int error = MPI_SUCCESS;
    while (!error && (out_bytes > 0 || in_bytes > 0)) {
        int sent = piece(out_bytes), received = piece(in_bytes);
        error = exchange_piece(to, next_out, sent, from, next_in, received);
        next_out += sent;
        next_in += received;
        out_bytes -= sent;
        in_bytes -= received;
    }
    return error;
}

static int barrier(void) {
    MPI_Request request;
    int error = MPI_Ibarrier(MPI_COMM_WORLD, &request);
    return error ? error : wait_for(1, &request);
}

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
    .cancel = cancel,
    .describe = describe,
    .abort = abort_all,
    .end = MPI_Finalize};
