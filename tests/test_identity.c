/* Classes matched by name, views of data sets, identities of images and their
 * JSON. */
#include "class_names.h"
#include "dataset_view.h"
#include "temporary.h"

static fcnn_class_list list_of(const char *const *names) {
    fcnn_class_list list = {0, names};
    while (names[list.count]) list.count++;
    return list;
}

/* ---- Names ---- */

static const struct {
    const char *from[8], *to[8];
    int32_t places[8];
    const char *missing;
} matches[] = {
    {{"a", "b", "c"}, {"a", "b", "c"}, {0, 1, 2}, ""},
    {{"a", "b", "c"}, {"c", "a", "b"}, {1, 2, 0}, ""},
    {{"cat", "dog"}, {"dog", "zebra"}, {-1, 0}, "'cat'"},
    {{"x", "y", "z"}, {"a"}, {-1, -1, -1}, "'x', 'y' and 'z'"},
    {{"a"}, {"b", "a", "c"}, {1}, ""},
    {{"a", "a"}, {"a", "a"}, {0, 1}, ""}, /* twins in the same list keep their places */
    {{"\n", ""}, {"b"}, {-1, -1}, "'\\x0a' and ''"},
};

START_TEST(classes_are_matched_by_name) {
    fcnn_class_list from = list_of(matches[_i].from), to = list_of(matches[_i].to);
    int32_t *places;
    char text[128];
    ck_assert_int_eq(fcnn_classes_match(from, to, &places), FCNN_OK);
    ck_assert_mem_eq(places, matches[_i].places, (size_t)from.count * sizeof *places);
    fcnn_classes_write(from, places, false, text, sizeof text);
    ck_assert_str_eq(text, matches[_i].missing);
    free(places);
}
END_TEST

START_TEST(twins_cannot_be_matched) {
    static const char *const twins[] = {"a", "b", "a", NULL}, *const others[] = {"a", "b", NULL};
    int32_t *places;
    for (int i = 0; i < 2; i++) {
        fcnn_class_list a = list_of(i ? twins : others), b = list_of(i ? others : twins);
        expect_words(fcnn_classes_match(a, b, &places), FCNN_ERROR_FORMAT, "two classes|'a'");
        ck_assert_ptr_null(places);
    }
}
END_TEST

START_TEST(many_names_are_counted) {
    static const char *const many[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL};
    static const int32_t none[] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    char text[128], little[8];
    ck_assert_int_eq(fcnn_classes_write(list_of(many), none, false, text, sizeof text), 10);
    ck_assert_str_eq(text, "'0', '1', '2', '3', '4', '5', '6', '7' and 2 more");
    fcnn_classes_write(list_of(many), none, false, little, sizeof little);
    ck_assert_uint_lt(strlen(little), sizeof little);
}
END_TEST

/* ---- Views ---- */

static int released;
static void release(void *owner) {
    ck_assert_ptr_eq(owner, &released);
    released++;
}

START_TEST(a_view_gives_images_of_its_source_and_names_those_that_are_gone) {
    static const char *const names[] = {"dog", "cat", NULL};
    static const int32_t labels[] = {0, 1, 1};
    static const int64_t places[] = {1, -1, 0};
    static const char *const paths[] = {"dog/1.bmp", "cat/gone\n.bmp", "cat/1.bmp"};
    static const uint64_t contents[] = {5, 6, 7};
    write_bmp(below("set/cat/1.bmp"), 10, 0, 0);
    write_bmp(below("set/dog/1.bmp"), 20, 0, 0);
    write_file(below("set/dog/2.txt"), "none", 4);
    fcnn_dataset *source = open_good(below("set")), *set;
    fcnn_view view = {.classes = list_of(names),
                      .splits = {{3, labels, contents, places, paths}, {0}},
                      .owner = &released,
                      .release = release};
    ck_assert_int_eq(fcnn_dataset_view_open(source, &view, &set), FCNN_OK);
    ck_assert_int_eq(set->problems.count, 1);
    ck_assert_int_eq(source->problems.count, 0);
    ck_assert_str_eq(set->class_names[set->labels[0][0]], "dog");
    for (int i = 0; i < 3; i += 2) {
        fcnn_image image;
        ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, i, &image), FCNN_OK);
        ck_assert_uint_eq(image.pixels[0], i ? 10 : 20);
        fcnn_image_clear(&image);
        ck_assert_str_eq(set->path(set, FCNN_SPLIT_TRAIN, i), paths[i]);
    }
    fcnn_image image;
    char text[64];
    expect_words(set->read(set, FCNN_SPLIT_TRAIN, 1, &image), FCNN_ERROR_FORMAT,
                 "cat/gone\\x0a.bmp: is gone");
    ck_assert_ptr_null(image.storage);
    set->describe(set, FCNN_SPLIT_TRAIN, 1, text, sizeof text);
    ck_assert_str_eq(text, "cat/gone\\x0a.bmp");
    fcnn_dataset_close(set);
    ck_assert_int_eq(released, 1);
}
END_TEST

/* ---- Identities ---- */

static void take(fcnn_dataset *set, const int64_t *indices, int64_t count, fcnn_identity *images) {
    ck_assert_int_eq(fcnn_identity_take(set, FCNN_SPLIT_TRAIN, indices, count, images), FCNN_OK);
}

START_TEST(an_identity_counts_and_tells_classes_apart) {
    fcnn_dataset *set = open_good("synthetic:classes=3,size=8,train=30,val=3");
    fcnn_identity all, some, other;
    static const int64_t few[] = {0, 3, 4}, turned[] = {3, 0, 4};
    take(set, NULL, 30, &all);
    take(set, few, 3, &some);
    take(set, turned, 3, &other);
    ck_assert_int_eq(all.all.images, 30);
    ck_assert_int_eq(all.by_class[2].images, 10);
    ck_assert_int_eq(some.by_class[0].images, 2);
    ck_assert_int_eq(some.by_class[2].images, 0);
    ck_assert_uint_ne(some.all.fingerprint, all.all.fingerprint);
    ck_assert_uint_ne(some.all.fingerprint, other.all.fingerprint);
    ck_assert_uint_ne(some.by_class[0].fingerprint, other.by_class[0].fingerprint);
    ck_assert_uint_eq(some.by_class[1].fingerprint, other.by_class[1].fingerprint);
    fcnn_identity_clear(&other);
    char *text = fcnn_identity_text(&all);
    ck_assert_int_eq(fcnn_identity_parse(text, 3, "file", &other), FCNN_OK);
    ck_assert_mem_eq(&other.all, &all.all, sizeof all.all);
    ck_assert_mem_eq(other.by_class, all.by_class, 3 * sizeof *all.by_class);
    fcnn_identity_clear(&other);
    expect_words(fcnn_identity_parse(text, 4, "file", &other), FCNN_ERROR_FORMAT, "file|4 classes");
    free(text);
    fcnn_identity_clear(&all);
    fcnn_identity_clear(&some);
    set->contents[FCNN_SPLIT_TRAIN] = NULL;
    ck_assert_int_eq(fcnn_identity_take(set, FCNN_SPLIT_TRAIN, NULL, 3, &some),
                     FCNN_ERROR_UNSUPPORTED);
    fcnn_dataset_close(set);
}
END_TEST

static const char *const bad_texts[] = {
    "",
    "[]",
    "{}",
    "{\"images\": 1}",
    "{\"images\": 1, \"fingerprint\": \"0123456789abcdef\", \"classes\": [1]}",
    "{\"images\": 1, \"fingerprint\": \"0123456789abcdef\", \"classes\": [[1]]}",
    "{\"images\": 1, \"fingerprint\": \"0123456789abcdef\", \"classes\": [[1, 5]]}",
    "{\"images\": -1, \"fingerprint\": \"0123456789abcdef\", \"classes\": [[1, "
    "\"0123456789abcdef\"]]}",
    "{\"images\": 1, \"fingerprint\": \"0123456789abcdeg\", \"classes\": [[1, "
    "\"0123456789abcdef\"]]}",
    "{\"images\": 1, \"fingerprint\": \"0123456789abcdef\", \"classes\": [[1, \"012345678\"]]}"};

START_TEST(bad_texts_are_refused) {
    fcnn_identity images;
    expect_words(fcnn_identity_parse(bad_texts[_i], 1, "m", &images), FCNN_ERROR_FORMAT,
                 "m|1 class");
    ck_assert_ptr_null(images.by_class);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("identity");
    TCase *tests = add_case(suite, "identity");
    tcase_add_loop_test(tests, classes_are_matched_by_name, 0, LENGTH(matches));
    tcase_add_test(tests, twins_cannot_be_matched);
    tcase_add_test(tests, many_names_are_counted);
    tcase_add_test(tests, a_view_gives_images_of_its_source_and_names_those_that_are_gone);
    tcase_add_test(tests, an_identity_counts_and_tells_classes_apart);
    tcase_add_loop_test(tests, bad_texts_are_refused, 0, LENGTH(bad_texts));
    return run_suite(suite);
}
