/* A run writes models into its folder, and checkpoints that hold its position, and reads them
 * back. */
#ifndef FCNN_TRAIN_RUN_POSITION_H
#define FCNN_TRAIN_RUN_POSITION_H

#include "state.h"

/* Metadata of a checkpoint that say how its run was started, beside its cfg: what --limit, --cache
 * and --save said. */
#define POSITION_LIMIT "limit"
#define POSITION_CACHE "cache"
#define POSITION_FORM  "save"

/* Copies the graph's weights, as a model of the form that the run saves. */
fcnn_status position_take_model(const trainer *t, fcnn_snapshot **snapshot);
/* Copies moments and position; the weights are those of `model` where that is compact, which then
 * has to outlive it. */
fcnn_status position_take_checkpoint(const trainer *t, const fcnn_snapshot *model,
                                     fcnn_snapshot **snapshot);

/* Reads folder/checkpoint.safetensors, and checks that it is of this cfg; epochs, cache,
 * save_every and the data's path may differ. The caller destroys it. */
fcnn_status position_open(const char *folder, const fcnn_config *config, fcnn_model **checkpoint);
/* Whether folder/model.safetensors is not known to be the model of the checkpoint that was opened:
 * it was removed or replaced, or a run with --save spectral was killed before it was named. */
bool position_lacks_model(const char *folder, const fcnn_model *checkpoint);

#endif
