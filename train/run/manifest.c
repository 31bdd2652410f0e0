/* Manifests are written from a data set, read back, and compared with the data set of a resume. */
#include "manifest.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "rundir.h"
#include "text.h"
#include "training/differences.h"

static const char header[] = MANIFEST_COLUMNS "\n";
static const char *const split_names[] = {"train", "held-out", "test"};
static_assert(sizeof split_names >= FCNN_SPLIT_COUNT * sizeof *split_names, "a name for each");

typedef struct {
    int64_t count, room;
    int32_t *labels;
    uint64_t *contents;
    const char **paths; /* in the manifest's text */
    int64_t *places;    /* in the data set, or -1 */
} listed_split;

struct manifest {
    char path[PATH_MAX];
    char *text;
    int classes, class_room;
    const char **names;
    listed_split splits[FCNN_SPLIT_COUNT];
};

static fcnn_status no_memory(const char *path) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory for the list of images", path);
}

/* ---- Writing ---- */

/* Writes a field, so that unescape gives the same bytes. */
static void write_field(fcnn_text *out, const char *text) {
    while (*text) {
        int bytes = fcnn_text_character(text);
        unsigned char c = (unsigned char)*text;
        if (!bytes || c < ' ' || c == 127 || c == '\\') {
            fcnn_text_add(out, "\\x%02x", c);
            text++;
        } else {
            fcnn_text_add_bytes(out, text, (size_t)bytes);
            text += bytes;
        }
    }
}

static void write_rows(fcnn_dataset *dataset, fcnn_text *out) {
    fcnn_text_add(out, "%s", header);
    for (int c = 0; c < dataset->classes; c++) {
        fcnn_text_add(out, "class\t");
        write_field(out, dataset->class_names[c]);
        fcnn_text_add(out, "\t\t\n");
    }
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        for (int64_t i = 0; i < dataset->count[s]; i++) {
            fcnn_text_add(out, "%s\t", split_names[s]);
            write_field(out, dataset->class_names[dataset->labels[s][i]]);
            fcnn_text_add(out, "\t");
            write_field(out, dataset->path(dataset, (fcnn_split)s, i));
            fcnn_text_add(out, "\t%016" PRIx64 "\n", dataset->contents[s][i]);
        }
}

static void write_id(const char *text, size_t bytes, char id[MANIFEST_ID_BYTES]) {
    snprintf(id, MANIFEST_ID_BYTES, "%016" PRIx64, fcnn_fingerprint(FCNN_FINGERPRINT, text, bytes));
}

fcnn_status manifest_write(fcnn_dataset *dataset, const char *folder, char id[MANIFEST_ID_BYTES]) {
    char path[PATH_MAX];
    id[0] = '\0';
    if (!dataset->path || !dataset->contents[FCNN_SPLIT_TRAIN]) return FCNN_OK;
    rundir_file(folder, RUNDIR_IMAGES, path);
    fcnn_text rows = {0};
    write_rows(dataset, &rows);
    size_t bytes = rows.length;
    char *text = fcnn_text_take(&rows);
    fcnn_output output;
    fcnn_status status = text ? fcnn_output_open(path, &output) : no_memory(path);
    if (!status) {
        fwrite(text, 1, bytes, output.stream); /* closing tells of a failure */
        write_id(text, bytes, id);
        status = fcnn_output_close(&output, FCNN_OK);
    }
    free(text);
    return status;
}

/* ---- Reading ---- */

static int hex_digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Turns \x09 into its byte, in place; false where a backslash is followed by something else. */
static bool unescape(char *text) {
    char *to = text;
    while (*text) {
        if (*text != '\\') {
            *to++ = *text++;
            continue;
        }
        if (text[1] != 'x') return false;
        int high = hex_digit(text[2]), low = high < 0 ? -1 : hex_digit(text[3]);
        if (low < 0 || !(high | low)) return false;
        *to++ = (char)(high << 4 | low);
        text += 4;
    }
    *to = '\0';
    return true;
}

static fcnn_status add_class(manifest *m, const char *name) {
    if (m->classes == m->class_room) {
        m->class_room = 2 * m->class_room + 64;
        const char **grown = realloc(m->names, (size_t)m->class_room * sizeof *grown);
        if (!grown) return no_memory(m->path);
        m->names = grown;
    }
    m->names[m->classes++] = name;
    return FCNN_OK;
}

static fcnn_status grow(listed_split *split, const char *path) {
    if (split->count < split->room) return FCNN_OK;
    split->room = 2 * split->room + 1024;
    size_t room = (size_t)split->room;
    int32_t *labels = realloc(split->labels, room * sizeof *labels);
    if (labels) split->labels = labels;
    uint64_t *contents = realloc(split->contents, room * sizeof *contents);
    if (contents) split->contents = contents;
    const char **paths = realloc(split->paths, room * sizeof *paths);
    if (paths) split->paths = paths;
    int64_t *places = realloc(split->places, room * sizeof *places);
    if (places) split->places = places;
    return labels && contents && paths && places ? FCNN_OK : no_memory(path);
}

/* Pictures of a class follow one another, in the order of the classes. */
static int find_class(const manifest *m, const listed_split *split, const char *name) {
    for (int c = split->count ? split->labels[split->count - 1] : 0; c < m->classes; c++)
        if (!strcmp(m->names[c], name)) return c;
    return -1;
}

static fcnn_status read_row(manifest *m, char *line, int number) {
    char *fields[4] = {0};
    int count = 0;
    for (char *field; count < 4 && (field = strsep(&line, "\t")); count++) {
        fields[count] = field;
        if (!unescape(field)) break;
    }
    bool good = count == 4 && !line;
    if (good && !strcmp(fields[0], "class")) return add_class(m, fields[1]);
    int split = 0;
    while (good && split + 1 < FCNN_SPLIT_COUNT && strcmp(fields[0], split_names[split]) != 0)
        split++;
    good = good && !strcmp(fields[0], split_names[split]) && strlen(fields[3]) == 16;
    char *end = NULL;
    uint64_t contents = good ? strtoull(fields[3], &end, 16) : 0;
    listed_split *to = &m->splits[split];
    int label = good && !*end ? find_class(m, to, fields[1]) : -1;
    if (label < 0)
        return fcnn_status_set(FCNN_ERROR_FORMAT,
                               "%s:%d: expected a split, a class of those above, a path and a "
                               "fingerprint",
                               m->path, number);
    FCNN_TRY(grow(to, m->path));
    to->labels[to->count] = label;
    to->contents[to->count] = contents;
    to->places[to->count] = -1;
    to->paths[to->count++] = fields[2];
    return FCNN_OK;
}

static fcnn_status read_rows(manifest *m) {
    char *rest = m->text;
    if (strncmp(rest, header, sizeof header - 1) != 0)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s:1: is no list of a run's images", m->path);
    rest += sizeof header - 1;
    int number = 2;
    for (char *line; (line = strsep(&rest, "\n")) && rest; number++)
        FCNN_TRY(read_row(m, line, number));
    return FCNN_OK;
}

static fcnn_status load_text(FILE *file, manifest *m, size_t *bytes) {
    size_t room = 0;
    for (*bytes = 0;;) {
        if (room - *bytes < 2) {
            room = 2 * room + 65536;
            char *grown = realloc(m->text, room);
            if (!grown) return no_memory(m->path);
            m->text = grown;
        }
        size_t got = fread(m->text + *bytes, 1, room - *bytes - 1, file);
        *bytes += got;
        if (got) continue;
        if (ferror(file)) return rundir_error(m->path, "read");
        m->text[*bytes] = '\0';
        return FCNN_OK;
    }
}

fcnn_status manifest_read(const char *folder, const char *id, manifest **out) {
    char found[MANIFEST_ID_BYTES];
    *out = NULL;
    manifest *m = calloc(1, sizeof *m);
    if (!m) return no_memory(folder);
    rundir_file(folder, RUNDIR_IMAGES, m->path);
    FILE *file = fopen(m->path, "r");
    if (!file) {
        fcnn_status status = errno == ENOENT ? FCNN_OK : rundir_error(m->path, "opened");
        manifest_destroy(m);
        return status;
    }
    size_t bytes;
    fcnn_status status = load_text(file, m, &bytes);
    fclose(file);
    if (!status) write_id(m->text, bytes, found);
    if (!status && strcmp(found, id) != 0)
        status = fcnn_status_set(FCNN_ERROR_CONFIG,
                                 "%s: is not the list of images that this run was started with "
                                 "(its fingerprint is %s, and the checkpoint's %s); put that back, "
                                 "or remove it, so that classes are compared and no single images",
                                 m->path, found, id);
    if (!status) status = read_rows(m);
    if (status)
        manifest_destroy(m);
    else
        *out = m;
    return status;
}

void manifest_destroy(manifest *m) {
    if (!m) return;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        free(m->splits[s].labels);
        free(m->splits[s].contents);
        free((void *)m->splits[s].paths);
        free(m->splits[s].places);
    }
    free((void *)m->names);
    free(m->text);
    free(m);
}

/* ---- Comparing ---- */

typedef struct {
    const char *path;
    int64_t place;
} located;

static int by_path(const void *a, const void *b) {
    return strcmp(((const located *)a)->path, ((const located *)b)->path);
}

/* The pictures of a split sorted by path, which the caller frees. */
static located *sort_paths(fcnn_dataset *dataset, fcnn_split split) {
    int64_t count = dataset->count[split];
    located *sorted = malloc(((size_t)count + 1) * sizeof *sorted);
    for (int64_t i = 0; sorted && i < count; i++)
        sorted[i] = (located){dataset->path(dataset, split, i), i};
    if (sorted) qsort(sorted, (size_t)count, sizeof *sorted, by_path);
    return sorted;
}

/* Finds the place of each listed picture in the data set, and notes what differs; met[] tells which
 * of the data set's are listed. */
static void compare_listed(listed_split *listed, const fcnn_dataset *dataset, fcnn_split split,
                           const located *sorted, bool *met, fcnn_differences *d) {
    for (int64_t i = 0; i < listed->count; i++) {
        const located key = {listed->paths[i], 0};
        const located *found =
            bsearch(&key, sorted, (size_t)dataset->count[split], sizeof *sorted, by_path);
        listed->places[i] = found ? found->place : -1;
        if (!found) continue;
        met[found->place] = true;
        if (listed->labels[i] != dataset->labels[split][found->place])
            fcnn_differences_add(d, "%s is of another class", listed->paths[i]);
        else if (listed->contents[i] != dataset->contents[split][found->place])
            fcnn_differences_add(d, "%s has other contents", listed->paths[i]);
    }
}

static fcnn_status compare_split(listed_split *listed, fcnn_dataset *dataset, fcnn_split split,
                                 fcnn_differences *d) {
    int64_t count = dataset->count[split];
    located *sorted = sort_paths(dataset, split);
    bool *met = calloc((size_t)count + 1, sizeof *met);
    fcnn_status status = sorted && met ? FCNN_OK : no_memory(RUNDIR_IMAGES);
    if (!status) compare_listed(listed, dataset, split, sorted, met, d);
    for (int64_t i = 0; !status && i < count; i++)
        if (!met[i]) fcnn_differences_add(d, "%s is new", dataset->path(dataset, split, i));
    free(sorted);
    free(met);
    return status;
}

/* The rule of the loader: a tenth of the pictures may fail, or ten. */
enum { GONE_FREE = 10, GONE_SHARE = 10 };

static void compare_gone(const manifest *m, fcnn_split split, fcnn_differences *d) {
    const listed_split *listed = &m->splits[split];
    const char *first = NULL;
    int64_t gone = 0, of_class = 0, gone_of_class = 0;
    for (int64_t i = 0; i < listed->count; i++) {
        bool last = i + 1 == listed->count || listed->labels[i + 1] != listed->labels[i];
        of_class++;
        if (listed->places[i] < 0) {
            gone++;
            gone_of_class++;
            if (!first) first = listed->paths[i];
        }
        if (!last) continue;
        /* One picture may vanish; a folder that did was renamed, or its disk is not there. */
        if (of_class == gone_of_class && of_class > 1)
            fcnn_differences_add(d, "all %" PRId64 " %s images of class '%s' are gone", of_class,
                                 split_names[split], m->names[listed->labels[i]]);
        of_class = gone_of_class = 0;
    }
    if (gone > GONE_FREE && gone * GONE_SHARE > listed->count)
        fcnn_differences_add(d, "%" PRId64 " of %" PRId64 " images are gone, %s for one", gone,
                             listed->count, first);
}

static void release(void *owner) { manifest_destroy(owner); }

fcnn_status manifest_apply(manifest *m, fcnn_dataset **dataset) {
    fcnn_dataset *source = *dataset;
    fcnn_view view = {.classes = {m->classes, m->names}, .owner = m, .release = release};
    fcnn_differences d;
    fcnn_differences_start(&d);
    fcnn_class_list ours = {source->classes, source->class_names};
    if (!source->path || !source->contents[FCNN_SPLIT_TRAIN])
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "%s: the run was trained on pictures, and the data now is none",
                               m->path);
    FCNN_TRY(fcnn_differences_of_classes(view.classes, ours, &d));
    for (int s = 0; s < FCNN_SPLIT_COUNT && !d.count; s++)
        FCNN_TRY(compare_split(&m->splits[s], source, (fcnn_split)s, &d));
    for (int s = 0; s < FCNN_SPLIT_COUNT && !d.count; s++) compare_gone(m, (fcnn_split)s, &d);
    if (d.count) return fcnn_differences_refuse(&d, m->path);
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        view.splits[s] =
            (fcnn_split_view){m->splits[s].count, m->splits[s].labels, m->splits[s].contents,
                              m->splits[s].places, m->splits[s].paths};
    fcnn_dataset *listed;
    FCNN_TRY(fcnn_dataset_view_open(source, &view, &listed));
    *dataset = listed;
    return FCNN_OK;
}
