/* Ranks work on runs or turns of one list of images, so they must have the same one, and the same
 * model. */
#include "among_ranks.h"

#include <inttypes.h>
#include <stdlib.h>

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
    if (!status && (!ours || !options))
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to compare the ranks");
    status = fcnn_ranks_agree(o->ranks, status);
    if (!status) status = fcnn_ranks_compare_machines(o->ranks, device);
    if (!status) status = fcnn_ranks_compare(o->ranks, "other options", options);
    if (!status) status = fcnn_ranks_compare(o->ranks, "another model", ours);
    free(ours);
    free(options);
    return status;
}
