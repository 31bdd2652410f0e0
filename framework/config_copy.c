/* A config of its own, whatever becomes of the first. */
#include <stdlib.h>
#include <string.h>

#include "config.h"

static bool copy_section(const fcnn_section *from, fcnn_section *to) {
    *to = *from;
    to->entry_count = 0;
    to->entries = calloc((size_t)from->entry_count + 1, sizeof *to->entries);
    for (int i = 0; to->entries && i < from->entry_count; i++) {
        to->entries[i] = from->entries[i];
        to->entries[i].value = strdup(from->entries[i].value);
        if (!to->entries[i].value) return false;
        to->entry_count++;
    }
    return to->entries != NULL;
}

fcnn_status fcnn_config_copy(const fcnn_config *from, fcnn_config **out) {
    fcnn_config *to = *out = calloc(1, sizeof *to);
    bool good = to && (to->file = strdup(from->file)) && (to->folder = strdup(from->folder));
    if (good) to->sections = calloc((size_t)from->section_count + 1, sizeof *to->sections);
    good = good && to->sections;
    for (int i = 0; good && i < from->section_count; i++)
        good = copy_section(&from->sections[to->section_count++], &to->sections[i]);
    if (good) return FCNN_OK;
    fcnn_config_destroy(to);
    *out = NULL;
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", from->file);
}
