/* Numbers of the C locale (number.h). */
#include "number.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static locale_t c_locale;

static void make_locale(void) { c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); }

locale_t fcnn_number_locale_enter(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_locale);
    /* uselocale(0) changes nothing, so a locale that could not be made does no harm. */
    return uselocale(c_locale);
}

void fcnn_number_locale_restore(locale_t before) { uselocale(before); }

double fcnn_number_read(const char *text, char **end) {
    locale_t before = fcnn_number_locale_enter();
    double number = strtod(text, end);
    fcnn_number_locale_restore(before);
    return number;
}

int fcnn_number_vformat(char *text, size_t bytes, const char *format, va_list arguments) {
    locale_t before = fcnn_number_locale_enter();
    int length = vsnprintf(text, bytes, format, arguments);
    fcnn_number_locale_restore(before);
    return length;
}

int fcnn_number_format(char *text, size_t bytes, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = fcnn_number_vformat(text, bytes, format, arguments);
    va_end(arguments);
    return length;
}
