/* This file quotes the fields of a CSV file. */
#include "csv.h"

#include <stdbool.h>
#include <string.h>

void csv_write_text(FILE *out, const char *text) {
    bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    if (quoted) fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    if (quoted) fputc('"', out);
}
