/* The cfg language: what is accepted, what each error says and on which line,
 * overrides, and the text that a model file stores. */
#include "config.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "expected.h"
#include "suite.h"

static fcnn_config *config;

static void begin(void) { config = NULL; }

static void end(void) { fcnn_config_destroy(config); }

static fcnn_status parse(const char *text) {
    fcnn_config_destroy(config);
    return fcnn_config_parse("nets/a.cfg", text, strlen(text), &config);
}

static void parse_well(const char *text) {
    ck_assert_msg(parse(text) == FCNN_OK, "%s", fcnn_status_message());
    ck_assert_ptr_nonnull(config);
}

static void check_words(const char *words) {
    char copy[256];
    snprintf(copy, sizeof copy, "%s", words);
    char *rest = copy;
    for (char *word; (word = strsep(&rest, " "));)
        ck_assert_msg(strstr(fcnn_status_message(), word) != NULL, "'%s' lacks '%s'",
                      fcnn_status_message(), word);
}

static const char NET[] = "[net]\n"
                          "data=fashion-mnist\n"
                          "batch=128\n"
                          "learning_rate=0.002\n"
                          "schedule=onecycle\n"
                          "\n"
                          "[fft]\n"
                          "size=27\n"
                          "\n"
                          "[conv]\n"
                          "filters=16\n"
                          "size=5\n"
                          "norm=batch\n"
                          "activation=srelu\n"
                          "window=3\n"
                          "\n"
                          "[conv]\n"
                          "filters=32\n"
                          "size=full\n"
                          "\n"
                          "[ifft]\n"
                          "\n"
                          "[dense]\n"
                          "units=classes\n"
                          "\n"
                          "[softmax]\n";

/* ---- Accepted ---- */

START_TEST(sections_and_values) {
    const char *names[] = {"net", "fft", "conv", "conv", "ifft", "dense", "softmax"};
    const int lines[] = {1, 7, 10, 17, 21, 23, 26}, ordinals[] = {1, 1, 1, 2, 1, 1, 1};
    parse_well(NET);
    ck_assert_str_eq(config->file, "nets/a.cfg");
    ck_assert_str_eq(config->folder, "nets/");
    ck_assert_int_eq(config->section_count, 7);
    for (int i = 0; i < 7; i++) {
        ck_assert_str_eq(config->sections[i].name, names[i]);
        ck_assert_int_eq(config->sections[i].line, lines[i]);
        ck_assert_int_eq(config->sections[i].ordinal, ordinals[i]);
    }
    const fcnn_section *net = &config->sections[0], *conv = &config->sections[2];
    ck_assert_int_eq(fcnn_section_int(net, "batch"), 128);
    ck_assert_double_eq(fcnn_section_real(net, "learning_rate"), 0.002);
    ck_assert_str_eq(fcnn_section_text(net, "data"), "fashion-mnist");
    ck_assert(fcnn_section_is(net, "schedule", "onecycle"));
    ck_assert(!fcnn_section_is(net, "schedule", "one"));
    ck_assert_int_eq(fcnn_section_int(conv, "filters"), 16);
    ck_assert(fcnn_section_is(conv, "activation", "srelu"));
    ck_assert_int_eq(conv->entries[4].line, 15);
    ck_assert(fcnn_section_is(&config->sections[3], "size", "full"));
    ck_assert_int_ge(fcnn_section_word(&config->sections[3], "size"), 0);
    ck_assert_int_eq(fcnn_section_word(conv, "size"), -1);
}
END_TEST

/* An absent key has the table's fallback, which must itself be a valid value. */
START_TEST(fallbacks) {
    parse_well(NET);
    const fcnn_section *net = &config->sections[0];
    ck_assert(fcnn_section_has(net, "batch"));
    ck_assert(!fcnn_section_has(net, "optimizer"));
    ck_assert(fcnn_section_is(net, "optimizer", "adamw"));
    ck_assert_int_eq(fcnn_section_int(net, "seed"), 1);
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++) {
        if (!row->key || !row->fallback || !*row->fallback) continue;
        char text[256];
        bool is_net = !strcmp(row->section, "net");
        int bytes =
            snprintf(text, sizeof text, "[net]\n%s%s%s%s=%s\n", is_net ? "" : "[",
                     is_net ? "" : row->section, is_net ? "" : "]\n", row->key, row->fallback);
        ck_assert(bytes > 0 && bytes < (int)sizeof text);
        /* Only other keys of the section may be missing. */
        if (parse(text)) check_words("needs");
    }
}
END_TEST

/* Every key the table has, given at its bounds and with each word, is accepted, and one step
 * outside is not: the table and the parser agree. */
START_TEST(bounds_of_every_key) {
    int tried = 0;
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++) {
        if (!row->key || (row->type != FCNN_KEY_INT && row->type != FCNN_KEY_REAL)) continue;
        double step = row->type == FCNN_KEY_INT ? 1.0 : 1e-3 + row->high * 1e-3;
        const double values[] = {row->low, row->high, row->low - step, row->high + step};
        for (int i = 0; i < 4; i++) {
            char text[256];
            bool is_net = !strcmp(row->section, "net");
            if (values[i] > 9e15) continue; /* a double's neighbours are further than 1 apart */
            snprintf(text, sizeof text, "[net]\n%s%s%s%s=%.17g\n", is_net ? "" : "[",
                     is_net ? "" : row->section, is_net ? "" : "]\n", row->key, values[i]);
            fcnn_status status = parse(text);
            if (status) check_words(i < 2 ? "needs" : row->key);
            if (i >= 2)
                ck_assert_msg(status && strstr(fcnn_status_message(), "expected a"),
                              "[%s] %s=%.17g was accepted", row->section, row->key, values[i]);
            tried++;
        }
    }
    ck_assert_int_gt(tried, 40);
}
END_TEST

static const char *const same[] = {
    "[net]\r\nbatch=12\r\n\r\n[fft]\r\nsize=27\r\n",
    "[net]\nbatch=12\n[fft]\nsize=27",
    "# 1\n[net] # 2\n  batch = 12   # after a value\n;\n[fft];x\n\tsize\t=\t27;y\n",
    "\n\n [ net ] \nbatch=12#=7\n[fft]\nsize=27 ; [conv]\n",
};

START_TEST(spellings_of_one_cfg) {
    parse_well(same[_i]);
    ck_assert_int_eq(config->section_count, 2);
    ck_assert_int_eq(fcnn_section_int(&config->sections[0], "batch"), 12);
    ck_assert_int_eq(fcnn_section_int(&config->sections[1], "size"), 27);
    char *text = fcnn_config_text(config);
    ck_assert_str_eq(text, "[net]\nbatch=12\n\n[fft]\nsize=27\n");
    free(text);
}
END_TEST

/* ---- Refused ---- */

static const struct {
    const char *text;
    int line; /* 0: none in the message */
    const char *words;
} bad[] = {
    {"", 0, "no section [net]"},
    {"\n\n# nothing\n", 0, "no section [net]"},
    {"batch=12\n[net]\n", 1, "batch before [net]"},
    {"[fft]\nsize=27\n", 1, "first [net]"},
    {"[net]\n[fft]\nsize=27\n[net]\n", 4, "[net] first"},
    {"[net]\n[foo]\n", 2, "unknown section [foo]"},
    {"[net]\n[cnv]\n", 2, "cnv 'conv'"},
    {"[net]\n[fourier_pol]\n", 2, "'fourier_pool'"},
    {"[Net]\n", 1, "Net 'net'"},
    {"[]\n", 1, "[]"},
    {"[net\nbatch=12\n", 1, "[net"},
    {"[net] batch=12\n", 1, "[net]"},
    {"[net]\nbatch\n", 2, "batch key=value"},
    {"[net]\n=12\n", 2, "unknown key ''"},
    {"[net]\nbatchh=12\n", 2, "'batchh' [net] 'batch'"},
    {"[net]\nlearningrate=1\n", 2, "'learning_rate'"},
    {"[net]\nBATCH=12\n", 2, "unknown 'BATCH'"},
    {"[net]\nfilters=12\n", 2, "unknown 'filters' [net]"},
    {"[net]\nbatch=\n", 2, "batch no value"},
    {"[net]\nbatch= # 12\n", 2, "batch no value"},
    {"[net]\nbatch=12x\n", 2, "batch=12x whole"},
    {"[net]\nbatch=1 2\n", 2, "batch=1"},
    {"[net]\nbatch=1.5\n", 2, "batch=1.5 whole"},
    {"[net]\nbatch=1e2\n", 2, "batch=1e2 whole"},
    {"[net]\nbatch=0x10\n", 2, "batch=0x10 whole"},
    {"[net]\nbatch=0\n", 2, "batch=0 from 1"},
    {"[net]\nbatch=-3\n", 2, "batch=-3 from 1"},
    {"[net]\nbatch=99999999999999999999\n", 2, "batch=99999999999999999999"},
    {"[net]\nlearning_rate=nan\n", 2, "learning_rate=nan"},
    {"[net]\nlearning_rate=inf\n", 2, "learning_rate=inf"},
    {"[net]\nlearning_rate=1e999\n", 2, "learning_rate=1e999"},
    {"[net]\nlearning_rate=0x1p3\n", 2, "learning_rate=0x1p3"},
    {"[net]\nlearning_rate=0,1\n", 2, "learning_rate=0,1"},
    {"[net]\nlearning_rate=-1\n", 2, "learning_rate=-1 from 0"},
    {"[net]\noptimizer=adamm\n", 2, "optimizer=adamm sgd|adam|adamw 'adam'"},
    {"[net]\nschedule=onecycle|step\n", 2, "schedule=onecycle|step"},
    {"[net]\nbatch=1\n\nbatch=1\n", 4, "batch twice line 2"},
    {"[net]\r\n\r\nbatch=x\r\n", 3, "batch=x"},
    {"[net]\n[fft]\n", 2, "[fft] needs size="},
    {"[net]\n[fft]\nsize=27\n[conv]\nsize=5\n", 4, "[conv] needs filters="},
    {"[net]\n[fft]\nsize=27\n[conv]\nfilters=4\nsize=ful\n", 6, "size=ful full"},
    {"[net]\n[fft]\nsize=27\n[conv]\nfilters=4\nsize=5\nactivation=sreul\n", 7,
     "activation=sreul 'srelu'"},
    {"[net]\n[fft]\nsize=27\n[conv]\nfilters=4\nsize=5\nnorm=bach\n", 7, "norm=bach 'batch'"},
};

START_TEST(errors_name_line_and_cause) {
    char start[32];
    ck_assert_msg(parse(bad[_i].text) == FCNN_ERROR_CONFIG, "accepted: %s", bad[_i].text);
    ck_assert_ptr_null(config);
    ck_assert_int_eq(fcnn_status_exit_code(FCNN_ERROR_CONFIG), 2);
    snprintf(start, sizeof start, bad[_i].line ? "nets/a.cfg:%d: " : "nets/a.cfg: ", bad[_i].line);
    ck_assert_msg(!strncmp(fcnn_status_message(), start, strlen(start)), "'%s' begins not with %s",
                  fcnn_status_message(), start);
    check_words(bad[_i].words);
}
END_TEST

START_TEST(zero_bytes) {
    static const char text[] = "[net]\nbatch=1\0002\n";
    ck_assert_int_eq(fcnn_config_parse("z", text, sizeof text - 1, &config), FCNN_ERROR_CONFIG);
    ck_assert_int_eq(strncmp(fcnn_status_message(), "z:2: ", 5), 0);
    check_words("zero byte");
}
END_TEST

/* No text of any length may overrun a buffer or the message. */
START_TEST(long_texts) {
    static const char *const forms[] = {"%s", "[%s]", "[net]\n%s=1", "[net]\nbatch=%s", "[%s"};
    for (int f = 0; f < 5; f++) {
        for (int length = 60; length < 3000; length += length < 70 ? 1 : 977) {
            char name[3000], text[3100];
            memset(name, 'q', (size_t)length);
            name[length] = '\0';
            snprintf(text, sizeof text, forms[f], name);
            ck_assert_int_eq(parse(text), FCNN_ERROR_CONFIG);
            ck_assert_uint_lt(strlen(fcnn_status_message()), 1024);
            check_words("nets/a.cfg: qqq");
        }
    }
}
END_TEST

/* Every prefix of a good cfg, and every byte of it replaced: an answer, never a crash. */
START_TEST(damaged_texts) {
    char text[sizeof NET];
    int refused = 0;
    for (size_t cut = 0; cut < sizeof NET; cut++) {
        refused += fcnn_config_parse("a", NET, cut, &config) != FCNN_OK;
        fcnn_config_destroy(config);
    }
    for (size_t at = 0; at < sizeof NET - 1; at++) {
        for (const char *c = "[]=#\n \xff\x01"; *c; c++) {
            memcpy(text, NET, sizeof NET);
            text[at] = *c;
            refused += fcnn_config_parse("a", text, sizeof NET - 1, &config) != FCNN_OK;
            fcnn_config_destroy(config);
        }
    }
    config = NULL;
    ck_assert_int_gt(refused, (int)sizeof NET);
}
END_TEST

/* ---- Files ---- */

/* What only the network's builder can see; the others must fail here, in the parser. */
static const char *const shape_errors[] = {"even_fft_size.cfg",
                                           "even_pool_size.cfg",
                                           "pool_larger_than_input.cfg",
                                           "kernel_larger_than_map.cfg",
                                           "stride_does_not_fold.cfg",
                                           "odd_stride.cfg",
                                           "shortcut_from_nowhere.cfg",
                                           "no_ifft.cfg",
                                           "dense_before_ifft.cfg",
                                           "conv_after_ifft.cfg",
                                           "no_softmax.cfg",
                                           "no_fft.cfg"};
enum { SHAPE_ERRORS = sizeof shape_errors / sizeof *shape_errors };

START_TEST(bad_files_are_named) {
    FILE *list = fopen(FCNN_TEST_DIR "/bad/EXPECTED", "r");
    ck_assert_ptr_nonnull(list);
    expected_case c;
    int syntax = 0, shapes = 0;
    while (expected_next(list, ".cfg", &c)) {
        char path[512];
        bool is_shape = false;
        for (int i = 0; i < SHAPE_ERRORS; i++) is_shape |= !strcmp(c.file, shape_errors[i]);
        snprintf(path, sizeof path, "%s/bad/%s", FCNN_TEST_DIR, c.file);
        fcnn_status status = fcnn_config_load(path, &config);
        fcnn_config_destroy(config);
        config = NULL;
        if (is_shape) {
            ck_assert_msg(status == FCNN_OK, "%s", fcnn_status_message());
            shapes++;
            continue;
        }
        ck_assert_msg(status == FCNN_ERROR_CONFIG, "%s was accepted", c.file);
        ck_assert_msg(expected_matches(&c, path, fcnn_status_message()), "'%s' lacks one of: %s",
                      fcnn_status_message(), c.words);
        syntax++;
    }
    fclose(list);
    ck_assert_int_eq(shapes, SHAPE_ERRORS);
    ck_assert_int_ge(syntax, 18);
}
END_TEST

START_TEST(unreadable_files) {
    ck_assert_int_eq(fcnn_config_load("/no/such.cfg", &config), FCNN_ERROR_CONFIG);
    check_words("/no/such.cfg No such file");
    ck_assert_int_eq(fcnn_config_load("/", &config), FCNN_ERROR_CONFIG);
    check_words("/: folder");
    ck_assert_int_eq(fcnn_config_load("/dev/zero", &config), FCNN_ERROR_CONFIG);
    check_words("/dev/zero 1 MiB");
    ck_assert_ptr_null(config);
}
END_TEST

/* ---- Overrides ---- */

START_TEST(overrides) {
    parse_well(NET);
    ck_assert_int_eq(fcnn_config_override(config, "net.batch=64"), FCNN_OK);
    ck_assert_int_eq(fcnn_config_override(config, "net.momentum = 0.5 "), FCNN_OK);
    ck_assert_int_eq(fcnn_config_override(config, "conv[2].filters=48"), FCNN_OK);
    ck_assert_int_eq(fcnn_config_override(config, "conv[1].window=0"), FCNN_OK);
    ck_assert_int_eq(fcnn_config_override(config, "net.data=/a=b"), FCNN_OK);
    const fcnn_section *net = &config->sections[0];
    ck_assert_int_eq(fcnn_section_int(net, "batch"), 64);
    ck_assert_double_eq(fcnn_section_real(net, "momentum"), 0.5);
    ck_assert_str_eq(fcnn_section_text(net, "data"), "/a=b");
    ck_assert_int_eq(fcnn_section_int(&config->sections[2], "filters"), 16);
    ck_assert_int_eq(fcnn_section_int(&config->sections[2], "window"), 0);
    ck_assert_int_eq(fcnn_section_int(&config->sections[3], "filters"), 48);
    ck_assert_int_eq(fcnn_config_override(config, "net.batch=32"), FCNN_OK);
    ck_assert_int_eq(fcnn_section_int(net, "batch"), 32);
    /* An error at an overridden key blames the command line, not the file. */
    ck_assert_int_eq(fcnn_config_error(config, net, "batch", "too small"), FCNN_ERROR_CONFIG);
    ck_assert_str_eq(fcnn_status_message(), "--set net.batch=32: too small");
}
END_TEST

static const struct {
    const char *assignment, *words;
} bad_overrides[] = {
    {"", "section.key=value"},
    {"batch=3", "section.key=value"},
    {"net.batch", "section.key=value"},
    {"net[.batch=3", "section.key=value"},
    {"conv.filters=3", "2 sections conv[1] conv[2]"},
    {"conv[3].filters=3", "2 sections"},
    {"conv[0].filters=3", "2 sections"},
    {"conv[-1].filters=3", "2 sections"},
    {"net[0].batch=3", "one section [net] net[1]"},
    {"net[2].batch=3", "one section [net] net[1]"},
    {"norm.x=3", "no section [norm]"},
    {"net.bacth=3", "'bacth' 'batch'"},
    {"net.batch=3x", "batch=3x whole"},
    {"net.batch=0", "batch=0 from 1"},
    {"net.batch=", "batch no value"},
    {"fft.size=full", "size=full"},
};

START_TEST(bad_overrides_are_refused) {
    parse_well(NET);
    char *before = fcnn_config_text(config);
    fcnn_status status = fcnn_config_override(config, bad_overrides[_i].assignment);
    ck_assert_msg(status == FCNN_ERROR_USAGE || status == FCNN_ERROR_CONFIG, "accepted: %s",
                  bad_overrides[_i].assignment);
    check_words("--set");
    check_words(bad_overrides[_i].words);
    char *after = fcnn_config_text(config);
    ck_assert_str_eq(after, before);
    free(before);
    free(after);
}
END_TEST

/* ---- Text, errors, manual ---- */

START_TEST(text_round_trip) {
    parse_well(NET);
    ck_assert_int_eq(fcnn_config_override(config, "conv[2].activation=modrelu"), FCNN_OK);
    char *first = fcnn_config_text(config);
    ck_assert_ptr_nonnull(strstr(first, "size=full\nactivation=modrelu\n"));
    parse_well(first);
    char *second = fcnn_config_text(config);
    ck_assert_str_eq(first, second);
    ck_assert_int_eq(config->section_count, 7);
    free(first);
    free(second);
}
END_TEST

START_TEST(layer_errors_name_their_line) {
    parse_well(NET);
    const fcnn_section *conv = &config->sections[2];
    ck_assert_int_eq(fcnn_config_error(config, conv, "size", "size=%d is odd", 5),
                     FCNN_ERROR_CONFIG);
    ck_assert_str_eq(fcnn_status_message(), "nets/a.cfg:12: [conv] size=5 is odd");
    fcnn_config_error(config, conv, "slope", "absent key"); /* its section's line */
    ck_assert_str_eq(fcnn_status_message(), "nets/a.cfg:10: [conv] absent key");
    fcnn_config_error(config, conv, NULL, "no key");
    ck_assert_str_eq(fcnn_status_message(), "nets/a.cfg:10: [conv] no key");
}
END_TEST

/* Each run of spaces and line ends becomes a space. */
static char *squeezed(const char *text) {
    char *copy = strdup(text), *to = copy;
    ck_assert_ptr_nonnull(copy);
    for (const char *at = text; *at; at++) {
        bool space = *at == ' ' || *at == '\n';
        if (!space || to == copy || to[-1] != ' ') *to++ = space ? ' ' : *at;
    }
    *to = '\0';
    return copy;
}

START_TEST(manual_names_every_key) {
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(out);
    fcnn_config_print_manual(out);
    ck_assert_int_eq(fclose(out), 0);
    int keys = 0;
    const char *at = text;
    char *flat = squeezed(text);
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++, keys++) {
        char wanted[128];
        /* In the table's order, so that a key stands under its own section. */
        snprintf(wanted, sizeof wanted, row->key ? "\n  %s " : "\n[%s]",
                 row->key ? row->key : row->section);
        at = strstr(at, wanted);
        ck_assert_msg(at != NULL, "the manual lacks [%s] %s", row->section,
                      row->key ? row->key : "");
        ck_assert_ptr_nonnull(row->help);
        ck_assert_ptr_nonnull(strstr(flat, row->help));
    }
    ck_assert_int_gt(keys, 20);
    free(flat);
    free(text);
}
END_TEST

/* The table itself: sections open before their keys, no key twice, ranges in order. */
START_TEST(key_table_is_sound) {
    for (const fcnn_config_key *row = fcnn_config_keys; row->section; row++) {
        const fcnn_config_key *other = fcnn_config_keys;
        bool opened = !row->key;
        for (; other != row; other++) {
            if (strcmp(other->section, row->section)) continue;
            opened |= !other->key;
            ck_assert_msg(row->key && (!other->key || strcmp(other->key, row->key)),
                          "[%s] %s stands twice", row->section, row->key ? row->key : "");
        }
        ck_assert_msg(opened, "[%s] %s stands before its section", row->section, row->key);
        ck_assert_int_eq(row->type == FCNN_KEY_SECTION, !row->key);
        ck_assert(row->type != FCNN_KEY_WORD || row->words);
        if (row->type == FCNN_KEY_INT || row->type == FCNN_KEY_REAL)
            ck_assert(row->low < row->high);
    }
}
END_TEST

static TCase *add_case(Suite *suite, const char *name) {
    TCase *tests = tcase_create(name);
    tcase_add_checked_fixture(tests, begin, end);
    suite_add_tcase(suite, tests);
    return tests;
}

int main(void) {
    Suite *suite = suite_create("config");
    TCase *accepted = add_case(suite, "accepted"), *refused = add_case(suite, "refused");
    TCase *files = add_case(suite, "files"), *rest = add_case(suite, "overrides and text");
    tcase_add_test(accepted, sections_and_values);
    tcase_add_test(accepted, fallbacks);
    tcase_add_test(accepted, bounds_of_every_key);
    tcase_add_loop_test(accepted, spellings_of_one_cfg, 0, sizeof same / sizeof *same);
    tcase_add_loop_test(refused, errors_name_line_and_cause, 0, sizeof bad / sizeof *bad);
    tcase_add_test(refused, zero_bytes);
    tcase_add_test(refused, long_texts);
    tcase_add_test(refused, damaged_texts);
    tcase_add_test(files, bad_files_are_named);
    tcase_add_test(files, unreadable_files);
    tcase_add_test(rest, overrides);
    tcase_add_loop_test(rest, bad_overrides_are_refused, 0,
                        sizeof bad_overrides / sizeof *bad_overrides);
    tcase_add_test(rest, text_round_trip);
    tcase_add_test(rest, layer_errors_name_their_line);
    tcase_add_test(rest, manual_names_every_key);
    tcase_add_test(rest, key_table_is_sound);
    return run_suite(suite);
}
