/* A run writes models into its folder, and checkpoints that hold its position, and reads them
 * back. */
#ifndef FCNN_TRAIN_RUN_POSITION_H
#define FCNN_TRAIN_RUN_POSITION_H

#include "state.h"

/* Takes the lines "key=..." out of a cfg's text. */
void position_remove_key(char *text, const char *key);

/* Saves the graph without moments. */
fcnn_status position_save_model(trainer *t, const char *name);
fcnn_status position_save_checkpoint(trainer *t);

/* Reads the position of folder/checkpoint.safetensors after checking that it is of this cfg (epochs
 * alone may differ) and as many images. The caller restores the graph from *model, and destroys
 * it. */
fcnn_status position_load(trainer *t, fcnn_model **model);

#endif
