/* This file writes report.html: the page around the sections, the summary, and the temporary file
 * that becomes the report once it is whole. Nothing in it is fetched from elsewhere, and it needs
 * no script. */
#include "report.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "layer.h"
#include "markup.h"
#include "sections.h"
#include "train/run/rundir.h"

/* ---- Facts ---- */

static void write_placement(FILE *out, const fcnn_placement *placement) {
    static const char *const pads[] = {
        [FCNN_PAD_NONE] = "", [FCNN_PAD_ZERO] = "zero", [FCNN_PAD_REFLECT] = "reflect"};
    if (placement->crop)
        fprintf(out, ", cropped to %g of the short side", placement->crop_fraction);
    if (placement->padding)
        fprintf(out, ", %s padding of %g on each side", pads[placement->padding],
                placement->margin);
}

static void write_augmentation(FILE *out, const fcnn_section *net) {
    static const struct {
        const char *key, *format;
    } amounts[] = {{"augment_shift", "; shifted by up to %g pixels"},
                   {"augment_truncate", "; radius truncated to %g of it at least"},
                   {"augment_jitter", "; channels jittered by up to %g"},
                   {"augment_cutout", "; a square of %g pixels blanked"},
                   {"mixup", "; mixed in pairs, mixup %g"}};
    if (fcnn_section_int(net, "augment_mirror")) fputs("; mirrored at random", out);
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
        double amount = fcnn_section_real(net, amounts[i].key);
        if (amount > 0) fprintf(out, amounts[i].format, amount);
    }
    if (fcnn_section_int(net, "test_mirror")) fputs("; scored with its mirror image", out);
}

/* Writes how images enter the network, as far as it is not the default. */
static void write_input(FILE *out, const report_options *o) {
    const fcnn_section *net = report_net(o);
    int size = fcnn_graph_node_output(o->graph, 0)->size;
    fcnn_spectra_usage usage;
    fprintf(out, "%d&times;%d", size, size);
    write_placement(out, fcnn_graph_placement(o->graph));
    write_augmentation(out, net);
    if (fcnn_section_has(net, "bands")) {
        fputs("; growing bands ", out);
        markup_text(out, fcnn_section_text(net, "bands"));
    }
    if (report_cache_usage(o->data, &usage)) {
        fputs("; spectra cached in ", out);
        markup_text(out, usage.path);
    }
}

static void write_data(FILE *out, const report_options *o) {
    const fcnn_training_data *data = o->data;
    markup_text(out, fcnn_section_text(report_net(o), "data"));
    fputs(": ", out);
    markup_count(out, data->train.count);
    fputs(" training", out);
    if (data->validation.count) {
        fputs(" and ", out);
        markup_count(out, data->validation.count);
        fprintf(out, " %s", report_scored_name(o));
    }
    fprintf(out, " images, %d classes (chance: ", data->dataset->classes);
    markup_percent(out, 1.0 / data->dataset->classes);
    fprintf(out, "); batch %d", o->batch);
    if (o->parts > 1) fprintf(out, " in %d parts", o->parts);
    if (o->ranks > 1) fprintf(out, " on %d ranks", o->ranks);
}

static void write_version(FILE *out) {
#if defined(__clang__)
    const char *compiler = "";
#else
    const char *compiler = "GCC ";
#endif
    fprintf(out, "%s, compiled by %s%s", fcnn_version(), compiler, __VERSION__);
}

/* Writes "alexnet on photos". */
static void write_title(FILE *out, const report_options *o) {
    const char *data = fcnn_section_text(report_net(o), "data");
    bool name = fcnn_dataset_is_name(data);
    char shown[256];
    fcnn_text_printable(name ? data : report_last_part(data), shown, sizeof shown);
    if (name) shown[strcspn(shown, ":")] = '\0';
    markup_text(out, o->title);
    fputs(" on ", out);
    markup_text(out, shown);
}

static void write_date(FILE *out) {
    char date[64] = "";
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local)) strftime(date, sizeof date, "%d %B %Y, %H:%M:%S %Z", &local);
    fputs(date[0] == '0' ? date + 1 : date, out);
}

/* ---- The page ---- */

/* Writes the mistakes into memory, for this report and later ones. */
static fcnn_status keep_mistakes(const report_options *o, int scored) {
    fcnn_text text = {0};
    FILE *stream = fcnn_text_stream(&text);
    if (!stream) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the mistakes");
    fcnn_status status = report_write_mistakes(stream, o, scored);
    bool whole = fclose(stream) == 0;
    *o->mistakes = fcnn_text_take(&text);
    if (!status && whole && *o->mistakes) return FCNN_OK;
    free(*o->mistakes);
    *o->mistakes = NULL;
    return status ? status : fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the mistakes");
}

static fcnn_status write_mistakes(FILE *out, const report_options *o, int scored) {
    if (!o->mistakes || !o->evaluation) return report_write_mistakes(out, o, scored);
    if (!*o->mistakes) FCNN_TRY(keep_mistakes(o, scored));
    fputs(*o->mistakes, out);
    return FCNN_OK;
}

static fcnn_status write_sections(FILE *out, const report_options *o, const run_log *log) {
    int scored = report_scored_epoch(log);
    FCNN_TRY(report_write_curves(out, log, o));
    FCNN_TRY(write_mistakes(out, o, scored));
    FCNN_TRY(report_write_confusion(out, o, scored));
    report_write_problems(out, o);
    FCNN_TRY(report_write_kernels(out, o->graph));
    FCNN_TRY(report_write_speed(out, log, o));
    report_write_layers(out, o->graph, o->parts > 1 ? o->batch / o->parts : o->batch);
    return FCNN_OK;
}

typedef struct {
    FILE *out;
    const report_options *options;
    const run_log *log;
} report_part;

/* Writes what stands in the place of {{name}}. */
static fcnn_status write_part(void *user, const char *name) {
    const report_part *part = user;
    FILE *out = part->out;
    const report_options *o = part->options;
    const run_log *log = part->log;
    if (!strcmp(name, "title")) write_title(out, o);
    if (!strcmp(name, "reload")) report_write_reload(out, o);
    if (!strcmp(name, "style")) fputs(report_style, out);
    if (!strcmp(name, "date")) write_date(out);
    if (!strcmp(name, "lead")) report_write_lead(out, o, log);
    if (!strcmp(name, "data")) write_data(out, o);
    if (!strcmp(name, "input")) write_input(out, o);
    if (!strcmp(name, "folder")) markup_text(out, o->folder);
    if (!strcmp(name, "device")) markup_text(out, fcnn_graph_device(o->graph)->description);
    if (!strcmp(name, "version")) write_version(out);
    if (!strcmp(name, "command")) markup_command(out, o->command);
    if (!strcmp(name, "config")) markup_lines(out, o->config_text);
    if (!strcmp(name, "state")) report_write_state(out, o);
    return strcmp(name, "sections") ? FCNN_OK : write_sections(out, o, log);
}

/* ---- The file ---- */

static fcnn_status write_file(const report_options *o, const run_log *log) {
    char path[PATH_MAX];
    fcnn_output output;
    rundir_file(o->folder, RUNDIR_REPORT, path);
    FCNN_TRY(fcnn_output_open(path, &output));
    report_part part = {output.stream, o, log};
    return fcnn_output_close(&output, markup_fill(output.stream, report_page, write_part, &part));
}

fcnn_status report_write(const report_options *options) {
    run_log log;
    FCNN_TRY(run_log_read(options->folder, &log));
    fcnn_status status = write_file(options, &log);
    run_log_clear(&log);
    return status;
}
