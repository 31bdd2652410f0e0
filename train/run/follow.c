/* A rank that follows takes its part in each agreement, message and step of rank 0. */
#include "follow.h"

static fcnn_status train(fcnn_training *t, bool *finished) {
    fcnn_ranks *ranks = t->of.ranks;
    FCNN_TRY(fcnn_training_compare_ranks(t));
    /* Rank 0 claims its folder, opens the cache's file, reads statistics, and begins or resumes. */
    FCNN_TRY(fcnn_ranks_agree(ranks, FCNN_OK));
    FCNN_TRY(fcnn_ranks_agree(ranks, fcnn_training_data_open_spectra(t->of.config, t->largest,
                                                                     t->of.device, &t->of.events,
                                                                     t->of.data)));
    FCNN_TRY(fcnn_training_share(t));
    return fcnn_training_loop(t, finished);
}

fcnn_status follow(const fcnn_training_parts *parts, bool *finished) {
    fcnn_training training;
    named_problems problems = {.of_data = parts->data->dataset->problems.count};
    fcnn_status status = fcnn_ranks_agree(parts->ranks, fcnn_training_create(&training, parts));
    if (!status) status = train(&training, finished);
    problems_name(parts->data, &problems); /* those of the data are named by rank 0 */
    fcnn_training_clear(&training);
    return status;
}
