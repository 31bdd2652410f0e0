/* This file writes JSON that a terminal can show. */
#include "json.h"

#include "text.h"

void json_write(FILE *out, const char *json) {
    for (int bytes; *json; json += bytes) {
        const unsigned char *at = (const unsigned char *)json;
        bytes = *json == '\n' ? 1 : fcnn_text_visible(json);
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
