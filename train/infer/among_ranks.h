/* What ranks of fcnn-infer tell each other. */
#ifndef FCNN_TRAIN_INFER_AMONG_RANKS_H
#define FCNN_TRAIN_INFER_AMONG_RANKS_H

#include "infer.h"

/* Refuses ranks that are not alike: of other versions, instruction sets, models or options. */
fcnn_status compare_ranks(const infer_options *options, const fcnn_model *model,
                          const fcnn_device *device);

/* Gives rank 0 the problems that the others have found in a data set, each once. */
fcnn_status gather_problems(fcnn_ranks *ranks, fcnn_problems *problems);

/* Gives rank 0 some bytes of another one, which the caller frees there. */
fcnn_status pass_text(fcnn_ranks *ranks, int from, fcnn_text *text, char **received,
                      int64_t *bytes);

#endif
