/* This file writes the text fields of a CSV file. */
#include "csv.h"

#include <stdbool.h>
#include <string.h>

#include "number.h"
#include "text.h"

/* A spreadsheet takes a field that begins with one of these for a formula; the last four are the
 * full-width forms, which some take for the same. */
static bool begins_formula(const char *text) {
    static const char *const starts[] = {
        "=", "+", "-", "@", "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (!strncmp(text, starts[i], strlen(starts[i]))) return true;
    return false;
}

static bool is_number(const char *text) {
    char *end;
    fcnn_number_read(text, &end);
    return end != text && !*end && fcnn_is_digit(end[-1]) && !strpbrk(text, "xX");
}

void csv_write_text(FILE *out, const char *text) {
    bool quoted = strpbrk(text, ",\"") != NULL;
    if (quoted) fputc('"', out);
    if (begins_formula(text) && !is_number(text)) fputc('\'', out);
    for (const char *at = text; *at;) {
        size_t plain = strcspn(at, "\"");
        fcnn_text_print_part(out, at, plain);
        at += plain;
        if (*at) fputs("\"\"", out);
        at += *at != '\0';
    }
    if (quoted) fputc('"', out);
}
