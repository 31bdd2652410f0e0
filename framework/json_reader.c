/* JSON by cJSON (json_reader.h). A first pass checks the tokens, of which cJSON takes more than
 * JSON has: numbers such as 01 and 1., any byte up to the space as one, and \u0000 or \uzzzz as the
 * end of a string. */
#include "json_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "text.h"

enum { LEVELS = 32 };

static const char digits[] = "0123456789";

static fcnn_status fail(size_t at, const char *expected) {
    return fcnn_status_set(FCNN_ERROR_FORMAT, "not valid JSON at byte %zu: expected %s", at,
                           expected);
}

/* ---- Tokens ---- */

/* Bytes of the character at `at`, or 0; unlike XML, JSON has all. */
static size_t character(const char *at) {
    bool last = !strncmp(at, "\xef\xbf\xbe", 3) || !strncmp(at, "\xef\xbf\xbf", 3);
    return last ? 3 : (size_t)fcnn_text_character(at);
}

bool fcnn_json_holds(const char *text) {
    for (size_t length; *text; text += length)
        if (!(length = character(text))) return false;
    return true;
}

/* Passes over a string from behind its first quote on. What follows a backslash other than u is
 * cJSON's to check, and the pairs that characters beyond \uffff take. */
static fcnn_status check_string(const char *text, size_t bytes, size_t *at) {
    for (size_t length; text[*at] != '"'; *at += length) {
        const char *c = text + *at;
        if (*at == bytes) return fail(*at, "the end of a string");
        if ((unsigned char)*c < ' ') return fail(*at, "no control character");
        length = character(c);
        if (!length) return fail(*at, "UTF-8");
        if (*c != '\\') continue;
        length = 2;
        if (c[1] == 'u' &&
            (strspn(c + 2, "0123456789abcdefABCDEF") < 4 || !strncmp(c + 2, "0000", 4)))
            return fail(*at, "\\u with four hexadecimal digits of a character");
        if (*at + length > bytes) return fail(bytes, "the end of a string");
    }
    ++*at;
    return FCNN_OK;
}

static fcnn_status check_number(const char *text, size_t *at) {
    if (text[*at] == '-') ++*at;
    size_t whole = strspn(text + *at, digits);
    if (!whole || (whole > 1 && text[*at] == '0')) return fail(*at, "a number");
    *at += whole;
    if (text[*at] == '.') {
        size_t fraction = strspn(text + ++*at, digits);
        if (!fraction) return fail(*at, "a digit");
        *at += fraction;
    }
    return FCNN_OK; /* strtod, by which cJSON reads it, wants digits in an exponent too */
}

static fcnn_status check_tokens(const char *text, size_t bytes) {
    int level = 0;
    for (size_t at = 0; at < bytes;) {
        unsigned char c = (unsigned char)text[at];
        if (c == '-' || fcnn_is_digit((char)c)) {
            FCNN_TRY(check_number(text, &at));
            continue;
        }
        at++;
        if (c == '"') FCNN_TRY(check_string(text, bytes, &at));
        if ((c < ' ' && (!c || !strchr("\t\n\r", c))) || c > '~') return fail(at - 1, "a value");
        level += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (level > LEVELS) return fail(at - 1, "a depth of at most 32");
    }
    return FCNN_OK;
}

/* ---- Names ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static fcnn_status check_names(const cJSON *value) {
    const cJSON *member;
    cJSON_ArrayForEach(member, value) FCNN_TRY(check_names(member));
    if (!cJSON_IsObject(value) || !value->child) return FCNN_OK;
    size_t count = 0;
    const char **names = malloc((size_t)cJSON_GetArraySize(value) * sizeof *names);
    if (!names) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
    cJSON_ArrayForEach(member, value) names[count++] = member->string;
    qsort(names, count, sizeof *names, by_text);
    fcnn_status status = FCNN_OK;
    for (size_t i = 1; !status && i < count; i++)
        if (!strcmp(names[i - 1], names[i]))
            status = fcnn_status_set(FCNN_ERROR_FORMAT, "not valid JSON: duplicate name '%.40s'",
                                     names[i]);
    free((void *)names);
    return status;
}

/* ---- Values ---- */

fcnn_status fcnn_json_parse(const char *text, size_t bytes, cJSON **json) {
    *json = NULL;
    FCNN_TRY(check_tokens(text, bytes));
    const char *end = text;
    locale_t before = fcnn_number_locale_enter(); /* by whose point cJSON reads numbers */
    errno = 0;
    cJSON *root = cJSON_ParseWithLengthOpts(text, bytes + 1, &end, true);
    bool no_memory = errno == ENOMEM;
    fcnn_number_locale_restore(before);
    if (!root && no_memory) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
    if (!root)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "not valid JSON at byte %zu",
                               (size_t)(end - text));
    fcnn_status status = check_names(root);
    if (status)
        cJSON_Delete(root);
    else
        *json = root;
    return status;
}

bool fcnn_json_whole(const cJSON *value, int64_t *number) {
    static const double limit = 9007199254740992.0; /* 2^53, which may be 2^53 + 1 rounded */
    double real = cJSON_GetNumberValue(value);      /* NaN where it is none */
    if (!(real > -limit && real < limit)) return false;
    *number = (int64_t)real;
    return (double)*number == real;
}
