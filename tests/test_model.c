/* Model files of whole networks: what is saved comes back as the same network,
 * compact or spectral, with its optimizer's moments, and starts another one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "half.h"
#include "network_case.h"
#include "temporary.h"

#define TAIL " [ifft] [dense] units=6 activation=relu [dense] units=classes [softmax]"

enum { CLASSES = 5, BATCH = 9 };

static const network_options options = {
    .channels = 2, .classes = CLASSES, .batch = BATCH, .moments = 2};
/* ---- Saving and loading ---- */

static fcnn_model *load(const char *path) {
    fcnn_model *model = NULL;
    network_ok(fcnn_model_load(path, &model));
    return model;
}

static float *model_logits(const fcnn_model *model, network *like, const network_images *images) {
    network other = {.options = like->options, .device = like->device};
    network_ok(fcnn_model_graph(model, like->device, BATCH, &other.graph));
    float *logits = network_logits(&other, images, 0, images->count);
    fcnn_graph_destroy(other.graph);
    return logits;
}

static const struct {
    const char *name, *words;
    const char *folded; /* a tensor that the spectral file must not have, or "" */
    const char *kept;   /* one that it must */
} nets[] = {
    {"plain", "[net] [fft] size=9 [conv] filters=4 size=3 activation=srelu" TAIL, "conv1.weight",
     "conv1.activation.a"},
    {"norm", "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu" TAIL,
     "conv1.norm.gamma", "conv1.bias"},
    {"stride",
     "[net] [fft] size=11 [conv] filters=4 size=5 stride=4 norm=batch activation=srelu window=1 "
     "[conv] filters=5 size=3 norm=batch" TAIL,
     "conv2.norm.running_variance", "conv1.spectrum"},
    {"strided and pooled",
     "[net] [fft] size=9 [conv] filters=4 size=5 stride=2 norm=batch [fourier_pool] size=3" TAIL,
     "conv1.norm.beta", "conv1.spectrum"},
    {"full",
     "[net] [fft] size=9 [conv] filters=4 size=full norm=batch activation=relu [conv] filters=4 "
     "size=full init_size=3" TAIL,
     "conv1.norm.beta", "conv2.spectrum"},
    {"norm moved behind a pool",
     "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch [fourier_pool] size=5 [activation] "
     "function=gelu" TAIL,
     "conv1.norm.gamma", "conv1.spectrum"},
    {"[norm] after a bias",
     "[net] [fft] size=9 [conv] filters=4 size=3 [norm] [activation] function=ctanh" TAIL,
     "norm1.gamma", "conv1.bias"},
    {"two norms", "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch [norm]" TAIL,
     "conv1.norm.gamma", "norm1.gamma"},
    {"norm on the input", "[net] [fft] size=9 [norm] [conv] filters=4 size=3" TAIL, "conv1.weight",
     "norm1.gamma"},
    {"norm read twice",
     "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch [conv] filters=4 size=3 [shortcut] "
     "from=conv1" TAIL,
     "conv1.norm.gamma", "conv1.bias"},
    /* The shortcut reads the convolution itself, before the norm. */
    {"convolution read twice",
     "[net] [fft] size=9 [conv] filters=4 size=3 [norm] [conv] filters=4 size=3 [shortcut] "
     "from=conv1 [norm]" TAIL,
     "conv1.weight", "norm1.gamma"},
    {"dropout before a norm", "[net] [fft] size=9 [conv] filters=4 size=3 [dropout] [norm]" TAIL,
     "conv1.weight", "norm1.gamma"},
    {"dropout before a norm and a pool",
     "[net] [fft] size=9 [conv] filters=4 size=3 [dropout] [norm] [fourier_pool] size=5" TAIL,
     "conv1.weight", "norm1.gamma"},
    /* The norm needs bins for its statistics that inference no longer needs. */
    {"norm, a rule per bin, a pool",
     "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=modrelu [fourier_pool] "
     "size=5" TAIL,
     "conv1.norm.gamma", "conv1.spectrum"},
    {"norm, a convolution, a pool",
     "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch [conv] filters=3 size=3 "
     "[fourier_pool] size=5" TAIL,
     "conv1.norm.gamma", "conv2.spectrum"},
};

START_TEST(compact_and_spectral) {
    network n = network_trained(nets[_i].words, options);
    network_images images = network_images_make(&n, BATCH, 9, 10, 72);
    float *want = network_logits(&n, &images, 0, BATCH);
    const char *path = below("model.safetensors");
    network_ok(network_save(&n, path, FCNN_FORM_TRAINABLE, false));
    fcnn_model *model = load(path);
    float *compact = model_logits(model, &n, &images);
    ck_assert_msg(!memcmp(compact, want, sizeof *want * BATCH * CLASSES), "%s: other bits",
                  nets[_i].name);
    fcnn_model_destroy(model);

    network_ok(network_save(&n, path, FCNN_FORM_SPECTRAL, false));
    model = load(path);
    ck_assert_msg(!fcnn_safetensors_find(model->file, nets[_i].folded), "%s has %s", nets[_i].name,
                  nets[_i].folded);
    ck_assert_msg(fcnn_safetensors_find(model->file, nets[_i].kept) != NULL, "%s lacks %s",
                  nets[_i].name, nets[_i].kept);
    float *spectral = model_logits(model, &n, &images);
    ck_compare(compare_float_pair, nets[_i].name, spectral, want, BATCH * CLASSES, 1e-5);
    fcnn_model_destroy(model);
    free(want);
    free(compact);
    free(spectral);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

/* Numbers of the spectra are rounded to 11 bits, by at most 2^-11: so are the logits, nearly. */
START_TEST(spectral_in_half_precision) {
    network n = network_trained(nets[_i].words, options);
    network_images images = network_images_make(&n, BATCH, 9, 10, 72);
    float *want = network_logits(&n, &images, 0, BATCH);
    network_ok(network_save_half(&n, below("half")));
    fcnn_model *model = load(below("half"));
    for (int i = 0; i < model->file->tensor_count; i++) {
        const fcnn_stored_tensor *tensor = &model->file->tensors[i];
        ck_assert_msg(!tensor->half == !strstr(tensor->name, ".spectrum"), "%s", tensor->name);
    }
    float *half = model_logits(model, &n, &images);
    ck_compare(compare_float_pair, nets[_i].name, half, want, BATCH * CLASSES, 0x1p-10);
    ck_assert(memcmp(half, want, sizeof *want * BATCH * CLASSES) != 0);

    /* The graph's values are the file's, widened. */
    fcnn_graph *graph = NULL;
    network_ok(fcnn_model_graph(model, n.device, BATCH, &graph));
    network widened = {.graph = graph, .device = n.device};
    const fcnn_stored_tensor *tensor = fcnn_safetensors_find(model->file, "conv1.spectrum");
    float *value = malloc((size_t)tensor->count * sizeof *value);
    network_ok(fcnn_graph_read(graph, network_parameter(&widened, "conv1.spectrum"), value));
    for (int64_t i = 0; i < tensor->count; i++)
        ck_assert(value[i] == fcnn_half_to_float(tensor->half[i]));
    free(value);
    fcnn_graph_destroy(graph);
    fcnn_model_destroy(model);
    free(half);
    free(want);
    network_images_free(&images);
    network_close(&n);
}
END_TEST

#define ONE                                                                                        \
    "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu [fourier_pool] "       \
    "size=5" TAIL

START_TEST(what_a_file_says) {
    network n = network_trained(ONE, options);
    for (int form = 0; form < 2; form++) {
        network_ok(network_save(&n, below("m"), (fcnn_form)form, false));
        fcnn_model *model = load(below("m"));
        ck_assert_int_eq(model->form, form);
        ck_assert_int_eq(model->channels, 2);
        ck_assert_int_eq(model->classes, CLASSES);
        for (int i = 0; i < CLASSES; i++)
            ck_assert_str_eq(model->class_names[i], network_class_names[i]);
        const fcnn_input_statistics *s = fcnn_graph_statistics(n.graph);
        for (int c = 0; c < 2; c++) {
            ck_assert(model->statistics.mean[c] == s->mean[c]);
            ck_assert(model->statistics.deviation[c] == s->deviation[c]);
        }
        ck_assert_str_eq(fcnn_safetensors_metadata(model->file, "epoch"), "3");
        ck_assert_str_eq(fcnn_safetensors_metadata(model->file, "format_version"),
                         FCNN_FORMAT_VERSION);
        char *saved = fcnn_config_text(model->config), *own = fcnn_config_text(n.config);
        ck_assert_str_eq(saved, own);
        free(saved);
        free(own);
        fcnn_model_destroy(model);
    }
    network_close(&n);
}
END_TEST

/* ---- Checkpoints ---- */

static void check_flat(const network *a, const network *b) {
    fcnn_flat_parameters x = fcnn_graph_flat(a->graph), y = fcnn_graph_flat(b->graph);
    ck_assert_int_eq(x.total, y.total);
    int64_t count;
    float *got = network_flat(a, false, &count), *want = network_flat(b, false, &count);
    ck_assert(!memcmp(got, want, (size_t)count * sizeof *got));
    for (int m = 0; m < 2; m++) {
        size_t bytes = (size_t)x.trained * sizeof *got;
        network_ok(fcnn_graph_read_moment(a->graph, m, (fcnn_range){0, x.trained}, got));
        network_ok(fcnn_graph_read_moment(b->graph, m, (fcnn_range){0, y.trained}, want));
        ck_assert(!memcmp(got, want, bytes));
        double sum = 0.0;
        for (int64_t i = 0; i < x.trained; i++) sum += fabs((double)want[i]);
        ck_assert(sum > 0.0);
    }
    free(got);
    free(want);
}

/* A model's cfg says nothing of what is written. */
START_TEST(a_model_names_no_output) {
    network n =
        network_trained("[net] cache=/somewhere/else cache_type=half [fft] size=9" TAIL, options);
    network_ok(network_save(&n, below("m"), FCNN_FORM_TRAINABLE, true));
    fcnn_model *model = load(below("m"));
    const char *text = fcnn_safetensors_metadata(model->file, "config");
    ck_assert_ptr_nonnull(strstr(text, "cache=/somewhere/else"));
    const fcnn_section *net = &model->config->sections[0];
    ck_assert(!fcnn_section_has(net, "cache"));
    ck_assert_str_eq(fcnn_section_text(net, "cache"), "none");
    ck_assert_str_eq(fcnn_section_text(net, "cache_type"), "half");
    char *kept = fcnn_config_text(model->config);
    ck_assert_ptr_nonnull(kept);
    ck_assert_ptr_null(strstr(kept, "cache="));
    free(kept);
    fcnn_model_destroy(model);
    network_close(&n);
}
END_TEST

START_TEST(checkpoint_goes_on_as_before) {
    network n = network_trained(ONE, options), resumed = network_open(ONE, options);
    network_ok(network_save(&n, below("checkpoint"), FCNN_FORM_TRAINABLE, true));
    fcnn_model *model = load(below("checkpoint"));
    network_ok(fcnn_model_restore(model, resumed.graph));
    network_ok(fcnn_model_restore_moments(model, resumed.graph));
    fcnn_model_destroy(model);
    check_flat(&resumed, &n);
    network_images images = network_images_make(&n, BATCH, 9, 10, 73);
    fcnn_optimizer optimizer = fcnn_optimizer_from_config(&n.config->sections[0], 5, 1);
    for (int step = 3; step < 5; step++) {
        ck_assert_double_eq(network_train(&resumed, &images, step),
                            network_train(&n, &images, step));
        network_ok(fcnn_optimizer_step(&optimizer, n.graph, step, NULL));
        network_ok(fcnn_optimizer_step(&optimizer, resumed.graph, step, NULL));
    }
    check_flat(&resumed, &n);
    network_ok(network_save(&n, below("model"), FCNN_FORM_TRAINABLE, false));
    model = load(below("model"));
    network_expect(fcnn_model_restore_moments(model, resumed.graph), FCNN_ERROR_FORMAT,
                   "model|no tensor|moment1.conv1.weight");
    fcnn_model_destroy(model);
    network_images_free(&images);
    network_close(&resumed);
    network_close(&n);
}
END_TEST

/* ---- Fine-tuning ---- */

/* Fine-tunes `words` with these classes from the file; the notes are the caller's. */
static fcnn_status fine_tune(network *n, const char *words, int classes, const char *path,
                             char **notes) {
    network_options other = options;
    other.classes = classes;
    *n = network_open(words, other);
    fcnn_model *model = load(path);
    fcnn_status status = fcnn_model_fine_tune(model, n->graph, NULL, notes);
    fcnn_model_destroy(model);
    return status;
}

static void check_parameter(const network *got, const network *want, const char *name, bool same) {
    fcnn_parameter *p = network_parameter(got, name);
    float *x = network_value(got, p), *y = network_value(want, network_parameter(want, name));
    ck_assert_msg(same == !memcmp(x, y, (size_t)p->count * sizeof *x), "%s: %s", name,
                  same ? "differs" : "was copied");
    free(x);
    free(y);
}

START_TEST(fine_tuning) {
    char *notes = NULL;
    network n = network_trained(ONE, options), tuned;
    network_ok(network_save(&n, below("m"), FCNN_FORM_TRAINABLE, false));
    network_ok(fine_tune(&tuned, ONE, CLASSES, below("m"), &notes));
    ck_assert_ptr_nonnull(strstr(notes, "taken: conv1, dense1, dense2: all "));
    ck_assert_ptr_null(strstr(notes, "fresh"));
    check_parameter(&tuned, &n, "dense2.weight", true);
    free(notes);
    network_close(&tuned);

    network_ok(fine_tune(&tuned, ONE, CLASSES + 2, below("m"), &notes));
    ck_assert_ptr_nonnull(strstr(notes, "taken: conv1, dense1: "));
    ck_assert_ptr_nonnull(strstr(notes, "\nfresh: dense2 ("));
    ck_assert_ptr_nonnull(strstr(notes, "[5, 6]; the network's is [7, 6]"));
    for (int i = 0; i < fcnn_graph_parameter_count(n.graph); i++) {
        const char *name = fcnn_graph_parameter(n.graph, i)->name;
        if (!strstr(name, "dense2")) check_parameter(&tuned, &n, name, true);
    }
    network_options other = options;
    other.classes = CLASSES + 2;
    network fresh = network_open(ONE, other);
    check_parameter(&tuned, &fresh, "dense2.weight", true);
    check_parameter(&tuned, &fresh, "dense1.weight", false);
    network_close(&fresh);
    free(notes);
    network_close(&tuned);
    network_close(&n);
}
END_TEST

static const struct {
    const char *words, *message;
} unfit[] = {
    {"[net] [fft] size=9 [conv] filters=4 size=5 norm=batch activation=srelu" TAIL,
     "conv1.weight|[3, 3, 4, 2]|[5, 5, 4, 2]"},
    {"[net] [fft] size=9 [conv] filters=4 size=3 activation=srelu" TAIL, "no tensor|conv1.bias"},
    {"[net] [fft] size=9 [conv] filters=4 size=3 norm=batch [conv] filters=4 size=3" TAIL,
     "no tensor|conv2.weight"},
    {"[net] [fft] size=3 [ifft] [dense] units=3 [dense] units=classes [softmax]",
     "no parameter of this network|dense1.weight|shape"},
};

START_TEST(fine_tuning_refused) {
    char *notes = NULL;
    network n = network_trained(ONE, options), tuned;
    if (_i < LENGTH(unfit)) {
        network_ok(network_save(&n, below("m"), FCNN_FORM_TRAINABLE, false));
        network_expect(fine_tune(&tuned, unfit[_i].words, CLASSES + 1, below("m"), &notes),
                       FCNN_ERROR_FORMAT, unfit[_i].message);
    } else {
        network_ok(network_save(&n, below("m"), FCNN_FORM_SPECTRAL, false));
        network_expect(fine_tune(&tuned, ONE, CLASSES, below("m"), &notes), FCNN_ERROR_FORMAT,
                       "spectral|compact");
    }
    ck_assert_ptr_null(notes);
    network_close(&tuned);
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("model");
    TCase *tests = add_case(suite, "model");
    tcase_add_loop_test(tests, compact_and_spectral, 0, LENGTH(nets));
    tcase_add_loop_test(tests, spectral_in_half_precision, 0, LENGTH(nets));
    tcase_add_test(tests, what_a_file_says);
    tcase_add_test(tests, a_model_names_no_output);
    tcase_add_test(tests, checkpoint_goes_on_as_before);
    tcase_add_test(tests, fine_tuning);
    tcase_add_loop_test(tests, fine_tuning_refused, 0, LENGTH(unfit) + 1);
    return network_main(suite);
}
