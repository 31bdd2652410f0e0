/* fcnn-infer: classifies pictures, or scores a model on a data set. The model
 * file alone is enough. */
#include <stdlib.h>
#include <string.h>

#include "devices.h"
#include "options.h"
#include "program_ranks.h"
#include "replace.h"
#include "signals.h"
#include "terminal.h"
#include "train/features/canvas.h"
#include "train/infer/among_ranks.h"
#include "train/infer/classify.h"
#include "train/infer/infer.h"
#include "train/infer/score.h"

#define FIELD(name) offsetof(infer_options, name)
static const option_row rows[] = {
    {"data", "NAME|DIR", OPTION_TEXT, FIELD(data), 0, 0,
     "score on this data set (its test or validation images)"},
    {"top", "K", OPTION_INT, FIELD(top), 1, 1 << 20, "classes printed for a picture (default 1)"},
    {"csv", NULL, OPTION_FLAG, FIELD(csv), 0, 0,
     "one line a picture and class: file,rank,class,probability"},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "one JSON object"},
    {"picture", "FILE.html|FILE.png", OPTION_TEXT, FIELD(picture), 0, 0,
     "one picture: a page, or a figure, of every layer's maps and spectra, what pooling keeps and "
     "what the classifier weighed"},
    {"features", "LAYER FILE.npy", OPTION_PAIR, FIELD(features), 0, 0,
     "pictures: a layer's output, as an array [picture][channel] of maps or of complex bins"},
    {"confusion", "FILE", OPTION_TEXT, FIELD(confusion), 0, 0,
     "with --data: images by label and predicted class, as CSV"},
    {"band-fraction", "F", OPTION_FRACTION, FIELD(band_fraction), 0, 0,
     "compute on the bins inside F of every radius, 0 < F <= 1"},
    {"norm-data", "NAME|DIR", OPTION_TEXT, FIELD(norm_data), 0, 0,
     "running statistics of the norms anew, from this data set's training images; wanted with "
     "--band-fraction"},
    {"limit", "N", OPTION_INT64, FIELD(limit), 1, INT64_MAX,
     "at most N images of each data set, or of the pictures"},
    OPTION_THREADS(infer_options),
    OPTION_DEVICE(infer_options),
    {0}};

const program_info infer_program = {
    .name = "fcnn-infer",
    .synopsis = "MODEL [PICTURE|FOLDER|ARCHIVE...] [options]",
    .summary = "Classifies pictures with a saved model, or scores it on a data set's test images.",
    .operand = "model",
    .several = true,
    .rows = rows,
    .notes = "Of a folder, a .zip or a .tar all pictures are classified, in the folders in it too, "
             "in the order of their names. A picture that cannot be read is named on standard "
             "error, the others go on, and the exit code is then 1; files that are no pictures by "
             "their names are named alone.\n"};

/* What is drawn is told by the name; nobody's own pictures are replaced. */
static fcnn_status check_picture(const char *path) {
    if (classify_draws_figure(path))
        return replace_check("picture", path, CANVAS_MARK_AT, CANVAS_MARK);
    FCNN_TRY(replace_check("picture", path, 0, "<!DOCTYPE html>"));
    const char *dot = strrchr(path, '.');
    if (dot && (fcnn_text_same(dot, ".html") || fcnn_text_same(dot, ".htm"))) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "--picture %s: expected a name that ends in .html or .png", path);
}

static fcnn_status check(const infer_options *o) {
    if (!o->images[0] == !o->data)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "expected pictures to classify or --data to score on, and not "
                               "both; see --help");
    if (o->csv && o->json)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--csv and --json exclude each other");
    if (o->picture && (!o->images[0] || o->images[1]))
        return fcnn_status_set(FCNN_ERROR_USAGE, "--picture is of one picture: name one");
    if (o->features[0] && o->data)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--features is of pictures, not of --data");
    if (o->confusion && !o->data)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--confusion is of a data set: it takes --data");
    if (o->ranks && (o->picture || o->features[0]))
        return fcnn_status_set(FCNN_ERROR_USAGE, "--%s is of one rank; the launcher started %d",
                               o->picture ? "picture" : "features", fcnn_ranks_size(o->ranks));
    if (o->picture) FCNN_TRY(check_picture(o->picture));
    if (o->features[0]) FCNN_TRY(replace_check("features", o->features[1], 0, "\x93NUMPY"));
    if (o->confusion) FCNN_TRY(replace_check("confusion", o->confusion, 0, "label,"));
    return FCNN_OK;
}

/* o->model stays NULL where --help or its like was answered. */
static fcnn_status parse(int argc, char **argv, infer_options *o) {
    char **operands;
    FCNN_TRY(options_scan(&infer_program, argc, argv, &operands));
    if (!operands) return FCNN_OK;
    FCNN_TRY(options_read(&infer_program, argc, argv, NULL, o));
    o->model = operands[0];
    o->images = operands + 1;
    return check(o);
}

static fcnn_status infer(infer_options *o, int64_t *failures) {
    fcnn_model *model = NULL;
    fcnn_device *device = NULL;
    fcnn_status status = fcnn_model_load(o->model, &model);
    if (!status) status = devices_open(o->ranks, o->device, o->threads, &device);
    status = fcnn_ranks_agree(o->ranks, status);
    if (!status) status = compare_ranks(o, model, device);
    if (!status) status = devices_tell_shared(o->ranks, device);
    if (!status)
        status =
            o->data ? score_data(o, model, device) : classify_pictures(o, model, device, failures);
    fcnn_device_close(device);
    fcnn_model_destroy(model);
    return status;
}

int main(int argc, char **argv) {
    program_start(argv);
    signals_catch(&(signals_options){.restart = true});
    infer_options options = {.device = "auto", .top = 1};
    int64_t failures = 0;
    fcnn_status status = program_ranks_open(&options.ranks);
    terminal_mute(fcnn_ranks_number(options.ranks) > 0);
    if (!status) status = fcnn_ranks_agree(options.ranks, parse(argc, argv, &options));
    if (!status) status = program_ranks_compare(options.ranks, options.model != NULL);
    if (!status && options.model) status = infer(&options, &failures);
    return program_ranks_end(&infer_program, options.ranks, status,
                             failures ? EXIT_FAILURE : EXIT_SUCCESS);
}
