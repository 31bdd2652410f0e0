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
    double started = fcnn_seconds();
    fcnn_status status = fcnn_evaluate(graph, s, set, options, &e);
    double seconds = fcnn_seconds() - started;
    problems_name(s, &named);
    problems_summarise(s, &named, false);
    if (!status && !isfinite(e.score.loss)) status = network_not_finite(o, o->data);
    if (!status) print_score(o, fcnn_graph_band_fraction(graph), set, &e.score, seconds);
    if (!status && o->confusion) status = confusion_write(&e, s->dataset, o->confusion);
    fcnn_evaluation_clear(&e);
    return status;
}

fcnn_status score_data(const infer_options *o, const fcnn_model *model, fcnn_device *device) {
    /* The batch is that of training, so that the sums are the same to the last bit. */
    int batch = network_training_batch(model);
    const fcnn_evaluation_options options = {
        .batch = batch,
        .threads = device->threads,
        .by_batch = fcnn_section_int(&model->config->sections[0], "shards") > 1};
    fcnn_graph *graph = NULL;
    const fcnn_training_events events = terminal_events(NULL);
    fcnn_training_data s = {0};
    FCNN_TRY(option_data(model->config, o->data));
    FCNN_TRY(fcnn_training_data_open(model->config, &signals_interrupted, &s.dataset));
    const fcnn_dataset *data = s.dataset;
    fcnn_image_set set = {FCNN_SPLIT_HELD_OUT, data->count[FCNN_SPLIT_HELD_OUT], NULL,
                          data->held_out_is_test ? "test" : "validation"};
    if (data->count[FCNN_SPLIT_TEST]) {
        terminal_print(stderr, "%s: its test images are scored, not its %lld validation images",
                       FCNN_SHOWN(o->data), (long long)set.count);
        set = (fcnn_image_set){FCNN_SPLIT_TEST, data->count[FCNN_SPLIT_TEST], NULL, "test"};
    }
    if (!set.count)
        set = (fcnn_image_set){FCNN_SPLIT_TRAIN, data->count[FCNN_SPLIT_TRAIN], NULL, "all"};
    if (o->limit && o->limit < set.count) set.count = o->limit;
    fcnn_status status = relabel_for_model(model, &set, &s.dataset);
    if (!status && set.split == FCNN_SPLIT_TRAIN)
        fprintf(stderr,
                "%s has no validation or test images: all of it is scored, with any that "
                "the model was trained on\n",
                FCNN_SHOWN(o->data));
    if (!status) status = network_open(o, model, device, batch, &graph);
    if (!status)
        status = fcnn_training_data_open_spectra(model->config, graph, device, &events, &s);
    if (!status) status = score_set(o, &s, &set, &options, graph);
    fcnn_dataset *opened = s.dataset;
    fcnn_training_data_clear(&s);
    fcnn_dataset_close(opened);
    fcnn_graph_destroy(graph);
    return status;
}
