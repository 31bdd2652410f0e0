/* The cache's file: whatever happens to it, by damage, by a lack of room or of
 * rights, by other processes, reading goes on with the right bits. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <zlib.h>

#include "spectra_case.h"

/* Places in the file. */
enum { HEADER_BYTES = 4096, HEADER_CRC = 68, RECORD_HEAD = 128, TABLE = HEADER_BYTES + 8 * IMAGES };

static void change_byte(const char *path, long at) {
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, at, SEEK_SET), 0);
    int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 0x10, file);
    ck_assert_int_eq(fclose(file), 0);
}

/* ---- A file that does not serve ---- */

/* Other images than those of the file: `change` of the contents of training image 3. */
static void change_images(uint64_t change) {
    static uint64_t contents[TRAIN];
    memcpy(contents, fake.contents[FCNN_SPLIT_TRAIN], sizeof contents);
    contents[3] += change;
    fake.base.contents[FCNN_SPLIT_TRAIN] = contents;
}

START_TEST(stale_files_are_made_anew_beside_a_run_that_uses_them) {
    fill_cache();
    fcnn_dataset *old = open_cache();
    change_images(1);
    fcnn_dataset *set = open_noting(with_cache(below("cache")),
                                    "made anew|stale: the images have changed|32 of 33 images");
    read_all(set, 1); /* what did not change is kept */
    read_all(old, 0);
    fcnn_dataset_close(old);
    fcnn_dataset_close(set);
    fake.base.count[FCNN_SPLIT_HELD_OUT]--;
    set = open_noting(with_cache(below("cache")), "made anew|stale|32 of 32 images");
    fcnn_dataset_close(set);
    ck_assert_int_eq(files_in(below("cache")), 1);
}
END_TEST

/* Images exchanged between files take their spectra along; none is read. */
START_TEST(exchanged_images_are_told_apart) {
    fill_cache();
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        for (int i = 0; i < 9; i++) {
            uint64_t *a = &fake.contents[s][i], *b = &fake.contents[s][8 - i], before = *a;
            if (i < 4) *a = *b, *b = before;
        }
    fcnn_dataset *set = open_noting(with_cache(below("cache")), "made anew|33 of 33 images");
    for (int i = 0; i < 9; i++) {
        fcnn_image image;
        ck_assert_int_eq(set->read(set, FCNN_SPLIT_TRAIN, i, &image), FCNN_OK);
        expect_bins(&image, 8 - i, RADIUS);
        fcnn_image_clear(&image);
    }
    ck_assert_int_eq(fake.reads, IMAGES);
    fcnn_dataset_close(set);
}
END_TEST

/* The same images elsewhere: the file is found again under its old name. Of other data that share
 * images their spectra are copied, and their file stays while they are there. */
START_TEST(moved_and_shared_images_are_found_again) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s", fill_cache());
    fcnn_spectra_options options = with_cache(below("cache"));
    options.data = "/elsewhere/moved";
    fcnn_dataset *set = open_noting(options, "");
    ck_assert_str_eq(fcnn_spectra_used(set).path, path);
    read_all(set, 0);
    fcnn_dataset_close(set);
    ck_assert_int_eq(unlink(path), 0);
    options.data = root; /* a folder that is there */
    set = open_noting(options, "");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    change_images(1);
    options.data = "/elsewhere/other";
    set = open_noting(options, "32 of 33 images did not change");
    read_all(set, 1);
    fcnn_dataset_close(set);
    ck_assert_int_eq(files_in(below("cache")), 2);
    change_images(2); /* what /elsewhere/other had is of data that is gone */
    set = open_noting(options, "made anew|stale|32 of 33 images");
    fcnn_dataset_close(set);
    ck_assert_int_eq(files_in(below("cache")), 2);
}
END_TEST

/* A file of this data by a build with another format is replaced. */
START_TEST(files_of_another_version_are_replaced) {
    const char *path = fill_cache(), *other = below("cache/set-0123456789abcdef.spectra");
    ck_assert_int_eq(rename(path, other), 0);
    change_byte(other, 8);
    fcnn_dataset *set = open_noting(with_cache(below("cache")), "made anew|another version");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    ck_assert_int_eq(files_in(below("cache")), 1);
}
END_TEST

START_TEST(truncated_and_foreign_files_are_made_anew) {
    static const struct {
        off_t bytes;
        const char *words;
    } cuts[] = {{0, "no cache of spectra"}, {7, "no cache of spectra"}, {8, "cut short"},
                {4095, "cut short"},        {4096, "cut short"},        {20000, "cut short"}};
    for (int i = 0; i < LENGTH(cuts); i++) {
        const char *path = fill_cache();
        ck_assert_int_eq(truncate(path, cuts[i].bytes), 0);
        char words[64];
        snprintf(words, sizeof words, "made anew|%s", cuts[i].words);
        fcnn_dataset *set = open_noting(with_cache(below("cache")), words);
        read_all(set, IMAGES);
        fcnn_dataset_close(set);
        unlink(path);
    }
    const char *path = fill_cache();
    write_file(path, "PNG or what you like", 20);
    fcnn_dataset *set = open_noting(with_cache(below("cache")), "made anew|no cache of spectra");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(every_damaged_byte_of_the_header_is_noticed) {
    const char *path = fill_cache();
    for (long at = 0; at < HEADER_BYTES; at += at < 100 ? 1 : 97) {
        change_byte(path, at);
        fcnn_dataset *set = open_noting(with_cache(below("cache")), "made anew");
        ck_assert_int_eq(fcnn_spectra_used(set).stored, 0);
        fcnn_dataset_close(set);
    }
}
END_TEST

/* Numbers that lie, under a right crc32: the sizes in the file are not believed. */
START_TEST(a_lying_header_is_noticed) {
    static const struct {
        long at, bytes;
        int64_t value;
    } lies[] = {{32, 8, INT64_MAX}, {32, 8, -1},        {48, 8, 1},    {48, 8, INT64_MAX},
                {56, 4, 1000000},   {60, 4, INT32_MAX}, {60, 4, 8191}, {60, 4, FCNN_RADIUS_MAX + 1},
                {64, 4, 7}};
    for (int i = 0; i < LENGTH(lies); i++) {
        const char *path = fill_cache();
        uint8_t header[HEADER_BYTES];
        FILE *file = fopen(path, "r+b");
        ck_assert_uint_eq(fread(header, 1, sizeof header, file), sizeof header);
        memcpy(header + lies[i].at, &lies[i].value, (size_t)lies[i].bytes);
        memset(header + HEADER_CRC, 0, 4);
        uint32_t crc = (uint32_t)crc32(0, header, sizeof header);
        memcpy(header + HEADER_CRC, &crc, 4);
        rewind(file);
        ck_assert_uint_eq(fwrite(header, 1, sizeof header, file), sizeof header);
        fclose(file);
        fcnn_dataset *set = open_noting(with_cache(below("cache")), "made anew");
        read_all(set, IMAGES);
        fcnn_dataset_close(set);
        unlink(path);
    }
}
END_TEST

static size_t record_at(const fcnn_spectra_usage *usage, int place, size_t *record_bytes) {
    size_t records = (HEADER_BYTES + (size_t)usage->images * 16 + 63) / 64 * 64;
    *record_bytes = ((size_t)usage->bytes - records) / (size_t)usage->images;
    return records + (size_t)place * *record_bytes;
}

START_TEST(damaged_records_are_read_again_and_mended) {
    const char *path = fill_cache();
    fcnn_dataset *set = open_cache();
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    fcnn_dataset_close(set);
    size_t bytes;
    change_byte(path, (long)record_at(&usage, 3, &bytes));                    /* its height */
    change_byte(path, (long)record_at(&usage, 11, &bytes) + RECORD_HEAD + 9); /* a bin */
    change_byte(path, (long)(record_at(&usage, 30, &bytes) + bytes) - 1);     /* its last byte */
    change_byte(path, TABLE + 8 * 17);                                        /* a crc32 */
    change_byte(path, TABLE + 8 * 18 + 7);                                    /* not there */
    set = open_cache();
    read_all(set, 5);
    read_all(set, 0);
    fcnn_dataset_close(set);
}
END_TEST

/* A record without pixels, or of another image, under a right crc32. */
START_TEST(records_that_lie_are_read_again) {
    const char *path = fill_cache();
    fcnn_dataset *set = open_cache();
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    fcnn_dataset_close(set);
    size_t bytes, first = record_at(&usage, 0, &bytes);
    uint8_t *record = malloc(bytes), entry[8];
    FILE *file = fopen(path, "r+b");
    fseek(file, (long)first, SEEK_SET);
    ck_assert_uint_eq(fread(record, 1, bytes, file), bytes);
    fseek(file, TABLE, SEEK_SET);
    ck_assert_uint_eq(fread(entry, 1, 8, file), 8);
    /* Image 6 has the size of image 0: its record and entry in the other's place. */
    fseek(file, TABLE + 6 * 8, SEEK_SET);
    fwrite(entry, 1, 8, file);
    fseek(file, (long)(first + 6 * bytes), SEEK_SET);
    fwrite(record, 1, bytes, file);
    memset(record, 0, 4);
    uint64_t contents = fake.contents[FCNN_SPLIT_TRAIN][0];
    uLong crc = crc32(crc32(0, (const uint8_t *)&contents, 8), record, (uInt)bytes);
    memcpy(entry, &(uint32_t){(uint32_t)crc}, 4);
    fseek(file, TABLE, SEEK_SET);
    fwrite(entry, 1, 8, file);
    fseek(file, (long)first, SEEK_SET);
    fwrite(record, 1, bytes, file);
    ck_assert_int_eq(fclose(file), 0);
    free(record);
    set = open_cache();
    read_all(set, 2);
    fcnn_dataset_close(set);
}
END_TEST

START_TEST(a_file_cut_while_in_use_ends_its_use) {
    const char *path = fill_cache();
    fcnn_dataset *set = open_cache();
    read_one(set, 0, RADIUS);
    ck_assert_int_eq(fake.reads, IMAGES);
    ck_assert_int_eq(truncate(path, 5000), 0);
    read_all(set, IMAGES);
    fcnn_image_sums sums;
    ck_assert_int_eq(set->sums(set, FCNN_SPLIT_TRAIN, 2, &sums), FCNN_OK);
    ck_assert_uint_eq(sums.pixels, 12 * 10);
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    ck_assert_ptr_nonnull(strstr(usage.stopped, "cut the file"));
    ck_assert_int_eq(usage.stored, 0);
    fcnn_dataset_close(set);
}
END_TEST

/* Somebody cuts the file, and it grows again: zeros in the place of records that were read before
 * are not taken for spectra. */
START_TEST(a_file_cut_and_grown_while_in_use_is_mended) {
    const char *path = fill_cache();
    fcnn_dataset *set = open_cache();
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    size_t bytes, within = record_at(&usage, 5, &bytes);
    read_all(set, 0);
    ck_assert_int_eq(truncate(path, (off_t)(within + bytes / 2)), 0);
    ck_assert_int_eq(truncate(path, (off_t)usage.bytes), 0);
    read_all(set, IMAGES - 5);
    read_all(set, 0);
    fcnn_dataset_close(set);
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* ---- No room, no permission ---- */

/* Files of this process end here; nothing may be asserted meanwhile, as that writes to a file. */
static struct rlimit usual_limit;

static void limit_files(rlim_t bytes) {
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &usual_limit), 0);
    struct rlimit little = {bytes, usual_limit.rlim_max};
    setrlimit(RLIMIT_FSIZE, &little);
}

static void end_limit(void) { setrlimit(RLIMIT_FSIZE, &usual_limit); }

START_TEST(without_room_there_is_no_cache) {
    fcnn_spectra_options options = with_cache(below("cache"));
    fcnn_dataset *set;
    char *notes;
    limit_files(20000);
    fcnn_status status = fcnn_spectra_open(&options, &set, &notes);
    end_limit();
    ck_assert_int_eq(status, FCNN_OK);
    ck_assert_ptr_nonnull(strstr(notes, "no cache: "));
    ck_assert_ptr_nonnull(strstr(notes, "cannot be made: File too large"));
    free(notes);
    ck_assert_str_eq(fcnn_spectra_used(set).path, "");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    /* More than any disk has. */
    options.radius = FCNN_RADIUS_MAX;
    uint64_t *many = calloc(100000, sizeof *many);
    ck_assert_ptr_nonnull(many);
    fake.base.contents[FCNN_SPLIT_HELD_OUT] = many;
    fake.base.count[FCNN_SPLIT_HELD_OUT] = 100000;
    fcnn_dataset_close(open_noting(options, "no cache|No space left"));
    free(many);
    ck_assert_int_eq(files_in(below("cache")), 0);
}
END_TEST

START_TEST(a_write_that_fails_ends_writing_not_reading) {
    fcnn_dataset *set = open_cache();
    for (int i = 0; i < 5; i++) read_one(set, i, RADIUS);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    limit_files(HEADER_BYTES);
    int failed = 0;
    for (int i = 0; i < TRAIN; i++) {
        fcnn_image image;
        failed += set->read(set, FCNN_SPLIT_TRAIN, i, &image) != FCNN_OK;
        fcnn_image_clear(&image);
    }
    end_limit();
    signal(SIGXFSZ, handler);
    ck_assert_int_eq(failed, 0);
    ck_assert_int_eq(fake.reads, TRAIN);
    read_all(set, IMAGES - 5); /* what is there is used on */
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    ck_assert_int_eq(usage.stored, 5);
    ck_assert_ptr_nonnull(strstr(usage.stopped, "not written any more: File too large"));
    fcnn_dataset_close(set);
    set = open_cache();
    read_all(set, IMAGES - 5);
    read_all(set, 0);
    fcnn_dataset_close(set);
}
END_TEST

/* Root may write everywhere, so the test goes on as a user who may not. */
static void leave_root(void) {
    if (geteuid() == 0) ck_assert_int_eq(seteuid(65534), 0);
}

START_TEST(a_read_only_cache_is_read) {
    const char *path = fill_cache();
    change_byte(path, TABLE + 8 * 17); /* one record is a miss */
    ck_assert_int_eq(chmod(root, 0755) | chmod(path, 0444) | chmod(below("cache"), 0555), 0);
    leave_root();
    for (int run = 0; run < 2; run++) {
        fcnn_dataset *set = open_cache();
        read_all(set, 1);
        read_all(set, 1);
        fcnn_image_sums sums;
        ck_assert_int_eq(set->sums(set, FCNN_SPLIT_TRAIN, 17, &sums), FCNN_OK);
        ck_assert_str_eq(fcnn_spectra_used(set).stopped, "");
        fcnn_dataset_close(set);
    }
    change_images(1);
    fcnn_dataset *set = open_noting(with_cache(below("cache")), "no cache|Permission denied");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    set = open_noting(with_cache(below("cache/deeper")), "no cache|cannot be created|Permission");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    if (getuid() == 0) ck_assert_int_eq(seteuid(0), 0);
    ck_assert_int_eq(chmod(below("cache"), 0755), 0);
}
END_TEST

START_TEST(what_is_no_file_or_folder_is_no_cache) {
    write_file(below("file"), "x", 1);
    fcnn_dataset *set = open_noting(with_cache(below("file")), "no cache|file");
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    const char *path = fill_cache();
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    fcnn_dataset_close(open_noting(with_cache(below("cache")), "no cache|expected a file"));
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0666), 0);
    fcnn_dataset_close(open_noting(with_cache(below("cache")), "no cache|expected a file"));
}
END_TEST

/* ---- Several processes ---- */

/* A process that opens the cache and reads every image, the first one at `first`. */
static pid_t start_reader(int first) {
    fcnn_spectra_options options = with_cache(below("cache"));
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child) return child;
    fcnn_dataset *set;
    char *notes;
    int wrong = fcnn_spectra_open(&options, &set, &notes) || *notes;
    for (int i = 0; i < IMAGES && !wrong; i++) {
        int n = (first + i) % IMAGES;
        fcnn_image image;
        wrong = set->read(set, split_of(n), index_of(n), &image);
        if (!wrong) fcnn_image_clear(&image);
    }
    wrong |= !wrong && !*fcnn_spectra_used(set).path;
    _exit(wrong);
}

static void wait_for(pid_t child, bool killed) {
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

START_TEST(processes_that_fill_one_cache_share_it) {
    for (int round = 0; round < 5; round++) {
        pid_t readers[3];
        fake.wait = 100000;
        for (int i = 0; i < 3; i++) readers[i] = start_reader(i * 5 * round);
        for (int i = 0; i < 3; i++) wait_for(readers[i], false);
        fake.wait = 0;
        fcnn_dataset *set = open_cache();
        read_all(set, 0);
        unlink(fcnn_spectra_used(set).path);
        fcnn_dataset_close(set);
        ck_assert_int_eq(files_in(below("cache")), 0);
    }
}
END_TEST

START_TEST(a_process_killed_while_it_fills_leaves_a_good_cache) {
    for (long microseconds = 100; microseconds < 40000; microseconds = microseconds * 3 / 2) {
        fake.wait = 100000;
        pid_t reader = start_reader(0);
        nanosleep(&(struct timespec){0, microseconds * 1000}, NULL);
        kill(reader, SIGKILL);
        wait_for(reader, true);
        fake.wait = 0;
        fcnn_dataset *set = open_cache();
        int left = IMAGES - (int)fcnn_spectra_used(set).stored;
        read_all(set, left);
        unlink(fcnn_spectra_used(set).path);
        fcnn_dataset_close(set);
    }
    /* One killed while it made the file. */
    const char *path = fill_cache();
    char fresh[PATH_BYTES + 8];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    ck_assert_int_eq(rename(path, fresh), 0);
    fcnn_dataset *set = open_cache();
    read_all(set, IMAGES);
    fcnn_dataset_close(set);
    ck_assert_int_eq(files_in(below("cache")), 1);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("spectra_file");
    TCase *faults = add_spectra_case(suite, "faults");
    tcase_add_test(faults, stale_files_are_made_anew_beside_a_run_that_uses_them);
    tcase_add_test(faults, exchanged_images_are_told_apart);
    tcase_add_test(faults, moved_and_shared_images_are_found_again);
    tcase_add_test(faults, files_of_another_version_are_replaced);
    tcase_add_test(faults, truncated_and_foreign_files_are_made_anew);
    tcase_add_test(faults, every_damaged_byte_of_the_header_is_noticed);
    tcase_add_test(faults, a_lying_header_is_noticed);
    tcase_add_test(faults, damaged_records_are_read_again_and_mended);
    tcase_add_test(faults, records_that_lie_are_read_again);
    tcase_add_test(faults, a_file_cut_while_in_use_ends_its_use);
    tcase_add_test(faults, a_file_cut_and_grown_while_in_use_is_mended);
    TCase *room = add_spectra_case(suite, "room");
    tcase_add_test(room, without_room_there_is_no_cache);
    tcase_add_test(room, a_write_that_fails_ends_writing_not_reading);
    tcase_add_test(room, a_read_only_cache_is_read);
    tcase_add_test(room, what_is_no_file_or_folder_is_no_cache);
    TCase *processes = add_spectra_case(suite, "processes");
    tcase_add_test(processes, processes_that_fill_one_cache_share_it);
    tcase_add_test(processes, a_process_killed_while_it_fills_leaves_a_good_cache);
    return run_suite(suite);
}
