/* What is wrong with single images is named on standard error, each once. */
#ifndef FCNN_TRAIN_RUN_PROBLEMS_H
#define FCNN_TRAIN_RUN_PROBLEMS_H

#include "training/data.h"

/* So many of the data set's and of the spectra's problems are named, in so many lines. */
typedef struct {
    int64_t of_data, of_spectra, lines;
} named_problems;

/* Names those that were found when the data set was opened; on a terminal one of them. */
void problems_name_first(const fcnn_dataset *dataset, named_problems *named);
/* Names each that was found since the last call, in 50 lines a run at most. It is called while no
 * loader reads: between epochs, or once it is destroyed. */
void problems_name(const fcnn_training_data *data, named_problems *named);
/* Says at the end of a run how many there were and, unless quiet, what the cache did. */
void problems_summarise(const fcnn_training_data *data, const named_problems *named, bool quiet);

#endif
