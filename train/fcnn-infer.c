/* fcnn-infer: classifies pictures, or scores a model on a data set. The model
 * file alone is enough. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "progress.h"
#include "run_data.h"

static const program_info program = {
    "fcnn-infer", "MODEL [IMAGE...] [options]",
    "Classifies pictures with a saved model, or scores it on a data set's test images.",
    "  --data NAME|DIR      score on this data set (its test or validation images)\n"
    "  --top K              classes printed for a picture (default 1)\n"
    "  --csv                pictures: one line a class: file,rank,class,probability\n"
    "  --json               one JSON object\n"
    "  --limit N            at most N images of the data set\n"
    "  --threads N          default: as many as there are processors\n"
    "  --device auto|cpu|cuda\n"};

typedef struct {
    const char *model, *data, *device;
    int64_t top, limit, threads;
    bool csv, json;
    int image_count;
    char **images;
} infer_options;

static const struct option long_options[] = {
    {"data", required_argument, NULL, 'd'},   {"top", required_argument, NULL, 'k'},
    {"csv", no_argument, NULL, 'c'},          {"json", no_argument, NULL, 'j'},
    {"limit", required_argument, NULL, 'l'},  {"threads", required_argument, NULL, 't'},
    {"device", required_argument, NULL, 'D'}, {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},      {NULL, 0, NULL, 0}};

static fcnn_status parse(int argc, char **argv, infer_options *o, bool *answered) {
    int code;
    *answered = false;
    while ((code = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
        fcnn_status status = FCNN_OK;
        switch (code) {
        case 'd': o->data = optarg; break;
        case 'k': status = option_int("top", optarg, 1, 1 << 20, &o->top); break;
        case 'c': o->csv = true; break;
        case 'j': o->json = true; break;
        case 'l': status = option_int("limit", optarg, 1, INT64_MAX, &o->limit); break;
        case 't': status = option_int("threads", optarg, 1, 1024, &o->threads); break;
        case 'D': o->device = optarg; break;
        case 'h':
            program_print_help(&program);
            *answered = true;
            return FCNN_OK;
        case 'V':
            program_print_version(&program);
            *answered = true;
            return FCNN_OK;
        default: return option_unknown(code, argv);
        }
        FCNN_TRY(status);
    }
    if (optind >= argc) return fcnn_status_set(FCNN_ERROR_USAGE, "expected a model; see --help");
    o->model = argv[optind++];
    o->images = argv + optind;
    o->image_count = argc - optind;
    if (!o->image_count == !o->data)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "expected pictures to classify or --data to score on, and not "
                               "both; see --help");
    if (o->csv && o->json)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--csv and --json exclude each other");
    return FCNN_OK;
}

/* ---- Pictures ---- */

static const float *ranked_probabilities;

static int by_probability(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    float px = ranked_probabilities[x], py = ranked_probabilities[y];
    return px != py ? (px < py ? 1 : -1) : x - y;
}

static void print_csv_field(const char *text) {
    if (!strpbrk(text, ",\"\n")) {
        fputs(text, stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"') putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void print_picture(const infer_options *o, const fcnn_model *model, const char *file,
                          const int *order, const float *p, json_t *results) {
    int64_t top = o->top < model->classes ? o->top : model->classes;
    json_t *entry = json_object(), *list = json_array();
    if (!o->json && !o->csv) printf("%s\n", file);
    for (int64_t i = 0; i < top; i++) {
        const char *name = model->class_names[order[i]];
        double probability = p[order[i]];
        if (o->json) {
            json_t *item = json_object();
            json_object_set_new(item, "class", json_string(name));
            json_object_set_new(item, "probability", json_real(probability));
            json_array_append_new(list, item);
        } else if (o->csv) {
            print_csv_field(file);
            printf(",%lld,", (long long)i + 1);
            print_csv_field(name);
            printf(",%.6f\n", probability);
        } else {
            printf("  %-24s %.4f\n", name, probability);
        }
    }
    json_object_set_new(entry, "file", json_string(file));
    json_object_set_new(entry, "top", list);
    json_array_append_new(results, entry);
}

static fcnn_status classify_one(const infer_options *o, const fcnn_model *model, fcnn_graph *graph,
                                const char *file, json_t *results) {
    fcnn_image image;
    FCNN_TRY(fcnn_image_load(file, model->channels, &image));
    size_t classes = (size_t)model->classes;
    float *p = malloc(classes * sizeof *p);
    int *order = malloc(classes * sizeof *order);
    fcnn_status status = FCNN_OK;
    if (!p || !order)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the probabilities");
    if (!status) status = fcnn_graph_forward(graph, &image, 1, NULL, NULL);
    if (!status) status = fcnn_graph_probabilities(graph, p);
    if (!status) {
        for (size_t i = 0; i < classes; i++) order[i] = (int)i;
        ranked_probabilities = p;
        qsort(order, classes, sizeof *order, by_probability);
        print_picture(o, model, file, order, p, results);
    }
    free(p);
    free(order);
    fcnn_image_clear(&image);
    return status;
}

/* A picture that fails is reported and the others go on; *failures counts them. */
static fcnn_status classify(const infer_options *o, const fcnn_model *model, fcnn_device *device,
                            int *failures) {
    fcnn_graph *graph;
    FCNN_TRY(fcnn_model_graph(model, device, 1, &graph));
    json_t *object = json_object(), *results = json_array();
    if (o->csv) puts("file,rank,class,probability");
    for (int i = 0; i < o->image_count; i++) {
        fcnn_status status = classify_one(o, model, graph, o->images[i], results);
        if (!status) continue;
        program_fail(&program, status);
        (*failures)++;
    }
    json_object_set_new(object, "results", results);
    if (o->json) {
        json_dumpf(object, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(7));
        putchar('\n');
    }
    json_decref(object);
    fcnn_graph_destroy(graph);
    return FCNN_OK;
}

/* ---- Data sets ---- */

static void print_score(const infer_options *o, const image_set *set, const fcnn_score *score,
                        double seconds) {
    double images = (double)score->images;
    double accuracy = (double)score->correct / images;
    double top5 = (double)score->correct_top5 / images;
    double milliseconds = 1000.0 * seconds / images;
    if (o->json) {
        printf("{\"accuracy\": %.6f, \"top5\": %.6f, \"loss\": %.6f, \"images\": %lld, "
               "\"ms_per_image\": %.4f}\n",
               accuracy, top5, score->loss / images, (long long)score->images, milliseconds);
    } else if (o->csv) {
        printf("accuracy,top5,loss,images,ms_per_image\n%.6f,%.6f,%.6f,%lld,%.4f\n", accuracy, top5,
               score->loss / images, (long long)score->images, milliseconds);
    } else {
        printf("%s images %lld  accuracy %.6f  top-5 %.6f  loss %.6f  %.4f ms an image\n",
               set->name, (long long)score->images, accuracy, top5, score->loss / images,
               milliseconds);
    }
}

static fcnn_status check_data(const fcnn_model *model, const fcnn_dataset *data) {
    if (data->channels != model->channels || data->classes != model->classes)
        return fcnn_status_set(
            FCNN_ERROR_FORMAT, "%s takes %d channels and knows %d classes; the data has %d and %d",
            model->file->path, model->channels, model->classes, data->channels, data->classes);
    for (int i = 0; i < data->classes; i++)
        if (strcmp(data->class_names[i], model->class_names[i]) != 0)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "%s was trained with class %d named '%s'; the data calls it "
                                   "'%s'",
                                   model->file->path, i, model->class_names[i],
                                   data->class_names[i]);
    return FCNN_OK;
}

static fcnn_status score(const infer_options *o, const fcnn_model *model, fcnn_device *device) {
    const fcnn_section *net = &model->config->sections[0];
    FCNN_TRY(option_data(model->config, o->data));
    fcnn_dataset *data;
    FCNN_TRY(run_data_open_dataset(model->config, &data));
    int64_t count = data->count[FCNN_SPLIT_HELD_OUT];
    image_set set = {FCNN_SPLIT_HELD_OUT, count, NULL,
                     data->held_out_is_test ? "test" : "validation"};
    if (!count) set = (image_set){FCNN_SPLIT_TRAIN, data->count[FCNN_SPLIT_TRAIN], NULL, "all"};
    if (o->limit && o->limit < set.count) set.count = o->limit;
    /* The batch of training, so that the sums are the same to the last bit. */
    int batch = (int)fcnn_section_int(net, "batch");
    fcnn_graph *graph = NULL;
    fcnn_score result;
    fcnn_status status = check_data(model, data);
    if (!status) status = fcnn_model_graph(model, device, batch, &graph);
    double started = progress_now();
    if (!status)
        status = run_data_evaluate(graph, data, &set, batch, device->threads, NULL, &result);
    if (!status) print_score(o, &set, &result, progress_now() - started);
    fcnn_graph_destroy(graph);
    fcnn_dataset_close(data);
    return status;
}

int main(int argc, char **argv) {
    program_start(argv);
    infer_options options = {.device = "auto", .top = 1};
    bool answered;
    int failures = 0;
    fcnn_model *model = NULL;
    fcnn_device *device = NULL;
    fcnn_status status = parse(argc, argv, &options, &answered);
    if (!status && answered) return 0;
    if (!status) status = fcnn_model_load(options.model, &model);
    if (!status) status = fcnn_device_open(options.device, (int)options.threads, &device);
    if (!status)
        status = options.data ? score(&options, model, device)
                              : classify(&options, model, device, &failures);
    fcnn_device_close(device);
    fcnn_model_destroy(model);
    if (status) return program_fail(&program, status);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
