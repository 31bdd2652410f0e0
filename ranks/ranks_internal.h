/* The state of ranks, shared by open.c and ranks.c. */
#ifndef FCNN_RANKS_INTERNAL_H
#define FCNN_RANKS_INTERNAL_H

#include "module.h"
#include "ranks.h"

struct fcnn_ranks {
    const fcnn_ranks_module *module;
    int number, size;
    bool threads; /* messages may be another thread's */
    bool agreed;  /* on a failure */
    char host[256], name[288];
};

#endif
