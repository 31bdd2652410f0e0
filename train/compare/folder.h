/* The folder of a comparison: which of its entries are the comparison's own. */
#ifndef FCNN_TRAIN_COMPARE_FOLDER_H
#define FCNN_TRAIN_COMPARE_FOLDER_H

#include "comparison.h"
#include "train/run/rundir.h"

/* Its context is the comparison, which has its variants; other variants are told by their cfgs. */
rundir_kind comparison_folder_kind(const comparison *c);

#endif
