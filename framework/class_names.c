/* Names are looked up in a sorted list of places, as data sets may have tens of
 * thousands of classes. */
#include "class_names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { NAMES_WRITTEN = 8 };

typedef struct {
    const char *name;
    int32_t place;
} entry;

static int by_name(const void *a, const void *b) {
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

enum { NUMBER_BYTES = 12 };

/* One name's copy; NULL: out of memory. */
static char *copy_name(const char *name, int number, bool visible) {
    if (name && !visible) return strdup(name);
    size_t bytes = name ? 4 * strlen(name) + 8 : NUMBER_BYTES;
    char *copy = malloc(bytes);
    if (copy && name) fcnn_text_printable(name, copy, bytes);
    if (copy && !name) snprintf(copy, bytes, "%d", number);
    return copy;
}

static fcnn_status check_name(const char *name, int number) {
    if (name && *name && fcnn_text_is_utf8(name)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "class_names[%d] is %s%s%s: expected a text in UTF-8",
                           number, name ? "'" : "", name ? name : "NULL", name ? "'" : "");
}

fcnn_status fcnn_class_names_copy(const char *const *names, int count, bool visible, char ***copy) {
    *copy = NULL;
    if (count < 1 || count > FCNN_CLASSES_MOST)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%d classes: expected 1 to %d", count,
                               FCNN_CLASSES_MOST);
    char **made = calloc((size_t)count, sizeof *made);
    fcnn_status status = FCNN_OK;
    for (int i = 0; made && !status && i < count; i++) {
        if (names) status = check_name(names[i], i);
        if (!status && !(made[i] = copy_name(names ? names[i] : NULL, i, visible)))
            status = FCNN_ERROR_MEMORY;
    }
    if (made && !status) {
        *copy = made;
        return FCNN_OK;
    }
    fcnn_class_names_free(made, count);
    if (status == FCNN_ERROR_USAGE) return status;
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for %d class names", count);
}

void fcnn_class_names_free(char **names, int count) {
    for (int i = 0; names && i < count; i++) free(names[i]);
    free(names);
}

bool fcnn_classes_same(fcnn_class_list a, fcnn_class_list b) {
    if (a.count != b.count) return false;
    for (int i = 0; i < a.count; i++)
        if (strcmp(a.names[i], b.names[i]) != 0) return false;
    return true;
}

static entry *sort_names(fcnn_class_list list) {
    entry *sorted = malloc(((size_t)list.count + 1) * sizeof *sorted);
    for (int32_t i = 0; sorted && i < list.count; i++) sorted[i] = (entry){list.names[i], i};
    if (sorted) qsort(sorted, (size_t)list.count, sizeof *sorted, by_name);
    return sorted;
}

static fcnn_status refuse_twice(const entry *sorted, int count) {
    for (int i = 1; i < count; i++) {
        if (strcmp(sorted[i - 1].name, sorted[i].name) != 0) continue;
        char name[256];
        fcnn_text_printable(sorted[i].name, name, sizeof name);
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "two classes are named '%s': they cannot be told apart by name",
                               name);
    }
    return FCNN_OK;
}

static void look_up(const entry *from, int from_count, const entry *to, int to_count,
                    int32_t *places) {
    for (int i = 0, j = 0; i < from_count; i++) {
        while (j < to_count && strcmp(to[j].name, from[i].name) < 0) j++;
        bool found = j < to_count && !strcmp(to[j].name, from[i].name);
        places[from[i].place] = found ? to[j].place : -1;
    }
}

fcnn_status fcnn_classes_match(fcnn_class_list from, fcnn_class_list to, int32_t **out) {
    int32_t *places = *out = malloc(((size_t)from.count + 1) * sizeof *places);
    entry *sorted = sort_names(from), *others = sort_names(to);
    fcnn_status status = FCNN_OK;
    if (!places || !sorted || !others)
        status = fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to match %d classes by name",
                                 from.count);
    if (!status && fcnn_classes_same(from, to)) {
        for (int32_t i = 0; i < from.count; i++) places[i] = i;
    } else if (!status) {
        status = refuse_twice(sorted, from.count);
        if (!status) status = refuse_twice(others, to.count);
        if (!status) look_up(sorted, from.count, others, to.count, places);
    }
    free(sorted);
    free(others);
    if (status) {
        free(places);
        *out = NULL;
    }
    return status;
}

int fcnn_classes_write(fcnn_class_list list, const int32_t *places, bool found, char *text,
                       size_t bytes) {
    int count = 0, written = 0;
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < list.count; i++) count += (places[i] >= 0) == found;
    int most = count > NAMES_WRITTEN + 1 ? NAMES_WRITTEN : count;
    for (int i = 0; i < list.count && written < most && used < bytes; i++) {
        if ((places[i] >= 0) != found) continue;
        char name[64];
        fcnn_text_printable(list.names[i], name, sizeof name);
        const char *between = written == 0 ? "" : written == count - 1 ? " and " : ", ";
        used += (size_t)snprintf(text + used, bytes - used, "%s'%s'", between, name);
        written++;
    }
    if (written < count && used < bytes)
        snprintf(text + used, bytes - used, " and %d more", count - written);
    return count;
}
