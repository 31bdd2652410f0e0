/* The time of a training step on several ranks is predicted from that of one: each rank passes its
 * images, a thread of its own exchanges each bucket of gradients once the backward pass has filled
 * it, and the weights are updated when all have been. The exchange is training/exchange.c's. All
 * times are in seconds. */
#ifndef FCNN_TRAIN_BENCH_RANKS_MODEL_H
#define FCNN_TRAIN_BENCH_RANKS_MODEL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    double bandwidth; /* bytes a second that a rank sends while it receives as many */
    double latency;   /* until a message of hardly any bytes has arrived */
    double memory;    /* bytes a second that a rank reads and writes as it adds sums */
} ranks_link;

/* What is exchanged in a step. */
typedef struct {
    int bucket_count;
    int64_t *bytes;   /* [bucket_count], in the order in which they are sent */
    int64_t report;   /* bytes of scores and running statistics */
    bool cut_update;  /* each rank updates its part of the weights, and all gather them */
    bool gather_sums; /* each rank gets all sums; else those of its part */
} ranks_traffic;

/* A step of one rank by itself, on so many images. */
typedef struct {
    int images;
    double computation; /* forward and backward pass */
    double *lead;       /* [bucket_count]: a bucket is complete so long before its end */
    double update;
} ranks_pass;

/* What a step is made of; the largest binds. */
typedef enum {
    RANKS_COMPUTATION, /* at one rank's images a second */
    RANKS_SHARD,       /* what it takes longer, as a rank has fewer images */
    RANKS_BANDWIDTH,   /* of what computation does not hide: sending and adding bytes, */
    RANKS_LATENCY,     /* and waiting for messages */
    RANKS_UPDATE,
    RANKS_PARTS
} ranks_part;
extern const char *const ranks_part_names[RANKS_PARTS];

typedef struct {
    int ranks, images; /* of each rank */
    double parts[RANKS_PARTS], step;
    double exchange, hidden; /* all of the exchange, and what goes beside the backward pass */
    double speed_up;         /* in images a second, against one rank */
    double efficiency;
    ranks_part binds;
} ranks_step;

/* The seconds of halving sums of so many bytes log2(ranks) times, each rank adding what it gets. */
double ranks_halve_seconds(const ranks_link *link, int64_t bytes, int ranks);
/* And of doubling the parts back to all. */
double ranks_double_seconds(const ranks_link *link, int64_t bytes, int ranks);
/* Predicts a step of so many ranks, a power of two, of which each passes what `pass` does; `one` is
 * the step of one rank alone. */
ranks_step ranks_predict(const ranks_traffic *traffic, const ranks_link *link,
                         const ranks_pass *pass, const ranks_pass *one, int ranks);

#endif
