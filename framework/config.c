/* Parser, validator and printer of the cfg language; all rules come from
 * fcnn_config_keys. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 1 << 20, NAME_BYTES = 64 };

/* In place of a line number. */
enum { COMMAND_LINE = 0, WHOLE_FILE = -1 };

/* ---- Table look-up and nearest names ---- */

static const fcnn_config_key *find_row(const char *section, const char *key) {
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++) {
        if (strcmp(row->section, section)) continue;
        if (!key ? !row->key : row->key && !strcmp(row->key, key)) return row;
    }
    return NULL;
}

/* Levenshtein distance, for names shorter than NAME_BYTES. */
static int distance(const char *a, const char *b) {
    size_t la = strlen(a), lb = strlen(b);
    if (la >= NAME_BYTES || lb >= NAME_BYTES) return NAME_BYTES;
    int row[NAME_BYTES];
    for (size_t j = 0; j <= lb; j++) row[j] = (int)j;
    for (size_t i = 1; i <= la; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= lb; j++) {
            int replace = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            int insert = row[j] < row[j - 1] ? row[j] : row[j - 1];
            row[j] = replace < insert + 1 ? replace : insert + 1;
        }
    }
    return row[lb];
}

/* Remembers the candidate nearest to a name, if it is near enough to be meant. */
typedef struct {
    const char *wanted;
    char best[NAME_BYTES];
    int distance;
} nearest;

static void nearest_consider(nearest *n, const char *candidate, size_t length) {
    char text[NAME_BYTES];
    if (length >= sizeof text) return;
    memcpy(text, candidate, length);
    text[length] = '\0';
    int d = distance(n->wanted, text);
    int limit = (int)strlen(n->wanted) / 3 + 1;
    if (d <= limit && (!n->best[0] || d < n->distance)) {
        memcpy(n->best, text, length + 1);
        n->distance = d;
    }
}

/* "; did you mean 'x'?" or "". */
static const char *nearest_hint(const nearest *n, char *text, size_t bytes) {
    text[0] = '\0';
    if (n->best[0]) snprintf(text, bytes, "; did you mean '%s'?", n->best);
    return text;
}

static int find_word(const char *words, const char *value) {
    size_t length = strlen(value);
    int index = 0;
    for (const char *word = words; word && *word; index++) {
        size_t span = strcspn(word, "|");
        if (span == length && !memcmp(word, value, span)) return index;
        word += span + (word[span] == '|');
    }
    return -1;
}

/* Length of a word list without the separator it may end with. */
static int words_length(const char *words) {
    size_t length = strlen(words);
    return (int)(length && words[length - 1] == '|' ? length - 1 : length);
}

/* A row's words; "" where it has none. */
static const char *words_of(const fcnn_config_key *row) { return row->words ? row->words : ""; }

/* ---- Messages ---- */

static fcnn_status fail(const fcnn_config *config, int line, const char *format, ...)
    FCNN_PRINTF(3, 4);
static fcnn_status fail(const fcnn_config *config, int line, const char *format, ...) {
    char text[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (line == COMMAND_LINE) return fcnn_status_set(FCNN_ERROR_CONFIG, "%s", text);
    if (line == WHOLE_FILE) return fcnn_status_set(FCNN_ERROR_CONFIG, "%s: %s", config->file, text);
    return fcnn_status_set(FCNN_ERROR_CONFIG, "%s:%d: %s", config->file, line, text);
}

static const fcnn_entry *find_entry(const fcnn_section *section, const char *key) {
    for (int i = 0; i < section->entry_count; i++)
        if (!strcmp(section->entries[i].row->key, key)) return &section->entries[i];
    return NULL;
}

fcnn_status fcnn_config_error(const fcnn_config *config, const fcnn_section *section,
                              const char *key, const char *format, ...) {
    char text[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const fcnn_entry *entry = key ? find_entry(section, key) : NULL;
    if (entry && entry->line == COMMAND_LINE)
        return fcnn_status_set(FCNN_ERROR_CONFIG, "--set %s.%s=%s: %s", section->name, key,
                               entry->value, text);
    return fail(config, entry ? entry->line : section->line, "[%s] %s", section->name, text);
}

/* ---- Values ---- */

static bool parse_int(const char *value, long long *number) {
    char *end;
    errno = 0;
    *number = strtoll(value, &end, 10);
    return end != value && !*end && !errno && !isspace((unsigned char)value[0]);
}

static bool parse_real(const char *value, double *number) {
    char *end;
    if (strpbrk(value, "xXpPnN") || isspace((unsigned char)value[0])) return false;
    *number = strtod(value, &end);
    return end != value && !*end && isfinite(*number);
}

static fcnn_status check_value(const fcnn_config *config, int line, const fcnn_config_key *row,
                               const char *value) {
    if (!*value) return fail(config, line, "%s has no value", row->key);
    if (row->type == FCNN_KEY_TEXT || row->type == FCNN_KEY_PATH) return FCNN_OK;
    if (row->words && find_word(row->words, value) >= 0) return FCNN_OK;
    if (row->type == FCNN_KEY_WORD) {
        nearest n = {.wanted = value};
        for (const char *w = words_of(row); *w; w += strcspn(w, "|"), w += *w == '|')
            nearest_consider(&n, w, strcspn(w, "|"));
        char hint[NAME_BYTES + 24];
        return fail(config, line, "%s=%s: expected one of %.*s%s", row->key, value,
                    words_length(words_of(row)), words_of(row),
                    nearest_hint(&n, hint, sizeof hint));
    }
    const char *also = words_of(row);
    const char *or_words = row->words ? ", or " : "";
    if (row->type == FCNN_KEY_INT) {
        long long number;
        if (!parse_int(value, &number) || number < row->low || number > row->high)
            return fail(config, line, "%s=%s: expected a whole number from %.0f to %.0f%s%s",
                        row->key, value, row->low, row->high, or_words, also);
    } else {
        double number;
        if (!parse_real(value, &number) || number < row->low || number > row->high)
            return fail(config, line, "%s=%s: expected a number from %g to %g%s%s", row->key, value,
                        row->low, row->high, or_words, also);
    }
    return FCNN_OK;
}

static fcnn_status set_entry(fcnn_config *config, fcnn_section *section, const fcnn_config_key *row,
                             const char *value, int line) {
    for (int i = 0; i < section->entry_count; i++) {
        fcnn_entry *entry = &section->entries[i];
        if (entry->row != row) continue;
        if (line != COMMAND_LINE)
            return fail(config, line, "%s is given twice in [%s]; the first time on line %d",
                        row->key, section->name, entry->line);
        char *copy = strdup(value);
        if (!copy) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cfg value");
        free(entry->value);
        entry->value = copy;
        entry->line = COMMAND_LINE;
        return FCNN_OK;
    }
    fcnn_entry *grown =
        realloc(section->entries, ((size_t)section->entry_count + 1) * sizeof *grown);
    char *copy = strdup(value);
    if (grown) section->entries = grown;
    if (!grown || !copy) {
        free(copy);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cfg value");
    }
    section->entries[section->entry_count++] = (fcnn_entry){row, copy, line};
    return FCNN_OK;
}

static fcnn_status set_named(fcnn_config *config, fcnn_section *section, const char *key,
                             const char *value, int line) {
    const fcnn_config_key *row = find_row(section->name, key);
    if (row) {
        FCNN_TRY(check_value(config, line, row, value));
        return set_entry(config, section, row, value, line);
    }
    nearest n = {.wanted = key};
    for (row = fcnn_config_keys; row->section; row++)
        if (row->key && !strcmp(row->section, section->name))
            nearest_consider(&n, row->key, strlen(row->key));
    char hint[NAME_BYTES + 24];
    return fail(config, line, "unknown key '%s' in [%s]%s", key, section->name,
                nearest_hint(&n, hint, sizeof hint));
}

/* ---- Lines ---- */

static char *trim(char *text) {
    while (isspace((unsigned char)*text)) text++;
    size_t length = strlen(text);
    while (length && isspace((unsigned char)text[length - 1])) text[--length] = '\0';
    return text;
}

static fcnn_status open_section(fcnn_config *config, char *line_text, int line) {
    char *close = strchr(line_text, ']');
    if (!close || close[1])
        return fail(config, line, "'%s': expected a section such as [conv]", line_text);
    *close = '\0';
    char *name = trim(line_text + 1);
    const fcnn_config_key *row = find_row(name, NULL);
    if (!row) {
        nearest n = {.wanted = name};
        for (row = fcnn_config_keys; row->section; row++)
            if (!row->key) nearest_consider(&n, row->section, strlen(row->section));
        char hint[NAME_BYTES + 24];
        return fail(config, line, "unknown section [%s]%s", name,
                    nearest_hint(&n, hint, sizeof hint));
    }
    bool is_net = !strcmp(name, "net");
    if (is_net != (config->section_count == 0))
        return fail(config, line,
                    is_net ? "[net] must be the first section and the only one"
                           : "the first section must be [net]");
    fcnn_section *grown =
        realloc(config->sections, ((size_t)config->section_count + 1) * sizeof *grown);
    if (!grown) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cfg section");
    config->sections = grown;
    int ordinal = 1;
    for (int i = 0; i < config->section_count; i++) ordinal += !strcmp(grown[i].name, row->section);
    grown[config->section_count++] =
        (fcnn_section){.name = row->section, .line = line, .ordinal = ordinal};
    return FCNN_OK;
}

static fcnn_status parse_line(fcnn_config *config, char *text, int line) {
    text[strcspn(text, "#;")] = '\0';
    text = trim(text);
    if (!*text) return FCNN_OK;
    if (*text == '[') return open_section(config, text, line);
    char *equals = strchr(text, '=');
    if (!equals) return fail(config, line, "'%s': expected key=value or [section]", text);
    *equals = '\0';
    char *key = trim(text), *value = trim(equals + 1);
    if (!config->section_count)
        return fail(config, line, "'%s' stands before any section; a cfg begins with [net]", key);
    return set_named(config, &config->sections[config->section_count - 1], key, value, line);
}

static fcnn_status check_missing(const fcnn_config *config) {
    if (!config->section_count)
        return fail(config, WHOLE_FILE, "no section; a cfg begins with [net]");
    for (int i = 0; i < config->section_count; i++) {
        const fcnn_section *section = &config->sections[i];
        for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++)
            if (row->key && !row->fallback && !strcmp(row->section, section->name) &&
                !find_entry(section, row->key))
                return fail(config, section->line, "[%s] needs %s= (%s)", section->name, row->key,
                            row->help);
    }
    return FCNN_OK;
}

static fcnn_status parse_text(fcnn_config *config, const char *text, size_t bytes) {
    int line = 0;
    for (const char *at = text, *end = text + bytes; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - at);
        line++;
        if (memchr(at, '\0', length))
            return fail(config, line, "a zero byte: this is not a text file");
        char *copy = strndup(at, length);
        if (!copy) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cfg line");
        fcnn_status status = parse_line(config, copy, line);
        free(copy);
        if (status) return status;
        at += length + 1;
    }
    return check_missing(config);
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
    if (!stream)
        return fcnn_status_set(FCNN_ERROR_CONFIG, "%s: cannot be opened: %s", file,
                               strerror(errno));
    char *text = malloc(FILE_BYTES_MAX + 1);
    if (!text) {
        fclose(stream);
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to read %s", file);
    }
    size_t bytes = fread(text, 1, FILE_BYTES_MAX + 1, stream);
    fcnn_status status;
    if (ferror(stream))
        status =
            fcnn_status_set(FCNN_ERROR_CONFIG, "%s: cannot be read: %s", file, strerror(errno));
    else if (bytes > FILE_BYTES_MAX)
        status =
            fcnn_status_set(FCNN_ERROR_CONFIG, "%s: larger than 1 MiB; this is not a cfg", file);
    else
        status = fcnn_config_parse(file, text, bytes, config);
    fclose(stream);
    free(text);
    return status;
}

void fcnn_config_destroy(fcnn_config *config) {
    if (!config) return;
    for (int i = 0; i < config->section_count; i++) {
        for (int j = 0; j < config->sections[i].entry_count; j++)
            free(config->sections[i].entries[j].value);
        free(config->sections[i].entries);
    }
    free(config->sections);
    free(config->file);
    free(config->folder);
    free(config);
}

/* ---- Overrides and text ---- */

fcnn_status fcnn_config_set(fcnn_config *config, fcnn_section *section, const char *key,
                            const char *value) {
    char *copy = strdup(value);
    if (!copy) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cfg value");
    fcnn_status status = set_named(config, section, key, trim(copy), COMMAND_LINE);
    free(copy);
    return status;
}

fcnn_status fcnn_config_override(fcnn_config *config, const char *assignment) {
    char name[NAME_BYTES], key[NAME_BYTES];
    int index = 0, used = 0;
    bool indexed =
        sscanf(assignment, " %63[a-z_] [ %d ] . %63[a-z0-9_] =%n", name, &index, key, &used) == 3;
    if (!indexed && sscanf(assignment, " %63[a-z_] . %63[a-z0-9_] =%n", name, key, &used) != 2)
        used = 0;
    if (!used)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--set %s: expected section.key=value or section[i].key=value",
                               assignment);
    fcnn_section *found = NULL;
    int count = 0;
    for (int i = 0; i < config->section_count; i++) {
        if (strcmp(config->sections[i].name, name)) continue;
        count++;
        if (!indexed || config->sections[i].ordinal == index) found = &config->sections[i];
    }
    if (count == 0)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--set %s: %s has no section [%s]", assignment,
                               config->file, name);
    if (!found && count == 1)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--set %s: there is one section [%s], %s[1]",
                               assignment, name, name);
    if (!found || (!indexed && count > 1))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--set %s: there are %d sections [%s]; name one of %s[1] to %s[%d]",
                               assignment, count, name, name, name, count);
    fcnn_status status = fcnn_config_set(config, found, key, assignment + used);
    return status ? fcnn_status_prefix(status, "--set %s", assignment) : FCNN_OK;
}

char *fcnn_config_text(const fcnn_config *config) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return NULL;
    for (int i = 0; i < config->section_count; i++) {
        const fcnn_section *section = &config->sections[i];
        fprintf(out, "%s[%s]\n", i ? "\n" : "", section->name);
        for (int j = 0; j < section->entry_count; j++)
            fprintf(out, "%s=%s\n", section->entries[j].row->key, section->entries[j].value);
    }
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- Getters ---- */

static const char *value_of(const fcnn_section *section, const char *key,
                            const fcnn_config_key **row) {
    *row = find_row(section->name, key);
    if (!*row) abort(); /* a layer asks for a key that the table lacks: a mistake in fcnn */
    const fcnn_entry *entry = find_entry(section, key);
    return entry ? entry->value : (*row)->fallback;
}

bool fcnn_section_has(const fcnn_section *section, const char *key) {
    return find_entry(section, key) != NULL;
}

int64_t fcnn_section_int(const fcnn_section *section, const char *key) {
    const fcnn_config_key *row;
    return strtoll(value_of(section, key, &row), NULL, 10);
}

double fcnn_section_real(const fcnn_section *section, const char *key) {
    const fcnn_config_key *row;
    return strtod(value_of(section, key, &row), NULL);
}

const char *fcnn_section_text(const fcnn_section *section, const char *key) {
    const fcnn_config_key *row;
    return value_of(section, key, &row);
}

bool fcnn_section_is(const fcnn_section *section, const char *key, const char *word) {
    return !strcmp(fcnn_section_text(section, key), word);
}

bool fcnn_config_in_space(const fcnn_config *config) {
    return fcnn_section_is(&config->sections[0], "domain", "space");
}

int fcnn_section_word(const fcnn_section *section, const char *key) {
    const fcnn_config_key *row;
    const char *value = value_of(section, key, &row);
    return find_word(row->words, value);
}

/* ---- Manual ---- */

static void print_range(FILE *out, const fcnn_config_key *row) {
    switch (row->type) {
    case FCNN_KEY_INT: fprintf(out, "%.0f to %.0f", row->low, row->high); break;
    case FCNN_KEY_REAL: fprintf(out, "%g to %g", row->low, row->high); break;
    case FCNN_KEY_TEXT: fputs("text", out); break;
    case FCNN_KEY_PATH: fputs("name or path", out); break;
    default: break;
    }
    if (row->words) {
        if (row->type != FCNN_KEY_WORD) fputs(", or ", out);
        fprintf(out, "%.*s", words_length(words_of(row)), words_of(row));
    }
}

void fcnn_config_print_manual(FILE *out) {
    fputs("A cfg is a list of sections, [net] first, then one section a layer in order.\n"
          "Lines are key=value; # and ; start comments. Paths are relative to the cfg.\n",
          out);
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++) {
        if (!row->key) {
            fprintf(out, "\n[%s]  %s\n", row->section, row->help);
            continue;
        }
        fprintf(out, "  %-16s %s (", row->key, row->help);
        print_range(out, row);
        if (row->fallback)
            fprintf(out, "; default %s)\n", *row->fallback ? row->fallback : "none");
        else
            fputs("; required)\n", out);
    }
}
