/* Text that comes from outside, such as file names, made fit to be shown. */
#ifndef FCNN_TEXT_H
#define FCNN_TEXT_H

#include <stddef.h>

#include "status.h"

FCNN_C_BEGIN

/* Bytes of the UTF-8 character at `at`, or 0: overlong forms, surrogates, numbers behind U+10FFFF
 * and the two that XML forbids are none. */
int fcnn_text_character(const char *at);
/* Copies a text, cut to fit `bytes` > 0. Control characters and bytes that are not UTF-8, which
 * file names may hold, are written as \x0a. */
void fcnn_text_printable(const char *from, char *to, size_t bytes);

FCNN_C_END
#endif
