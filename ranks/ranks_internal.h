/* The state of ranks, shared by open.c and ranks.c. */
#ifndef FCNN_RANKS_INTERNAL_H
#define FCNN_RANKS_INTERNAL_H

#include "module.h"
#include "ranks.h"

struct fcnn_ranks {
    const fcnn_ranks_module *module;
    fcnn_ranks_place place;
    bool threads; /* messages may be another thread's */
    bool agreed;  /* on a failure */
    char name[288], launch[64];
};

#endif
