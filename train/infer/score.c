/* A data set is scored as a training scores it, batch by batch. */
#include "score.h"

#include <math.h>
#include <stdio.h>

#include "network.h"
#include "train/run/confusion.h"
#include "train/run/problems.h"
#include "train/run/relabel.h"
#include "train/signals.h"
#include "train/terminal.h"
#include "training/identity.h"

static void print_score(const infer_options *o, double band_fraction, const fcnn_image_set *set,
                        const fcnn_score *score, double seconds) {
    double images = (double)score->images;
    double accuracy = (double)score->correct / images;
    double top5 = (double)score->correct_top5 / images;
    double milliseconds = 1000.0 * seconds / images;
    if (o->json) {
        printf("{\"accuracy\": %.6f, \"top5\": %.6f, \"loss\": %.6f, \"images\": %lld, "
               "\"ms_per_image\": %.4f, \"band_fraction\": %.9g}\n",
               accuracy, top5, score->loss / images, (long long)score->images, milliseconds,
               band_fraction);
    } else if (o->csv) {
        printf("accuracy,top5,loss,images,ms_per_image\n%.6f,%.6f,%.6f,%lld,%.4f\n", accuracy, top5,
               score->loss / images, (long long)score->images, milliseconds);
    } else {
        printf("%s images %lld  accuracy %.6f  top-5 %.6f  loss %.6f  %.4f ms an image\n",
               set->name, (long long)score->images, accuracy, top5, score->loss / images,
               milliseconds);
    }
}

static fcnn_status score_set(const infer_options *o, fcnn_training_data *s,
                             const fcnn_image_set *set, const fcnn_evaluation_options *options,
                             fcnn_graph *graph) {
    named_problems named = {0};
    fcnn_evaluation e;
    bool leads = !fcnn_ranks_number(o->ranks);
    double started = fcnn_seconds();
    fcnn_status status = fcnn_evaluate(graph, s, set, options, &e);
    double seconds = fcnn_seconds() - started;
    if (!status) status = fcnn_ranks_gather_problems(o->ranks, &s->spectra->problems);
    if (leads) problems_name(s, &named);
    if (leads) problems_summarise(s, &named, false);
    if (!status && !isfinite(e.score.loss)) status = network_not_finite(o, o->data);
    if (!status && leads) print_score(o, fcnn_graph_band_fraction(graph), set, &e.score, seconds);
    if (!status && leads && o->confusion) status = confusion_write(&e, s->dataset, o->confusion);
    fcnn_evaluation_clear(&e);
    return fcnn_ranks_agree(o->ranks, status);
}

/* Chooses what is scored. */
static fcnn_status open_set(const infer_options *o, const fcnn_model *model, fcnn_training_data *s,
                            fcnn_image_set *set) {
    FCNN_TRY(option_data(model->config, o->data));
    FCNN_TRY(fcnn_training_data_open(model->config, &signals_interrupted, &s->dataset));
    const fcnn_dataset *data = s->dataset;
    *set = (fcnn_image_set){FCNN_SPLIT_HELD_OUT, data->count[FCNN_SPLIT_HELD_OUT], NULL,
                            data->held_out_is_test ? "test" : "validation"};
    if (data->count[FCNN_SPLIT_TEST]) {
        terminal_print(stderr, "%s: its test images are scored, not its %lld validation images",
                       FCNN_SHOWN(o->data), (long long)set->count);
        *set = (fcnn_image_set){FCNN_SPLIT_TEST, data->count[FCNN_SPLIT_TEST], NULL, "test"};
    }
    if (!set->count)
        *set = (fcnn_image_set){FCNN_SPLIT_TRAIN, data->count[FCNN_SPLIT_TRAIN], NULL, "all"};
    if (o->limit && o->limit < set->count) set->count = o->limit;
    FCNN_TRY(relabel_for_model(model, set, &s->dataset));
    if (set->split == FCNN_SPLIT_TRAIN)
        terminal_print(stderr,
                       "%s has no validation or test images: all of it is scored, with any that "
                       "the model was trained on",
                       FCNN_SHOWN(o->data));
    return FCNN_OK;
}

static fcnn_status score_opened(const infer_options *o, const fcnn_model *model,
                                fcnn_device *device, fcnn_training_data *s,
                                const fcnn_image_set *set) {
    /* The batch is that of training. */
    const fcnn_evaluation_options options = {.batch = network_training_batch(model),
                                             .threads = device->threads,
                                             .by_batch = true,
                                             .ranks = o->ranks};
    const fcnn_training_events events = terminal_events(NULL);
    fcnn_graph *graph = NULL;
    FCNN_TRY(fcnn_data_identity_compare(o->ranks, s->dataset, set));
    fcnn_status status = network_open(o, model, device, options.batch, &graph);
    if (!status)
        status = fcnn_ranks_agree(
            o->ranks, fcnn_training_data_open_spectra(model->config, graph, device, &events, s));
    if (!status) status = score_set(o, s, set, &options, graph);
    fcnn_graph_destroy(graph);
    return status;
}

fcnn_status score_data(const infer_options *o, const fcnn_model *model, fcnn_device *device) {
    fcnn_training_data s = {0};
    fcnn_image_set set;
    fcnn_status status = fcnn_ranks_agree(o->ranks, open_set(o, model, &s, &set));
    if (!status) status = score_opened(o, model, device, &s, &set);
    fcnn_dataset *opened = s.dataset;
    fcnn_training_data_clear(&s);
    fcnn_dataset_close(opened);
    return status;
}
