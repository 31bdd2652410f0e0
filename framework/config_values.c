/* A config read by number, for callers that do not know the key table: other languages. */
#include <string.h>

#include "config.h"

const char *fcnn_config_section_name(const fcnn_config *config, int section) {
    return section >= 0 && section < config->section_count ? config->sections[section].name : NULL;
}

const char *fcnn_config_value(const fcnn_config *config, int section, int index, const char **key) {
    const char *name = fcnn_config_section_name(config, section);
    if (!name || index < 0) return NULL;
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++)
        if (row->key && !strcmp(row->section, name) && index-- == 0) {
            *key = row->key;
            return fcnn_section_text(&config->sections[section], row->key);
        }
    return NULL;
}
