/* Ranks are processes of one program, on one machine or several, that work on one training and send
 * each other messages. A launcher such as mpirun or srun starts them; a process that none started
 * is one rank, which is NULL here, and loads no library for it. Calls are of the thread that has
 * opened them or, where fcnn_ranks_threads says so, of another one while no other calls.
 */
#ifndef FCNN_RANKS_RANKS_H
#define FCNN_RANKS_RANKS_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "dataset.h"
#include "text.h"

typedef struct fcnn_ranks fcnn_ranks;

/* Opens the ranks that a launcher has started, by the module that fits it, which lies beside the
 * program or where it was installed to; *ranks is NULL where there is one alone.
 * FCNN_ERROR_UNSUPPORTED where there is no such module, or where srun was not told to give its
 * tasks a way to find each other. */
fcnn_status fcnn_ranks_open(fcnn_ranks **ranks);
/* The number of this process as a rank where its launcher would not tell which rank was killed; -1
 * where it would, or where there is one alone. May be asked before they are opened. */
int fcnn_ranks_unnamed(void);
/* Waits for all of them. */
void fcnn_ranks_close(fcnn_ranks *ranks);

int fcnn_ranks_number(const fcnn_ranks *ranks); /* of this one, from 0 */
int fcnn_ranks_size(const fcnn_ranks *ranks);
int fcnn_ranks_local(const fcnn_ranks *ranks);        /* its number among the ranks of its host */
const char *fcnn_ranks_host(const fcnn_ranks *ranks); /* "" where there is one alone */
/* "rank 2 on HOST"; "" where there is one alone. */
const char *fcnn_ranks_name(const fcnn_ranks *ranks);
/* What starts as many ranks by the launcher that has started these, before a program's name:
 * "mpirun -n 4"; "" where there is one alone. */
const char *fcnn_ranks_launch(const fcnn_ranks *ranks);

/* Whether another thread may send and receive. */
bool fcnn_ranks_threads(const fcnn_ranks *ranks);
/* Ends the messages that another thread waits for, and all later ones: ranks are then aborted. */
void fcnn_ranks_cancel(fcnn_ranks *ranks);

/* Messages of as many bytes as the other end expects; FCNN_ERROR_IO names the other rank. */
fcnn_status fcnn_ranks_send(fcnn_ranks *ranks, int to, const void *data, int64_t bytes);
fcnn_status fcnn_ranks_receive(fcnn_ranks *ranks, int from, void *data, int64_t bytes);
fcnn_status fcnn_ranks_exchange(fcnn_ranks *ranks, int other, const void *out, int64_t out_bytes,
                                void *in, int64_t in_bytes);
fcnn_status fcnn_ranks_barrier(fcnn_ranks *ranks);
/* Gives all ranks what rank 0 has. */
fcnn_status fcnn_ranks_broadcast(fcnn_ranks *ranks, void *data, int64_t bytes);

/* This rank's run of `count` things: first .. end-1. Runs lie one behind the other, in the ranks'
 * order. */
void fcnn_ranks_run(const fcnn_ranks *ranks, int64_t count, int64_t *first, int64_t *end);
/* Gives rank 0 the other ranks' runs of `count` things, of so many bytes each, in their places. */
fcnn_status fcnn_ranks_gather(fcnn_ranks *ranks, void *things, int64_t count, int64_t bytes);
/* Gives all ranks the bits that any of them has. */
fcnn_status fcnn_ranks_any(fcnn_ranks *ranks, int *bits);

/* Sends a text, which may have zeros in it, to rank 0; it is empty then. Rank 0 receives it with a
 * zero behind it, and frees it. */
fcnn_status fcnn_ranks_send_text(fcnn_ranks *ranks, fcnn_text *text);
fcnn_status fcnn_ranks_receive_text(fcnn_ranks *ranks, int from, char **text, int64_t *bytes);
/* Gives rank 0 the problems that the others have found and it has not, each once. */
fcnn_status fcnn_ranks_gather_problems(fcnn_ranks *ranks, fcnn_problems *problems);

/* What all have come to: FCNN_OK, or the failure of the first rank that has failed, with its
 * message. Every rank calls it; afterwards all go on, or none does. */
fcnn_status fcnn_ranks_agree(fcnn_ranks *ranks, fcnn_status status);
/* Whether the last failure is one that all ranks know of: rank 0 tells it. */
bool fcnn_ranks_agreed(const fcnn_ranks *ranks);
/* Refuses a text that is not rank 0's: FCNN_ERROR_CONFIG, agreed on, names what differs and the
 * first line in which it does. */
fcnn_status fcnn_ranks_compare(fcnn_ranks *ranks, const char *what, const char *ours);
/* Refuses other versions of fcnn, and other instruction sets, than rank 0's. */
fcnn_status fcnn_ranks_compare_machines(fcnn_ranks *ranks, const fcnn_device *device);
/* Ends the processes of all ranks, after the message of this one's failure. */
void fcnn_ranks_abort(fcnn_ranks *ranks, int code);

#endif
