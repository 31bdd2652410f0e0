/* The rules of the cfg language: sections, keys and values are checked against
 * fcnn_config_keys, which also prints the manual. Their text is config_text.c's. */
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"
#include "foreign_names.h"
#include "nearest.h"
#include "number.h"
#include "text.h"

enum { NAME_BYTES = 64 };

/* ---- Table look-up ---- */

static const fcnn_config_key *find_row(const char *section, const char *key) {
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++) {
        if (strcmp(row->section, section)) continue;
        if (!key ? !row->key : row->key && !strcmp(row->key, key)) return row;
    }
    return NULL;
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

static bool is_path(const fcnn_config_key *row) {
    return row->type == FCNN_KEY_PATH || row->type == FCNN_KEY_OUTPUT;
}

/* A row's words; "" where it has none. */
static const char *words_of(const fcnn_config_key *row) { return row->words ? row->words : ""; }

/* ---- Messages ---- */

fcnn_status fcnn_config_fail(const fcnn_config *config, int line, const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    fcnn_number_vformat(text, sizeof text, format, arguments);
    va_end(arguments);
    if (line == FCNN_LINE_COMMAND) return fcnn_status_set(FCNN_ERROR_CONFIG, "%s", text);
    if (line == FCNN_LINE_FILE)
        return fcnn_status_set(FCNN_ERROR_CONFIG, "%s: %s", config->file, text);
    return fcnn_status_set(FCNN_ERROR_CONFIG, "%s:%d: %s", config->file, line, text);
}

static const fcnn_entry *find_entry(const fcnn_section *section, const char *key) {
    for (int i = 0; i < section->entry_count; i++)
        if (!strcmp(section->entries[i].row->key, key)) return &section->entries[i];
    return NULL;
}

fcnn_status fcnn_config_error(const fcnn_config *config, const fcnn_section *section,
                              const char *key, const char *format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    fcnn_number_vformat(text, sizeof text, format, arguments);
    va_end(arguments);
    const fcnn_entry *entry = key ? find_entry(section, key) : NULL;
    if (entry && entry->line == FCNN_LINE_COMMAND)
        return fcnn_status_set(FCNN_ERROR_CONFIG, "--set %s.%s=%s: %s", section->name, key,
                               entry->value, text);
    return fcnn_config_fail(config, entry ? entry->line : section->line, "[%s] %s", section->name,
                            text);
}

/* ---- Values ---- */

static bool parse_int(const char *value, long long *number) {
    char *end;
    errno = 0;
    *number = strtoll(value, &end, 10);
    return end != value && !*end && !errno && !fcnn_is_space(value[0]);
}

static bool parse_real(const char *value, double *number) {
    char *end;
    if (strpbrk(value, "xXpPnN") || fcnn_is_space(value[0])) return false;
    *number = fcnn_number_read(value, &end);
    return end != value && !*end && isfinite(*number);
}

static fcnn_status check_value(const fcnn_config *config, int line, const fcnn_config_key *row,
                               const char *value) {
    if (!*value) return fcnn_config_fail(config, line, "%s has no value", row->key);
    if (row->type == FCNN_KEY_TEXT || is_path(row)) return FCNN_OK;
    if (row->words && find_word(row->words, value) >= 0) return FCNN_OK;
    if (row->type == FCNN_KEY_WORD) {
        fcnn_nearest n = {.wanted = value};
        for (const char *w = words_of(row); *w; w += strcspn(w, "|"), w += *w == '|')
            fcnn_nearest_consider(&n, w, strcspn(w, "|"));
        char hint[NAME_BYTES + 24];
        const char *foreign = fcnn_foreign_value(row->key, value);
        if (foreign && find_word(row->words, foreign) >= 0 && (!*n.best || n.distance > 0))
            snprintf(n.best, sizeof n.best, "%s", foreign);
        return fcnn_config_fail(config, line, "%s=%s: expected one of %.*s%s", row->key, value,
                                words_length(words_of(row)), words_of(row),
                                fcnn_nearest_hint(&n, hint, sizeof hint));
    }
    const char *also = words_of(row);
    const char *or_words = row->words ? ", or " : "";
    if (row->type == FCNN_KEY_INT) {
        long long number;
        if (!parse_int(value, &number) || number < row->low || number > row->high)
            return fcnn_config_fail(config, line,
                                    row->low == 0 && row->high == 1
                                        ? "%s=%s: expected a 1 (yes) or a 0 (no)"
                                        : "%s=%s: expected a whole number from %.0f to %.0f%s%s",
                                    row->key, value, row->low, row->high, or_words, also);
    } else {
        double number;
        if (!parse_real(value, &number) || number < row->low || number > row->high)
            return fcnn_config_fail(config, line, "%s=%s: expected a number from %g to %g%s%s",
                                    row->key, value, row->low, row->high, or_words, also);
    }
    return FCNN_OK;
}

static fcnn_status set_entry(fcnn_config *config, fcnn_section *section, const fcnn_config_key *row,
                             const char *value, int line) {
    for (int i = 0; i < section->entry_count; i++) {
        fcnn_entry *entry = &section->entries[i];
        if (entry->row != row) continue;
        if (line != FCNN_LINE_COMMAND)
            return fcnn_config_fail(config, line,
                                    "%s is given twice in [%s]; the first time on line %d",
                                    row->key, section->name, entry->line);
        char *copy = strdup(value);
        if (!copy) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cfg value");
        free(entry->value);
        entry->value = copy;
        entry->line = FCNN_LINE_COMMAND;
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
    fcnn_nearest n = {.wanted = key};
    for (row = fcnn_config_keys; row->section; row++)
        if (row->key && !strcmp(row->section, section->name))
            fcnn_nearest_consider(&n, row->key, strlen(row->key));
    char hint[NAME_BYTES + 24];
    const char *foreign = fcnn_foreign_key(key);
    if (foreign && find_row(section->name, foreign) && (!*n.best || n.distance > 1))
        snprintf(n.best, sizeof n.best, "%s", foreign);
    return fcnn_config_fail(config, line, "unknown key '%s' in [%s]%s", key, section->name,
                            fcnn_nearest_hint(&n, hint, sizeof hint));
}

/* ---- Sections and values of a text ---- */

fcnn_status fcnn_config_add_section(fcnn_config *config, const char *name, int line) {
    const fcnn_config_key *row = find_row(name, NULL);
    if (!row) {
        fcnn_nearest n = {.wanted = name};
        for (row = fcnn_config_keys; row->section; row++)
            if (!row->key) fcnn_nearest_consider(&n, row->section, strlen(row->section));
        char hint[NAME_BYTES + 24];
        bool spelling = *n.best && n.distance == 0;
        const char *foreign = spelling ? NULL : fcnn_foreign_section(name);
        return fcnn_config_fail(config, line, "unknown section [%s]%s%s", name,
                                foreign ? "; " : fcnn_nearest_hint(&n, hint, sizeof hint),
                                foreign ? foreign : "");
    }
    bool is_net = !strcmp(name, "net");
    if (is_net != (config->section_count == 0))
        return fcnn_config_fail(config, line,
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

fcnn_status fcnn_config_add_value(fcnn_config *config, const char *key, const char *value,
                                  int line) {
    if (!config->section_count)
        return fcnn_config_fail(config, line,
                                "'%s' stands before any section; a cfg begins with [net]", key);
    return set_named(config, &config->sections[config->section_count - 1], key, value, line);
}

char *fcnn_config_trim(char *text) {
    while (fcnn_is_space(*text)) text++;
    size_t length = strlen(text);
    while (length && fcnn_is_space(text[length - 1])) text[--length] = '\0';
    return text;
}

fcnn_status fcnn_config_check_missing(const fcnn_config *config) {
    if (!config->section_count)
        return fcnn_config_fail(config, FCNN_LINE_FILE, "no section; a cfg begins with [net]");
    for (int i = 0; i < config->section_count; i++) {
        const fcnn_section *section = &config->sections[i];
        for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++)
            if (row->key && !row->fallback && !strcmp(row->section, section->name) &&
                !find_entry(section, row->key))
                return fcnn_config_fail(config, section->line, "[%s] needs %s= (%s)", section->name,
                                        row->key, row->help);
    }
    return FCNN_OK;
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

/* ---- Overrides ---- */

/* A path is taken as it is: its name may begin or end with a space. */
fcnn_status fcnn_config_set(fcnn_config *config, fcnn_section *section, const char *key,
                            const char *value) {
    const fcnn_config_key *row = find_row(section->name, key);
    if (row && row->type == FCNN_KEY_PATH)
        return set_named(config, section, key, value, FCNN_LINE_COMMAND);
    char *copy = strdup(value);
    if (!copy) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cfg value");
    fcnn_status status = set_named(config, section, key, fcnn_config_trim(copy), FCNN_LINE_COMMAND);
    free(copy);
    return status;
}

static const char *skip_spaces(const char *at) {
    while (fcnn_is_space(*at)) at++;
    return at;
}

/* Reads a name of letters and the `others`, and the spaces around it; returns what
 * follows, or NULL. */
static const char *read_name(const char *at, const char *others, char name[NAME_BYTES]) {
    size_t length = 0;
    at = skip_spaces(at);
    while (fcnn_is_letter(at[length]) || (at[length] && strchr(others, at[length]))) length++;
    if (!length || length >= NAME_BYTES) return NULL;
    memcpy(name, at, length);
    name[length] = '\0';
    return skip_spaces(at + length);
}

/* Splits section.key=value or section[i].key=value, of which *index then is 0 or i; returns the
 * value, or NULL. */
static const char *read_assignment(const char *at, char section[NAME_BYTES], int *index,
                                   char key[NAME_BYTES]) {
    *index = 0;
    at = read_name(at, "_-0123456789", section);
    if (at && *at == '[') {
        char *end;
        long number = strtol(at + 1, &end, 10);
        if (end == at + 1 || number < INT_MIN || number > INT_MAX) return NULL;
        at = skip_spaces(end);
        if (*at != ']') return NULL;
        *index = number ? (int)number : -1; /* no section is number 0 */
        at = skip_spaces(at + 1);
    }
    if (!at || *at != '.') return NULL;
    at = read_name(at + 1, "_-0123456789", key);
    return at && *at == '=' ? at + 1 : NULL;
}

void fcnn_config_drop_outputs(fcnn_config *config) {
    for (int i = 0; i < config->section_count; i++) {
        fcnn_section *section = &config->sections[i];
        int kept = 0;
        for (int j = 0; j < section->entry_count; j++) {
            if (section->entries[j].row->type == FCNN_KEY_OUTPUT)
                free(section->entries[j].value);
            else
                section->entries[kept++] = section->entries[j];
        }
        section->entry_count = kept;
    }
}

const char *fcnn_config_find_key(const char *name, const char **section) {
    fcnn_nearest n = {.wanted = name};
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++)
        if (row->key) fcnn_nearest_consider(&n, row->key, strlen(row->key));
    const char *foreign = fcnn_foreign_key(name);
    bool spelling = *n.best && n.distance == 0;
    const char *wanted = spelling ? n.best : foreign ? foreign : name;
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++) {
        if (!row->key || strcmp(row->key, wanted) != 0) continue;
        *section = row->section;
        return row->key;
    }
    return NULL;
}

/* Why an assignment names no section of the cfg; "dense2" is the second [dense]. */
static fcnn_status no_section(const fcnn_config *config, const char *assignment, const char *name) {
    fcnn_nearest n = {.wanted = name};
    char hint[NAME_BYTES + 24] = "";
    size_t length = strcspn(name, "0123456789");
    for (int i = 0; i < config->section_count; i++) {
        const char *known = config->sections[i].name;
        fcnn_nearest_consider(&n, known, strlen(known));
        if (strlen(known) == length && !strncmp(known, name, length) && name[length])
            snprintf(hint, sizeof hint, "; did you mean '%s[%s]'?", known, name + length);
    }
    return fcnn_status_set(FCNN_ERROR_USAGE, "--set %s: %s has no section [%s]%s", assignment,
                           config->file, name,
                           *hint ? hint : fcnn_nearest_hint(&n, hint, sizeof hint));
}

fcnn_status fcnn_config_override(fcnn_config *config, const char *assignment) {
    char name[NAME_BYTES], key[NAME_BYTES];
    int index;
    const char *value = read_assignment(assignment, name, &index, key);
    if (!value && assignment[strcspn(assignment, ".=")] == '=') {
        const char *section, *found;
        size_t length = strcspn(assignment, "=");
        snprintf(key, sizeof key, "%.*s", (int)length, assignment);
        found = fcnn_config_find_key(key, &section);
        if (found)
            return fcnn_status_set(FCNN_ERROR_USAGE,
                                   "--set %s: expected section.key=value; did you mean '%s.%s%s'?",
                                   assignment, section, found, assignment + length);
    }
    if (!value)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--set %s: expected section.key=value or section[i].key=value",
                               assignment);
    fcnn_section *found = NULL;
    int count = 0;
    for (int i = 0; i < config->section_count; i++) {
        if (strcmp(config->sections[i].name, name)) continue;
        count++;
        if (!index || config->sections[i].ordinal == index) found = &config->sections[i];
    }
    if (count == 0) return no_section(config, assignment, name);
    if (!found && count == 1)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--set %s: there is one section [%s], %s[1]",
                               assignment, name, name);
    if (!found || (!index && count > 1))
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--set %s: there are %d sections [%s]; name one of %s[1] to %s[%d]",
                               assignment, count, name, name, name, count);
    fcnn_status status = fcnn_config_set(config, found, key, value);
    return status ? fcnn_status_prefix(status, "--set %s", assignment) : FCNN_OK;
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
    return fcnn_number_read(value_of(section, key, &row), NULL);
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

/* Adds what a key may be: "0 to 1; default 0.5". */
static void add_range(fcnn_text *text, const fcnn_config_key *row) {
    char range[64];
    switch (row->type) {
    case FCNN_KEY_INT: fcnn_text_add(text, "%.0f to %.0f", row->low, row->high); break;
    case FCNN_KEY_REAL:
        fcnn_number_format(range, sizeof range, "%g to %g", row->low, row->high);
        fcnn_text_add(text, "%s", range);
        break;
    case FCNN_KEY_TEXT: fcnn_text_add(text, "text"); break;
    case FCNN_KEY_PATH:
    case FCNN_KEY_OUTPUT: fcnn_text_add(text, "name or path"); break;
    default: break;
    }
    for (const char *word = words_of(row), *before = ""; *word; before = " | ") {
        size_t length = strcspn(word, "|");
        bool first = !*before;
        fcnn_text_add(text, "%s%.*s",
                      !first                       ? before
                      : row->type == FCNN_KEY_WORD ? ""
                                                   : ", or ",
                      (int)length, word);
        word += length + (word[length] == '|');
    }
    if (row->fallback)
        fcnn_text_add(text, "; default %s", *row->fallback ? row->fallback : "none");
    else
        fcnn_text_add(text, "; required");
}

/* Prints a text whose first line begins at a column, in lines that break at spaces. */
static void print_column(FILE *out, int column, const char *text) {
    enum { WIDTH = 80 };
    for (;;) {
        size_t room = (size_t)(WIDTH - column), length = strlen(text), end = length;
        if (length > room)
            for (end = room; end > 0 && text[end] != ' ';) end--;
        if (!end) end = length;
        fprintf(out, "%.*s\n", (int)end, text);
        text += end;
        if (!*text++) return;
        fprintf(out, "%*s", column, "");
    }
}

void fcnn_config_print_manual(FILE *out) {
    enum { KEY_COLUMN = 19 };
    fputs("A cfg is a list of sections, [net] first, then one section a layer in order.\n"
          "Lines are key=value; # and ; start comments. Paths are relative to the cfg.\n"
          "A value with # or ;, or with a space at its end, stands in quotes:\n"
          "data=\"pics #2\". In quotes \\\" is a quote, \\\\ a backslash, \\n a line end,\n"
          "\\t a tab, \\r a return, and \\xe9 the byte of this hexadecimal number.\n",
          out);
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++) {
        if (!row->key) {
            int column = fprintf(out, "\n[%s]  ", row->section) - 1;
            print_column(out, column, row->help);
            continue;
        }
        fcnn_text text = {0};
        fcnn_text_add(&text, "%s (", row->help);
        add_range(&text, row);
        fcnn_text_add(&text, ")");
        char *whole = fcnn_text_take(&text);
        fprintf(out, "  %-16s ", row->key);
        print_column(out, KEY_COLUMN, whole ? whole : row->help);
        free(whole);
    }
}
