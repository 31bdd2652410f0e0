/* Every picture is written as it is classified: of a run that is interrupted what was printed is
 * whole. */
#include "results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/csv.h"
#include "train/json.h"

static const char out_of_memory[] = "out of memory for the results";

fcnn_status results_begin(const infer_options *o, const fcnn_model *model, results *r) {
    *r = (results){.csv = o->csv,
                   .json = o->json,
                   .top = o->top < model->classes ? o->top : model->classes,
                   .classes = model->classes,
                   .class_names = (const char *const *)model->class_names,
                   .order = malloc((size_t)model->classes * sizeof(int))};
    if (!r->order) return fcnn_status_set(FCNN_ERROR_MEMORY, "%s", out_of_memory);
    if (r->csv) puts("file,rank,class,probability");
    if (r->json) fputs("{\"results\": [", stdout);
    return FCNN_OK;
}

/* Puts the `top` likeliest classes first; among equal ones the lower class comes first. */
static void rank(results *r, const float *p) {
    int count = 0;
    for (int c = 0; c < r->classes; c++) {
        int at = count < r->top ? count++ : r->top;
        for (; at > 0 && p[r->order[at - 1]] < p[c]; at--)
            if (at < r->top) r->order[at] = r->order[at - 1];
        if (at < r->top) r->order[at] = c;
    }
}

/* JSON must be UTF-8; a file's name that is not is written as it is shown. */
static bool add_text(cJSON *object, const char *name, const char *text) {
    if (fcnn_text_is_utf8(text)) return cJSON_AddStringToObject(object, name, text) != NULL;
    size_t bytes = 4 * strlen(text) + 8;
    char *printable = malloc(bytes);
    if (!printable) return false;
    fcnn_text_printable(text, printable, bytes);
    bool added = cJSON_AddStringToObject(object, name, printable) != NULL;
    free(printable);
    return added;
}

static fcnn_status write_json(const results *r, const char *file, const float *p) {
    cJSON *entry = cJSON_CreateObject();
    bool good = add_text(entry, "file", file);
    cJSON *list = cJSON_AddArrayToObject(entry, "top");
    for (int i = 0; good && i < r->top; i++) {
        cJSON *item = json_add_object(list);
        good = item && add_text(item, "class", r->class_names[r->order[i]]) &&
               json_add_real(item, "probability", (double)p[r->order[i]], 7);
    }
    fputs(r->written ? ",\n  " : "\n  ", stdout);
    return json_write_line(stdout, entry, good && list);
}

static void write_csv(const results *r, const char *file, const float *p) {
    for (int i = 0; i < r->top; i++) {
        csv_write_text(stdout, file);
        printf(",%d,", i + 1);
        csv_write_text(stdout, r->class_names[r->order[i]]);
        printf(",%.6f\n", (double)p[r->order[i]]);
    }
}

static void write_text(const results *r, const char *file, const float *p) {
    fcnn_text_print(stdout, file);
    putchar('\n');
    for (int i = 0; i < r->top; i++)
        printf("  %-24s %.4f\n", FCNN_SHOWN(r->class_names[r->order[i]]), (double)p[r->order[i]]);
}

fcnn_status results_write(results *r, const char *file, const float *p) {
    rank(r, p);
    if (r->json) FCNN_TRY(write_json(r, file, p));
    if (r->csv) write_csv(r, file, p);
    if (!r->csv && !r->json) write_text(r, file, p);
    r->written++;
    return FCNN_OK;
}

void results_end(results *r) {
    if (r->json && r->order) fputs(r->written ? "\n]}\n" : "]}\n", stdout);
    free(r->order);
    r->order = NULL;
}
