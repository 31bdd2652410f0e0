/* JSON on standard output is written by these functions. */
#ifndef FCNN_TRAIN_JSON_H
#define FCNN_TRAIN_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

#include "status.h"

/* Adds an empty object to a list; gives NULL where memory runs out, or has run out for the list. */
cJSON *json_add_object(cJSON *list);
/* Adds a number of so many digits, null where it is not finite; gives false where memory runs out.
 * (cJSON's own numbers have 15 or 17 digits.) */
bool json_add_real(cJSON *object, const char *name, double value, int digits);
/* Numbers under their names. */
typedef struct {
    const char *name;
    double value;
} json_number;
bool json_add_numbers(cJSON *object, size_t count, const json_number *numbers);
/* JSON_ADD_NUMBERS(object, {"name", 1.0}, {"other", 2.0}) */
#define JSON_ADD_NUMBERS(object, ...)                                                              \
    json_add_numbers(object, sizeof((json_number[]){__VA_ARGS__}) / sizeof(json_number),           \
                     (json_number[]){__VA_ARGS__})
/* Writes JSON of valid UTF-8 and a line's end, and deletes it; FCNN_ERROR_MEMORY where it is not
 * complete, as memory ran out before. Characters of its strings that are not visible (text.h),
 * which JSON allows as they are, are written as \u202e. */
fcnn_status json_write(FILE *out, cJSON *json, bool complete);
/* The same in one line, and without its end. */
fcnn_status json_write_line(FILE *out, cJSON *json, bool complete);

#endif
