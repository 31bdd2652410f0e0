/* The message behind a status: set, prefixed, cut to its length, one a thread. */
#include "status.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "text.h"

enum { MESSAGE_MAX = 1023 };

START_TEST(set_returns_status_and_message) {
    ck_assert_int_eq(fcnn_status_set(FCNN_ERROR_IO, "%s: expected %d", "a.txt", 7), FCNN_ERROR_IO);
    ck_assert_str_eq(fcnn_status_message(), "a.txt: expected 7");
    ck_assert_int_eq(fcnn_status_set(FCNN_ERROR_FORMAT, "later"), FCNN_ERROR_FORMAT);
    ck_assert_str_eq(fcnn_status_message(), "later");
}
END_TEST

START_TEST(prefix_puts_context_before) {
    fcnn_status status = fcnn_status_set(FCNN_ERROR_NUMERIC, "loss is nan");
    ck_assert_int_eq(fcnn_status_prefix(status, "step %d", 12), FCNN_ERROR_NUMERIC);
    ck_assert_int_eq(fcnn_status_prefix(status, "epoch %d", 3), FCNN_ERROR_NUMERIC);
    ck_assert_str_eq(fcnn_status_message(), "epoch 3: step 12: loss is nan");
}
END_TEST

START_TEST(message_may_be_its_own_argument) {
    fcnn_status_set(FCNN_ERROR_IO, "inner");
    fcnn_status_set(FCNN_ERROR_IO, "outer (%s)", fcnn_status_message());
    ck_assert_str_eq(fcnn_status_message(), "outer (inner)");
    fcnn_status_prefix(FCNN_ERROR_IO, "again %s", fcnn_status_message());
    ck_assert_str_eq(fcnn_status_message(), "again outer (inner): outer (inner)");
}
END_TEST

START_TEST(long_messages_are_cut) {
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    fcnn_status_set(FCNN_ERROR_IO, "%s", text);
    ck_assert_uint_eq(strlen(fcnn_status_message()), MESSAGE_MAX);
    fcnn_status_prefix(FCNN_ERROR_IO, "file.cfg");
    ck_assert_uint_le(strlen(fcnn_status_message()), MESSAGE_MAX);
    ck_assert_int_eq(strncmp(fcnn_status_message(), "file.cfg: xxx", 13), 0);
}
END_TEST

/* Around the limit and far above it a long name is cut in its middle, and the reason stays. */
START_TEST(long_prefixes_never_destroy_the_message) {
    static char text[20001];
    for (size_t length = 1000; length < 20000; length = length < 1040 ? length + 1 : 2 * length) {
        memset(text, 'p', length);
        text[length] = '\0';
        fcnn_status_set(FCNN_ERROR_IO, "disk full");
        ck_assert_int_eq(fcnn_status_prefix(FCNN_ERROR_IO, "%s", text), FCNN_ERROR_IO);
        const char *message = fcnn_status_message();
        ck_assert_uint_le(strlen(message), MESSAGE_MAX);
        ck_assert_int_eq(message[0], 'p');
        ck_assert_str_eq(message + strlen(message) - 12, "p: disk full");
        ck_assert_int_eq(strstr(message, "...") != NULL, length + 11 > MESSAGE_MAX);
    }
}
END_TEST

/* Names that hold anything at all: a message is one line of visible UTF-8. */
START_TEST(messages_are_visible) {
    fcnn_status_set(FCNN_ERROR_IO, "%s: not found", "a\033[31m\nb\x7f\xe9");
    ck_assert_str_eq(fcnn_status_message(), "a\\x1b[31m\\x0ab\\x7f\\xe9: not found");
    fcnn_status_prefix(FCNN_ERROR_IO, "%s", "\xc2\x9b\xe2\x80\xae\xc3\xa9");
    ck_assert_str_eq(fcnn_status_message(), "\\xc2\\x9b\\xe2\\x80\\xae\xc3\xa9: "
                                            "a\\x1b[31m\\x0ab\\x7f\\xe9: not found");
    char text[3001];
    for (int shift = 0; shift < 2; shift++) { /* no half characters at the cut */
        for (int i = 0; i < 3000; i++) text[i] = (i + shift) % 2 ? '\xa9' : '\xc3';
        if (shift) text[0] = 'x';
        text[3000] = '\0';
        fcnn_status_set(FCNN_ERROR_IO, "%s", text);
        ck_assert(fcnn_text_is_utf8(fcnn_status_message()));
        ck_assert_ptr_null(strstr(fcnn_status_message(), shift ? "\\xa9" : "\\x"));
    }
}
END_TEST

static int steps;

static fcnn_status fails(fcnn_status status) {
    FCNN_TRY(status);
    steps++;
    return FCNN_OK;
}

START_TEST(try_returns_at_a_failure_only) {
    steps = 0;
    ck_assert_int_eq(fails(FCNN_OK), FCNN_OK);
    ck_assert_int_eq(steps, 1);
    ck_assert_int_eq(fails(FCNN_ERROR_DEVICE), FCNN_ERROR_DEVICE);
    ck_assert_int_eq(steps, 1);
}
END_TEST

START_TEST(exit_codes) {
    ck_assert_int_eq(fcnn_status_exit_code(FCNN_OK), 0);
    ck_assert_int_eq(fcnn_status_exit_code(FCNN_ERROR_USAGE), 2);
    ck_assert_int_eq(fcnn_status_exit_code(FCNN_ERROR_CONFIG), 2);
    for (fcnn_status status = FCNN_ERROR_IO; status <= FCNN_ERROR_NUMERIC; status++)
        ck_assert_int_eq(fcnn_status_exit_code(status), 1);
    ck_assert_int_eq(fcnn_status_exit_code(FCNN_ERROR_INTERRUPTED), 130);
}
END_TEST

START_TEST(interruptions) {
    volatile int flag = 0;
    ck_assert_int_eq(fcnn_check_interrupted(NULL), FCNN_OK);
    ck_assert_int_eq(fcnn_check_interrupted(&flag), FCNN_OK);
    flag = 1;
    ck_assert_int_eq(fcnn_check_interrupted(&flag), FCNN_ERROR_INTERRUPTED);
    ck_assert_str_eq(fcnn_status_message(), "interrupted");
}
END_TEST

static void *write_other_message(void *first_seen) {
    strncpy(first_seen, fcnn_status_message(), 31);
    fcnn_status_set(FCNN_ERROR_MEMORY, "from the other thread");
    return NULL;
}

START_TEST(messages_belong_to_their_thread) {
    char seen[32] = "";
    pthread_t thread;
    fcnn_status_set(FCNN_ERROR_IO, "from this thread");
    ck_assert_int_eq(pthread_create(&thread, NULL, write_other_message, seen), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(fcnn_status_message(), "from this thread");
    ck_assert_str_eq(seen, "no error");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("status");
    TCase *cases = tcase_create("messages");
    tcase_add_test(cases, set_returns_status_and_message);
    tcase_add_test(cases, prefix_puts_context_before);
    tcase_add_test(cases, message_may_be_its_own_argument);
    tcase_add_test(cases, long_messages_are_cut);
    tcase_add_test(cases, long_prefixes_never_destroy_the_message);
    tcase_add_test(cases, messages_are_visible);
    tcase_add_test(cases, try_returns_at_a_failure_only);
    tcase_add_test(cases, exit_codes);
    tcase_add_test(cases, interruptions);
    tcase_add_test(cases, messages_belong_to_their_thread);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
