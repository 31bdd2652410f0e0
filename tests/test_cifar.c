/* CIFAR-10 and CIFAR-100 from folders and archives that the tests write: a few
 * images a file, each with its own pattern, and every kind of damage. */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <locale.h>
#include <zlib.h>

#include "temporary.h"

enum { BLOCK = 512, RECORD = 3073, BATCHES = 6, ROOM = 1 << 17 };

/* ---- Records ---- */

static const char *const batch_names[BATCHES] = {"data_batch_1.bin", "data_batch_2.bin",
                                                 "data_batch_3.bin", "data_batch_4.bin",
                                                 "data_batch_5.bin", "test_batch.bin"};
static const int batch_images[BATCHES] = {2, 1, 3, 1, 1, 2};
enum { TRAIN_IMAGES = 8, TEST_IMAGES = 2 };

/* Pixel i of a plane of image n, the test images following the training images. */
static uint8_t pattern(int n, int channel, int i) {
    return (uint8_t)(37 * n + 85 * channel + i + i / 32 * 3);
}

static int label_of(int n) { return (n * 7 + 3) % 10; }

static size_t fill_record(uint8_t *to, int n, int label_bytes) {
    uint8_t *at = to;
    if (label_bytes == 2) *at++ = 19; /* the coarse label, which is not the class */
    *at++ = (uint8_t)(label_bytes == 2 ? 90 + n : label_of(n));
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 1024; i++) *at++ = pattern(n, c, i);
    return (size_t)(at - to);
}

static size_t fill_batch(uint8_t *to, int batch) {
    int first = 0;
    for (int b = 0; b < batch; b++) first += batch_images[b];
    size_t used = 0;
    for (int n = 0; n < batch_images[batch]; n++) used += fill_record(to + used, first + n, 1);
    return used;
}

static void check_image(fcnn_dataset *set, fcnn_split split, int64_t index, int n) {
    fcnn_image image;
    ck_assert_int_eq(set->read(set, split, index, &image), FCNN_OK);
    ck_assert(image.height == 32 && image.width == 32 && image.channels == 3 && !image.storage);
    for (int i = 0; i < 1024; i++)
        for (int c = 0; c < 3; c++) ck_assert_int_eq(image.pixels[3 * i + c], pattern(n, c, i));
    fcnn_image_clear(&image);
}

static void check_cifar_10(fcnn_dataset *set) {
    ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], TRAIN_IMAGES);
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], TEST_IMAGES);
    ck_assert(set->held_out_is_test && set->channels == 3 && set->classes == 10);
    for (int n = 0; n < TRAIN_IMAGES + TEST_IMAGES; n++) {
        fcnn_split split = n < TRAIN_IMAGES ? FCNN_SPLIT_TRAIN : FCNN_SPLIT_HELD_OUT;
        int64_t index = n < TRAIN_IMAGES ? n : n - TRAIN_IMAGES;
        ck_assert_int_eq(set->labels[split][index], label_of(n));
        check_image(set, split, index, n);
    }
    char text[16];
    set->describe(set, FCNN_SPLIT_HELD_OUT, 1, text, sizeof text);
    ck_assert_str_eq(text, "test 1");
}

/* ---- Archives ---- */

typedef struct {
    uint8_t bytes[ROOM];
    size_t used;
} archive;

static archive tar;

static void seal_header(uint8_t *header) {
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (int i = 0; i < BLOCK; i++) sum += header[i];
    snprintf((char *)header + 148, 8, "%06o", sum);
}

/* A header with these texts in its fields; the size field is as given. */
static void add_header(const char *name, const char *size, char type) {
    uint8_t *header = tar.bytes + tar.used;
    memset(header, 0, BLOCK);
    memcpy(header, name, strnlen(name, 100));
    memcpy(header + 100, "0000644", 7);
    memcpy(header + 124, size, strnlen(size, 12));
    header[156] = (uint8_t)type;
    memcpy(header + 257, "ustar\00000", 8);
    seal_header(header);
    tar.used += BLOCK;
}

static void add_body(const void *bytes, size_t count) {
    ck_assert(tar.used + count + BLOCK < ROOM);
    memcpy(tar.bytes + tar.used, bytes, count);
    tar.used += count;
    for (; tar.used % BLOCK; tar.used++) tar.bytes[tar.used] = 0;
}

static void add_member(const char *name, char type, const void *bytes, size_t count) {
    char size[16];
    snprintf(size, sizeof size, "%011o", (unsigned)count);
    add_header(name, size, type);
    add_body(bytes, count);
}

static void add_text(const char *name, char type, const char *text) {
    add_member(name, type, text, strlen(text));
}

static void add_batch(int batch) {
    uint8_t records[4 * RECORD];
    add_member(batch_names[batch], '0', records, fill_batch(records, batch));
}

static void add_end(void) {
    memset(tar.bytes + tar.used, 0, (size_t)2 * BLOCK);
    tar.used += (size_t)2 * BLOCK;
}

static const char *write_archive(const char *name) {
    const char *path = below("%s", name);
    size_t end = strlen(path);
    gzFile file = gzopen(path, end > 4 && !strcmp(path + end - 4, ".tar") ? "wbT" : "wb1");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(gzwrite(file, tar.bytes, (unsigned)tar.used), (int)tar.used);
    ck_assert_int_eq(gzclose(file), Z_OK);
    return path;
}

/* An archive by libarchive's own writer, as its name says: of the batches from `first` on, and a
 * member in their folder whose name has a character beyond ASCII. */
static const char *write_other(const char *name, const char *folder, int first) {
    static const char *const filters[][2] = {
        {".bz2", "bzip2"}, {".xz", "xz"}, {".zst", "zstd"}, {".gz", "gzip"}};
    const char *path = below("%s", name), *end = strrchr(name, '.');
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    bool is_utf8 = (unsigned char)*folder != 0xe4; /* a zip says so */
    locale_t before = uselocale(is_utf8 ? utf8 : LC_GLOBAL_LOCALE);
    struct archive *writer = archive_write_new();
    bool zip = !strcmp(end, ".zip");
    ck_assert(!(zip ? archive_write_set_format_zip(writer) : archive_write_set_format_pax(writer)));
    for (size_t i = 0; i < LENGTH(filters); i++)
        if (!strcmp(end, filters[i][0]))
            ck_assert_int_eq(archive_write_add_filter_by_name(writer, filters[i][1]), 0);
    if (zip) ck_assert(!archive_write_set_options(writer, "zip:compression=store"));
    ck_assert_int_eq(archive_write_open_filename(writer, path), 0);
    for (int b = first; b <= BATCHES; b++) {
        uint8_t records[4 * RECORD];
        char member[300];
        size_t bytes = b < BATCHES ? fill_batch(records, b) : 0;
        snprintf(member, sizeof member, "%s/%s", folder, b < BATCHES ? batch_names[b] : "\xc3\xa4");
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, member);
        archive_entry_set_size(entry, (int64_t)bytes);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        ck_assert_int_ge(archive_write_header(writer, entry), ARCHIVE_WARN);
        ck_assert_int_eq(archive_write_data(writer, records, bytes), (long)bytes);
        archive_entry_free(entry);
    }
    ck_assert_int_eq(archive_write_free(writer), 0);
    uselocale(before);
    freelocale(utf8);
    return path;
}

static const char *const others[] = {"a.zip", "b.tar.bz2", "c.tar.xz", "d.tar.zst", "e.tar.gz"};

/* ---- What is read ---- */

static void write_folder(const char *folder) {
    uint8_t records[4 * RECORD];
    for (int b = 0; b < BATCHES; b++)
        write_file(below("%s%s", folder, batch_names[b]), records, fill_batch(records, b));
}

START_TEST(a_folder_is_read_by_any_of_its_names) {
    static const char *const folders[] = {"direct/", "above/cifar-10-batches-bin/"};
    for (int i = 0; i < 2; i++) {
        write_folder(folders[i]);
        fcnn_dataset *set = open_good(below(i ? "above" : "direct/"));
        check_cifar_10(set);
        ck_assert_str_eq(set->class_names[0], "airplane");
        ck_assert_str_eq(set->class_names[9], "truck");
        fcnn_dataset_close(set);
    }
}
END_TEST

START_TEST(an_archive_is_read_in_any_form) {
    static const char *const names[] = {"a.tar.gz", "b.tgz", "c.tar"};
    static char longer[300] = "folder/";
    memset(longer + 7, 'x', 200);
    strcpy(longer + 207, "/data_batch_2.bin");
    uint8_t records[4 * RECORD];
    tar.used = 0;
    add_text("pax_global_header", 'g', "20 comment=whatever\n");
    add_header("cifar/", "00000000000", '5');
    add_header("cifar/test_batch.bin.link", "00000000777", '2'); /* its size means nothing */
    add_text("cifar/._test_batch.bin", '0', "something a Mac left");
    add_batch(5);
    add_text("cifar/batches.meta.txt", '0', "a\nb\nc\nd\ne\nf\ng\nh\ni\nj j\n\n");
    add_text("././@LongLink", 'L', longer);
    add_member("folder/xxx", '0', records, fill_batch(records, 1));
    add_text("PaxHeaders/x", 'x', "27 path=x/data_batch_3.bin\n17 ignored=a=b\nc\n");
    add_member("data_batch_9.bin", '\0', records, fill_batch(records, 2));
    size_t bytes = fill_batch(records, 3);
    add_text("PaxHeaders/x", 'x', "13 size=3073\n");
    add_header("data_batch_4.bin", "00000000000", '0');
    add_body(records, bytes);
    add_batch(0);
    add_batch(4);
    add_end();
    fcnn_dataset *set = open_good(write_archive(names[_i]));
    check_cifar_10(set);
    ck_assert_str_eq(set->class_names[0], "a");
    ck_assert_str_eq(set->class_names[9], "j j");
    fcnn_dataset_close(set);
    tar.used -= (size_t)2 * BLOCK; /* an archive may end without saying so */
    set = open_good(write_archive(names[_i]));
    check_cifar_10(set);
    fcnn_dataset_close(set);
}
END_TEST

/* Folders may have any name, in UTF-8 or not. */
START_TEST(other_archives_are_read) {
    static const char *const folders[] = {"f", "\xe6\x97\xa5/f", "\xe4"};
    for (size_t i = 0; i < LENGTH(folders); i++) {
        fcnn_dataset *set = open_good(write_other(others[_i], folders[i], 0));
        check_cifar_10(set);
        fcnn_dataset_close(set);
    }
    ck_assert_str_eq(setlocale(LC_ALL, NULL), "C");
    ck_assert(uselocale((locale_t)0) == LC_GLOBAL_LOCALE);
}
END_TEST

START_TEST(cifar_100_gives_fine_classes) {
    uint8_t records[4 * (RECORD + 1)];
    char names[2000];
    size_t used = 0, bytes = 0;
    for (int n = 0; n < 3; n++) bytes += fill_record(records + bytes, n, 2);
    for (int i = 0; i < 100; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "fine %d\n", i);
    for (int named = 0; named < 2; named++) {
        tar.used = 0;
        add_member("cifar-100-binary/train.bin", '0', records, bytes);
        add_member("cifar-100-binary/test.bin", '0', records, bytes / 3);
        if (named) add_text("cifar-100-binary/fine_label_names.txt", '0', names);
        add_end();
        fcnn_dataset *set = open_good(write_archive("100.tar.gz"));
        ck_assert_int_eq(set->classes, 100);
        ck_assert_int_eq(set->count[FCNN_SPLIT_TRAIN], 3);
        ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], 1);
        ck_assert_int_eq(set->labels[FCNN_SPLIT_TRAIN][2], 92);
        ck_assert_str_eq(set->class_names[92], named ? "fine 92" : "class 92");
        check_image(set, FCNN_SPLIT_TRAIN, 2, 2);
        fcnn_dataset_close(set);
    }
    write_file(below("up/cifar-100-binary/train.bin"), records, bytes);
    write_file(below("up/cifar-100-binary/test.bin"), records, bytes);
    write_file(below("up/cifar-100-binary/fine_label_names.txt"), names, used);
    fcnn_dataset *set = open_good(below("up"));
    ck_assert_str_eq(set->class_names[0], "fine 0");
    ck_assert_int_eq(set->count[FCNN_SPLIT_HELD_OUT], 3);
    fcnn_dataset_close(set);
}
END_TEST

/* The archive and the folder are the same images, whenever they were written; a byte more or less
 * is another one. */
START_TEST(the_fingerprint_is_that_of_the_images) {
    write_folder("set/");
    tar.used = 0;
    for (int b = 0; b < BATCHES; b++) add_batch(b);
    write_archive("set.tar.gz");
    uint64_t first = fingerprint_of(below("set"));
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000, .tv_nsec = 1}};
    ck_assert_int_eq(utimensat(AT_FDCWD, below("set/data_batch_3.bin"), times, 0), 0);
    ck_assert_uint_eq(first, fingerprint_of(below("set")));
    ck_assert_uint_eq(first, fingerprint_of(below("set.tar.gz")));
    FILE *file = fopen(below("set/data_batch_3.bin"), "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, 1 + 2000, SEEK_SET), 0);
    int byte = fgetc(file);
    ck_assert_int_eq(fseek(file, 1 + 2000, SEEK_SET), 0);
    fputc(byte ^ 1, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_uint_ne(first, fingerprint_of(below("set")));
}
END_TEST

START_TEST(paths_are_told_from_names) {
    ck_assert(!fcnn_dataset_is_name("cifar") && !fcnn_dataset_is_name("DIR"));
    ck_assert(fcnn_dataset_is_name("synthetic:size=8") && fcnn_dataset_is_name("fashion-mnist"));
    expect_open_error("nowhere/cifar.tar.gz", FCNN_ERROR_USAGE, "No such file|.tar.gz");
    write_file(below("cifar.zip"), "x", 1);
    expect_open_error(below("cifar.zip"), FCNN_ERROR_FORMAT, "cifar.zip: not a tar or zip archive");
    write_file(below("cifar.rar"), "x", 1);
    expect_open_error(below("cifar.rar"), FCNN_ERROR_USAGE, "a file, not a folder|CIFAR's .tar.gz");
}
END_TEST

/* ---- What is refused ---- */

static void damage_label(void) { tar.bytes[BLOCK + RECORD] = 10; }
static void damage_checksum(void) { tar.bytes[0] ^= 1; }
static void damage_end(void) { tar.used -= (size_t)4 * BLOCK; }
static void damage_middle(void) { tar.used = (size_t)2 * BLOCK; }
static void damage_to_nothing(void) { tar.used = 0; }

static void set_size(const char *text) {
    memset(tar.bytes + 124, 0, 12);
    memcpy(tar.bytes + 124, text, *text == '\x80' ? 12 : strnlen(text, 12));
    seal_header(tar.bytes);
}

static void size_one_more(void) { set_size("00000014003"); }
static void size_zero(void) { set_size("00000000000"); }
static void size_negative(void) { set_size("-0000003073"); }
static void size_not_octal(void) { set_size("00000003079"); }
static void size_empty(void) { set_size(""); }
static void size_binary(void) { set_size("\x80\0\0\0\0\0\0\0\0\0\x18\x01"); }
static void size_huge(void) { set_size("777777777777"); }

/* A member that is none of the set's, at the front. */
static void size_of_other_huge(void) {
    memcpy(tar.bytes, "other", 6);
    set_size("777777777777");
}

static void only_zeros(void) { memset(tar.bytes, 0, tar.used); }

static void only_a_text(void) {
    tar.used = 0;
    add_text("README", '0', "nothing");
    add_end();
}

static void without_test_batch(void) {
    tar.used -= (size_t)BLOCK + 2 * RECORD / BLOCK * BLOCK + BLOCK;
}

static void twice(void) {
    tar.used = 0;
    add_batch(2);
    add_batch(2);
}

static void both(void) {
    tar.used = 0;
    add_batch(2);
    add_text("train.bin", '0', "x");
}

static void few_names(void) { add_text("batches.meta.txt", '0', "a\nb\n"); }

static void empty_names(void) { add_text("batches.meta.txt", '0', ""); }

static void start_extended(const char *text) {
    tar.used = 0;
    add_text("x", 'x', text);
    add_batch(0);
}

static void extended_without_equals(void) { start_extended("9 pathabc\n"); }
static void extended_length_short(void) { start_extended("2 path=abc\n"); }
static void extended_length_long(void) { start_extended("200 path=abc\n"); }
static void extended_length_huge(void) { start_extended("18446744073709551615 path=abc\n"); }
static void extended_length_negative(void) { start_extended("-5 path=abc\n"); }
static void extended_size_text(void) { start_extended("13 size=many\n"); }
static void extended_size_negative(void) { start_extended("11 size=-5\n"); }
static void extended_too_long(void) {
    tar.used = 0;
    add_header("x", "00000200001", 'x');
    add_end();
}
static void name_cut(void) {
    tar.used = 0;
    add_header("x", "00000001000", 'L');
}

static const struct {
    const char *name;
    void (*damage)(void);
    const char *words;
} refused[] = {
    {"label", damage_label, "data_batch_1.bin|image 1|label 10|0 to 9"},
    {"checksum", damage_checksum, "not a tar or zip archive, or damaged"},
    {"cut", damage_end, "test_batch.bin: image 1 of 2|damaged archive|Truncated"},
    {"cut earlier", damage_middle, "data_batch_1.bin: image 0 of 2|damaged archive|Truncated"},
    {"nothing", damage_to_nothing, "not a tar or zip archive"},
    {"one byte more", size_one_more, "data_batch_1.bin|records of 3073 bytes|6147"},
    {"no byte", size_zero, "data_batch_1.bin|records of 3073 bytes|found 0"},
    {"negative", size_negative, "not a tar or zip archive, or damaged"},
    {"not octal", size_not_octal, "not a tar or zip archive, or damaged"},
    {"empty size", size_empty, "data_batch_1.bin|records of 3073 bytes|found 0"},
    {"binary size", size_binary, "data_batch_1.bin|records of 3073 bytes|6145"},
    {"huge", size_huge, "data_batch_1.bin|1 to 100000 records|68719476735"},
    {"other huge", size_of_other_huge, "damaged archive|Truncated"},
    {"zeros", only_zeros, "CIFAR-10|CIFAR-100|found neither"},
    {"another archive", only_a_text, "CIFAR-10|CIFAR-100|found neither"},
    {"no test", without_test_batch, "CIFAR-10: test_batch.bin is missing"},
    {"twice", twice, "data_batch_3.bin twice"},
    {"both", both, "CIFAR-10|train.bin of CIFAR-100"},
    {"few names", few_names, "10 class names|batches.meta.txt|found 2"},
    {"empty names", empty_names, "batches.meta.txt|1 to 65536 bytes|found 0"},
    {"no equals", extended_without_equals, "damaged|malformed pax"},
    {"short", extended_length_short, "damaged|malformed pax"},
    {"long", extended_length_long, "damaged|malformed pax"},
    {"huge length", extended_length_huge, "damaged|pax extended attribute"},
    {"negative length", extended_length_negative, "damaged|malformed pax"},
    {"size text", extended_size_text, "data_batch_1.bin|records of 3073 bytes|found 0"},
    {"size negative", extended_size_negative, "damaged|size|negative"},
    {"too long", extended_too_long, "damaged|truncated"},
    {"name cut", name_cut, "damaged|truncated"},
};

static void good_archive(void) {
    tar.used = 0;
    for (int b = 0; b < BATCHES; b++) add_batch(b);
}

START_TEST(damaged_archives_are_explained) {
    good_archive();
    refused[_i].damage();
    expect_open_error(write_archive("bad.tar"), FCNN_ERROR_FORMAT, refused[_i].words);
    expect_words(FCNN_ERROR_FORMAT, FCNN_ERROR_FORMAT, "bad.tar");
}
END_TEST

START_TEST(damaged_gzip_is_explained) {
    static uint8_t bytes[ROOM];
    good_archive();
    add_end();
    const char *path = write_archive("bad.tar.gz");
    size_t count = read_file(path, bytes, sizeof bytes);
    ck_assert_uint_gt(count, 1000);
    write_file(path, bytes, count / 2);
    expect_open_error(path, FCNN_ERROR_FORMAT, "bad.tar.gz|truncated|the gzip data are cut");
    write_file(path, bytes, count - 4);
    expect_open_error(path, FCNN_ERROR_FORMAT, "bad.tar.gz|truncated|the gzip data are cut");
    bytes[count - 6] ^= 1; /* of the checksum */
    write_file(path, bytes, count);
    expect_open_error(path, FCNN_ERROR_FORMAT, "bad.tar.gz|damaged gzip");
    write_file(path, "a text, whatever its name", 25);
    expect_open_error(path, FCNN_ERROR_FORMAT, "bad.tar.gz: not a tar or zip archive");
}
END_TEST

/* A byte is changed, or the file cut, at many places: it is refused, or all images are right. */
START_TEST(other_damage_is_found) {
    static uint8_t bytes[ROOM];
    const char *path = write_other(others[_i], "f", 0);
    size_t count = read_file(path, bytes, sizeof bytes);
    for (size_t at = 0; at < count; at += 1 + count / 40) {
        fcnn_dataset *set;
        uint8_t change = _i == 3 ? 0 : 0x10; /* libarchive gives a .zst no checksum */
        bytes[at] ^= change;
        write_file(path, bytes, count);
        bytes[at] ^= change;
        if (fcnn_dataset_open(path, 1, &set)) {
            ck_assert_ptr_nonnull(strstr(fcnn_status_message(), path));
        } else {
            check_cifar_10(set);
            fcnn_dataset_close(set);
        }
        if (_i == 0 && at > count - 600) continue; /* a zip whose table of contents is cut */
        write_file(path, bytes, at);
        fcnn_status status = fcnn_dataset_open(path, 1, &set);
        ck_assert_msg(status == FCNN_ERROR_FORMAT, "%s cut at %zu of %zu", path, at, count);
    }
}
END_TEST

START_TEST(damaged_zips_are_explained) {
    static uint8_t bytes[ROOM];
    const char *path = write_other("bad.zip", "f", 0);
    size_t count = read_file(path, bytes, sizeof bytes);
    bytes[1000] ^= 1;
    write_file(path, bytes, count);
    expect_open_error(path, FCNN_ERROR_FORMAT,
                      "f/data_batch_1.bin: |bad.zip: damaged archive: |CRC");
    bytes[1000] ^= 1;
    write_file(path, bytes, 2000);
    expect_open_error(path, FCNN_ERROR_FORMAT, "data_batch_1.bin: image 0 of 2|bad.zip|Truncated");
    write_other("bad.zip", "f", 1);
    expect_open_error(path, FCNN_ERROR_FORMAT, "bad.zip: CIFAR-10: data_batch_1.bin is missing");
}
END_TEST

/* What an archive would have libarchive allocate is not the archive's to say. */
static const char *const greedy[][2] = {
    {"dictionary.tar.xz", "need 20|MiB of memory|at most 128"},
    {"second.tar.xz", "need 20|MiB of memory|at most 128"},
    {"lzma.zip", "notes.txt|(lzma)|deflation"},
};

START_TEST(greedy_archives_are_refused) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/bad/archives/%s", FCNN_TEST_DIR, greedy[_i][0]);
    expect_open_error(path, FCNN_ERROR_FORMAT, greedy[_i][1]);
}
END_TEST

START_TEST(damaged_xz_is_explained) {
    static uint8_t bytes[ROOM];
    const char *path = write_other("bad.tar.xz", "f", 0);
    size_t count = read_file(path, bytes, sizeof bytes);
    write_file(path, bytes, count / 2);
    expect_open_error(path, FCNN_ERROR_FORMAT, "bad.tar.xz|truncated|the xz data are cut");
    bytes[count / 2] ^= 1;
    write_file(path, bytes, count);
    expect_open_error(path, FCNN_ERROR_FORMAT, "bad.tar.xz|damaged xz");
    write_file(path,
               "\xfd"
               "7zXZ",
               6);
    expect_open_error(path, FCNN_ERROR_FORMAT, "bad.tar.xz|truncated");
}
END_TEST

START_TEST(incomplete_folders_are_explained) {
    write_folder("set/");
    unlink(below("set/data_batch_4.bin"));
    expect_open_error(below("set"), FCNN_ERROR_FORMAT,
                      "set: CIFAR-10: data_batch_4.bin is missing");
    write_file(below("set/data_batch_4.bin"), "", 0);
    expect_open_error(below("set"), FCNN_ERROR_FORMAT, "data_batch_4.bin|found 0 bytes");
    unlink(below("set/data_batch_4.bin"));
    below("set/data_batch_4.bin/");
    expect_open_error(below("set"), FCNN_ERROR_IO, "data_batch_4.bin|expected a file");
    below("lone/cifar-10-batches-bin/");
    below("lone/cifar-100-binary/");
    write_folder("lone/cifar-10-batches-bin/");
    write_file(below("lone/cifar-100-binary/test.bin"), "x", 1);
    expect_open_error(below("lone"), FCNN_ERROR_USAGE, "lone|CIFAR-10|CIFAR-100|one of the two");
}
END_TEST

/* Any header byte changed, any length: an answer, and no more than that is asked. */
START_TEST(no_damage_does_harm) {
    uint32_t state = 1;
    int refusals = 0, rounds = 200;
    for (int round = 0; round < rounds; round++) {
        good_archive();
        add_text("x", 'x', "27 path=x/data_batch_9.bin\n");
        add_text("y", '0', "y");
        add_end();
        for (int i = 0; i < 3; i++) {
            state = state * 1664525 + 1013904223;
            /* The first header, or the last two members and half of the end. */
            size_t at =
                state >> 8 & 1 ? state >> 16 & 511 : tar.used - 6 * BLOCK + (state >> 16 & 2047);
            tar.bytes[at] = (uint8_t)(state >> 9);
        }
        if (round % 2) seal_header(tar.bytes), seal_header(tar.bytes + tar.used - 6 * BLOCK);
        if (round % 5 == 0) tar.used -= state >> 10 & 2047;
        fcnn_dataset *set;
        fcnn_status status = fcnn_dataset_open(write_archive("odd.tar"), 1, &set);
        if (status)
            refusals++;
        else
            fcnn_dataset_close(set);
    }
    ck_assert_int_gt(refusals, rounds / 4);
    ck_assert_int_lt(refusals, rounds);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cifar");
    TCase *reading = add_case(suite, "reading");
    tcase_add_test(reading, a_folder_is_read_by_any_of_its_names);
    tcase_add_loop_test(reading, an_archive_is_read_in_any_form, 0, 3);
    tcase_add_loop_test(reading, other_archives_are_read, 0, LENGTH(others));
    tcase_add_test(reading, cifar_100_gives_fine_classes);
    tcase_add_test(reading, the_fingerprint_is_that_of_the_images);
    tcase_add_test(reading, paths_are_told_from_names);
    TCase *damage = add_case(suite, "damage");
    tcase_add_loop_test(damage, damaged_archives_are_explained, 0, LENGTH(refused));
    tcase_add_test(damage, damaged_gzip_is_explained);
    tcase_add_loop_test(damage, other_damage_is_found, 0, LENGTH(others));
    tcase_add_test(damage, damaged_zips_are_explained);
    tcase_add_loop_test(damage, greedy_archives_are_refused, 0, LENGTH(greedy));
    tcase_add_test(damage, damaged_xz_is_explained);
    tcase_add_test(damage, incomplete_folders_are_explained);
    tcase_add_test(damage, no_damage_does_harm);
    return run_suite(suite);
}
