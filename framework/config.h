/* The cfg language: darknet's syntax, strict. A file is sections of key=value
 * lines, checked against one table (fcnn_config_keys) that also prints the
 * manual. A value may stand in quotes, with escapes, and can so be any text. Every
 * message is "file:line: ..."; once a config has been parsed, its values are in
 * range and the getters below cannot fail. */
#ifndef FCNN_CONFIG_H
#define FCNN_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "status.h"
#include "text.h"

FCNN_C_BEGIN

typedef enum {
    FCNN_KEY_SECTION, /* the row that opens a section: key NULL, help says what it is */
    FCNN_KEY_INT,     /* low .. high; or one of the words */
    FCNN_KEY_REAL,    /* low .. high; or one of the words */
    FCNN_KEY_WORD,    /* one of the words */
    FCNN_KEY_TEXT,    /* anything not empty */
    FCNN_KEY_PATH,    /* a name, or a path relative to the cfg's folder */
    FCNN_KEY_OUTPUT   /* the same of what is written: of no effect in the cfg inside a model */
} fcnn_key_type;

typedef struct {
    const char *section, *key;
    fcnn_key_type type;
    double low, high;
    const char *fallback; /* value where the key is absent; NULL: it must be given */
    const char *words;    /* "a|b|c", or NULL */
    const char *help;
} fcnn_config_key;

/* The one key table, ended by a row whose section is NULL. Defined in layers/. */
extern const fcnn_config_key fcnn_config_keys[];

typedef struct {
    const fcnn_config_key *row;
    char *value;
    int line; /* 0: set on the command line */
} fcnn_entry;

typedef struct {
    const char *name; /* the table's own string */
    int line;
    int ordinal; /* 1 for the first section of this name */
    int entry_count;
    fcnn_entry *entries;
} fcnn_section;

typedef struct {
    char *file;   /* for messages */
    char *folder; /* for relative paths; "" for the current one */
    int section_count;
    fcnn_section *sections; /* sections[0] is [net] */
} fcnn_config;

/* Parses `text`, named `file` in messages. A byte order mark of UTF-8 before it is passed over. */
fcnn_status fcnn_config_parse(const char *file, const char *text, size_t bytes,
                              fcnn_config **config);
/* Reads and parses a file of at most 1 MiB. */
fcnn_status fcnn_config_load(const char *file, fcnn_config **config);
void fcnn_config_destroy(fcnn_config *config);
/* A copy, which the caller destroys. */
fcnn_status fcnn_config_copy(const fcnn_config *config, fcnn_config **copy);

/* Sets a key of one of the config's sections, in place of what the file says. The value is taken as
 * it is, without quotes or comments; spaces at its ends are part of a path alone. */
fcnn_status fcnn_config_set(fcnn_config *config, fcnn_section *section, const char *key,
                            const char *value);

/* Drops the keys that name what is written (FCNN_KEY_OUTPUT): a cfg that came with a file of
 * somebody else's has no say in that. */
void fcnn_config_drop_outputs(fcnn_config *config);

/* Sets, as --set does, "section.key=value" or "section[i].key=value" (i counts from 1);
 * without an index the section must be the only one of its name. */
fcnn_status fcnn_config_override(fcnn_config *config, const char *assignment);

/* The cfg as text, overrides included, without comments: visible UTF-8 (text.h) with values in
 * quotes where that is needed; parses to the same config. The caller frees it. NULL: out of
 * memory. */
char *fcnn_config_text(const fcnn_config *config);
/* Takes the lines "key=..." out of such a text. */
void fcnn_config_text_remove(char *text, const char *key);
/* Writes a value as it stands behind key= in such a text. */
void fcnn_config_write_value(fcnn_text *out, const char *value);

/* Sets a FCNN_ERROR_CONFIG message "file:line: ..." at a section's own line, or
 * at the line of `key` where it is given there. */
fcnn_status fcnn_config_error(const fcnn_config *config, const fcnn_section *section,
                              const char *key, const char *format, ...) FCNN_PRINTF(4, 5);

/* Values, or the table's fallback. The key must be in the table with that type. */
bool fcnn_section_has(const fcnn_section *section, const char *key);
int64_t fcnn_section_int(const fcnn_section *section, const char *key);
double fcnn_section_real(const fcnn_section *section, const char *key);
const char *fcnn_section_text(const fcnn_section *section, const char *key);
/* Whether the value is this word. */
bool fcnn_section_is(const fcnn_section *section, const char *key, const char *word);
/* Position of the value among the key's words, or -1. */
/* Whether the network computes on pixels: domain=space. */
bool fcnn_config_in_space(const fcnn_config *config);
int fcnn_section_word(const fcnn_section *section, const char *key);

/* The name of section `section`, counted from 0, or NULL behind the last one. */
const char *fcnn_config_section_name(const fcnn_config *config, int section);
/* The value of a section's key number `index`, in the order of the table, as text: what the cfg
 * says, or the fallback; *key is the key's name. NULL behind the last one. */
const char *fcnn_config_value(const fcnn_config *config, int section, int index, const char **key);

/* Returns the key that a name stands for, whatever its case, dashes or framework, and the first
 * section that has it; NULL where none is meant. */
const char *fcnn_config_find_key(const char *name, const char **section);

/* Prints the manual of the cfg language from the table. */
void fcnn_config_print_manual(FILE *out);

FCNN_C_END
#endif
