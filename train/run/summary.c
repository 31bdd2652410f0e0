/* The lines that fcnn-train prints around its epochs. */
#include "summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "find_rate.h"
#include "phases.h"
#include "rundir.h"
#include "train/table.h"
#include "train/terminal.h"

/* ---- Before ---- */

/* Writes the tables of layers and memory, whatever their width. */
static void print_tables(const fcnn_training *t) {
    table_print_layers(stdout, t->largest);
    table_print_memory(stdout, t->largest, t->graph_options.batch);
}

static void print_network(const fcnn_training *t, const char *title) {
    fcnn_node_cost total = table_sum_costs(t->largest), input;
    char kind[96];
    fcnn_graph_node_cost(t->largest, 0, &input);
    table_describe_kind(t->largest, kind, sizeof kind);
    const fcnn_tensor *map = fcnn_graph_node_output(t->largest, 0);
    terminal_line(stdout, "network", "%s: %d layers, %lld parameters; %s", FCNN_SHOWN(title),
                  t->of.config->section_count - 1, (long long)total.parameters, kind);
    terminal_line(stdout, "input", "%dx%d in %d channel%s%s%s", map->size, map->size, map->channels,
                  map->channels == 1 ? "" : "s", *input.remark ? "; " : "", input.remark);
}

static void print_data(const fcnn_training *t) {
    const fcnn_training_data *s = t->of.data;
    char test[64] = "";
    if (s->test.count) snprintf(test, sizeof test, ", %lld test", (long long)s->test.count);
    terminal_line(stdout, "data", "%s: %lld training, %lld %s%s images; %d class%s",
                  FCNN_SHOWN(fcnn_section_text(fcnn_training_net(t), "data")),
                  (long long)s->train.count, (long long)s->validation.count, s->validation.name,
                  test, s->dataset->classes, s->dataset->classes == 1 ? "" : "es");
}

static void print_epochs(const fcnn_training *t) {
    int64_t steps = t->steps_per_epoch, left = t->of.data->train.count % t->batch;
    char parts[32] = "", sit[96] = "";
    if (t->parts > 1) snprintf(parts, sizeof parts, " in %d parts", t->parts);
    if (left)
        snprintf(sit, sizeof sit, "; %lld images, others each time, sit it out", (long long)left);
    terminal_line(stdout, "epochs", "%lld of %lld step%s of %d images%s%s", (long long)t->epochs,
                  (long long)steps, steps == 1 ? "" : "s", t->batch, parts, sit);
}

static void print_device(const fcnn_training *t) {
    const fcnn_memory_plan *plan = fcnn_graph_memory(t->largest);
    terminal_line(stdout, "device", "%s; the network takes %.0f MiB", t->of.device->description,
                  (double)(plan->arena + plan->scratch) / 1048576.0);
}

void summary_rate_plan(const fcnn_training *t, const char *title, bool tables) {
    if (tables) print_tables(t);
    print_network(t, title);
    print_data(t);
    print_device(t);
    terminal_line(stdout, "rates", "%d steps of %d images at rising rates; no weights are saved",
                  FIND_RATE_STEPS, t->batch);
    fflush(stdout);
}

fcnn_status summary_plan(const fcnn_training *t, const trainer_options *o, bool tables) {
    if (tables) print_tables(t);
    print_network(t, o->title);
    FCNN_TRY(phases_print(stdout, &t->graph_options, t->of.device, t->largest));
    print_data(t);
    print_device(t);
    print_epochs(t);
    terminal_line(stdout, "folder", "%s", FCNN_SHOWN(o->folder));
    fflush(stdout);
    return FCNN_OK;
}

void summary_warn_of_small_data(const fcnn_training *t) {
    enum { FEW_STEPS = 10, FEW_TO_SCORE = 50 };
    int64_t images = t->of.data->train.count, steps = t->steps_per_epoch, batch = 4;
    const fcnn_image_set *scored = &t->of.data->validation;
    if (scored->count && scored->count < FEW_TO_SCORE)
        terminal_warn("%lld %s image%s to score on: an accuracy is then known to some %.0f points",
                      (long long)scored->count, scored->name, scored->count == 1 ? "" : "s",
                      98 / sqrt((double)scored->count));
    if (steps >= FEW_STEPS || t->batch <= 2 * FEW_STEPS) return;
    while (2 * batch * FEW_STEPS <= images) batch *= 2;
    terminal_warn("an epoch of %lld step%s learns little; try --batch %lld", (long long)steps,
                  steps == 1 ? "" : "s", (long long)batch);
}

/* ---- After ---- */

/* Pictures are decoded and transformed again in each epoch, where nothing keeps their spectra. */
static void advise_cache(const trainer *t) {
    const fcnn_training_times *p = &t->training.times;
    double all = p->input + p->train + p->exchange + p->update;
    if (p->input < 0.25 * all || p->input < 5.0 || strcmp(t->options.cache, "none") != 0) return;
    terminal_print(stdout,
                   "%.0f %% of the training waited for pictures: --cache DIR keeps their spectra "
                   "from the first epoch on",
                   100 * p->input / all);
}

void summary_score(const char *name, int classes, const fcnn_score *score) {
    double images = (double)score->images;
    char top5[32] = "";
    if (classes > 5)
        snprintf(top5, sizeof top5, "top-5 %.6f, ", (double)score->correct_top5 / images);
    terminal_print(stdout, "%s accuracy %.6f, %sloss %.6f on %lld images", name,
                   (double)score->correct / images, top5, score->loss / images,
                   (long long)score->images);
}

void summary_result(const trainer *t) {
    const fcnn_training *training = &t->training;
    const fcnn_training_data *s = training->of.data;
    const fcnn_training_times *p = &t->training.times;
    const fcnn_evaluation *last = &training->validation;
    fcnn_shown_text folder = fcnn_text_shown(t->options.folder);
    char text[256];
    fcnn_training_describe_stop(training, text, sizeof text);
    if (fcnn_training_stopped_early(training)) terminal_text(stdout, text);
    if (last->score.images) summary_score(s->validation.name, last->classes, &last->score);
    if (training->best_accuracy >= 0)
        terminal_print(stdout, "best epoch %lld with %s accuracy %.6f: %s/" RUNDIR_BEST "\n",
                       (long long)training->best_epoch, s->validation.name, training->best_accuracy,
                       folder.text);
    terminal_print(stdout, "model: %s/" RUNDIR_MODEL "\nreport: %s/" RUNDIR_REPORT "\n",
                   folder.text, folder.text);
    char beside[48] = "", ranks[48] = "";
    if (training->of.ranks)
        snprintf(ranks, sizeof ranks, "%.1f waiting for other ranks, ", p->exchange);
    if (t->saver.beside >= 0.05)
        snprintf(beside, sizeof beside, ", and %.1f beside it", t->saver.beside);
    terminal_print(stdout,
                   "seconds: %.1f opening, %.1f waiting for input, %.1f forward and backward, "
                   "%s%.1f updates, %.1f validation, %.1f saving%s\n",
                   p->opening, p->input, p->train, ranks, p->update, p->validation, p->saving,
                   beside);
    advise_cache(t);
}
