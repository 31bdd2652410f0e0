/* Ranks work on runs or turns of one list of images, so they must have the same one, and the same
 * model. */
#include "among_ranks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static fcnn_status no_memory(const char *what) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for %s of ranks", what);
}

/* ---- Whether they are alike ---- */

static char *describe_model(const fcnn_model *model, uint64_t fingerprint) {
    fcnn_text text = {0};
    fcnn_text_add(&text, "tensors %016" PRIx64 "\n", fingerprint);
    for (int i = 0; i < model->file->metadata_count; i++)
        fcnn_text_add(&text, "%s: %s\n", model->file->metadata[i].key,
                      model->file->metadata[i].value);
    return fcnn_text_take(&text);
}

static char *describe_options(const infer_options *o) {
    fcnn_text text = {0};
    fcnn_text_add(&text, "%s\n%s\nlimit %lld\nband fraction %.9g\n",
                  o->data ? "--data" : "pictures", o->norm_data ? "--norm-data" : "no --norm-data",
                  (long long)o->limit, o->band_fraction);
    return fcnn_text_take(&text);
}

fcnn_status compare_ranks(const infer_options *o, const fcnn_model *model,
                          const fcnn_device *device) {
    uint64_t fingerprint;
    if (!o->ranks) return FCNN_OK;
    fcnn_status status = fcnn_safetensors_fingerprint(model->file, &fingerprint);
    char *ours = status ? NULL : describe_model(model, fingerprint), *options = describe_options(o);
    if (!status && (!ours || !options)) status = no_memory("the comparison");
    status = fcnn_ranks_agree(o->ranks, status);
    if (!status) status = fcnn_ranks_compare_machines(o->ranks, device);
    if (!status) status = fcnn_ranks_compare(o->ranks, "other options", options);
    if (!status) status = fcnn_ranks_compare(o->ranks, "another model", ours);
    free(ours);
    free(options);
    return status;
}

/* ---- Texts ---- */

fcnn_status pass_text(fcnn_ranks *ranks, int from, fcnn_text *text, char **received,
                      int64_t *bytes) {
    *received = NULL;
    if (fcnn_ranks_number(ranks)) {
        int64_t length = (int64_t)text->length;
        char *own = fcnn_text_take(text);
        if (!own) return no_memory("the results");
        fcnn_status status = fcnn_ranks_send(ranks, 0, &length, sizeof length);
        if (!status) status = fcnn_ranks_send(ranks, 0, own, length);
        free(own);
        return status;
    }
    FCNN_TRY(fcnn_ranks_receive(ranks, from, bytes, sizeof *bytes));
    *received = malloc((size_t)*bytes + 1);
    if (!*received) return no_memory("the results");
    (*received)[*bytes] = '\0';
    fcnn_status status = fcnn_ranks_receive(ranks, from, *received, *bytes);
    if (!status) return FCNN_OK;
    free(*received);
    *received = NULL;
    return status;
}

/* ---- Problems ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void keep_each_once(fcnn_problems *problems) {
    int64_t kept = 0;
    char **messages = problems->messages;
    if (problems->count) qsort(messages, (size_t)problems->count, sizeof *messages, by_text);
    for (int64_t i = 0; i < problems->count; i++)
        if (kept && !strcmp(messages[kept - 1], messages[i]))
            free(messages[i]);
        else
            messages[kept++] = messages[i];
    problems->count = kept;
}

static fcnn_status add_problems(const char *lines, int64_t bytes, fcnn_problems *problems) {
    for (const char *line = lines; line < lines + bytes; line += strlen(line) + 1) {
        fcnn_status_record("%s", line);
        FCNN_TRY(fcnn_problems_add(problems));
    }
    return FCNN_OK;
}

fcnn_status gather_problems(fcnn_ranks *ranks, fcnn_problems *problems) {
    fcnn_text ours = {0};
    char *theirs;
    int64_t bytes;
    if (fcnn_ranks_number(ranks)) {
        for (int64_t i = 0; i < problems->count; i++)
            fcnn_text_add_bytes(&ours, problems->messages[i], strlen(problems->messages[i]) + 1);
        return pass_text(ranks, 0, &ours, &theirs, &bytes);
    }
    for (int r = 1; r < fcnn_ranks_size(ranks); r++) {
        FCNN_TRY(pass_text(ranks, r, NULL, &theirs, &bytes));
        fcnn_status status = add_problems(theirs, bytes, problems);
        free(theirs);
        FCNN_TRY(status);
    }
    if (ranks) keep_each_once(problems);
    return FCNN_OK;
}
