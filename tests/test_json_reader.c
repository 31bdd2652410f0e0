/* The JSON reader: what it reads, and by which byte it refuses. */
#include "json_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

#define LENGTH(list) ((int)(sizeof(list) / sizeof *(list)))

static cJSON *parse(const char *text) {
    cJSON *json;
    ck_assert_msg(!fcnn_json_parse(text, strlen(text), &json), "%s: %s", text,
                  fcnn_status_message());
    return json;
}

static const cJSON *member(const cJSON *object, const char *name) {
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

START_TEST(values_are_read) {
    cJSON *json = parse(" { \"a\" : [ -12, 0.5e1 ,9007199254740991, 1.5,9007199254740993],\r\n\t"
                        "\"b\":{}, \"\":\"text\",\"w\":null , \"d\":{\"A\":[[]],\"a\":1e-2}} ");
    const cJSON *a = member(json, "a");
    ck_assert(cJSON_IsObject(json) && cJSON_GetArraySize(json) == 5);
    ck_assert_int_eq(cJSON_GetArraySize(a), 5);
    int64_t whole = 0;
    ck_assert(fcnn_json_whole(cJSON_GetArrayItem(a, 0), &whole) && whole == -12);
    ck_assert(fcnn_json_whole(cJSON_GetArrayItem(a, 1), &whole) && whole == 5);
    ck_assert(fcnn_json_whole(cJSON_GetArrayItem(a, 2), &whole) && whole == 9007199254740991);
    ck_assert(!fcnn_json_whole(cJSON_GetArrayItem(a, 3), &whole));
    ck_assert(!fcnn_json_whole(cJSON_GetArrayItem(a, 4), &whole));
    ck_assert(!fcnn_json_whole(cJSON_GetArrayItem(a, 5), &whole));
    ck_assert(!fcnn_json_whole(a, &whole) && !fcnn_json_whole(member(json, ""), &whole));
    ck_assert_str_eq(cJSON_GetStringValue(member(json, "")), "text");
    ck_assert(cJSON_IsNull(member(json, "w")));
    ck_assert(cJSON_IsObject(member(json, "b")) && !member(json, "b")->child);
    ck_assert_ptr_null(member(json, "c"));
    ck_assert(cJSON_IsArray(member(member(json, "d"), "A")->child));
    ck_assert_double_eq(cJSON_GetNumberValue(member(member(json, "d"), "a")), 0.01);
    cJSON_Delete(json);
}
END_TEST

static const char *const wholes[] = {"1e15", "-9007199254740991", "-0", "100", "1E+2", "0.0"};
static const char *const no_wholes[] = {
    "1e16", "-9007199254740992", "1e400", "-0.5", "true", "\"1\"", "[1]"};

START_TEST(whole_numbers_are_exact) {
    int64_t number;
    for (int i = 0; i < LENGTH(wholes); i++) {
        cJSON *json = parse(wholes[i]);
        ck_assert_msg(fcnn_json_whole(json, &number), "%s", wholes[i]);
        ck_assert(number == (int64_t)strtod(wholes[i], NULL));
        cJSON_Delete(json);
    }
    for (int i = 0; i < LENGTH(no_wholes); i++) {
        cJSON *json = parse(no_wholes[i]);
        ck_assert_msg(!fcnn_json_whole(json, &number), "%s", no_wholes[i]);
        cJSON_Delete(json);
    }
    ck_assert(!fcnn_json_whole(NULL, &number));
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
    cJSON *json = parse(strings[_i].json);
    ck_assert_str_eq(cJSON_GetStringValue(json), strings[_i].text);
    cJSON_Delete(json);
}
END_TEST

static const struct {
    const char *json, *message;
} bad[] = {
    {"", "at byte 0"},
    {" ", "at byte 1"},
    {"[1,]", "at byte 3"},
    {"[1 2]", "at byte 3"},
    {"[1", "at byte 2"},
    {"{\"a\":1", "at byte 6"},
    {"{\"a\" 1}", "at byte 5"},
    {"{a:1}", "at byte 2"},
    {"{\"a\":1,}", "at byte 8"},
    {"{\"a\":1,\"b\":2,\"a\":3}", "duplicate name 'a'"},
    {"[{\"a\":1,\"\\u0061\":2}]", "duplicate name 'a'"},
    {"{\"c\":{\"\":1,\"\":[]}}", "duplicate name ''"},
    {"1 2", "at byte 2"},
    {"{}]", "at byte 2"},
    {"01", "byte 0: expected a number"},
    {"[1,-01.5]", "byte 4: expected a number"},
    {"-", "byte 1: expected a number"},
    {"+1", "at byte 0"},
    {".5", "at byte 0"},
    {"-.5", "byte 1: expected a number"},
    {"1.", "byte 2: expected a digit"},
    {"1.e2", "byte 2: expected a digit"},
    {"1e+", "at byte 1"},
    {"1e", "at byte 1"},
    {"0x10", "at byte 1"},
    {"NaN", "at byte 0"},
    {"Infinity", "at byte 0"},
    {"tru", "at byte 0"},
    {"True", "at byte 0"},
    {"[1]\f", "byte 3: expected a value"},
    {"\xef\xbb\xbf{}", "byte 0: expected a value"},
    {"\"a", "byte 2: expected the end of a string"},
    {"\"a\\", "byte 3: expected the end of a string"},
    {"\"a\\\"", "byte 4: expected the end of a string"},
    {"\"\\x\"", "at byte "},
    {"\"\\u12g4\"", "byte 1: expected \\u with four hexadecimal digits"},
    {"\"\\u0000\"", "byte 1: expected \\u with four hexadecimal digits"},
    {"\"\\u12\"", "byte 1: expected \\u with four hexadecimal digits"},
    {"\"\\udc00\"", "at byte "},
    {"\"\\ud83d\"", "at byte "},
    {"\"\\ud83d\\u0041\"", "at byte "},
    {"\"\\ud83d\\ud83d\"", "at byte "},
    {"\"\n\"", "byte 1: expected no control character"},
    {"\"\xff\"", "byte 1: expected UTF-8"},
    {"\"\xc0\x80\"", "byte 1: expected UTF-8"},
    {"\"\\\xff\"", "at byte "},
    {"\"\xe2\x82", "byte 1: expected UTF-8"},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]", "byte 32: expected a depth of at most 32"},
};

/* In memory of just its size and the zero byte, so that a sanitizer sees what lies behind. */
static void expect_refused(const char *json, size_t bytes, const char *message) {
    cJSON *parsed;
    char *text = malloc(bytes + 1);
    ck_assert_ptr_nonnull(text);
    memcpy(text, json, bytes);
    text[bytes] = '\0';
    ck_assert_msg(fcnn_json_parse(text, bytes, &parsed) == FCNN_ERROR_FORMAT, "%s", text);
    ck_assert_msg(strstr(fcnn_status_message(), message) != NULL, "%s: %s", text,
                  fcnn_status_message());
    ck_assert_ptr_null(parsed);
    free(text);
}

START_TEST(bad_texts_are_refused) {
    expect_refused(bad[_i].json, strlen(bad[_i].json), bad[_i].message);
}
END_TEST

START_TEST(zero_bytes_are_refused) {
    expect_refused("[1]\0", 4, "byte 3: expected a value");
    expect_refused("\0[1]", 4, "byte 0: expected a value");
    expect_refused("[\"a\0\"]", 6, "byte 3: expected no control character");
    expect_refused("\"\\\0\"", 4, "at byte ");
}
END_TEST

static long until_failure; /* allocations of cJSON that still succeed */

static void *allocate(size_t bytes) {
    if (until_failure-- > 0) return malloc(bytes);
    errno = ENOMEM;
    return NULL;
}

/* From each allocation on all fail: it is never damage, and never a part. */
START_TEST(memory_that_runs_out_is_told_from_damage) {
    static const char text[] = "{\"a\":[1,\"b\",{\"c\":null}],\"\\u20ac\":\"\\n\"}";
    cJSON_Hooks hooks = {allocate, free};
    cJSON *json = NULL;
    cJSON_InitHooks(&hooks);
    for (long n = 0; !json; n++) {
        until_failure = n;
        fcnn_status status = fcnn_json_parse(text, sizeof text - 1, &json);
        ck_assert(status == FCNN_ERROR_MEMORY || (json && !status));
        ck_assert(!json || n > 10);
        /* Damage stays damage. */
        cJSON *damaged = NULL;
        errno = ENOMEM;
        until_failure = 100;
        ck_assert_int_eq(fcnn_json_parse(text, sizeof text - 2, &damaged), FCNN_ERROR_FORMAT);
    }
    cJSON_Delete(json);
    cJSON_InitHooks(NULL);
}
END_TEST

/* Every beginning of a text is refused, whatever it ends within. */
START_TEST(beginnings_are_refused) {
    static const char whole[] = "{\"a\\u20ac\":[1.5e3,{\"b\":\"\xc3\xa9\\n\"},true,[],-0]}";
    for (size_t bytes = 0; bytes < sizeof whole - 1; bytes++)
        expect_refused(whole, bytes, "not valid JSON");
    cJSON_Delete(parse(whole));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_reader");
    TCase *tests = tcase_create("json_reader");
    suite_add_tcase(suite, tests);
    tcase_add_test(tests, values_are_read);
    tcase_add_test(tests, whole_numbers_are_exact);
    tcase_add_loop_test(tests, strings_lose_their_escapes, 0, LENGTH(strings));
    tcase_add_loop_test(tests, bad_texts_are_refused, 0, LENGTH(bad));
    tcase_add_test(tests, zero_bytes_are_refused);
    tcase_add_test(tests, memory_that_runs_out_is_told_from_damage);
    tcase_add_test(tests, beginnings_are_refused);
    return run_suite(suite);
}
