/* This section lists the files that were not what they should be. */
#include "markup.h"
#include "sections.h"

enum { LISTED = 100 };

static void write_list(FILE *out, const fcnn_problems *problems, int64_t *left) {
    for (int64_t i = 0; i < problems->count && *left; i++, --*left) {
        fputs("<li>", out);
        markup_text(out, problems->messages[i]);
        fputc('\n', out);
    }
}

static bool has_own_problems(const fcnn_training_data *data) {
    return data->spectra && data->spectra != data->dataset;
}

int64_t report_problem_count(const report_options *o) {
    const fcnn_training_data *data = o->data;
    int64_t count = data->dataset->problems.count;
    return has_own_problems(data) ? count + data->spectra->problems.count : count;
}

void report_write_problems(FILE *out, const report_options *o) {
    const fcnn_training_data *data = o->data;
    int64_t count = report_problem_count(o), left = LISTED;
    if (!count) return;
    fputs("<section><h2>Problems with the images</h2>\n<p class=\"note\">", out);
    markup_count(out, count);
    fprintf(out, " file%s or folder%s; what is left out was neither trained nor scored on.</p>\n",
            count == 1 ? "" : "s", count == 1 ? "" : "s");
    fputs("<ul class=\"problems\">\n", out);
    write_list(out, &data->dataset->problems, &left);
    if (has_own_problems(data)) write_list(out, &data->spectra->problems, &left);
    fputs("</ul>\n", out);
    if (count > LISTED) {
        fputs("<p class=\"note\">... and ", out);
        markup_count(out, count - LISTED);
        fputs(" more.</p>\n", out);
    }
    fputs("</section>\n", out);
}
