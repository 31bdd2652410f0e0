/* What comes before the first step: spectra are opened, and the statistics of the input taken. Of
 * ranks each reads its run of the images, whose spectra go into its cache. */
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "training_internal.h"

enum { STATISTICS_IMAGES = 2048 };

/* ---- Spectra ---- */

static fcnn_status open_spectra(const fcnn_training *t, const fcnn_training_events *events) {
    return fcnn_training_data_open_spectra(t->of.config, t->largest, t->of.device, events,
                                           t->of.data);
}

static void keep_note(void *user, fcnn_message_kind kind, const char *text) {
    if (kind == FCNN_NOTE) fcnn_text_add(user, "%s; ", text);
}

/* A cache is each rank's own matter: one that has none, where rank 0 has, says why. */
static fcnn_status tell_of_no_cache(const fcnn_training *t, const char *notes) {
    bool cached = *fcnn_spectra_used(t->of.data->spectra).path, first = cached;
    FCNN_TRY(fcnn_ranks_broadcast(t->of.ranks, &first, sizeof first));
    if (first && !cached)
        fcnn_training_tell(&t->of.events, FCNN_WARNING, "%s: %.*s", fcnn_ranks_name(t->of.ranks),
                           (int)strlen(notes) - 2, notes);
    return FCNN_OK;
}

static fcnn_status open_after_first(const fcnn_training *t) {
    fcnn_text told = {0};
    const fcnn_training_events keep = {.user = &told, .message = keep_note};
    fcnn_status status = fcnn_ranks_agree(t->of.ranks, open_spectra(t, &keep));
    char *notes = fcnn_text_take(&told);
    if (!status) status = tell_of_no_cache(t, notes ? notes : "no cache: out of memory; ");
    free(notes);
    return status;
}

/* Rank 0 makes the file of a cache that the ranks share. */
static fcnn_status open_in_turn(const fcnn_training *t) {
    bool first = !fcnn_ranks_number(t->of.ranks);
    FCNN_TRY(fcnn_ranks_agree(t->of.ranks, first ? open_spectra(t, &t->of.events) : FCNN_OK));
    if (!first) return open_after_first(t);
    FCNN_TRY(fcnn_ranks_agree(t->of.ranks, FCNN_OK)); /* the others have */
    return tell_of_no_cache(t, "");
}

/* ---- Statistics ---- */

/* What is the same in every image tells nothing. A channel that never varies has deviation 1. */
static void warn_of_constant_channels(const fcnn_training *t) {
    const double least = 1e-4; /* a level of 8 bits in one pixel of 1,500 */
    const fcnn_input_statistics *found = &t->of.data->statistics;
    for (int c = 0; c < found->channels; c++) {
        double mean = (double)found->mean[c], deviation = (double)found->deviation[c];
        if (deviation >= least && deviation < 1) continue;
        fcnn_training_tell(&t->of.events, FCNN_WARNING,
                           "channel %d of the training images is %s%s: its mean is %.6f of 1%s",
                           c + 1, deviation < 1 ? "nearly " : "",
                           mean < least ? "black" : "constant", mean,
                           c + 1 < found->channels ? "" : "; there is little to learn from it");
    }
}

static int64_t at_most(int64_t value, int64_t most) { return value < most ? value : most; }

/* Ranks hear of each other after each piece of their runs: whether one has failed or is to stop. */
static fcnn_status sum_run(const fcnn_training *t, const fcnn_statistics_images *of,
                           fcnn_image_sums *sums) {
    enum { TOGETHER = 128 };
    fcnn_ranks *ranks = t->of.ranks;
    int threads = t->of.device->threads > 0 ? t->of.device->threads : 1;
    int64_t first, end, size = fcnn_ranks_size(ranks);
    int64_t longest = (of->used + size - 1) / size, piece = ranks ? TOGETHER : of->used;
    fcnn_ranks_run(ranks, of->used, &first, &end);
    for (int64_t done = 0; done < longest; done += piece)
        FCNN_TRY(fcnn_ranks_agree(
            ranks, fcnn_statistics_sum(t->of.data->spectra, of, at_most(first + done, end),
                                       at_most(first + done + piece, end), threads, sums)));
    return FCNN_OK;
}

/* Rank 0 adds the sums of all images, in their order. */
static fcnn_status take_statistics(const fcnn_training *t, const fcnn_statistics_images *of) {
    fcnn_ranks *ranks = t->of.ranks;
    fcnn_training_data *s = t->of.data;
    fcnn_image_sums *sums = calloc((size_t)of->used, sizeof *sums);
    fcnn_status status = FCNN_OK;
    if (!sums) status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the statistics");
    status = fcnn_ranks_agree(ranks, status);
    if (!status) status = sum_run(t, of, sums);
    if (!status) status = fcnn_ranks_gather(ranks, sums, of->used, sizeof *sums);
    if (!status && !fcnn_ranks_number(ranks))
        status = fcnn_statistics_finish(s->spectra, of, sums, &s->statistics);
    free(sums);
    return fcnn_ranks_agree(ranks, status);
}

fcnn_status fcnn_training_prepare(fcnn_training *t) {
    fcnn_training_data *s = t->of.data;
    int64_t count = s->train.count;
    const fcnn_statistics_images of = {s->train.split, s->train.indices, count,
                                       count < STATISTICS_IMAGES ? count : STATISTICS_IMAGES};
    FCNN_TRY(open_in_turn(t));
    double started = fcnn_seconds();
    FCNN_TRY(take_statistics(t, &of));
    if (fcnn_ranks_number(t->of.ranks) == 0) warn_of_constant_channels(t);
    /* With an empty cache much of the first epoch's work is done here. */
    double seconds = fcnn_seconds() - started;
    if (seconds >= 1)
        fcnn_training_tell(&t->of.events, FCNN_DETAIL,
                           "read %lld images for their mean and deviation in %.1f s",
                           (long long)of.used, seconds);
    /* From here on ranks stop where they have agreed to. */
    if (t->of.ranks) s->spectra->interrupted = t->of.interrupted;
    return FCNN_OK;
}
