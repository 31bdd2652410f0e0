/* A reader of JSON (RFC 8259) for texts that come with a file: the header of a safetensors file and
 * lists in its metadata. It takes its memory at once, before it fills it: where there is none it
 * says so, and never gives a part of what the text says. */
#ifndef FCNN_JSON_READER_H
#define FCNN_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

FCNN_C_BEGIN

typedef enum {
    FCNN_JSON_OBJECT,
    FCNN_JSON_ARRAY,
    FCNN_JSON_STRING,
    FCNN_JSON_NUMBER,
    FCNN_JSON_WORD /* true, false, null */
} fcnn_json_kind;

typedef struct fcnn_json_value {
    fcnn_json_kind kind;
    const char *name; /* of an object's member, else NULL */
    const char *text; /* of a string, without escapes, or as it stands of a number or word */
    int64_t count;    /* members or items */
    const struct fcnn_json_value *first, *next; /* its members or items; the next beside it */
} fcnn_json_value;

typedef struct fcnn_json fcnn_json;

/* Parses a text; the caller destroys it. FCNN_ERROR_FORMAT tells the byte. Refused are names that
 * an object has twice, bytes that are not UTF-8, zero characters, and more than 32 levels. */
fcnn_status fcnn_json_parse(const char *text, size_t bytes, fcnn_json **json);
void fcnn_json_destroy(fcnn_json *json);

const fcnn_json_value *fcnn_json_root(const fcnn_json *json);
/* A member of an object, an item of an array, or a string's text; NULL where there is none, also of
 * a value of another kind or NULL. */
const fcnn_json_value *fcnn_json_member(const fcnn_json_value *object, const char *name);
const fcnn_json_value *fcnn_json_item(const fcnn_json_value *array, int64_t index);
const char *fcnn_json_string(const fcnn_json_value *value);
/* Whether it is of that kind, or a whole number that fits, or a number. */
bool fcnn_json_is(const fcnn_json_value *value, fcnn_json_kind kind);
bool fcnn_json_whole(const fcnn_json_value *value, int64_t *number);
bool fcnn_json_real(const fcnn_json_value *value, double *number);

FCNN_C_END
#endif
