/* How far a run is, or how it ended. The page of a run that goes on reloads itself; as it has no
 * script, it says when it was written, so that the page of a killed run can be told. */
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "markup.h"
#include "report.h"
#include "sections.h"
#include "train/run/rundir.h"

enum { RELOAD_SECONDS = 15 };
static const char reload[] = "http-equiv=\"refresh\"";

void report_write_reload(FILE *out, const report_options *o) {
    if (o->progress.state == REPORT_RUNNING)
        fprintf(out, "<meta %s content=\"%d\">\n", reload, RELOAD_SECONDS);
}

bool report_is_running(const char *folder) {
    char path[PATH_MAX], head[512];
    rundir_file(folder, RUNDIR_REPORT, path);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return false;
    ssize_t got = read(file, head, sizeof head - 1);
    close(file);
    head[got > 0 ? got : 0] = '\0';
    return strstr(head, reload) != NULL;
}

/* Writes "epoch 3 of 10, step 120 of 296", or what comes between two epochs. */
static void write_place(FILE *out, const report_progress *p) {
    if (p->step == 0)
        fprintf(out, "%" PRId64 " of %" PRId64 " epochs done", p->epoch, p->epochs);
    else if (p->step == p->steps)
        fprintf(out, "epoch %" PRId64 " of %" PRId64 ", validating", p->epoch + 1, p->epochs);
    else
        fprintf(out, "epoch %" PRId64 " of %" PRId64 ", step %" PRId64 " of %" PRId64, p->epoch + 1,
                p->epochs, p->step, p->steps);
}

static void write_bar(FILE *out, const report_progress *p) {
    int64_t all = p->epochs * p->steps, done = p->epoch * p->steps + p->step;
    fprintf(out, "<progress max=\"%" PRId64 "\" value=\"%" PRId64 "\"></progress>", all, done);
}

static void write_running(FILE *out, const report_progress *p) {
    fputs("<b>Running</b>: ", out);
    write_place(out, p);
    if (isfinite(p->seconds_left)) {
        fputs("; about ", out);
        markup_seconds(out, p->seconds_left);
        fputs(" left", out);
    }
    fputs(".\n", out);
    write_bar(out, p);
    fprintf(out,
            "<small>This page reloads itself every %d seconds until the run ends. If it was "
            "written long ago, the run was killed: <code>--resume</code> goes on with it.</small>",
            RELOAD_SECONDS);
}

static void write_stopped(FILE *out, const report_progress *p) {
    fputs(p->state == REPORT_FAILED ? "<b>Failed</b>: " : "<b>Interrupted</b>: ", out);
    write_place(out, p);
    fputs(".\n", out);
    if (p->failure) {
        fputs("<br>", out);
        markup_text(out, p->failure);
    }
    write_bar(out, p);
    if (p->state == REPORT_FAILED || !p->resume_command) return;
    fputs("<small>To go on: <code>", out);
    markup_command(out, p->resume_command);
    fputs("</code></small>", out);
}

void report_write_state(FILE *out, const report_options *o) {
    static const char *const classes[] = {"finished", "running", "interrupted", "failed"};
    const report_progress *p = &o->progress;
    fprintf(out, "<p class=\"state %s\">", classes[p->state]);
    if (p->state == REPORT_RUNNING)
        write_running(out, p);
    else if (p->state == REPORT_FINISHED)
        fputs("<b>Finished</b>", out);
    else
        write_stopped(out, p);
    fputs("</p>\n", out);
}
