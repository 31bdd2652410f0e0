/* What the text of a cfg (config_text.c) needs of its rules (config.c). */
#ifndef FCNN_CONFIG_INTERNAL_H
#define FCNN_CONFIG_INTERNAL_H

#include "config.h"

/* In place of a line number. */
enum { FCNN_LINE_COMMAND = 0, FCNN_LINE_FILE = -1 };

/* A failure at a line: "file:line: message". */
fcnn_status fcnn_config_fail(const fcnn_config *config, int line, const char *format, ...)
    FCNN_PRINTF(3, 4);

/* Begins a section, as the line [name] does. */
fcnn_status fcnn_config_add_section(fcnn_config *config, const char *name, int line);
/* Sets a key of the last section; the value is checked. */
fcnn_status fcnn_config_add_value(fcnn_config *config, const char *key, const char *value,
                                  int line);
/* Whether every key that must be given is. */
fcnn_status fcnn_config_check_missing(const fcnn_config *config);

/* Cuts a text's spaces off, in place; returns its first other character. */
char *fcnn_config_trim(char *text);

#endif
