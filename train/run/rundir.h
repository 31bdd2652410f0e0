/* The folder of a run, or of a comparison of runs: it is apart from the data, has one process at
 * work at a time, and holds nothing of others. It is claimed and tested before the first step; what
 * is there of an earlier run is moved away, and nothing else is. */
#ifndef FCNN_TRAIN_RUN_RUNDIR_H
#define FCNN_TRAIN_RUN_RUNDIR_H

#include <limits.h>
#include <sys/stat.h>

#include "fcnn.h"

/* All files of a run; run_files.c lists them once more. */
#define RUNDIR_LOG        "log.csv"
#define RUNDIR_MODEL      "model.safetensors"
#define RUNDIR_NEXT       "model-next.safetensors"
#define RUNDIR_BEST       "model-best.safetensors"
#define RUNDIR_CHECKPOINT "checkpoint.safetensors"
#define RUNDIR_CONFUSION  "confusion.csv"
#define RUNDIR_IMAGES     "images.tsv"
#define RUNDIR_STEPS      "steps.csv"
#define RUNDIR_REPORT     "report.html"
#define RUNDIR_RATE       "rate.html" /* of --find-rate */
#define RUNDIR_TEST       "write-test.tmp"

/* What the page of --find-rate begins with. */
#define RUNDIR_RATE_MARK "<!DOCTYPE html><!-- fcnn-train --find-rate -->"

/* What a folder is made for. */
typedef struct {
    const char *what; /* "run" */
    /* Whether an entry of a folder is of this kind. `proof` is set where no other program has made
     * it. For a folder of ours with something else inside, `within` becomes the path of that. */
    bool (*owns)(const void *context, const char *folder, const char *name, bool *proof,
                 char within[PATH_MAX]);
    const void *context;
    const char *last; /* the entry that is moved last, as it tells the kind; or NULL */
} rundir_kind;

extern const rundir_kind rundir_of_run;

/* A folder that is claimed. */
typedef struct rundir {
    char folder[PATH_MAX], cache[PATH_MAX]; /* the cache's is "" without one */
    const rundir_kind *kind;
    int lock;           /* -1: not claimed */
    size_t made_from;   /* the folder's path was there up to here */
    struct stat self;   /* the folder itself, once it is locked */
    bool used, present; /* files are to stay; something of the kind was there */
} rundir;

typedef struct {
    const char *program; /* named to those that are refused meanwhile */
    const char *data;    /* path of the data, "" where it has none */
    const char *cache;   /* folder of the cache, or "" */
    bool fresh;          /* nothing of before is gone on with */
    bool strict;         /* what is not ours is refused even beside what is */
} rundir_claim;

/* Bytes that a file's name may add to a folder's, as rundir_file joins them or while it is written.
 */
enum { RUNDIR_NAME_BYTES = 64 };

/* Writes "runs/<prefix><name of the cfg>", the name without its folder and ending, into PATH_MAX
 * bytes. */
void rundir_default(const char *prefix, const char *cfg, char *folder);

/* Writes the folder that a run of a cfg has by default: runs/NAME or, where that holds something,
 * the first of runs/NAME-2, -3, ... that holds nothing; of a resume the last that has a
 * checkpoint. */
void rundir_choose(const char *cfg, bool resume, char *folder);
/* Makes `latest` beside a folder a link to it; what cannot be done is left. The second does so
 * where there is such a link already. */
void rundir_mark_latest(const char *folder);
void rundir_follow_latest(const char *folder);

/* FCNN_ERROR_USAGE where a name cannot be that of a folder: it is empty or too long. */
fcnn_status rundir_check_name(const char *folder);

/* Writes the path of a file in the folder into `path` of PATH_MAX bytes. */
void rundir_file(const char *folder, const char *name, char *path);

/* FCNN_ERROR_IO: "path: cannot be <action>: " and the reason, by errno. */
fcnn_status rundir_error(const char *path, const char *action);

/* FCNN_ERROR_USAGE where the folder and the data lie one inside the other, or the cache inside the
 * data: links are followed, and what does not exist yet counts as it will. */
fcnn_status rundir_check_apart(const char *folder, const char *data, const char *cache);

/* Makes the folder and locks it. Refuses one that is at work, that is not apart, that lies in a
 * run, and that holds anything else than its kind (or nothing): FCNN_ERROR_USAGE or FCNN_ERROR_IO
 * names it. rundir_close follows where it succeeds. */
fcnn_status rundir_open(const char *folder, const rundir_kind *kind, const rundir_claim *claim,
                        rundir *dir);

/* What a folder holds of a kind, and what of others. */
typedef struct {
    bool present;           /* something that no other program made */
    char foreign[PATH_MAX]; /* what is not of the kind, below the folder; "" if nothing */
} rundir_contents;

/* Looks into a folder, which need not exist. `cache` is a folder whose files do not count, or "".
 * What systems keep in any folder does not count either, nor do earlier-1 and so on. */
fcnn_status rundir_look(const char *folder, const rundir_kind *kind, const char *cache,
                        rundir_contents *contents);

/* Moves what is there of the kind to folder.old (.old.2, ...) or, where nothing can be made beside
 * the folder, to folder/earlier-1 (-2, ...), and says so. */
fcnn_status rundir_put_aside(rundir *dir);

/* FCNN_ERROR_IO where the path no longer leads to the folder that was claimed: it was moved or
 * removed, and what is there now may be another process's. */
fcnn_status rundir_check_place(const rundir *dir);

/* Checks that a file can be written and that `bytes` are free. */
fcnn_status rundir_test(rundir *dir, int64_t bytes);

/* Gives the lock back; a folder that was made for nothing is removed again. */
void rundir_close(rundir *dir);

/* Returns whether a name is one that fcnn_output gives to what it writes, NAME.tmp.NUMBER, and the
 * length of NAME. */
bool rundir_is_unfinished(const char *name, size_t *length);

/* Writes the path without links that `path` has, or will have once it is made, into PATH_MAX bytes;
 * "" for "". */
fcnn_status rundir_real_path(const char *path, char *real);
/* Whether a real path is another one, or lies in it. */
bool rundir_inside(const char *path, const char *folder);

/* Whether a folder has the log of a run, with its columns at least. */
bool rundir_has_log(const char *folder);

/* Removes the unfinished files that a killed run left behind. */
void rundir_remove_leftovers(const char *folder);

#endif
