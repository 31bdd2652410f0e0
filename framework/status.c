/* The per-thread message behind fcnn_status. */
#include "status.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "text.h"

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char message[MESSAGE_BYTES] = "no error";

/* Forms a message at its full length, beside the current one into which an argument may point, and
 * before `tail`; what it has too much is cut only then, so that the reason behind a long name
 * stays. */
static void record(const char *format, va_list arguments, const char *tail) {
    char usual[2 * MESSAGE_BYTES], *text = usual;
    size_t ending = strlen(tail) + 1;
    va_list again;
    va_copy(again, arguments);
    int length = fcnn_number_vformat(usual, sizeof usual - ending, format, arguments);
    if (length < 0) usual[0] = '\0';
    if (length >= (int)(sizeof usual - ending)) {
        char *larger = malloc((size_t)length + 1 + ending);
        if (larger) {
            text = larger;
            fcnn_number_vformat(text, (size_t)length + 1, format, again);
        }
    }
    va_end(again);
    memcpy(text + strlen(text), tail, ending);
    fcnn_text_printable(text, message, sizeof message);
    if (text != usual) free(text);
}

void fcnn_status_record(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    record(format, arguments, "");
    va_end(arguments);
}

void fcnn_status_record_context(const char *format, ...) {
    char tail[MESSAGE_BYTES + 2] = ": ";
    va_list arguments;
    strcat(tail, message);
    va_start(arguments, format);
    record(format, arguments, tail);
    va_end(arguments);
}

const char *fcnn_status_message(void) { return message; }

fcnn_status fcnn_check_interrupted(const volatile int *interrupted) {
    if (!interrupted || !*interrupted) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_INTERRUPTED, "interrupted");
}

int fcnn_status_exit_code(fcnn_status status) {
    switch (status) {
    case FCNN_OK: return 0;
    case FCNN_ERROR_USAGE:
    case FCNN_ERROR_CONFIG: return 2;
    case FCNN_ERROR_INTERRUPTED: return 130;
    default: return 1;
    }
}
