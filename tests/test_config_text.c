/* Values in the text of a cfg: any string of bytes comes through a cfg's text, in visible UTF-8;
 * how quotes are read; and what editors leave at the start and at the ends of lines. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "suite.h"
#include "text.h"

static const char REST[] = "\n[fft]\nsize=9\n[ifft]\n[dense]\nunits=classes\n[softmax]\n";

static fcnn_status parse_bytes(const char *text, size_t bytes, fcnn_config **config) {
    return fcnn_config_parse("a.cfg", text, bytes, config);
}

static fcnn_status parse_data(const char *line, fcnn_config **config) {
    char text[4096];
    snprintf(text, sizeof text, "[net]\n%s%s", line, REST);
    return parse_bytes(text, strlen(text), config);
}

static const char *data_of(const fcnn_config *config) {
    return fcnn_section_text(&config->sections[0], "data");
}

/* Sets data as --data does, writes the cfg and reads it again. */
static void check_round_trip(const char *value) {
    fcnn_config *config, *again;
    ck_assert_int_eq(parse_data("data=x", &config), FCNN_OK);
    ck_assert_int_eq(fcnn_config_set(config, &config->sections[0], "data", value), FCNN_OK);
    ck_assert_str_eq(data_of(config), value);
    char *text = fcnn_config_text(config);
    for (int step, at = 0; text[at]; at += step)
        ck_assert_int_gt(step = text[at] == '\n' ? 1 : fcnn_text_visible(text + at), 0);
    ck_assert_msg(!parse_bytes(text, strlen(text), &again), "%s", fcnn_status_message());
    ck_assert_str_eq(data_of(again), value);
    char *second = fcnn_config_text(again);
    ck_assert_str_eq(text, second);
    free(text);
    free(second);
    fcnn_config_destroy(config);
    fcnn_config_destroy(again);
}

START_TEST(any_value_comes_through) {
    static const char *const values[] = {
        "pics #2",      "a;b",      " lead", "trail ", "\"quoted\"",
        "\"",           "\\",       "a\\",   "C:\\x",  "new\nline",
        "\r",           "\t",       "a=b",   "[net]",  "#",
        "\"a\" # b",    "'",        "\\x41", "\xe9t",  "\xc3\xa9t\xc3\xa9",
        "\xe2\x80\xae", "\xc2\x9b", " "};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) check_round_trip(values[i]);
    for (int byte = 1; byte < 256; byte++)
        for (int place = 0; place < 3; place++) {
            char value[4] = "aaa";
            value[place] = (char)byte;
            check_round_trip(value);
            check_round_trip(value + 2);
        }
    unsigned seed = 7;
    for (int round = 0; round < 300; round++) {
        char value[33] = "";
        for (int i = 0; i < 1 + round % 32; i++) {
            seed = seed * 1103515245 + 12345;
            value[i] = (char)(seed >> 16 & 255 ? seed >> 16 & 255 : '"');
        }
        check_round_trip(value);
    }
    char *longest = malloc(300001);
    memset(longest, '#', 300000);
    longest[300000] = '\0';
    check_round_trip(longest);
    free(longest);
}
END_TEST

/* Values that need no quotes have none, as in cfgs before there were quotes. */
START_TEST(quotes_where_needed) {
    static const char *const pairs[][2] = {
        {"pics", "data=pics\n"},           {"a b", "data=a b\n"},
        {"a\"b\\c'", "data=a\"b\\c'\n"},   {"\xc3\xa9", "data=\xc3\xa9\n"},
        {"a#b", "data=\"a#b\"\n"},         {"a ", "data=\"a \"\n"},
        {"\"\\;", "data=\"\\\"\\\\;\"\n"}, {"a\nb\xe9", "data=\"a\\x0ab\\xe9\"\n"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        fcnn_config *config;
        ck_assert_int_eq(parse_data("", &config), FCNN_OK);
        ck_assert_int_eq(fcnn_config_set(config, &config->sections[0], "data", pairs[i][0]),
                         FCNN_OK);
        char *text = fcnn_config_text(config);
        ck_assert_msg(strstr(text, pairs[i][1]) != NULL, "'%s' lacks '%s'", text, pairs[i][1]);
        free(text);
        fcnn_config_destroy(config);
    }
}
END_TEST

START_TEST(quotes_are_read) {
    static const char *const pairs[][2] = {
        {"data=\"pics #2\"", "pics #2"},
        {"  data  =  \" a;b \"  # comment", " a;b "},
        {"data=\"a\";comment", "a"},
        {"data=\"a\"\r", "a"},
        {"data=\"\\\"\\\\\\n\\t\\r\\x41\\xC3\\xa9\"", "\"\\\n\t\rA\xc3\xa9"},
        {"data=a\"b # c", "a\"b"},
        {"data='a'", "'a'"},
        {"data=a\\nb", "a\\nb"},
        {"data=\"a\tb\"", "a\tb"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        fcnn_config *config;
        ck_assert_msg(!parse_data(pairs[i][0], &config), "%s", fcnn_status_message());
        ck_assert_str_eq(data_of(config), pairs[i][1]);
        fcnn_config_destroy(config);
    }
    fcnn_config *config;
    ck_assert_int_eq(parse_data("batch=\"32\" # a number", &config), FCNN_OK);
    ck_assert_int_eq(fcnn_section_int(&config->sections[0], "batch"), 32);
    fcnn_config_destroy(config);
}
END_TEST

START_TEST(wrong_quotes_are_refused) {
    static const char *const pairs[][2] = {
        {"data=\"a", "a.cfg:2:6: this quote is not closed"},
        {" data = \"a # b", "a.cfg:2:9: this quote is not closed"},
        {"data=\"a\\", "a.cfg:2:8: in quotes a backslash begins"},
        {"data=\"a\\\"", "a.cfg:2:6: this quote is not closed"},
        {"data=\"a\" b", "a.cfg:2:10: expected nothing behind the closing quote but a comment"},
        {"data=\"a\"b\"", "a.cfg:2:9: expected nothing"},
        {"data=\"a\\q\"", "a.cfg:2:8: in quotes a backslash begins"},
        {"data=\"\\x4\"", "a.cfg:2:7: in quotes a backslash begins"},
        {"data=\"\\x00\"", "a.cfg:2:7: in quotes a backslash begins"},
        {"data=\"\"", "a.cfg:2: data has no value"},
        {"batch=\"\\x33\\x7a\"", "a.cfg:2: batch=3z: expected a whole number"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        fcnn_config *config;
        ck_assert_int_eq(parse_data(pairs[i][0], &config), FCNN_ERROR_CONFIG);
        ck_assert_msg(!strncmp(fcnn_status_message(), pairs[i][1], strlen(pairs[i][1])),
                      "expected '%s', found '%s'", pairs[i][1], fcnn_status_message());
    }
}
END_TEST

/* Of the command line a path is taken as it is, and other values without the spaces around them. */
START_TEST(settings_are_no_cfg_text) {
    fcnn_config *config;
    ck_assert_int_eq(parse_data("", &config), FCNN_OK);
    ck_assert_int_eq(fcnn_config_override(config, "net.data= \"a\" #b;\\n "), FCNN_OK);
    ck_assert_str_eq(data_of(config), " \"a\" #b;\\n ");
    ck_assert_int_eq(fcnn_config_override(config, " net . batch = 16 \n"), FCNN_OK);
    ck_assert_int_eq(fcnn_section_int(&config->sections[0], "batch"), 16);
    ck_assert_int_eq(fcnn_config_override(config, "fft [ 1 ] . size=11"), FCNN_OK);
    ck_assert_int_eq(fcnn_section_int(&config->sections[1], "size"), 11);
    static const char *const bad[] = {"net.batch=16 # b",
                                      "net.batch=\"16\"",
                                      "net.data=",
                                      "fft[0].size=9",
                                      "fft[2].size=9",
                                      "fft[].size=9",
                                      "fft[1.size=9",
                                      "fft[1]size=9",
                                      "net.batch",
                                      ".batch=1",
                                      "net.=1",
                                      "n\xe9t.batch=1",
                                      "fft[99999999999].size=9"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(fcnn_config_override(config, bad[i]) != FCNN_OK, "%s", bad[i]);
    fcnn_config_destroy(config);
}
END_TEST

START_TEST(marks_of_editors) {
    static const char text[] = "\xef\xbb\xbf[net]\r\ndata=a b \r\n\r\n[fft]\r\nsize=9\r\n[ifft]\r\n"
                               "[dense]\r\nunits=classes\r\n[softmax]\r\n";
    fcnn_config *config;
    ck_assert_msg(!parse_bytes(text, sizeof text - 1, &config), "%s", fcnn_status_message());
    ck_assert_str_eq(data_of(config), "a b");
    char *again = fcnn_config_text(config);
    ck_assert_int_eq(again[0], '[');
    free(again);
    fcnn_config_destroy(config);
    ck_assert_int_eq(parse_bytes("\xef\xbb\xbf", 3, &config), FCNN_ERROR_CONFIG);
    /* A mark elsewhere is a character like others. */
    ck_assert_int_eq(parse_bytes("\n\xef\xbb\xbf[net]\n", 10, &config), FCNN_ERROR_CONFIG);
    ck_assert_int_eq(parse_bytes("\xff\xfe[\0n\0", 6, &config), FCNN_ERROR_CONFIG);
    ck_assert_ptr_nonnull(strstr(fcnn_status_message(), "UTF-16"));
    ck_assert_int_eq(parse_bytes("\xfe\xff\0[\0n", 6, &config), FCNN_ERROR_CONFIG);
    ck_assert_ptr_nonnull(strstr(fcnn_status_message(), "UTF-16"));
}
END_TEST

/* Every key of every section by number, given or not, as whoever does not know the table reads. */
START_TEST(values_by_number) {
    fcnn_config *config;
    ck_assert_int_eq(parse_data("batch=7\ndata=\"a b \"", &config), FCNN_OK);
    ck_assert_str_eq(fcnn_config_section_name(config, 0), "net");
    ck_assert_str_eq(fcnn_config_section_name(config, 4), "softmax");
    ck_assert_ptr_null(fcnn_config_section_name(config, 5));
    ck_assert_ptr_null(fcnn_config_section_name(config, -1));
    for (int i = 0; i < config->section_count; i++) {
        int index = 0;
        const char *key = NULL, *value;
        for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++) {
            if (!row->key || strcmp(row->section, config->sections[i].name)) continue;
            value = fcnn_config_value(config, i, index++, &key);
            ck_assert_str_eq(key, row->key);
            ck_assert_str_eq(value, fcnn_section_text(&config->sections[i], row->key));
        }
        ck_assert_ptr_null(fcnn_config_value(config, i, index, &key));
        ck_assert_ptr_null(fcnn_config_value(config, i, -1, &key));
    }
    const char *key;
    ck_assert_str_eq(fcnn_config_value(config, 0, 0, &key), "a b ");
    ck_assert_str_eq(fcnn_config_value(config, 0, 1, &key), "frequency"); /* the fallback */
    ck_assert_ptr_null(fcnn_config_value(config, 5, 0, &key));
    fcnn_config_destroy(config);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("config_text");
    TCase *cases = tcase_create("text");
    tcase_add_test(cases, any_value_comes_through);
    tcase_add_test(cases, quotes_where_needed);
    tcase_add_test(cases, quotes_are_read);
    tcase_add_test(cases, wrong_quotes_are_refused);
    tcase_add_test(cases, settings_are_no_cfg_text);
    tcase_add_test(cases, marks_of_editors);
    tcase_add_test(cases, values_by_number);
    suite_add_tcase(suite, cases);
    return run_suite(suite);
}
