/* ONNX files: what they say of themselves, read back by protobuf-c; sizes of images; and what
 * cannot be exported. That they compute what fcnn does is shown by programs/onnx.sh. */
#include "onnx.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "inference.h"
#include "network_case.h"
#include "onnx.pb-c.h"
#include "temporary.h"

#define WORDS                                                                                      \
    "[net] [fft] size=15 [conv] filters=4 size=3 norm=batch activation=srelu window=2 "            \
    "[fourier_pool] size=7 [ifft] [dense] units=classes [softmax]"

static const network_options options = {.channels = 2, .classes = 5, .batch = 4, .moments = 2};

static Onnx__ModelProto *unpack(const char *path) {
    static uint8_t bytes[1 << 20];
    size_t count = read_file(path, bytes, sizeof bytes);
    Onnx__ModelProto *model = onnx__model_proto__unpack(NULL, count, bytes);
    ck_assert_ptr_nonnull(model);
    return model;
}

static const char *property(const Onnx__ModelProto *model, const char *key) {
    for (size_t i = 0; i < model->n_metadata_props; i++)
        if (!strcmp(model->metadata_props[i]->key, key)) return model->metadata_props[i]->value;
    ck_abort_msg("no metadata '%s'", key);
}

static const Onnx__TensorProto *tensor_of(const Onnx__ModelProto *model, const char *name) {
    for (size_t i = 0; i < model->graph->n_initializer; i++)
        if (!strcmp(model->graph->initializer[i]->name, name)) return model->graph->initializer[i];
    ck_abort_msg("no tensor '%s'", name);
}

/* ---- What a file says ---- */

static void check_shape(const Onnx__ValueInfoProto *value, const char *name, int rank,
                        const int64_t *dims) {
    const Onnx__TypeProto__Tensor *type = value->type->tensor_type;
    ck_assert_str_eq(value->name, name);
    ck_assert_int_eq(type->elem_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    ck_assert_uint_eq(type->shape->n_dim, (size_t)rank + 1);
    ck_assert_str_eq(type->shape->dim[0]->dim_param, "batch");
    for (int i = 0; i < rank; i++) ck_assert_int_eq(type->shape->dim[i + 1]->dim_value, dims[i]);
}

static void check_metadata(const Onnx__ModelProto *model, const network *n) {
    cJSON *names = cJSON_Parse(property(model, "class_names"));
    ck_assert_int_eq(cJSON_GetArraySize(names), options.classes);
    for (int i = 0; i < options.classes; i++)
        ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetArrayItem(names, i)),
                         network_class_names[i]);
    cJSON_Delete(names);
    cJSON *input = cJSON_Parse(property(model, "preprocessing"));
    const fcnn_input_statistics *s = fcnn_graph_statistics(n->graph);
    for (int c = 0; c < options.channels; c++) {
        const cJSON *mean = cJSON_GetArrayItem(cJSON_GetObjectItem(input, "mean"), c);
        const cJSON *deviation = cJSON_GetArrayItem(cJSON_GetObjectItem(input, "deviation"), c);
        ck_assert_float_eq((float)cJSON_GetNumberValue(mean), s->mean[c]);
        ck_assert_float_eq((float)cJSON_GetNumberValue(deviation), s->deviation[c]);
    }
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(input, "placement")), "stretch");
    ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(input, "pad")), "none");
    ck_assert_double_eq(cJSON_GetNumberValue(cJSON_GetObjectItem(input, "crop")), 1.0);
    ck_assert_double_eq(cJSON_GetNumberValue(cJSON_GetObjectItem(input, "margin")), 0.0);
    cJSON_Delete(input);
    char *text = fcnn_config_text(n->config);
    ck_assert_str_eq(property(model, "config"), text);
    free(text);
    ck_assert_str_eq(property(model, "fcnn_version"), model->producer_version);
}

START_TEST(says_what_it_is) {
    network n = network_trained(WORDS, options);
    const char *path = below("a.onnx");
    fcnn_onnx_options asked = {.height = 20, .width = 17, .producer = "somebody"};
    fcnn_onnx_summary summary;
    network_ok(fcnn_onnx_export_graph(n.graph, network_class_names, &asked, path, &summary));
    Onnx__ModelProto *model = unpack(path);
    struct stat info;
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(summary.bytes, info.st_size);
    ck_assert_int_eq(summary.nodes, (int)model->graph->n_node);
    ck_assert_int_eq(summary.height, 20);
    ck_assert_int_eq(summary.width, 17);
    ck_assert_int_eq(summary.opset, model->opset_import[0]->version);
    ck_assert_str_eq(model->producer_name, "somebody");
    const Onnx__GraphProto *graph = model->graph;
    ck_assert_uint_eq(graph->n_input, 1);
    ck_assert_uint_eq(graph->n_output, 2);
    check_shape(graph->input[0], "image", 3, (int64_t[]){options.channels, 20, 17});
    check_shape(graph->output[0], "logits", 1, (int64_t[]){options.classes});
    check_shape(graph->output[1], "probabilities", 1, (int64_t[]){options.classes});
    check_metadata(model, &n);
    onnx__model_proto__free_unpacked(model, NULL);
    network_close(&n);
}
END_TEST

/* Dense weights as they are, taps with the filters first. */
START_TEST(has_the_parameters) {
    network n = network_trained(WORDS, options);
    const char *path = below("a.onnx");
    network_ok(fcnn_onnx_export_graph(n.graph, NULL, NULL, path, NULL));
    Onnx__ModelProto *model = unpack(path);
    const fcnn_parameter *dense = network_parameter(&n, "dense1.weight");
    const Onnx__TensorProto *tensor = tensor_of(model, "dense1.weight");
    float *wanted = network_value(&n, dense);
    ck_assert_uint_eq(tensor->raw_data.len, (size_t)dense->count * sizeof(float));
    ck_assert_mem_eq(tensor->raw_data.data, wanted, tensor->raw_data.len);
    free(wanted);
    const fcnn_parameter *taps = network_parameter(&n, "conv1.weight");
    tensor = tensor_of(model, "conv1.weight");
    wanted = network_value(&n, taps);
    const float *found = (const float *)(const void *)tensor->raw_data.data;
    int filters = 4, channels = options.channels, size = 3;
    ck_assert_uint_eq(tensor->raw_data.len, (size_t)taps->count * sizeof(float));
    ck_assert_int_eq(tensor->dims[0], filters);
    ck_assert_int_eq(tensor->dims[1], channels);
    for (int f = 0; f < filters; f++)
        for (int c = 0; c < channels; c++)
            for (int p = 0; p < size * size; p++)
                ck_assert_float_eq(found[(f * channels + c) * size * size + p],
                                   wanted[(p * filters + f) * channels + c]);
    free(wanted);
    ck_assert_str_eq(property(model, "class_names"), "[\"0\", \"1\", \"2\", \"3\", \"4\"]");
    onnx__model_proto__free_unpacked(model, NULL);
    network_close(&n);
}
END_TEST

/* ---- Every layer ---- */

#define TAIL " [ifft] [dense] units=6 activation=gelu [dropout] [dense] units=classes [softmax]"

static const struct {
    const char *words, *op; /* of which the graph has one at least */
} layers[] = {
    {"[net] [fft] size=11 [conv] filters=4 size=5 stride=4 norm=batch activation=srelu "
     "window=1" TAIL,
     "GlobalAveragePool"},
    {"[net] [fft] size=9 pad=reflect [conv] filters=4 size=full activation=modrelu [fourier_pool] "
     "size=5 [conv] filters=4 size=2 activation=crelu [activation] function=ctanh" TAIL,
     "Split"},
    {"[net] [fft] size=11 placement=crop pad=zero [conv] filters=4 size=3 [fourier_pool] size=5 "
     "[norm] [activation] function=leaky_relu grid=9" TAIL,
     "LeakyRelu"},
    {"[net] [fft] size=9 [conv] filters=4 size=3 activation=square [max_pool] size=3 stride=2 "
     "pad=1 "
     "[conv] filters=4 size=3 [avg_pool] size=3 [shortcut] from=max_pool1" TAIL,
     "MaxPool"},
    {"[net] domain=space border=zero [fft] size=11 [conv] filters=4 size=5 stride=4 norm=batch "
     "activation=srelu window=1" TAIL,
     "Conv"},
    {"[net] domain=space [fft] size=9 [conv] filters=4 size=3 [max_pool] size=2 [activation] "
     "function=srelu [fourier_pool] size=5 [shortcut] from=conv1" TAIL,
     "Gather"}};

/* In both forms, that of spectra where there is one, and with bands cut. */
START_TEST(exports_every_layer) {
    network_options of_bands[] = {options, options};
    bool space = strstr(layers[_i].words, "domain=space") != NULL;
    of_bands[1].band_fraction = 0.6;
    for (int i = 0; i < (space ? 1 : 2); i++) {
        network n = network_trained(layers[_i].words, of_bands[i]);
        const char *file = below("model.safetensors"), *path = below("a.onnx");
        for (int spectral = 0; spectral < (space ? 1 : 2); spectral++) {
            fcnn_model *model;
            network_ok(
                network_save(&n, file, spectral ? FCNN_FORM_SPECTRAL : FCNN_FORM_TRAINABLE, false));
            network_ok(fcnn_model_load(file, &model));
            network_ok(fcnn_onnx_export(model, NULL, path, NULL));
            fcnn_model_destroy(model);
            Onnx__ModelProto *made = unpack(path);
            size_t at = 0;
            while (at < made->graph->n_node &&
                   strcmp(made->graph->node[at]->op_type, layers[_i].op) != 0)
                at++;
            ck_assert_msg(at < made->graph->n_node, "no %s in '%s'", layers[_i].op,
                          layers[_i].words);
            onnx__model_proto__free_unpacked(made, NULL);
        }
        network_close(&n);
    }
}
END_TEST

static void same_files(const char *a, const char *b) {
    static uint8_t bytes[2][1 << 20];
    size_t count = read_file(a, bytes[0], sizeof bytes[0]);
    ck_assert_uint_eq(read_file(b, bytes[1], sizeof bytes[1]), count);
    ck_assert_mem_eq(bytes[0], bytes[1], count);
}

/* A model's file, its network and its graph, compact and spectral, in training and in inference. */
START_TEST(model_and_graph_are_the_same) {
    network n = network_trained(WORDS, options);
    const char *file = below("model.safetensors"), *a = below("a.onnx"), *b = below("b.onnx");
    static const fcnn_form forms[] = {FCNN_FORM_TRAINABLE, FCNN_FORM_SPECTRAL};
    for (int i = 0; i < 2; i++) {
        fcnn_model *model;
        fcnn_graph *graph;
        network_ok(network_save(&n, file, forms[i], false));
        network_ok(fcnn_model_load(file, &model));
        network_ok(fcnn_model_graph(model, n.device, 3, &graph));
        network_ok(fcnn_onnx_export(model, NULL, a, NULL));
        network_ok(fcnn_onnx_export_graph(graph, network_class_names, NULL, b, NULL));
        same_files(a, b);
        if (forms[i] == FCNN_FORM_TRAINABLE) {
            network_ok(fcnn_onnx_export_graph(n.graph, network_class_names, NULL, b, NULL));
            same_files(a, b);
        }
        fcnn_graph_destroy(graph);
        fcnn_model_destroy(model);
        fcnn_network *loaded;
        network_ok(fcnn_network_load(file, NULL, &loaded));
        network_ok(fcnn_network_export_onnx(loaded, NULL, b, NULL));
        same_files(a, b);
        fcnn_network_destroy(loaded);
    }
    network_close(&n);
}
END_TEST

/* ---- Sizes ---- */

static const struct {
    const char *fft;
    int side; /* that suits it */
} sizes[] = {{"size=15", 15},
             {"size=15 pad=zero margin=0.25", 9}, /* 9 + 2 * 2 of 15, and 10 + 2 * 3 is more */
             {"size=15 pad=reflect margin=0.125", 11},
             {"size=15 placement=crop crop=0.5", 30},
             {"size=3 pad=zero margin=0.5", 1}};

START_TEST(suits_the_network) {
    char words[256];
    fcnn_onnx_summary summary;
    snprintf(words, sizeof words, "[net] [fft] %s [ifft] [dense] units=classes [softmax]",
             sizes[_i].fft);
    network n = network_open(words, options);
    network_ok(fcnn_onnx_export_graph(n.graph, NULL, NULL, below("a.onnx"), &summary));
    ck_assert_int_eq(summary.height, sizes[_i].side);
    ck_assert_int_eq(summary.width, sizes[_i].side);
    network_close(&n);
}
END_TEST

static const struct {
    int height, width;
} refused[] = {{0, 20}, {20, 0}, {-1, -1}, {65537, 20}, {20, 2000000000}};

START_TEST(refuses_sizes) {
    network n = network_open(WORDS, options);
    fcnn_onnx_options asked = {.height = refused[_i].height, .width = refused[_i].width};
    network_expect(fcnn_onnx_export_graph(n.graph, NULL, &asked, below("a.onnx"), NULL),
                   FCNN_ERROR_USAGE, "height and width|65536");
    ck_assert_int_ne(access(below("a.onnx"), F_OK), 0);
    network_close(&n);
}
END_TEST

/* ---- Failures ---- */

START_TEST(refuses_names) {
    network n = network_open(WORDS, options);
    const char *names[] = {"a", "b", "c", "d", "e\xe9"};
    network_expect(fcnn_onnx_export_graph(n.graph, names, NULL, below("a.onnx"), NULL),
                   FCNN_ERROR_USAGE, "e\\xe9|UTF-8");
    ck_assert_int_ne(access(below("a.onnx"), F_OK), 0);
    network_close(&n);
}
END_TEST

START_TEST(refuses_places) {
    network n = network_open(WORDS, options);
    char missing[PATH_BYTES];
    snprintf(missing, sizeof missing, "%s/none/a.onnx", root);
    network_expect(fcnn_onnx_export_graph(n.graph, NULL, NULL, missing, NULL), FCNN_ERROR_IO,
                   "none/a.onnx");
    network_expect(fcnn_onnx_export_graph(n.graph, NULL, NULL, root, NULL), FCNN_ERROR_IO, root);
    network_close(&n);
}
END_TEST

/* A model whose taps are few and whose products per bin are 4 GiB: the file of a smaller network
 * with the same parameters, and the cfg of the large one. */
START_TEST(refuses_what_is_too_large) {
    static const char *const form =
        "[net] [fft] size=%d [conv] filters=64 size=3 [conv] filters=64 size=3 [fourier_pool] "
        "size=%d [activation] function=relu [fourier_pool] size=7 [ifft] [dense] units=classes "
        "[softmax]";
    char small[512], large[512];
    snprintf(small, sizeof small, form, 31, 15);
    snprintf(large, sizeof large, form, 1001, 499);
    network n = network_open(small, options);
    char *text = network_text(large);
    const char *file = below("model.safetensors"), *path = below("a.onnx");
    const fcnn_save_options save = {.path = file,
                                    .config_text = text,
                                    .classes = options.classes,
                                    .class_names = network_class_names};
    network_ok(fcnn_model_save(n.graph, &save));
    free(text);
    network_close(&n);
    fcnn_model *model;
    network_ok(fcnn_model_load(file, &model));
    write_file(path, "before", 6);
    network_expect(fcnn_onnx_export(model, NULL, path, NULL), FCNN_ERROR_UNSUPPORTED,
                   "conv2.spectrum|2 GiB");
    char kept[8] = {0};
    ck_assert_uint_eq(read_file(path, (uint8_t *)kept, sizeof kept), 6);
    ck_assert_str_eq(kept, "before");
    fcnn_model_destroy(model);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("onnx");
    TCase *file = add_case(suite, "file");
    tcase_add_test(file, says_what_it_is);
    tcase_add_test(file, has_the_parameters);
    tcase_add_test(file, model_and_graph_are_the_same);
    tcase_add_loop_test(file, exports_every_layer, 0, LENGTH(layers));
    TCase *size = add_case(suite, "size");
    tcase_add_loop_test(size, suits_the_network, 0, LENGTH(sizes));
    tcase_add_loop_test(size, refuses_sizes, 0, LENGTH(refused));
    TCase *failure = add_case(suite, "failure");
    tcase_add_test(failure, refuses_names);
    tcase_add_test(failure, refuses_places);
    tcase_add_test(failure, refuses_what_is_too_large);
    return run_suite(suite);
}
