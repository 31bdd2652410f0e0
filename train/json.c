/* This file writes JSON that a terminal can show. */
#include "json.h"

#include <math.h>
#include <stdlib.h>

#include "number.h"
#include "text.h"

cJSON *json_add_object(cJSON *list) {
    cJSON *object = cJSON_CreateObject();
    if (cJSON_AddItemToArray(list, object)) return object;
    cJSON_Delete(object);
    return NULL;
}

bool json_add_real(cJSON *object, const char *name, double value, int digits) {
    char text[40];
    fcnn_number_format(text, sizeof text, "%.*g", digits, value);
    return cJSON_AddRawToObject(object, name, isfinite(value) ? text : "null") != NULL;
}

bool json_add_numbers(cJSON *object, size_t count, const json_number *numbers) {
    bool good = true;
    for (size_t i = 0; good && i < count; i++)
        good = cJSON_AddNumberToObject(object, numbers[i].name, numbers[i].value) != NULL;
    return good;
}

static void write_text(FILE *out, const char *json) {
    for (int bytes; *json; json += bytes) {
        const unsigned char *at = (const unsigned char *)json;
        bytes = *json == '\n' || *json == '\t' ? 1 : fcnn_text_visible(json);
        if (bytes) {
            fwrite(json, 1, (size_t)bytes, out);
            continue;
        }
        bytes = fcnn_text_character(json);
        if (bytes == 3)
            fprintf(out, "\\u%04x", (at[0] & 15u) << 12 | (at[1] & 63u) << 6 | (at[2] & 63u));
        else if (bytes == 2)
            fprintf(out, "\\u%04x", (at[0] & 31u) << 6 | (at[1] & 63u));
        else
            fprintf(out, "\\u%04x", at[0]);
        bytes = bytes ? bytes : 1;
    }
}

/* Writes and frees a text, NULL where memory ran out. */
static fcnn_status write_and_free(FILE *out, char *text) {
    if (!text) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the JSON");
    write_text(out, text);
    free(text);
    return FCNN_OK;
}

fcnn_status json_write(FILE *out, cJSON *json, bool complete) {
    char *text = complete ? cJSON_Print(json) : NULL;
    cJSON_Delete(json);
    FCNN_TRY(write_and_free(out, text));
    fputc('\n', out);
    return FCNN_OK;
}

fcnn_status json_write_line(FILE *out, cJSON *json, bool complete) {
    char *text = complete ? cJSON_PrintUnformatted(json) : NULL;
    cJSON_Delete(json);
    return write_and_free(out, text);
}
