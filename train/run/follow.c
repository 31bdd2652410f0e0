/* A rank that follows takes its part in each agreement, message and step of rank 0. */
#include "follow.h"

#include "train/terminal.h"

/* Rank 0 tells what all know of; a warning here is of this rank alone. */
static void warn(void *user, fcnn_message_kind kind, const char *text) {
    (void)user;
    if (kind == FCNN_WARNING) terminal_warn("%s", text);
}

static fcnn_status finish(fcnn_training *t, named_problems *problems) {
    fcnn_problems *found = &t->of.data->spectra->problems;
    fcnn_score score;
    if (t->of.data->test.count) FCNN_TRY(fcnn_training_test(t, &score));
    problems->of_spectra = found->count; /* rank 0 names them */
    return fcnn_ranks_gather_problems(t->of.ranks, found);
}

static fcnn_status train(fcnn_training *t, named_problems *problems, bool *finished) {
    fcnn_ranks *ranks = t->of.ranks;
    FCNN_TRY(fcnn_training_compare_ranks(t));
    FCNN_TRY(fcnn_ranks_agree(ranks, FCNN_OK)); /* rank 0 has claimed its folder */
    FCNN_TRY(fcnn_training_prepare(t));
    FCNN_TRY(fcnn_ranks_agree(ranks, FCNN_OK)); /* it has begun or resumed */
    FCNN_TRY(fcnn_training_share(t));
    FCNN_TRY(fcnn_training_loop(t, finished));
    return *finished ? finish(t, problems) : FCNN_OK;
}

fcnn_status follow(const fcnn_training_parts *parts, bool *finished) {
    fcnn_training training;
    fcnn_training_parts own = *parts;
    own.events = (fcnn_training_events){.message = warn};
    named_problems problems = {.of_data = parts->data->dataset->problems.count};
    fcnn_status status = fcnn_ranks_agree(parts->ranks, fcnn_training_create(&training, &own));
    if (!status) status = train(&training, &problems, finished);
    problems_name(parts->data, &problems); /* where it does not come to the end */
    fcnn_training_clear(&training);
    return status;
}
