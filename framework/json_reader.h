/* JSON (RFC 8259) of texts that come with a file: the header of a safetensors file and lists in its
 * metadata. cJSON reads it; this says what is memory that ran out and what is damage, and refuses
 * what cJSON would pass over. */
#ifndef FCNN_JSON_READER_H
#define FCNN_JSON_READER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "status.h"

FCNN_C_BEGIN

/* Parses a text, behind whose `bytes` a zero byte stands; the caller deletes *json, which is NULL
 * after an error. FCNN_ERROR_FORMAT tells the byte. Refused are also names that an object has
 * twice, bytes that are not UTF-8, zero characters, and more than 32 levels. */
fcnn_status fcnn_json_parse(const char *text, size_t bytes, cJSON **json);

/* Whether a text is UTF-8, as a string of JSON is to be: cJSON writes any bytes. */
bool fcnn_json_holds(const char *text);

/* Whether a value, which may be NULL, is a whole number that a double holds exactly: of at most 53
 * bits beside its sign. */
bool fcnn_json_whole(const cJSON *value, int64_t *number);

FCNN_C_END
#endif
