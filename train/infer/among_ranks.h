/* What ranks of fcnn-infer tell each other. */
#ifndef FCNN_TRAIN_INFER_AMONG_RANKS_H
#define FCNN_TRAIN_INFER_AMONG_RANKS_H

#include "infer.h"

/* Refuses ranks that are not alike: of other versions, instruction sets, models or options. */
fcnn_status compare_ranks(const infer_options *options, const fcnn_model *model,
                          const fcnn_device *device);

#endif
