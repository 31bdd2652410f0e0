/* Files that an option names to be written: what they replace is of the same kind. */
#ifndef FCNN_TRAIN_REPLACE_H
#define FCNN_TRAIN_REPLACE_H

#include <stddef.h>

#include "fcnn.h"

/* FCNN_ERROR_USAGE where `path` is a file that does not have the text `mark` at byte `at`, so that
 * a picture or a model named by mistake stays. What does not exist or is empty may be replaced. */
fcnn_status replace_check(const char *option, const char *path, size_t at, const char *mark);

/* Whether two names lead to the same file. */
bool replace_same_file(const char *a, const char *b);

#endif
