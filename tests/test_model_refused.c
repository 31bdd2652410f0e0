/* Model files that are not what they should be are refused by name, and a save
 * that fails leaves the old file as it was. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "network_case.h"
#include "temporary.h"

#define TAIL " [ifft] [dense] units=6 activation=relu [dense] units=classes [softmax]"

enum { CLASSES = 5, BATCH = 9 };

static const network_options options = {
    .channels = 2, .classes = CLASSES, .batch = BATCH, .moments = 2};

#define ONE                                                                                        \
    "[net] [fft] size=9 [conv] filters=4 size=3 norm=batch activation=srelu [fourier_pool] "       \
    "size=5" TAIL

static fcnn_model *load(const char *path) {
    fcnn_model *model = NULL;
    network_ok(fcnn_model_load(path, &model));
    return model;
}

/* ---- Files that do not fit ---- */

/* Writes the good file again with one metadata value (NULL: without it) or one tensor other. */
static void write_changed(const char *from, const char *to, const char *key, const char *value,
                          const char *tensor, const fcnn_tensor_to_store *other) {
    fcnn_safetensors *file = NULL;
    network_ok(fcnn_safetensors_read(from, &file));
    fcnn_tensor_to_store tensors[64];
    fcnn_metadata metadata[16];
    int kept = 0, keys = 0, changed = 0;
    ck_assert(file->tensor_count <= 64 && file->metadata_count <= 16);
    for (int i = 0; i < file->tensor_count; i++) {
        const fcnn_stored_tensor *t = &file->tensors[i];
        bool hit = tensor && !strcmp(t->name, tensor);
        changed += hit;
        if (hit && !other) continue;
        tensors[kept] = (fcnn_tensor_to_store){.name = t->name, .rank = t->rank, .data = t->data};
        memcpy(tensors[kept].shape, t->shape, sizeof t->shape);
        if (hit) {
            tensors[kept] = *other;
            tensors[kept].data = t->data;
        }
        kept++;
    }
    for (int i = 0; i < file->metadata_count; i++) {
        bool hit = key && !strcmp(file->metadata[i].key, key);
        changed += hit;
        if (hit && !value) continue;
        metadata[keys] = file->metadata[i];
        if (hit) metadata[keys].value = (char *)value;
        keys++;
    }
    ck_assert_int_eq(changed, 1);
    network_ok(fcnn_safetensors_write(to, kept, tensors, keys, metadata));
    fcnn_safetensors_destroy(file);
}

static const struct {
    const char *key, *value, *message;
} bad_metadata[] = {
    {"format_version", "1", "format version 1|reads version 2"},
    {"format_version", NULL, "no 'format_version'"},
    {"form", "dense", "form 'dense'|compact or spectral"},
    {"form", NULL, "no 'form'"},
    {"channels", "0", "0 channels|1 to 4"},
    {"channels", "5", "5 channels|1 to 4"},
    {"channels", "two", "two channels|1 to 4"},
    {"channels", "1", "input_mean|1 numbers"},
    {"channels", NULL, "no 'channels'"},
    {"class_names", "{\"a\": 1}", "class_names|not a JSON array"},
    {"class_names", "[\"a\"", "class_names|not a JSON array"},
    {"class_names", "[]", "0 class names"},
    {"class_names", "[\"a\", 7]", "class name 1|not text"},
    {"class_names", NULL, "no 'class_names'"},
    {"input_mean", "[0.5]", "input_mean|2 numbers"},
    {"input_mean", "[0.5, null]", "input_mean|2 numbers"},
    {"input_mean", "[0.5, 1e300]", "input_mean|2 numbers"},
    {"input_deviation", "[0.5, 0]", "input_deviation|2 positive"},
    {"input_deviation", "[-0.5, 1]", "input_deviation|2 positive"},
    {"input_deviation", "0.5", "input_deviation|not a JSON array"},
    {"input_deviation", NULL, "no 'input_deviation'"},
    {"config", NULL, "no 'config'"},
    {"config", "", "the cfg inside|[net]"},
    {"config", "[net]\nbatch=0\n", "the cfg inside|bad:2: |batch=0"},
};

START_TEST(bad_metadata_refused) {
    network n = network_trained(ONE, options);
    network_ok(network_save(&n, below("good"), FCNN_FORM_TRAINABLE, false));
    write_changed(below("good"), below("bad"), bad_metadata[_i].key, bad_metadata[_i].value, NULL,
                  NULL);
    fcnn_model *model = (fcnn_model *)root;
    network_expect(fcnn_model_load(below("bad"), &model), FCNN_ERROR_FORMAT,
                   bad_metadata[_i].message);
    network_expect(FCNN_ERROR_FORMAT, FCNN_ERROR_FORMAT, below("bad"));
    ck_assert_ptr_null(model);
    network_close(&n);
}
END_TEST

/* The metadata is sound, but not that of these tensors. */
static const struct {
    fcnn_form form;
    const char *key, *value; /* metadata, or */
    const char *tensor;      /* a tensor that is missing or of another shape */
    fcnn_tensor_to_store other;
    const char *message;
} misfits[] = {
    {FCNN_FORM_TRAINABLE, NULL, NULL, "conv1.weight", {0}, "no tensor 'conv1.weight'"},
    {FCNN_FORM_TRAINABLE, NULL, NULL, "conv1.norm.running_mean", {0}, "conv1.norm.running_mean"},
    {FCNN_FORM_TRAINABLE,
     NULL,
     NULL,
     "conv1.weight",
     {"conv1.weight", 4, {3, 3, 2, 4}, NULL, NULL},
     "'conv1.weight'|[3, 3, 2, 4]|[3, 3, 4, 2]"},
    {FCNN_FORM_TRAINABLE,
     NULL,
     NULL,
     "dense2.bias",
     {"dense2.bias", 2, {1, 5}, NULL, NULL},
     "'dense2.bias'|[1, 5]|[5]"},
    {FCNN_FORM_SPECTRAL, NULL, NULL, "conv1.spectrum", {0}, "no tensor 'conv1.spectrum'"},
    {FCNN_FORM_SPECTRAL,
     NULL,
     NULL,
     "conv1.spectrum",
     {"conv1.spectrum", 4, {41, 4, 4, 1}, NULL, NULL},
     "[41, 4, 4, 1]|[41, 4, 2, 2]"},
    {FCNN_FORM_SPECTRAL, "form", "compact", NULL, {0}, "no tensor 'conv1.weight'"},
    {FCNN_FORM_TRAINABLE, "form", "spectral", NULL, {0}, "no tensor 'conv1.spectrum'"},
    {FCNN_FORM_TRAINABLE,
     "class_names",
     "[\"a\", \"b\"]",
     NULL,
     {0},
     "dense2.weight|[5, 6]|[2, 6]"},
    {FCNN_FORM_TRAINABLE,
     "config",
     "[net]\n[fft]\nsize=8\n[ifft]\n[softmax]\n",
     NULL,
     {0},
     "the cfg inside|bad:3: |size=8"},
    /* Walking up from the norm must end, though nothing comes before the pool. */
    {FCNN_FORM_SPECTRAL,
     "config",
     "[net]\n[fourier_pool]\nsize=5\n[norm]\n[ifft]\n[dense]\nunits=classes\n[softmax]\n",
     NULL,
     {0},
     "the cfg inside|bad:2: |fourier_pool|first"},
    {FCNN_FORM_SPECTRAL,
     "config",
     "[net]\n[shortcut]\nfrom=-1\n[norm]\n[ifft]\n[softmax]\n",
     NULL,
     {0},
     "the cfg inside|from=-1"},
    /* 2^50 numbers, refused before memory is asked for. */
    {FCNN_FORM_TRAINABLE,
     "config",
     "[net]\n[fft]\nsize=9\n[conv]\nfilters=1048576\nsize=3\nnorm=batch\n[ifft]\n[dense]\n"
     "units=1048576\n[dense]\nunits=classes\n[softmax]\n",
     NULL,
     {0},
     "'conv1.weight'|network's is [3, 3, 1048576, 2]"},
};

START_TEST(misfits_refused) {
    network n = network_trained(ONE, options);
    const fcnn_tensor_to_store *other = misfits[_i].other.name ? &misfits[_i].other : NULL;
    network_ok(network_save(&n, below("good"), misfits[_i].form, false));
    write_changed(below("good"), below("bad"), misfits[_i].key, misfits[_i].value,
                  misfits[_i].tensor, other);
    fcnn_model *model = load(below("bad"));
    fcnn_graph *graph = NULL;
    network_expect(fcnn_model_graph(model, n.device, BATCH, &graph), FCNN_ERROR_FORMAT,
                   misfits[_i].message);
    network_expect(FCNN_ERROR_FORMAT, FCNN_ERROR_FORMAT, below("bad"));
    ck_assert_ptr_null(graph);
    fcnn_model_destroy(model);
    network_close(&n);
}
END_TEST

/* ---- Saving that fails ---- */

/* The folder holds this one file, with these bytes. */
static void check_untouched(const char *path, const uint8_t *before, size_t bytes) {
    static uint8_t now[1 << 20];
    ck_assert_uint_eq(read_file(path, now, sizeof now), bytes);
    ck_assert(!memcmp(now, before, bytes));
    DIR *folder = opendir(root);
    int entries = 0;
    while (readdir(folder)) entries++;
    closedir(folder);
    ck_assert_int_eq(entries, 3); /* ".", ".." and the file */
}

START_TEST(failed_saves_leave_the_old_file) {
    static uint8_t before[1 << 20];
    network n = network_trained(ONE, options);
    const char *path = below("model.safetensors");
    network_ok(network_save(&n, path, FCNN_FORM_TRAINABLE, true));
    size_t bytes = read_file(path, before, sizeof before);
    network_randomise(&n, 0.5, 9);
    struct rlimit old, limit;
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t room = 0; room < bytes; room += bytes / 3) {
        limit = old;
        limit.rlim_cur = (rlim_t)room;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        fcnn_status status = network_save(&n, path, FCNN_FORM_TRAINABLE, true);
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        network_expect(status, FCNN_ERROR_IO, "model.safetensors|File too large");
        check_untouched(path, before, bytes);
    }
    char missing[PATH_BYTES];
    snprintf(missing, sizeof missing, "%s/missing/model.safetensors", root);
    network_expect(network_save(&n, missing, FCNN_FORM_TRAINABLE, true), FCNN_ERROR_IO,
                   "missing/model.safetensors|No such file");
    check_untouched(path, before, bytes);
    network_ok(network_save(&n, path, FCNN_FORM_TRAINABLE, true));
    static uint8_t after[1 << 20];
    ck_assert_uint_eq(read_file(path, after, sizeof after), bytes);
    ck_assert(memcmp(after, before, bytes));
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("model_refused");
    TCase *tests = add_case(suite, "model_refused");
    tcase_add_loop_test(tests, bad_metadata_refused, 0, LENGTH(bad_metadata));
    tcase_add_loop_test(tests, misfits_refused, 0, LENGTH(misfits));
    tcase_add_test(tests, failed_saves_leave_the_old_file);
    return network_main(suite);
}
