/* A rank that follows takes its part in each agreement, message and step of rank 0. */
#include "follow.h"

#include "train/terminal.h"

/* Rank 0 tells what all know of; a warning here is of this rank alone. */
static void warn(void *user, fcnn_message_kind kind, const char *text) {
    (void)user;
    if (kind == FCNN_WARNING) terminal_warn("%s", text);
}

static fcnn_status test(fcnn_training *t) {
    fcnn_score score;
    return t->of.data->test.count ? fcnn_training_test(t, &score) : FCNN_OK;
}

static fcnn_status train(fcnn_training *t, bool *finished) {
    fcnn_ranks *ranks = t->of.ranks;
    FCNN_TRY(fcnn_training_compare_ranks(t));
    FCNN_TRY(fcnn_ranks_agree(ranks, FCNN_OK)); /* rank 0 has claimed its folder */
    FCNN_TRY(fcnn_training_prepare(t));
    FCNN_TRY(fcnn_ranks_agree(ranks, FCNN_OK)); /* it has begun or resumed */
    FCNN_TRY(fcnn_training_share(t));
    FCNN_TRY(fcnn_training_loop(t, finished));
    return *finished ? test(t) : FCNN_OK;
}

fcnn_status follow(const fcnn_training_parts *parts, bool *finished) {
    fcnn_training training;
    fcnn_training_parts own = *parts;
    own.events = (fcnn_training_events){.message = warn};
    named_problems problems = {.of_data = parts->data->dataset->problems.count};
    fcnn_status status = fcnn_ranks_agree(parts->ranks, fcnn_training_create(&training, &own));
    if (!status) status = train(&training, finished);
    problems_name(parts->data, &problems); /* those of the data are named by rank 0 */
    fcnn_training_clear(&training);
    return status;
}
