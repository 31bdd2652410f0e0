/* fcnn-infer: classifies pictures, or scores a model on a data set. The model
 * file alone is enough. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv.h"
#include "json.h"
#include "options.h"
#include "progress.h"
#include "replace.h"
#include "signals.h"
#include "terminal.h"
#include "train/features/collection.h"
#include "train/features/page.h"
#include "train/run/evaluation.h"
#include "train/run/relabel.h"

typedef struct {
    const char *model, *data, *norm_data, *confusion, *device, *picture;
    const char *features[2]; /* a layer and a file; NULL: none */
    double band_fraction;    /* 0: the model's */
    int64_t limit;
    int top, threads;
    bool csv, json;
    char **images; /* the last one is NULL */
} infer_options;

#define FIELD(name) offsetof(infer_options, name)
static const option_row rows[] = {
    {"data", "NAME|DIR", OPTION_TEXT, FIELD(data), 0, 0,
     "score on this data set (its test or validation images)"},
    {"top", "K", OPTION_INT, FIELD(top), 1, 1 << 20, "classes printed for a picture (default 1)"},
    {"csv", NULL, OPTION_FLAG, FIELD(csv), 0, 0,
     "pictures: one line a class: file,rank,class,probability"},
    {"json", NULL, OPTION_FLAG, FIELD(json), 0, 0, "one JSON object"},
    {"picture", "FILE.html", OPTION_TEXT, FIELD(picture), 0, 0,
     "one picture: a page of every layer's maps and spectra, and what the classifier weighed"},
    {"features", "LAYER FILE.npy", OPTION_PAIR, FIELD(features), 0, 0,
     "pictures: a layer's output, as an array [picture][channel] of maps or of complex bins"},
    {"confusion", "FILE", OPTION_TEXT, FIELD(confusion), 0, 0,
     "with --data: images by label and predicted class, as CSV"},
    {"band-fraction", "F", OPTION_FRACTION, FIELD(band_fraction), 0, 0,
     "compute on the bins inside F of every radius, 0 < F <= 1"},
    {"norm-data", "NAME|DIR", OPTION_TEXT, FIELD(norm_data), 0, 0,
     "running statistics of the norms anew, from this data set's training images; wanted with "
     "--band-fraction"},
    {"limit", "N", OPTION_INT64, FIELD(limit), 1, INT64_MAX, "at most N images of each data set"},
    OPTION_THREADS(infer_options),
    OPTION_DEVICE(infer_options),
    {0}};

static const program_info program = {
    .name = "fcnn-infer",
    .synopsis = "MODEL [IMAGE...] [options]",
    .summary = "Classifies pictures with a saved model, or scores it on a data set's test images.",
    .operand = "model",
    .several = true,
    .rows = rows};

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
    if (o->picture) FCNN_TRY(replace_check("picture", o->picture, 0, "<!DOCTYPE html>"));
    if (o->features[0]) FCNN_TRY(replace_check("features", o->features[1], 0, "\x93NUMPY"));
    if (o->confusion) FCNN_TRY(replace_check("confusion", o->confusion, 0, "label,"));
    return FCNN_OK;
}

/* o->model stays NULL where --help or its like was answered. */
static fcnn_status parse(int argc, char **argv, infer_options *o) {
    char **operands;
    FCNN_TRY(options_scan(&program, argc, argv, &operands));
    if (!operands) return FCNN_OK;
    FCNN_TRY(options_read(&program, argc, argv, NULL, o));
    o->model = operands[0];
    o->images = operands + 1;
    return check(o);
}

/* ---- The network ---- */

static int nodes_of_type(const fcnn_graph *graph, const char *type) {
    int count = 0;
    for (int i = 0; i < fcnn_graph_node_count(graph); i++)
        count += !strcmp(fcnn_graph_node_type(graph, i), type);
    return count;
}

/* Images come in a drawn order: a batch of one class would know nothing of how classes differ. */
static fcnn_status estimate_from(const run_data *s, const fcnn_section *net, int batch, int threads,
                                 fcnn_graph *graph) {
    fcnn_loader_options options = {.dataset = s->spectra,
                                   .split = s->train.split,
                                   .indices = s->train.indices,
                                   .count = s->train.count,
                                   .batch = batch,
                                   .shuffle = true,
                                   .drop_last = s->train.count >= batch,
                                   .seed = (uint64_t)fcnn_section_int(net, "seed"),
                                   .threads = threads};
    fcnn_loader *loader;
    const fcnn_batch *images = NULL;
    FCNN_TRY(fcnn_loader_create(&options, &loader));
    fcnn_status status = fcnn_loader_start(loader, 0, 0);
    for (int64_t number = 0; !status; number++) {
        status = fcnn_loader_next(loader, &images);
        if (status || !images) break;
        status = fcnn_graph_estimate_norms(graph, images->images, images->count, number);
    }
    fcnn_loader_destroy(loader);
    return status;
}

static fcnn_status estimate_norms(const infer_options *o, const fcnn_model *model,
                                  fcnn_device *device, int batch, fcnn_graph *graph) {
    run_data s = {0};
    fcnn_status status = option_data(model->config, o->norm_data);
    if (!status) status = run_data_open(model->config, o->limit, NULL, &s);
    if (!status && s.dataset->channels != model->channels)
        status = fcnn_status_set(
            FCNN_ERROR_FORMAT, "--norm-data %s has images of %d channels; %s takes %d",
            o->norm_data, s.dataset->channels, model->file->path, model->channels);
    if (!status) status = run_data_open_spectra(model->config, graph, device, &s);
    if (!status)
        status = estimate_from(&s, &model->config->sections[0], batch, device->threads, graph);
    if (!status) run_data_name_problems(&s);
    run_data_close(&s);
    return status;
}

/* Estimates the norms' statistics anew or warns, because those saved are of the bands that the
 * model was saved at. */
static fcnn_status adapt_norms(const infer_options *o, const fcnn_model *model, fcnn_device *device,
                               int batch, fcnn_graph *graph) {
    int norms = fcnn_graph_norms(graph), folded = nodes_of_type(graph, "folded");
    bool stale = fcnn_graph_band_fraction(graph) != model->band_fraction;
    if (folded && (stale || o->norm_data))
        terminal_warn("%s is of the spectral form: its norms are folded into the kernels, with "
                      "the statistics of a band fraction of %g; the compact form can take others",
                      FCNN_SHOWN(o->model), model->band_fraction);
    if (norms && o->norm_data) return estimate_norms(o, model, device, batch, graph);
    if (norms && stale)
        terminal_warn("the norms' running statistics are of a band fraction of %g; --norm-data "
                      "NAME|DIR takes them anew from training images",
                      model->band_fraction);
    if (!norms && !folded && o->norm_data)
        terminal_warn("the network has no norms; --norm-data changes nothing");
    return FCNN_OK;
}

/* Returns how many images a step of training passes at a time. */
static int training_batch(const fcnn_model *model) {
    const fcnn_section *net = &model->config->sections[0];
    int64_t part = fcnn_section_int(net, "batch") / fcnn_section_int(net, "subdivisions");
    return part > 0 ? (int)part : 1;
}

static fcnn_status open_graph(const infer_options *o, const fcnn_model *model, fcnn_device *device,
                              int batch, fcnn_graph **graph) {
    double fraction = o->band_fraction > 0.0 ? o->band_fraction : model->band_fraction;
    FCNN_TRY(fcnn_model_graph_cut(model, device, batch, fraction, graph));
    fcnn_status status = adapt_norms(o, model, device, batch, *graph);
    if (status) {
        fcnn_graph_destroy(*graph);
        *graph = NULL;
        return status;
    }
    fcnn_node_cost cost;
    fcnn_graph_node_cost(*graph, 0, &cost);
    if (o->band_fraction > 0.0 || fraction < 1.0)
        fprintf(stderr, "band fraction %g: %s\n", fraction, cost.remark);
    return FCNN_OK;
}

/* ---- Pictures ---- */

static const float *ranked_probabilities;

static int by_probability(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    float px = ranked_probabilities[x], py = ranked_probabilities[y];
    return px != py ? (px < py ? 1 : -1) : x - y;
}

/* JSON must be UTF-8; a file's name that is not is written as it is shown. */
static bool add_text(cJSON *object, const char *name, const char *text) {
    if (fcnn_text_is_utf8(text)) return cJSON_AddStringToObject(object, name, text) != NULL;
    size_t bytes = 4 * strlen(text) + 8;
    char *printable = malloc(bytes);
    if (!printable) return false;
    fcnn_text_printable(text, printable, bytes);
    bool added = cJSON_AddStringToObject(object, name, printable) != NULL;
    free(printable);
    return added;
}

/* Adds what was found in a picture to the results. */
static fcnn_status add_result(const fcnn_model *model, const char *file, int top, const int *order,
                              const float *p, cJSON *results) {
    cJSON *entry = cJSON_CreateObject();
    bool good = add_text(entry, "file", file);
    cJSON *list = cJSON_AddArrayToObject(entry, "top");
    for (int i = 0; good && i < top; i++) {
        cJSON *item = cJSON_CreateObject();
        good = cJSON_AddItemToArray(list, item) &&
               add_text(item, "class", model->class_names[order[i]]) &&
               json_add_real(item, "probability", p[order[i]], 7);
    }
    if (good && list && cJSON_AddItemToArray(results, entry)) return FCNN_OK;
    cJSON_Delete(entry);
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the results");
}

static fcnn_status print_picture(const infer_options *o, const fcnn_model *model, const char *file,
                                 const int *order, const float *p, cJSON *results) {
    int top = o->top < model->classes ? o->top : model->classes;
    if (o->json) return add_result(model, file, top, order, p, results);
    if (!o->csv) {
        fcnn_text_print(stdout, file);
        putchar('\n');
    }
    for (int i = 0; i < top; i++) {
        const char *name = model->class_names[order[i]];
        double probability = p[order[i]];
        if (o->csv) {
            csv_write_text(stdout, file);
            printf(",%d,", i + 1);
            csv_write_text(stdout, name);
            printf(",%.6f\n", probability);
        } else {
            printf("  %-24s %.4f\n", FCNN_SHOWN(name), probability);
        }
    }
    return FCNN_OK;
}

static fcnn_status write_page(const infer_options *o, const fcnn_model *model, fcnn_graph *graph,
                              const char *file, const fcnn_image *image) {
    features_subject subject = {.model = o->model,
                                .file = file,
                                .classes = model->classes,
                                .class_names = (const char *const *)model->class_names,
                                .image = image};
    return features_write_page(graph, &subject, o->picture);
}

/* Of a model that diverged or was damaged: no class is the likeliest. */
static fcnn_status not_finite(const infer_options *o, const char *subject) {
    return fcnn_status_set(FCNN_ERROR_NUMERIC,
                           "%s: the probabilities by %s are not finite; its training diverged, or "
                           "the file was changed",
                           subject, o->model);
}

static fcnn_status classify_one(const infer_options *o, const fcnn_model *model, fcnn_graph *graph,
                                int64_t index, feature_collection *features, cJSON *results) {
    const char *file = o->images[index];
    fcnn_image image;
    FCNN_TRY(fcnn_image_load(file, model->channels, &image));
    size_t classes = (size_t)model->classes;
    float *p = malloc(classes * sizeof *p);
    int *order = malloc(classes * sizeof *order);
    fcnn_status status = FCNN_OK;
    if (!p || !order)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the probabilities");
    if (!status)
        status = features->values ? feature_collection_pass(features, graph, &image, index)
                                  : fcnn_graph_forward(graph, &image, 1, NULL, NULL);
    if (!status) status = fcnn_graph_probabilities(graph, p);
    for (size_t i = 0; i < classes && !status; i++)
        if (!isfinite(p[i])) status = not_finite(o, file);
    if (!status) {
        for (size_t i = 0; i < classes; i++) order[i] = (int)i;
        ranked_probabilities = p;
        qsort(order, classes, sizeof *order, by_probability);
        status = print_picture(o, model, file, order, p, results);
    }
    if (!status && o->picture) status = write_page(o, model, graph, file, &image);
    free(p);
    free(order);
    fcnn_image_clear(&image);
    return status;
}

/* A picture that fails is reported and the others go on; *failures counts them. */
static fcnn_status classify_all(const infer_options *o, const fcnn_model *model, fcnn_graph *graph,
                                feature_collection *features, int *failures) {
    cJSON *object = cJSON_CreateObject();
    cJSON *results = cJSON_AddArrayToObject(object, "results");
    if (!results) {
        cJSON_Delete(object);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the results");
    }
    if (o->csv) puts("file,rank,class,probability");
    for (int64_t i = 0; o->images[i] && !signals_interrupted; i++) {
        fcnn_status status = classify_one(o, model, graph, i, features, results);
        if (!status) continue;
        program_fail(&program, status);
        (*failures)++;
    }
    if (o->json && !signals_interrupted) return json_write(stdout, object, true);
    cJSON_Delete(object);
    return FCNN_OK;
}

static fcnn_status classify(const infer_options *o, const fcnn_model *model, fcnn_device *device,
                            int *failures) {
    fcnn_graph *graph;
    feature_collection features = {0};
    int64_t pictures = 0;
    while (o->images[pictures]) pictures++;
    FCNN_TRY(open_graph(o, model, device, o->norm_data ? training_batch(model) : 1, &graph));
    fcnn_status status = FCNN_OK;
    if (o->features[0])
        status = feature_collection_open(graph, o->features[0], pictures, &features);
    if (!status) status = classify_all(o, model, graph, &features, failures);
    if (!status) status = fcnn_check_interrupted(&signals_interrupted);
    if (!status && o->features[0])
        status = feature_collection_write(&features, graph, o->features[1]);
    feature_collection_clear(&features);
    fcnn_graph_destroy(graph);
    return status;
}

/* ---- Data sets ---- */

static void print_score(const infer_options *o, double band_fraction, const image_set *set,
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

static fcnn_status score_set(const infer_options *o, run_data *s, const image_set *set, int batch,
                             fcnn_device *device, fcnn_graph *graph) {
    evaluation e;
    double started = fcnn_seconds();
    fcnn_status status = evaluation_run(graph, s, set, batch, device->threads, NULL, &e);
    double seconds = fcnn_seconds() - started;
    run_data_name_problems(s);
    run_data_summarise(s);
    if (!status && !isfinite(e.score.loss)) status = not_finite(o, o->data);
    if (!status) print_score(o, fcnn_graph_band_fraction(graph), set, &e.score, seconds);
    if (!status && o->confusion) status = evaluation_write_confusion(&e, s->dataset, o->confusion);
    evaluation_clear(&e);
    return status;
}

static fcnn_status score(const infer_options *o, const fcnn_model *model, fcnn_device *device) {
    /* The batch is that of training, so that the sums are the same to the last bit. */
    int batch = training_batch(model);
    fcnn_graph *graph = NULL;
    run_data s = {0};
    FCNN_TRY(option_data(model->config, o->data));
    FCNN_TRY(run_data_open_dataset(model->config, &s.dataset));
    const fcnn_dataset *data = s.dataset;
    image_set set = {FCNN_SPLIT_HELD_OUT, data->count[FCNN_SPLIT_HELD_OUT], NULL,
                     data->held_out_is_test ? "test" : "validation"};
    if (data->count[FCNN_SPLIT_TEST]) {
        fprintf(stderr, "%s: its test images are scored, not its %lld validation images\n",
                FCNN_SHOWN(o->data), (long long)set.count);
        set = (image_set){FCNN_SPLIT_TEST, data->count[FCNN_SPLIT_TEST], NULL, "test"};
    }
    if (!set.count) set = (image_set){FCNN_SPLIT_TRAIN, data->count[FCNN_SPLIT_TRAIN], NULL, "all"};
    if (o->limit && o->limit < set.count) set.count = o->limit;
    fcnn_status status = relabel_for_model(model, &set, &s.dataset);
    if (!status && set.split == FCNN_SPLIT_TRAIN)
        fprintf(stderr,
                "%s has no validation or test images: all of it is scored, with any that "
                "the model was trained on\n",
                FCNN_SHOWN(o->data));
    if (!status) status = open_graph(o, model, device, batch, &graph);
    if (!status) status = run_data_open_spectra(model->config, graph, device, &s);
    if (!status) status = score_set(o, &s, &set, batch, device, graph);
    run_data_close(&s);
    fcnn_graph_destroy(graph);
    return status;
}

int main(int argc, char **argv) {
    program_start(argv);
    signals_catch(&(signals_options){.restart = true});
    infer_options options = {.device = "auto", .top = 1};
    int failures = 0;
    fcnn_model *model = NULL;
    fcnn_device *device = NULL;
    fcnn_status status = parse(argc, argv, &options);
    if (!status && !options.model) return program_end(&program, FCNN_OK, EXIT_SUCCESS);
    if (!status) status = fcnn_model_load(options.model, &model);
    if (!status) status = fcnn_device_open(options.device, options.threads, &device);
    if (!status)
        status = options.data ? score(&options, model, device)
                              : classify(&options, model, device, &failures);
    fcnn_device_close(device);
    fcnn_model_destroy(model);
    return program_end(&program, status, failures ? EXIT_FAILURE : EXIT_SUCCESS);
}
