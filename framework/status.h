/* Errors as values: every fallible function returns an fcnn_status, and leaves
 * a message (what was expected, what was found, where) that the same thread
 * reads with fcnn_status_message(). Nothing in the library prints or exits. */
#ifndef FCNN_STATUS_H
#define FCNN_STATUS_H

/* Around declarations: C++ links to them as to C. */
#ifdef __cplusplus
#define FCNN_C_BEGIN extern "C" {
#define FCNN_C_END   }
#else
#define FCNN_C_BEGIN
#define FCNN_C_END
#endif
FCNN_C_BEGIN

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error "fcnn relies on NaN and infinity: compile without -ffast-math and -ffinite-math-only"
#endif

typedef enum {
    FCNN_OK = 0,
    FCNN_ERROR_USAGE,       /* wrong option or argument */
    FCNN_ERROR_CONFIG,      /* wrong cfg: syntax, key, value or shape */
    FCNN_ERROR_IO,          /* a file could not be read or written */
    FCNN_ERROR_FORMAT,      /* a file's contents are not what they claim to be */
    FCNN_ERROR_MEMORY,      /* out of memory, or of open files: no fault of a file's */
    FCNN_ERROR_UNSUPPORTED, /* asked of a backend or form that lacks it */
    FCNN_ERROR_DEVICE,      /* no such device, or it failed */
    FCNN_ERROR_NUMERIC,     /* a loss or tensor is not finite */
    FCNN_ERROR_INTERRUPTED  /* the caller's flag asked for an end */
} fcnn_status;

#if defined(__GNUC__)
#define FCNN_PRINTF(format_index, first_argument)                                                  \
    __attribute__((format(printf, format_index, first_argument)))
#else
#define FCNN_PRINTF(format_index, first_argument)
#endif

/* Sets this thread's message. What names and quoted contents have in it that is not fit to be shown
 * is written as \x0a (text.h); above 1023 bytes the middle is left out. */
void fcnn_status_record(const char *format, ...) FCNN_PRINTF(1, 2);

/* Puts "context: " before this thread's message. */
void fcnn_status_record_context(const char *format, ...) FCNN_PRINTF(1, 2);

static inline fcnn_status fcnn_status_same(fcnn_status status) { return status; }

/* The same, as expressions that have `status` as their value: macros, so that compilers and
 * analysers see that a failure is returned. */
#define fcnn_status_set(status, ...) (fcnn_status_record(__VA_ARGS__), fcnn_status_same(status))
#define fcnn_status_prefix(status, ...)                                                            \
    (fcnn_status_record_context(__VA_ARGS__), fcnn_status_same(status))

/* The message of this thread's last failure; valid until its next one. */
const char *fcnn_status_message(void);

/* The exit code a program gives for `status`: 0, 2 for usage and cfg, 130 for an interruption, else
 * 1. */
int fcnn_status_exit_code(fcnn_status status);

/* FCNN_ERROR_INTERRUPTED once a flag, which a signal's handler or another thread sets, is not 0;
 * NULL never is. Work that may take seconds asks it between two pieces. */
fcnn_status fcnn_check_interrupted(const volatile int *interrupted);

/* Returns from the calling function if `expression` fails. */
#define FCNN_TRY(expression)                                                                       \
    do {                                                                                           \
        fcnn_status fcnn_try_status = (expression);                                                \
        if (fcnn_try_status) return fcnn_try_status;                                               \
    } while (0)

FCNN_C_END
#endif
