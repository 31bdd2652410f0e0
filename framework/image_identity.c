/* Identities of image sets, and their form in JSON. */
#include "image_identity.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json_reader.h"
#include "text.h"

const char *fcnn_image_name(fcnn_dataset *dataset, fcnn_split split, int64_t index) {
    const char *path = dataset->path ? dataset->path(dataset, split, index) : "";
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static fcnn_status allocate(int classes, fcnn_identity *identity) {
    *identity = (fcnn_identity){.all.fingerprint = FCNN_FINGERPRINT, .classes = classes};
    identity->by_class = calloc((size_t)classes + 1, sizeof *identity->by_class);
    if (!identity->by_class)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the data's fingerprints");
    for (int c = 0; c < classes; c++) identity->by_class[c].fingerprint = FCNN_FINGERPRINT;
    return FCNN_OK;
}

static void add_image(fcnn_images_identity *to, uint64_t image) {
    to->images++;
    to->fingerprint = fcnn_fingerprint(to->fingerprint, &image, sizeof image);
}

fcnn_status fcnn_identity_take(fcnn_dataset *dataset, fcnn_split split, const int64_t *indices,
                               int64_t count, fcnn_identity *identity) {
    *identity = (fcnn_identity){0};
    if (count && !dataset->contents[split])
        return fcnn_status_set(FCNN_ERROR_UNSUPPORTED, "the data set has no fingerprints");
    FCNN_TRY(allocate(dataset->classes, identity));
    for (int64_t i = 0; i < count; i++) {
        int64_t index = indices ? indices[i] : i;
        const char *name = fcnn_image_name(dataset, split, index);
        int32_t label = dataset->labels[split][index];
        uint64_t image = fcnn_fingerprint(dataset->contents[split][index], name, strlen(name));
        add_image(&identity->by_class[label], image);
        add_image(&identity->all, fcnn_fingerprint(image, &label, sizeof label));
    }
    return FCNN_OK;
}

void fcnn_identity_clear(fcnn_identity *identity) {
    free(identity->by_class);
    *identity = (fcnn_identity){0};
}

char *fcnn_identity_text(const fcnn_identity *identity) {
    fcnn_text text = {0};
    fcnn_text_add(&text,
                  "{\"images\": %" PRId64 ", \"fingerprint\": \"%016" PRIx64 "\", \"classes\": [",
                  identity->all.images, identity->all.fingerprint);
    for (int c = 0; c < identity->classes; c++)
        fcnn_text_add(&text, "%s[%" PRId64 ", \"%016" PRIx64 "\"]", c ? ", " : "",
                      identity->by_class[c].images, identity->by_class[c].fingerprint);
    fcnn_text_add(&text, "]}");
    return fcnn_text_take(&text);
}

/* ---- Reading ---- */

static bool parse_images(const cJSON *images, const cJSON *fingerprint,
                         fcnn_images_identity *identity) {
    const char *text = cJSON_GetStringValue(fingerprint);
    if (!fcnn_json_whole(images, &identity->images) || !text || strlen(text) != 16 ||
        text[strspn(text, "0123456789abcdef")])
        return false;
    identity->fingerprint = strtoull(text, NULL, 16);
    return identity->images >= 0;
}

static bool parse_all(const cJSON *object, int classes, fcnn_identity *identity) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "classes");
    bool good =
        parse_images(cJSON_GetObjectItemCaseSensitive(object, "images"),
                     cJSON_GetObjectItemCaseSensitive(object, "fingerprint"), &identity->all) &&
        cJSON_IsArray(list) && cJSON_GetArraySize(list) == classes;
    const cJSON *pair = good ? list->child : NULL;
    for (int c = 0; good && c < classes; c++, pair = pair->next)
        good = cJSON_IsArray(pair) &&
               parse_images(cJSON_GetArrayItem(pair, 0), cJSON_GetArrayItem(pair, 1),
                            &identity->by_class[c]);
    return good;
}

fcnn_status fcnn_identity_parse(const char *text, int classes, const char *where,
                                fcnn_identity *identity) {
    cJSON *json = NULL;
    FCNN_TRY(allocate(classes, identity));
    fcnn_status status = fcnn_json_parse(text, strlen(text), &json);
    if (status == FCNN_ERROR_MEMORY)
        status = fcnn_status_prefix(status, "%s", where);
    else if (status || !parse_all(json, classes, identity))
        status = fcnn_status_set(FCNN_ERROR_FORMAT,
                                 "%s: expected images and a fingerprint for each of %d classes",
                                 where, classes);
    cJSON_Delete(json);
    if (status) fcnn_identity_clear(identity);
    return status;
}
