/* The JSON reader: what it reads, and by which byte it refuses. */
#include "json_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define LENGTH(list) ((int)(sizeof(list) / sizeof *(list)))

static fcnn_json *parse(const char *text) {
    fcnn_json *json;
    ck_assert_msg(!fcnn_json_parse(text, strlen(text), &json), "%s: %s", text,
                  fcnn_status_message());
    return json;
}

START_TEST(values_are_read) {
    fcnn_json *json = parse(" { \"a\" : [ -12, 0.5e1 ,9223372036854775807, 1e2,12345678901234567890"
                            "],\r\n\t\"b\":{}, \"\":\"text\",\"w\":null , \"d\":{\"a\":[[]]}} ");
    const fcnn_json_value *root = fcnn_json_root(json), *a = fcnn_json_member(root, "a");
    ck_assert(fcnn_json_is(root, FCNN_JSON_OBJECT));
    ck_assert_int_eq(root->count, 5);
    ck_assert_int_eq(a->count, 5);
    int64_t whole = 0;
    double real = 0;
    ck_assert(fcnn_json_whole(fcnn_json_item(a, 0), &whole) && whole == -12);
    ck_assert(!fcnn_json_whole(fcnn_json_item(a, 1), &whole));
    ck_assert(fcnn_json_real(fcnn_json_item(a, 1), &real) && real == 5.0);
    ck_assert(fcnn_json_whole(fcnn_json_item(a, 2), &whole) && whole == INT64_MAX);
    ck_assert(!fcnn_json_whole(fcnn_json_item(a, 3), &whole));
    ck_assert(!fcnn_json_whole(fcnn_json_item(a, 4), &whole));
    ck_assert_ptr_null(fcnn_json_item(a, 5));
    ck_assert_str_eq(fcnn_json_string(fcnn_json_member(root, "")), "text");
    ck_assert(fcnn_json_is(fcnn_json_member(root, "w"), FCNN_JSON_WORD));
    ck_assert_int_eq(fcnn_json_member(root, "b")->count, 0);
    ck_assert_ptr_null(fcnn_json_member(root, "c"));
    const fcnn_json_value *deep = fcnn_json_member(fcnn_json_member(root, "d"), "a");
    ck_assert_int_eq(fcnn_json_item(deep, 0)->count, 0);
    /* Of another kind, or of none. */
    ck_assert_ptr_null(fcnn_json_member(a, "a"));
    ck_assert_ptr_null(fcnn_json_item(root, 0));
    ck_assert_ptr_null(fcnn_json_string(a));
    ck_assert(!fcnn_json_whole(NULL, &whole) && !fcnn_json_real(root, &real));
    fcnn_json_destroy(json);
}
END_TEST

static const struct {
    const char *json, *text;
} strings[] = {
    {"\"\"", ""},
    {"\"a b\"", "a b"},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
    {"\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00.\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80."},
    {"\"\xc3\xa9\xe2\x82\xac \xf0\x9f\x98\x80\x7f\"", "\xc3\xa9\xe2\x82\xac \xf0\x9f\x98\x80\x7f"},
    {"\"\xef\xbf\xbf\xef\xbf\xbe\"", "\xef\xbf\xbf\xef\xbf\xbe"},
};

START_TEST(strings_lose_their_escapes) {
    fcnn_json *json = parse(strings[_i].json);
    ck_assert_str_eq(fcnn_json_string(fcnn_json_root(json)), strings[_i].text);
    fcnn_json_destroy(json);
}
END_TEST

static const struct {
    const char *json, *message;
} bad[] = {
    {"", "byte 0: expected a value"},
    {" ", "byte 1: expected a value"},
    {"[1,]", "byte 3: expected a value"},
    {"[1 2]", "byte 3: expected ',' or ']'"},
    {"[1", "byte 2: expected ',' or ']'"},
    {"{\"a\":1", "byte 6: expected ',' or '}'"},
    {"{\"a\" 1}", "byte 5: expected ':'"},
    {"{a:1}", "byte 1: expected a string"},
    {"{\"a\":1,}", "byte 7: expected a string"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "duplicate name 'a'"},
    {"[{\"a\":1,\"\\u0061\":2}]", "duplicate name 'a'"},
    {"1 2", "byte 2: expected the end"},
    {"01", "byte 1: expected the end"},
    {"-", "byte 1: expected a value"},
    {"1.", "byte 2: expected a digit"},
    {"1e+", "byte 3: expected a digit"},
    {"NaN", "byte 0: expected a value"},
    {"tru", "byte 0: expected a value"},
    {"\"a", "byte 2: expected the end of a string"},
    {"\"a\\", "byte 3: expected an escape"},
    {"\"\\x\"", "byte 2: expected an escape"},
    {"\"\\u12g4\"", "byte 5: expected four hexadecimal digits"},
    {"\"\\u0000\"", "expected a character"},
    {"\"\\udc00\"", "expected a character"},
    {"\"\\ud83d\"", "second half"},
    {"\"\\ud83d\\u0041\"", "second half"},
    {"\"\n\"", "byte 1: expected no control character"},
    {"\"\xff\"", "byte 1: expected UTF-8"},
    {"\"\xc0\x80\"", "byte 1: expected UTF-8"},
    {"\"\xe2\x82", "byte 1: expected UTF-8"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]", "depth"},
};

START_TEST(bad_texts_are_refused) {
    fcnn_json *json;
    /* In memory of just its size, so that a sanitizer sees what lies behind. */
    size_t bytes = strlen(bad[_i].json);
    char *text = malloc(bytes ? bytes : 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, bad[_i].json, bytes);
    ck_assert_int_eq(fcnn_json_parse(text, bytes, &json), FCNN_ERROR_FORMAT);
    ck_assert_msg(strstr(fcnn_status_message(), bad[_i].message) != NULL, "%s: %s", bad[_i].json,
                  fcnn_status_message());
    ck_assert_ptr_null(json);
    free(text);
}
END_TEST

/* Every beginning of a text is refused, whatever it ends within. */
START_TEST(beginnings_are_refused) {
    static const char whole[] = "{\"a\\u20ac\":[1.5e3,{\"b\":\"\xc3\xa9\\n\"},true,[],-0]}";
    for (size_t bytes = 0; bytes < sizeof whole - 1; bytes++) {
        fcnn_json *json;
        char *text = malloc(bytes ? bytes : 1);
        ck_assert_ptr_nonnull(text);
        memcpy(text, whole, bytes);
        ck_assert_int_eq(fcnn_json_parse(text, bytes, &json), FCNN_ERROR_FORMAT);
        free(text);
    }
    fcnn_json_destroy(parse(whole));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_reader");
    TCase *tests = tcase_create("json_reader");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, values_are_read);
    tcase_add_loop_test(tests, strings_lose_their_escapes, 0, LENGTH(strings));
    tcase_add_loop_test(tests, bad_texts_are_refused, 0, LENGTH(bad));
    tcase_add_test(tests, beginnings_are_refused);
    return run_suite(suite);
}
