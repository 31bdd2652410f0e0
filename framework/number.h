/* Numbers in files and messages are those of the C locale, whatever locale the program that uses
 * the library has set for its process or thread: 0.5 is read and written with a point. */
#ifndef FCNN_NUMBER_H
#define FCNN_NUMBER_H

#include <locale.h>
#include <stdarg.h>
#include <stddef.h>

#include "status.h"

FCNN_C_BEGIN

/* strtod and snprintf of the C locale. */
double fcnn_number_read(const char *text, char **end);
int fcnn_number_format(char *text, size_t bytes, const char *format, ...) FCNN_PRINTF(3, 4);
int fcnn_number_vformat(char *text, size_t bytes, const char *format, va_list arguments)
    FCNN_PRINTF(3, 0);

/* Gives this thread the C locale, for calls of other libraries that read or write numbers, and
 * returns what fcnn_number_locale_restore takes to give it back its own. */
locale_t fcnn_number_locale_enter(void);
void fcnn_number_locale_restore(locale_t before);

FCNN_C_END
#endif
