/* What is meant by names that other frameworks have for things here. */
#ifndef FCNN_FOREIGN_NAMES_H
#define FCNN_FOREIGN_NAMES_H

#include "status.h"

FCNN_C_BEGIN

/* Case, '-', '_' and what stands for a map's dimensions, as in Conv2D, make no difference. */

/* Returns what a section of that name is here, in a few words, or NULL. */
const char *fcnn_foreign_section(const char *name);

/* Returns the key that a name stands for, in any section that has it, or NULL. */
const char *fcnn_foreign_key(const char *name);

/* Returns the value that a word stands for as a value of a key, or NULL. */
const char *fcnn_foreign_value(const char *key, const char *word);

FCNN_C_END
#endif
