/* What is wrong with single images, and what the cache did, as lines for the user. */
#include "problems.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "train/terminal.h"

enum { LINES_MOST = 50 };

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void name_problem(const char *message, const char *ending) {
    terminal_print(stderr, "problem: %s%s", message, ending);
}

/* Names the problems that are not yet named, each with the same ending, in so many lines more at
 * most. */
static void name_some(const fcnn_problems *problems, int64_t *named, int64_t *lines, int64_t most,
                      const char *ending) {
    int64_t left = problems->count - *named;
    for (; *named < problems->count && most > 0; ++*lines, left--, most--)
        name_problem(problems->messages[(*named)++], ending);
    if (left)
        fprintf(stderr, "... and %lld more%s\n", (long long)left,
                terminal_is(stderr) ? ", named at the end" : "");
    *named = problems->count;
}

/* A user's terminal has room for other things before the first epoch: the end tells all of them. */
void problems_name_first(const fcnn_dataset *dataset, named_problems *named) {
    name_some(&dataset->problems, &named->of_data, &named->lines,
              terminal_is(stderr) ? 1 : LINES_MOST, "");
}

static const char left_out[] = " (left out)";

void problems_name(const fcnn_training_data *data, named_problems *named) {
    name_some(&data->dataset->problems, &named->of_data, &named->lines, LINES_MOST - named->lines,
              "");
    if (!data->spectra) return;
    /* Problems lie in the order in which threads met them, which is not always the same. */
    fcnn_problems *found = &data->spectra->problems;
    if (found->count > named->of_spectra)
        qsort(found->messages + named->of_spectra, (size_t)(found->count - named->of_spectra),
              sizeof *found->messages, by_text);
    name_some(found, &named->of_spectra, &named->lines, LINES_MOST - named->lines, left_out);
}

/* Names all of them again where they may have left the screen. */
static void name_again(const fcnn_training_data *s, int64_t bad) {
    const fcnn_problems *problems[] = {&s->dataset->problems,
                                       s->spectra ? &s->spectra->problems : NULL};
    int64_t lines = 0;
    for (int i = 0; i < 2 && problems[i]; i++)
        for (int64_t j = 0; j < problems[i]->count && lines < LINES_MOST; j++, lines++)
            name_problem(problems[i]->messages[j], i ? left_out : "");
    if (lines < bad) fprintf(stderr, "... and %lld more\n", (long long)(bad - lines));
}

static void summarise_cache(const fcnn_spectra_usage *usage) {
    int64_t reads = usage->hits + usage->misses;
    terminal_print(
        stderr, "cache: %lld of %lld images stored; %lld hits, %lld misses, hit rate %.1f %%\n",
        (long long)usage->stored, (long long)usage->images, (long long)usage->hits,
        (long long)usage->misses, reads ? 100.0 * (double)usage->hits / (double)reads : 0.0);
}

void problems_summarise(const fcnn_training_data *s, const named_problems *named, bool quiet) {
    int64_t bad = s->dataset->problems.count + (s->spectra ? s->spectra->problems.count : 0);
    bool again = bad && terminal_is(stderr);
    if (bad)
        fprintf(stderr, "%lld problem%s with the images%s%s\n", (long long)bad, bad == 1 ? "" : "s",
                again ? ":" : ", named above", !again && bad > named->lines ? " in part" : "");
    if (again) name_again(s, bad);
    if (!s->spectra) return;
    fcnn_spectra_usage usage = fcnn_spectra_used(s->spectra);
    if (*usage.path && !quiet) summarise_cache(&usage);
    if (*usage.stopped)
        terminal_warn("the cache %s was %s", FCNN_SHOWN(usage.path), FCNN_SHOWN(usage.stopped));
}
