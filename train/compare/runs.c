/* Each run is a child process with a cfg of the comparison's folder, so that its
 * command can be given by hand. What is finished is told from a run's own files;
 * DIR/variant.cfg beside them tells what they were trained with. */
#include "runs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "child.h"
#include "files.h"
#include "text.h"
#include "train/options.h"
#include "train/progress.h"
#include "train/run/rundir.h"
#include "train/signals.h"

enum { WORDS_MAX = 8 + 2 * PASSED_MAX, INTERRUPTED = 130, TEXT_BYTES = 2 * PATH_MAX };

/* ---- Commands ---- */

typedef struct {
    char *words[WORDS_MAX];
    char cfg[PATH_MAX], folder[PATH_MAX], seed[24];
} run_command;

static void make_command(const run_setup *setup, const comparison *c, const compare_run *run,
                         bool resume, run_command *command) {
    int count = 0;
    comparison_variant_path(c, run->variant, ".cfg", command->cfg);
    comparison_run_path(c, run, "", command->folder);
    snprintf(command->seed, sizeof command->seed, "%lld", (long long)run->seed);
    const char *const own[] = {setup->train_shown, command->cfg, "--seed",
                               command->seed,      "--out",      command->folder};
    for (int i = 0; i < 6; i++) command->words[count++] = (char *)own[i];
    for (int i = 0; i < 2 * setup->passed_count; i++)
        command->words[count++] = (char *)setup->passed[i / 2][i % 2];
    if (resume) command->words[count++] = (char *)"--resume";
    command->words[count] = NULL;
}

static void command_text(const run_command *command, char *text, size_t bytes) {
    text[0] = '\0';
    for (int i = 0; command->words[i]; i++) command_append(text, bytes, command->words[i]);
}

void runs_command(const run_setup *setup, const comparison *c, const compare_run *run, char *text,
                  size_t bytes) {
    run_command command;
    make_command(setup, c, run, false, &command);
    command_text(&command, text, bytes);
}

/* ---- Cfgs ---- */

/* Returns the cfg's file: a line on where the variant comes from, one on the options of its runs,
 * and its cfg. The caller frees it. */
static char *config_file(const run_setup *setup, const variant *v) {
    char *body = fcnn_config_text(v->config);
    fcnn_text text = {.failed = !body};
    if (body) {
        fcnn_text_add(&text,
                      "# Made by fcnn-compare from %s: activation %s, pool %s, domain %s\n"
                      "# Each run: fcnn-train FILE --seed N --out FOLDER",
                      FCNN_SHOWN(setup->cfg), v->activation, v->pool, v->domain);
        for (int i = 0; i < setup->passed_count; i++)
            fcnn_text_add(&text, " %s %s", setup->passed[i][0], FCNN_SHOWN(setup->passed[i][1]));
        fcnn_text_add(&text, "\n%s", body);
    }
    free(body);
    return fcnn_text_take(&text);
}

/* Reads a whole file; *text is NULL where there is none. The caller frees it. */
static fcnn_status read_text(const char *path, char **text) {
    FILE *file = fopen(path, "r");
    size_t bytes = 0;
    *text = NULL;
    if (!file && errno == ENOENT) return FCNN_OK;
    if (!file) return rundir_error(path, "opened");
    bool read = getdelim(text, &bytes, '\0', file) >= 0;
    int error = errno;
    if (!read && feof(file)) { /* an empty file */
        free(*text);
        *text = strdup("");
        read = *text != NULL;
    }
    errno = error;
    fcnn_status status = read ? FCNN_OK : rundir_error(path, "read");
    fclose(file);
    if (!status) return FCNN_OK;
    free(*text);
    *text = NULL;
    return status;
}

/* Returns whether a variant's folder has a run, of any seed. */
static bool has_runs(const char *folder) {
    DIR *open_folder = opendir(folder);
    bool found = false;
    if (!open_folder) return false;
    for (const struct dirent *entry; !found && (entry = readdir(open_folder));) {
        char log[PATH_MAX];
        int length = snprintf(log, sizeof log, "%s/%s/" RUNDIR_LOG, folder, entry->d_name);
        found = length < PATH_MAX && entry->d_name[0] != '.' && access(log, F_OK) == 0;
    }
    closedir(open_folder);
    return found;
}

/* Compares the files from their second line on: the first says where the source lies. */
static fcnn_status check_same(const comparison *c, const char *path, const char *saved,
                              const char *wanted) {
    const char *now = wanted + strcspn(wanted, "\n"), *then = saved + strcspn(saved, "\n");
    size_t same = 0;
    while (then[same] && then[same] == now[same]) same++;
    if (then[same] == now[same]) return FCNN_OK;
    while (same && now[same - 1] != '\n') same--;
    return fcnn_status_set(FCNN_ERROR_CONFIG,
                           "%s: its runs were trained with '%.*s' and now there is '%.*s'; --out "
                           "chooses another folder, --fresh starts over and keeps this one as "
                           "%s.old",
                           path, (int)strcspn(then + same, "\n"), then + same,
                           (int)strcspn(now + same, "\n"), now + same, c->folder);
}

static fcnn_status check_saved(const comparison *c, int i, const char *wanted) {
    char path[PATH_MAX], folder[PATH_MAX];
    comparison_variant_path(c, i, ".cfg", path);
    comparison_variant_path(c, i, "", folder);
    if (!has_runs(folder)) return FCNN_OK;
    char *saved;
    FCNN_TRY(read_text(path, &saved));
    if (!saved)
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "%s has runs and %s is missing: what they were trained with is not "
                               "known; --fresh starts over",
                               folder, path);
    fcnn_status status = check_same(c, path, saved, wanted);
    free(saved);
    return status;
}

static fcnn_status write_saved(const comparison *c, int i, const char *text) {
    char path[PATH_MAX];
    comparison_variant_path(c, i, ".cfg", path);
    fcnn_output output;
    FCNN_TRY(fcnn_output_open(path, &output));
    fputs(text, output.stream);
    return fcnn_output_close(&output, FCNN_OK);
}

fcnn_status runs_save_configs(const run_setup *setup, const comparison *c) {
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < c->variant_count; i++) {
            char *text = config_file(setup, &c->variants[i]);
            if (!text) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a cfg");
            fcnn_status status = pass ? write_saved(c, i, text) : check_saved(c, i, text);
            free(text);
            FCNN_TRY(status);
        }
    return FCNN_OK;
}

/* ---- Progress ---- */

/* Writes "; 41 % done, 23 min left", or nothing where nothing is known. */
static const char *progress_text(const comparison *c, char *text, size_t bytes) {
    double left, done = comparison_progress(c, &left);
    text[0] = '\0';
    if (left < 0) return text;
    bool hours = left >= 5400, minutes = left >= 90;
    double shown = hours ? left / 3600 : minutes ? left / 60 : left;
    snprintf(text, bytes, hours ? "; %.0f %% done, %.1f %s left" : "; %.0f %% done, %.0f %s left",
             floor(100 * done), shown,
             hours     ? "h"
             : minutes ? "min"
                       : "s");
    return text;
}

static void announce(const run_setup *setup, const comparison *c, int index) {
    char command[TEXT_BYTES], text[64];
    const compare_run *run = &c->runs[index];
    runs_command(setup, c, run, command, sizeof command);
    fprintf(stderr, "run %d of %d: %s seed %lld%s\n  %s\n", index + 1, c->run_count,
            c->variants[run->variant].name, (long long)run->seed,
            progress_text(c, text, sizeof text), command);
}

static void report(const comparison *c, int index, bool terminal) {
    char text[64];
    const compare_run *run = &c->runs[index];
    double accuracy = run->log.columns[RUN_LOG_VAL_ACCURACY][c->epochs - 1];
    if (terminal) return; /* the last epoch's line is still there to see */
    fprintf(stderr, "run %d of %d: %s seed %lld: %s error %.2f %%, %.1f s%s\n", index + 1,
            c->run_count, c->variants[run->variant].name, (long long)run->seed, c->scored,
            100 * (1 - accuracy), run->seconds, progress_text(c, text, sizeof text));
}

/* ---- Training ---- */

/* Writes the command as the log's first line, or adds it to the log of a run that is resumed. */
static fcnn_status start_log(const char *path, const run_command *command, bool resume) {
    char text[TEXT_BYTES];
    command_text(command, text, sizeof text);
    FILE *file = fopen(path, resume ? "a" : "w");
    bool good = file && fprintf(file, "$ %s\n", text) > 0;
    if (file && fclose(file)) good = false;
    if (good) return FCNN_OK;
    return rundir_error(path, "written");
}

/* Reads the last lines of a log, as many as fit. */
static void last_lines(const char *path, char *text, size_t bytes) {
    enum { LINES = 6 };
    FILE *file = fopen(path, "r");
    text[0] = '\0';
    if (!file) return;
    fseek(file, 0, SEEK_END);
    long size = ftell(file), start = size > (long)bytes - 1 ? size - (long)bytes + 1 : 0;
    fseek(file, start, SEEK_SET);
    size_t count = fread(text, 1, bytes - 1, file), lines = 0;
    fclose(file);
    while (count && text[count - 1] == '\n') count--;
    text[count] = '\0';
    size_t at = count;
    while (at && (lines += text[at - 1] == '\n') < LINES) at--;
    memmove(text, text + at, count - at + 1);
}

/* Shows the end of the run's log and fails. */
static fcnn_status failed(const comparison *c, const compare_run *run, const char *log, int code) {
    char lines[500], what[64];
    last_lines(log, lines, sizeof lines);
    if (code == 0)
        snprintf(what, sizeof what, "left no model with a log of %lld epochs",
                 (long long)c->epochs);
    else if (code > 128)
        snprintf(what, sizeof what, "was killed by signal %d", code - 128);
    else
        snprintf(what, sizeof what, "ended with exit code %d", code);
    /* The log's lines are printed here, because a message has one line alone. */
    fprintf(stderr, "%s ends with:\n", FCNN_SHOWN(log));
    for (const char *line = lines; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        fcnn_text_print_part(stderr, line, strcspn(line, "\n"));
        fputc('\n', stderr);
    }
    return fcnn_status_set(FCNN_ERROR_IO, "%s seed %lld: fcnn-train %s; its messages are in %s",
                           c->variants[run->variant].name, (long long)run->seed, what, log);
}

static fcnn_status train_run(const run_setup *setup, comparison *c, compare_run *run,
                             bool terminal) {
    run_command command;
    char path[PATH_MAX], log[PATH_MAX];
    int code;
    comparison_run_path(c, run, "", path);
    rundir_file(path, RUNDIR_CHECKPOINT, log);
    bool resume = access(log, F_OK) == 0;
    make_command(setup, c, run, resume, &command);
    comparison_variant_path(c, run->variant, "", path);
    FCNN_TRY(fcnn_folder_create(path));
    comparison_run_path(c, run, ".log", log);
    FCNN_TRY(start_log(log, &command, resume));
    double started = fcnn_seconds();
    child_options options = {
        .program = setup->train, .argv = command.words, .log = log, .terminal = terminal};
    FCNN_TRY(child_run(&options, &code));
    if (code == INTERRUPTED || (code && signals_interrupted)) return FCNN_OK;
    if (code) return failed(c, run, log, code);
    run->seconds = fcnn_seconds() - started;
    FCNN_TRY(comparison_read_run(c, run));
    return run->finished ? FCNN_OK : failed(c, run, log, code);
}

fcnn_status runs_train(const run_setup *setup, comparison *c, bool *interrupted) {
    bool terminal = isatty(STDERR_FILENO);
    int finished = 0, failures = 0;
    *interrupted = false;
    child_catch_signals();
    for (int i = 0; i < c->run_count; i++) {
        compare_run *run = &c->runs[i];
        finished += run->finished;
        if (run->finished) continue;
        *interrupted = signals_interrupted != 0;
        if (*interrupted) break;
        if (terminal) announce(setup, c, i);
        fcnn_status status = train_run(setup, c, run, terminal);
        /* Where nothing has worked yet, nothing will; else the others go on. */
        if (status && !finished) return status;
        if (status) {
            fprintf(stderr, "fcnn-compare: %s\n", fcnn_status_message());
            failures++;
            continue;
        }
        *interrupted = !run->finished;
        if (*interrupted) break;
        finished++;
        report(c, i, terminal);
        FCNN_TRY(comparison_save(c));
    }
    FCNN_TRY(comparison_save(c));
    if (!failures) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO,
                           "%d of %d runs failed, as said above; the same command tries them again",
                           failures, c->run_count);
}
