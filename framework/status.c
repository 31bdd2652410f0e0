/* The per-thread message behind fcnn_status. */
#include "status.h"

#include <stdarg.h>
#include <string.h>

#include "number.h"
#include "text.h"

/* A message is formed at its full length, with names of files as long as they may be, and cut
 * then. */
enum { MESSAGE_BYTES = 1024, FORMED_BYTES = 8192 };

static _Thread_local char message[MESSAGE_BYTES] = "no error";

/* Forms it beside the current message, into which an argument may point. */
static void form(char text[FORMED_BYTES], const char *format, va_list arguments) {
    if (fcnn_number_vformat(text, FORMED_BYTES, format, arguments) < 0) text[0] = '\0';
}

void fcnn_status_record(const char *format, ...) {
    char text[FORMED_BYTES];
    va_list arguments;
    va_start(arguments, format);
    form(text, format, arguments);
    va_end(arguments);
    fcnn_text_printable(text, message, sizeof message);
}

void fcnn_status_record_context(const char *format, ...) {
    char text[FORMED_BYTES + 2 + MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    form(text, format, arguments);
    va_end(arguments);
    strcat(strcat(text, ": "), message);
    fcnn_text_printable(text, message, sizeof message);
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
