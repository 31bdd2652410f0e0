/* The text of a cfg: reading its lines, and writing them so that every value is read back as it
 * is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"
#include "file_kind.h"
#include "nearest.h"
#include "text.h"

enum { FILE_BYTES_MAX = 1 << 20, HINT_BYTES = 512 };

/* ---- Values in quotes ---- */

/* A line as it stands in the file, for messages. */
typedef struct {
    fcnn_config *config;
    const char *start;
    int number;
} line;

static fcnn_status fail_at(const line *l, const char *at, const char *message) {
    return fcnn_status_set(FCNN_ERROR_CONFIG, "%s:%d:%d: %s", l->config->file, l->number,
                           (int)(at - l->start) + 1, message);
}

static int hexadecimal(char c) {
    if (fcnn_is_digit(c)) return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that stands behind a backslash; *at is left behind it. */
static fcnn_status read_escape(const line *l, const char **at, char *byte) {
    static const char letters[] = "\"\\ntr", bytes[] = "\"\\\n\t\r";
    const char *c = *at, *letter = *c ? strchr(letters, *c) : NULL;
    *at = c + 1;
    if (letter) {
        *byte = bytes[letter - letters];
        return FCNN_OK;
    }
    int high = *c == 'x' ? hexadecimal(c[1]) : -1, low = high >= 0 ? hexadecimal(c[2]) : -1;
    if (low < 0 || high + low == 0)
        return fail_at(l, c - 1,
                       "in quotes a backslash begins \\\", \\\\, \\n, \\t, \\r or a byte from "
                       "\\x01 to \\xff");
    *byte = (char)(high * 16 + low);
    *at = c + 3;
    return FCNN_OK;
}

/* Reads a value in quotes, whose first stands at `text`, and writes what it means over it. */
static fcnn_status unquote(const line *l, char *text) {
    char *to = text;
    const char *at = text + 1;
    while (*at != '"') {
        if (!*at) return fail_at(l, text, "this quote is not closed");
        char byte = *at++;
        if (byte == '\\') FCNN_TRY(read_escape(l, &at, &byte));
        *to++ = byte;
    }
    at++;
    while (fcnn_is_space(*at)) at++;
    if (*at && *at != '#' && *at != ';')
        return fail_at(l, at, "expected nothing behind the closing quote but a comment");
    *to = '\0';
    return FCNN_OK;
}

static bool needs_quotes(const char *value) {
    if (!*value || *value == '"' || *value == ' ') return true;
    for (int bytes; *value; value += bytes) {
        bytes = fcnn_text_visible(value);
        if (!bytes || *value == '#' || *value == ';' || (*value == ' ' && !value[1])) return true;
    }
    return false;
}

void fcnn_config_write_value(fcnn_text *out, const char *value) {
    if (!needs_quotes(value)) {
        fcnn_text_add(out, "%s", value);
        return;
    }
    fcnn_text_add(out, "\"");
    for (int bytes; *value; value += bytes ? bytes : 1) {
        bytes = fcnn_text_visible(value);
        if (*value == '"' || *value == '\\')
            fcnn_text_add(out, "\\%c", *value);
        else if (bytes)
            fcnn_text_add_bytes(out, value, (size_t)bytes);
        else
            fcnn_text_add(out, "\\x%02x", (unsigned char)*value);
    }
    fcnn_text_add(out, "\"");
}

/* ---- Lines ---- */

static fcnn_status open_section(const line *l, char *text) {
    char *close = strchr(text, ']');
    if (!close || close[1])
        return fcnn_config_fail(l->config, l->number, "'%s': expected a section such as [conv]",
                                text);
    *close = '\0';
    return fcnn_config_add_section(l->config, fcnn_config_trim(text + 1), l->number);
}

static void cut_comment(char *text) { text[strcspn(text, "#;")] = '\0'; }

static fcnn_status parse_line(const line *l, char *text) {
    while (fcnn_is_space(*text)) text++;
    size_t name = strcspn(text, "=#;");
    if (text[name] != '=' || *text == '[') {
        cut_comment(text);
        text = fcnn_config_trim(text);
        if (!*text) return FCNN_OK;
        if (*text == '[') return open_section(l, text);
        return fcnn_config_fail(l->config, l->number, "'%s': expected key=value or [section]",
                                text);
    }
    text[name] = '\0';
    char *key = fcnn_config_trim(text), *value = text + name + 1;
    while (fcnn_is_space(*value)) value++;
    if (*value == '"') {
        FCNN_TRY(unquote(l, value));
    } else {
        cut_comment(value);
        value = fcnn_config_trim(value);
    }
    return fcnn_config_add_value(l->config, key, value, l->number);
}

static fcnn_status parse_text(fcnn_config *config, const char *text, size_t bytes) {
    const char *end = text + bytes;
    int number = 0;
    if (bytes >= 2 && (!memcmp(text, "\xff\xfe", 2) || !memcmp(text, "\xfe\xff", 2)))
        return fcnn_config_fail(config, FCNN_LINE_FILE,
                                "a text in UTF-16; expected UTF-8, in which editors save it if "
                                "they are asked to");
    for (const char *at = text + fcnn_text_mark(text, bytes); at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        number++;
        if (memchr(at, '\0', length))
            return fcnn_config_fail(config, number, "a zero byte: this is not a text file");
        char *copy = strndup(at, length);
        if (!copy) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cfg line");
        fcnn_status status = parse_line(&(line){config, copy, number}, copy);
        free(copy);
        if (status) return status;
        at += length + 1;
    }
    return fcnn_config_check_missing(config);
}

fcnn_status fcnn_config_parse(const char *file, const char *text, size_t bytes, fcnn_config **out) {
    *out = NULL;
    fcnn_config *config = calloc(1, sizeof *config);
    const char *slash = strrchr(file, '/');
    if (config) {
        config->file = strdup(file);
        config->folder = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup("");
    }
    if (!config || !config->file || !config->folder) {
        fcnn_config_destroy(config);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the cfg");
    }
    fcnn_status status = parse_text(config, text, bytes);
    if (status)
        fcnn_config_destroy(config);
    else
        *out = config;
    return status;
}

fcnn_status fcnn_config_load(const char *file, fcnn_config **config) {
    *config = NULL;
    FILE *stream = fopen(file, "rb");
    if (!stream) {
        int error = errno;
        char hint[HINT_BYTES] = "";
        if (error == ENOENT) fcnn_nearest_file_hint(file, "models", ".cfg", hint, sizeof hint);
        return fcnn_status_set(FCNN_ERROR_CONFIG, "%s: cannot be opened: %s%s", file,
                               strerror(error), hint);
    }
    char *text = malloc(FILE_BYTES_MAX + 1);
    if (!text) {
        fclose(stream);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to read %s", file);
    }
    size_t bytes = fread(text, 1, FILE_BYTES_MAX + 1, stream);
    fcnn_status status;
    if (ferror(stream))
        status = fcnn_status_set(
            FCNN_ERROR_CONFIG, "%s: %s%s", file, errno == EISDIR ? "" : "cannot be read: ",
            errno == EISDIR ? "expected a cfg, found a folder" : strerror(errno));
    else if (fcnn_file_mark((const uint8_t *)text, bytes))
        status = fcnn_status_set(FCNN_ERROR_CONFIG, "%s: expected a cfg, found %s", file,
                                 fcnn_file_mark((const uint8_t *)text, bytes));
    else if (bytes > FILE_BYTES_MAX)
        status =
            fcnn_status_set(FCNN_ERROR_CONFIG, "%s: larger than 1 MiB; this is not a cfg", file);
    else
        status = fcnn_config_parse(file, text, bytes, config);
    fclose(stream);
    free(text);
    return status;
}

/* ---- Writing ---- */

char *fcnn_config_text(const fcnn_config *config) {
    fcnn_text text = {0};
    for (int i = 0; i < config->section_count; i++) {
        const fcnn_section *section = &config->sections[i];
        fcnn_text_add(&text, "%s[%s]\n", i ? "\n" : "", section->name);
        for (int j = 0; j < section->entry_count; j++) {
            fcnn_text_add(&text, "%s=", section->entries[j].row->key);
            fcnn_config_write_value(&text, section->entries[j].value);
            fcnn_text_add(&text, "\n");
        }
    }
    return fcnn_text_take(&text);
}

void fcnn_config_text_remove(char *text, const char *key) {
    size_t key_length = strlen(key);
    char *to = text;
    for (char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        if (line[length]) length++;
        if (strncmp(line, key, key_length) != 0 || line[key_length] != '=') {
            memmove(to, line, length);
            to += length;
        }
        line += length;
    }
    *to = '\0';
}
