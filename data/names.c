/* Class names out of a text file, or out of a text in the program, and the
 * names of images that have a number alone. */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { NAME_BYTES = 256 };

static fcnn_status add_bytes(fcnn_names *names, const char *name, size_t bytes, const char *where) {
    if (names->count == FCNN_NAMES_MAX)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: more than %d class names", where,
                               FCNN_NAMES_MAX);
    char *copy = strndup(name, bytes), text[4 * NAME_BYTES];
    if (copy) {
        fcnn_text_printable(copy, text, sizeof text);
        free(copy);
        copy = strdup(text);
    }
    if (!copy) return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", where);
    names->names[names->count++] = copy;
    return FCNN_OK;
}

fcnn_status fcnn_names_add(fcnn_names *names, const char *name, const char *where) {
    return add_bytes(names, name, strlen(name), where);
}

fcnn_status fcnn_names_split(fcnn_names *names, const char *text, const char *where) {
    for (;;) {
        size_t bytes = strcspn(text, "|");
        FCNN_TRY(add_bytes(names, text, bytes, where));
        if (!text[bytes]) return FCNN_OK;
        text += bytes + 1;
    }
}

fcnn_status fcnn_names_read(fcnn_names *names, FILE *file, const char *path) {
    char line[NAME_BYTES];
    int number = 0, blank = 0;
    size_t mark;
    while (memset(line, 0, sizeof line), fgets(line, sizeof line, file)) {
        number++;
        if (number == 1 && (!memcmp(line, "\xff\xfe", 2) || !memcmp(line, "\xfe\xff", 2)))
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: a text in UTF-16; expected UTF-8", path);
        size_t length = strcspn(line, "\r\n");
        if (!line[length] && memchr(line + length + 1, '\n', sizeof line - length - 1))
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s:%d: a zero byte: this is not a text file",
                                   path, number);
        if (!line[length] && !feof(file))
            return fcnn_status_set(FCNN_ERROR_FORMAT, "%s:%d: a class name longer than %zu bytes",
                                   path, number, sizeof line - 2);
        line[length] = '\0';
        mark = number == 1 ? fcnn_text_mark(line, length) : 0;
        length -= mark;
        if (!length && !blank) blank = number;
        if (!length) continue;
        if (blank)
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "%s:%d: expected a class name, found an empty line", path,
                                   blank);
        FCNN_TRY(fcnn_names_add(names, line + mark, path));
    }
    if (ferror(file))
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read: %s", path, strerror(errno));
    return FCNN_OK;
}

void fcnn_names_clear(fcnn_names *names) {
    for (int i = 0; i < names->count; i++) free(names->names[i]);
    names->count = 0;
}

void fcnn_describe_number(fcnn_dataset *dataset, fcnn_split split, int64_t index, char *text,
                          size_t bytes) {
    const char *held_out = dataset->held_out_is_test ? "test" : "val";
    snprintf(text, bytes, "%s %lld", split == FCNN_SPLIT_TRAIN ? "train" : held_out,
             (long long)index);
}
