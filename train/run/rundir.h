/* The folder of a run is made and tested before the first step; an old run's is kept under another
 * name. */
#ifndef FCNN_TRAIN_RUN_RUNDIR_H
#define FCNN_TRAIN_RUN_RUNDIR_H

#include "fcnn.h"

#define RUNDIR_MODEL      "model.safetensors"
#define RUNDIR_BEST       "model-best.safetensors"
#define RUNDIR_CHECKPOINT "checkpoint.safetensors"
#define RUNDIR_LOG        "log.csv"
#define RUNDIR_CONFUSION  "confusion.csv"
#define RUNDIR_IMAGES     "images.tsv"

/* Bytes that a file's name may add to a folder's, as rundir_file joins them or while it is written.
 */
enum { RUNDIR_NAME_BYTES = 64 };

/* Writes "runs/<prefix><name of the cfg>", the name without its folder and ending, into PATH_MAX
 * bytes. */
void rundir_default(const char *prefix, const char *cfg, char *folder);

/* Writes the path of a file in the folder into `path` of PATH_MAX bytes. */
void rundir_file(const char *folder, const char *name, char *path);

/* FCNN_ERROR_IO: "path: cannot be <action>: " and the reason, by errno. */
fcnn_status rundir_error(const char *path, const char *action);

/* Renames a folder, if it is there, to folder.old (or .old.2, ...), and says so: "the earlier
 * <what> is now in ...". */
fcnn_status rundir_put_aside(const char *folder, const char *what);

/* Creates the folder of a fresh run, with its parents, after putting an earlier run's aside. Checks
 * that a file can be written and that `bytes` are free. */
fcnn_status rundir_create(const char *folder, int64_t bytes);

/* Removes the unfinished files that a killed run left behind. */
void rundir_remove_leftovers(const char *folder);

#endif
