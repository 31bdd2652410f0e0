/* The devices of a program's ranks. */
#ifndef FCNN_TRAIN_DEVICES_H
#define FCNN_TRAIN_DEVICES_H

#include "backend.h"
#include "ranks/ranks.h"

/* Opens the device that is a rank's turn among those of its host, as fcnn_device_open does. */
fcnn_status devices_open(const fcnn_ranks *ranks, const char *name, int threads,
                         fcnn_device **device);
/* Tells once, by rank 0, where ranks share a device: each computes as if it had all of it. Every
 * rank calls it. */
fcnn_status devices_tell_shared(fcnn_ranks *ranks, const fcnn_device *device);

#endif
