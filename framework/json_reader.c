/* The reader of JSON (json_reader.h). The text is passed twice by one parser: the first time it
 * counts the values, the second time it fills them in. Strings lose their escapes in a copy of the
 * text, where each ends with a zero byte in the place of what followed it. */
#include "json_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "text.h"

enum { LEVELS = 32 };

struct fcnn_json {
    char *copy;
    fcnn_json_value *values; /* the root first */
};

typedef struct {
    const char *text;
    size_t at, bytes;
    char *copy;              /* NULL in the first pass */
    fcnn_json_value *values; /* the same */
    int64_t count;
    const char **names; /* room to sort an object's names */
} parser;

static fcnn_status fail(const parser *p, const char *expected) {
    return fcnn_status_set(FCNN_ERROR_FORMAT, "not valid JSON at byte %zu: expected %s", p->at,
                           expected);
}

static int peek(const parser *p) { return p->at < p->bytes ? (unsigned char)p->text[p->at] : -1; }

static void skip_spaces(parser *p) {
    while (p->at < p->bytes && strchr(" \t\r\n", p->text[p->at]) && p->text[p->at]) p->at++;
}

static bool accept(parser *p, char c) {
    if (peek(p) != c) return false;
    p->at++;
    return true;
}

/* ---- Strings ---- */

static bool read_hex(parser *p, unsigned *unit) {
    *unit = 0;
    for (int i = 0; i < 4; i++, p->at++) {
        int c = peek(p);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return false;
        *unit = *unit * 16 + (unsigned)digit;
    }
    return true;
}

/* Writes a character as UTF-8, which is never longer than its escape. */
static size_t encode(unsigned c, char *to) {
    char bytes[4];
    size_t count = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = count; i-- > 1; c >>= 6) bytes[i] = (char)(0x80 | (c & 0x3f));
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    bytes[0] = (char)(lead[count] | c);
    if (to) memcpy(to, bytes, count);
    return count;
}

/* What follows a backslash; adds its bytes to *to, and their number to *length. */
static fcnn_status read_escape(parser *p, char *to, size_t *length) {
    static const char codes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    int c = peek(p);
    const char *code = c > 0 ? strchr(codes, c) : NULL;
    if (c != 'u' && !code) return fail(p, "an escape such as \\n or \\u00e9");
    p->at++;
    if (code) {
        if (to) to[*length] = meanings[code - codes];
        ++*length;
        return FCNN_OK;
    }
    unsigned unit, low;
    if (!read_hex(p, &unit)) return fail(p, "four hexadecimal digits");
    if (unit >= 0xd800 && unit < 0xdc00) {
        if (!accept(p, '\\') || !accept(p, 'u') || !read_hex(p, &low) || low < 0xdc00 ||
            low > 0xdfff)
            return fail(p, "the second half of a character beyond \\uffff");
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    } else if (!unit || (unit >= 0xdc00 && unit < 0xe000)) {
        return fail(p, "a character");
    }
    *length += encode(unit, to ? to + *length : NULL);
    return FCNN_OK;
}

/* Bytes of the character at `at`, or 0; unlike XML, JSON has all. */
static int character(const parser *p) {
    const char *at = p->text + p->at;
    size_t left = p->bytes - p->at;
    char whole[5] = "";
    memcpy(whole, at, left < 4 ? left : 4);
    int bytes = fcnn_text_character(whole);
    bool last = !memcmp(whole, "\xef\xbf\xbe", 3) || !memcmp(whole, "\xef\xbf\xbf", 3);
    return last ? 3 : bytes;
}

/* *text is the string in the copy. */
static fcnn_status read_string(parser *p, const char **text) {
    if (!accept(p, '"')) return fail(p, "a string");
    char *to = p->copy ? p->copy + p->at : NULL;
    size_t length = 0;
    *text = to;
    while (peek(p) != '"') {
        int c = peek(p);
        if (c < ' ') return fail(p, c < 0 ? "the end of a string" : "no control character");
        if (accept(p, '\\')) {
            FCNN_TRY(read_escape(p, to, &length));
            continue;
        }
        int bytes = character(p);
        if (!bytes) return fail(p, "UTF-8");
        if (to) memcpy(to + length, p->text + p->at, (size_t)bytes);
        length += (size_t)bytes;
        p->at += (size_t)bytes;
    }
    if (to) to[length] = '\0';
    p->at++;
    return FCNN_OK;
}

/* ---- Numbers and words ---- */

static bool skip_digits(parser *p) {
    size_t start = p->at;
    while (peek(p) >= '0' && peek(p) <= '9') p->at++;
    return p->at > start;
}

static fcnn_status read_number(parser *p) {
    accept(p, '-');
    if (!accept(p, '0') && !skip_digits(p)) return fail(p, "a value");
    if (accept(p, '.') && !skip_digits(p)) return fail(p, "a digit");
    if (accept(p, 'e') || accept(p, 'E')) {
        if (!accept(p, '+')) accept(p, '-');
        if (!skip_digits(p)) return fail(p, "a digit");
    }
    return FCNN_OK;
}

static bool accept_word(parser *p, const char *word) {
    size_t length = strlen(word);
    if (p->bytes - p->at < length || memcmp(p->text + p->at, word, length) != 0) return false;
    p->at += length;
    return true;
}

static fcnn_status read_plain(parser *p, fcnn_json_value *value) {
    size_t start = p->at;
    bool word = accept_word(p, "true") || accept_word(p, "false") || accept_word(p, "null");
    if (!word) FCNN_TRY(read_number(p));
    value->kind = word ? FCNN_JSON_WORD : FCNN_JSON_NUMBER;
    if (p->copy) {
        memcpy(p->copy + start, p->text + start, p->at - start);
        p->copy[p->at] = '\0';
        value->text = p->copy + start;
    }
    return FCNN_OK;
}

/* ---- Values ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static fcnn_status check_names(const parser *p, const fcnn_json_value *object) {
    size_t count = 0;
    for (const fcnn_json_value *v = object->first; v; v = v->next) p->names[count++] = v->name;
    if (count) qsort(p->names, count, sizeof *p->names, by_text);
    for (size_t i = 1; i < count; i++)
        if (!strcmp(p->names[i - 1], p->names[i]))
            return fcnn_status_set(FCNN_ERROR_FORMAT,
                                   "not valid JSON before byte %zu: duplicate name '%.40s'", p->at,
                                   p->names[i]);
    return FCNN_OK;
}

static fcnn_status read_value(parser *p, int level, fcnn_json_value **out);

static fcnn_status read_members(parser *p, int level, fcnn_json_value *value) {
    bool object = value->kind == FCNN_JSON_OBJECT;
    char end = object ? '}' : ']';
    const fcnn_json_value **next = &value->first;
    skip_spaces(p);
    if (accept(p, end)) return FCNN_OK;
    do {
        const char *name = NULL;
        fcnn_json_value *member;
        skip_spaces(p);
        if (object) {
            FCNN_TRY(read_string(p, &name));
            skip_spaces(p);
            if (!accept(p, ':')) return fail(p, "':'");
        }
        FCNN_TRY(read_value(p, level + 1, &member));
        value->count++;
        if (p->values) {
            member->name = name;
            *next = member;
            next = &member->next;
        }
        skip_spaces(p);
    } while (accept(p, ','));
    if (!accept(p, end)) return fail(p, object ? "',' or '}'" : "',' or ']'");
    return object && p->values ? check_names(p, value) : FCNN_OK;
}

static fcnn_status read_value(parser *p, int level, fcnn_json_value **out) {
    fcnn_json_value unused = {.count = 0}, *value = p->values ? &p->values[p->count] : &unused;
    p->count++;
    *out = value;
    if (level > LEVELS) return fail(p, "a depth of at most 32");
    skip_spaces(p);
    if (peek(p) == '"') {
        value->kind = FCNN_JSON_STRING;
        return read_string(p, &value->text);
    }
    bool object = accept(p, '{');
    if (!object && !accept(p, '[')) return read_plain(p, value);
    value->kind = object ? FCNN_JSON_OBJECT : FCNN_JSON_ARRAY;
    return read_members(p, level, value);
}

static fcnn_status read_text(parser *p) {
    fcnn_json_value *root;
    p->at = 0;
    p->count = 0;
    FCNN_TRY(read_value(p, 1, &root));
    skip_spaces(p);
    return p->at == p->bytes ? FCNN_OK : fail(p, "the end");
}

fcnn_status fcnn_json_parse(const char *text, size_t bytes, fcnn_json **out) {
    parser p = {.text = text, .bytes = bytes};
    *out = NULL;
    FCNN_TRY(read_text(&p));
    fcnn_json *json = calloc(1, sizeof *json);
    if (json) {
        json->copy = malloc(bytes + 1);
        json->values = calloc((size_t)p.count, sizeof *json->values);
        p.names = malloc((size_t)p.count * sizeof *p.names);
    }
    fcnn_status status = FCNN_OK;
    if (!json || !json->copy || !json->values || !p.names) {
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory");
    } else {
        p.copy = json->copy;
        p.values = json->values;
        status = read_text(&p);
    }
    free((void *)p.names);
    if (status)
        fcnn_json_destroy(json);
    else
        *out = json;
    return status;
}

void fcnn_json_destroy(fcnn_json *json) {
    if (!json) return;
    free(json->copy);
    free(json->values);
    free(json);
}

/* ---- Looking up ---- */

const fcnn_json_value *fcnn_json_root(const fcnn_json *json) { return json->values; }

bool fcnn_json_is(const fcnn_json_value *value, fcnn_json_kind kind) {
    return value && value->kind == kind;
}

const fcnn_json_value *fcnn_json_member(const fcnn_json_value *object, const char *name) {
    if (!fcnn_json_is(object, FCNN_JSON_OBJECT)) return NULL;
    const fcnn_json_value *v = object->first;
    while (v && strcmp(v->name, name) != 0) v = v->next;
    return v;
}

const fcnn_json_value *fcnn_json_item(const fcnn_json_value *array, int64_t index) {
    if (!fcnn_json_is(array, FCNN_JSON_ARRAY)) return NULL;
    const fcnn_json_value *v = array->first;
    while (v && index-- > 0) v = v->next;
    return v;
}

const char *fcnn_json_string(const fcnn_json_value *value) {
    return fcnn_json_is(value, FCNN_JSON_STRING) ? value->text : NULL;
}

bool fcnn_json_whole(const fcnn_json_value *value, int64_t *number) {
    char *end;
    if (!fcnn_json_is(value, FCNN_JSON_NUMBER)) return false;
    errno = 0;
    *number = strtoll(value->text, &end, 10);
    return !*end && !errno;
}

bool fcnn_json_real(const fcnn_json_value *value, double *number) {
    char *end;
    if (!fcnn_json_is(value, FCNN_JSON_NUMBER)) return false;
    *number = fcnn_number_read(value->text, &end);
    return true;
}
