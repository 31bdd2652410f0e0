/* The per-thread message behind fcnn_status. */
#include "status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char message[MESSAGE_BYTES] = "no error";

void fcnn_status_record(const char *format, ...) {
    /* An argument may point into the current message. */
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(message, text, sizeof text);
}

void fcnn_status_record_context(const char *format, ...) {
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length < 0 || length >= MESSAGE_BYTES - 3) return;
    snprintf(text + length, sizeof text - (size_t)length, ": %.*s", MESSAGE_BYTES - 3 - length,
             message);
    memcpy(message, text, sizeof text);
}

const char *fcnn_status_message(void) { return message; }

int fcnn_status_exit_code(fcnn_status status) {
    switch (status) {
    case FCNN_OK: return 0;
    case FCNN_ERROR_USAGE:
    case FCNN_ERROR_CONFIG: return 2;
    default: return 1;
    }
}
