/* Text from outside: which characters are shown, how a text is cut, and tests of bytes that have no
 * locale. */
#include "text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#ifdef __SANITIZE_ADDRESS__
enum { ROUNDS = 200 };
#else
enum { ROUNDS = 2000 };
#endif

START_TEST(visible_characters) {
    static const struct {
        const char *text;
        int character, visible;
    } cases[] = {
        {"a", 1, 1},
        {" ", 1, 1},
        {"\n", 1, 0},
        {"\033", 1, 0},
        {"\x7f", 1, 0},
        {"\xc2\x80", 2, 0},     /* U+0080 */
        {"\xc2\x9f", 2, 0},     /* U+009F */
        {"\xc2\xa0", 2, 2},     /* U+00A0 */
        {"\xc3\xa9", 2, 2},     /* an e with an acute accent */
        {"\xe2\x80\x8f", 3, 3}, /* U+200F, a mark that names in Hebrew may hold */
        {"\xe2\x80\xa7", 3, 3}, /* U+2027 */
        {"\xe2\x80\xa8", 3, 0}, /* U+2028 */
        {"\xe2\x80\xae", 3, 0}, /* U+202E */
        {"\xe2\x80\xaf", 3, 3}, /* U+202F */
        {"\xe2\x81\xa5", 3, 3}, /* U+2065 */
        {"\xe2\x81\xa6", 3, 0}, /* U+2066 */
        {"\xe2\x81\xa9", 3, 0}, /* U+2069 */
        {"\xe2\x82\xac", 3, 3}, /* a euro sign */
        {"\xef\xbb\xbf", 3, 0}, /* a byte order mark, U+FEFF */
        {"\xf0\x9f\x8c\xb9", 4, 4},
        {"\xe9", 0, 0},
        {"\xc3", 0, 0},
        {"\xc0\xaf", 0, 0},
        {"\xed\xa0\x80", 0, 0},
        {"\xf4\x90\x80\x80", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_msg(fcnn_text_character(cases[i].text) == cases[i].character, "case %zu", i);
        ck_assert_msg(fcnn_text_visible(cases[i].text) == cases[i].visible, "case %zu", i);
        ck_assert_int_eq(fcnn_text_is_utf8(cases[i].text), cases[i].character > 0);
    }
}
END_TEST

/* Whatever the bytes are and wherever it is cut, the result fits, is visible, and keeps both
 * ends. */
START_TEST(cut_in_the_middle) {
    unsigned seed = 1;
    for (int round = 0; round < ROUNDS; round++) {
        char text[64], all[300], cut[300];
        size_t length = (seed = seed * 1103515245 + 12345) >> 16 & 63;
        for (size_t i = 0; i < length; i++) {
            seed = seed * 1103515245 + 12345;
            text[i] = (char)(seed >> 16 & 255);
            if (!text[i] || text[i] == '.') text[i] = 1;
        }
        text[length] = '\0';
        fcnn_text_printable(text, all, sizeof all);
        fcnn_text grown = {0};
        FILE *out = fcnn_text_stream(&grown);
        fcnn_text_print(out, text);
        ck_assert_int_eq(fclose(out), 0);
        char *printed = fcnn_text_take(&grown);
        ck_assert_str_eq(printed, all);
        free(printed);
        for (size_t room = 8; room < 300; room += 7) {
            memset(cut, '!', sizeof cut);
            fcnn_text_printable(text, cut, room);
            ck_assert_uint_lt(strlen(cut), room);
            for (int step, at = 0; cut[at]; at += step)
                ck_assert_int_gt(step = fcnn_text_visible(cut + at), 0);
            char *gap = strstr(cut, "...");
            if (strlen(all) < room) {
                ck_assert_str_eq(cut, all);
            } else {
                ck_assert_ptr_nonnull(gap);
                ck_assert_int_eq(strncmp(cut, all, (size_t)(gap - cut)), 0);
                ck_assert_str_eq(gap + 3, all + strlen(all) - strlen(gap + 3));
            }
        }
    }
}
END_TEST

START_TEST(letters_digits_and_spaces) {
    const char *spaces = " \t\n\v\f\r";
    for (int c = 1; c < 256; c++) {
        ck_assert_int_eq(fcnn_is_space((char)c), strchr(spaces, c) != NULL);
        ck_assert_int_eq(fcnn_is_digit((char)c), c >= '0' && c <= '9');
    }
    ck_assert(fcnn_text_same("GIF", "gif") && fcnn_text_same("", ""));
    ck_assert(!fcnn_text_same("gif", "gi") && !fcnn_text_same("gi", "gif"));
    ck_assert(!fcnn_text_same("[", "{")); /* of which one bit differs, as in letters */
    ck_assert_uint_eq(fcnn_text_mark("\xef\xbb\xbf", 3), 3);
    ck_assert_uint_eq(fcnn_text_mark("\xef\xbb\xbf", 2), 0);
    ck_assert_uint_eq(fcnn_text_mark("abc", 3), 0);
}
END_TEST

/* A text that could not grow is none, however the stream ends. */
START_TEST(stream_without_memory) {
    fcnn_text grown = {.failed = true};
    FILE *out = fcnn_text_stream(&grown);
    fputs("lost", out);
    ck_assert_int_ne(fclose(out), 0);
    ck_assert_ptr_null(fcnn_text_take(&grown));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("text");
    TCase *cases = tcase_create("text");
    tcase_add_test(cases, visible_characters);
    tcase_add_test(cases, cut_in_the_middle);
    tcase_add_test(cases, stream_without_memory);
    tcase_add_test(cases, letters_digits_and_spaces);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
