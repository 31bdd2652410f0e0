/* The file of a cache of spectra. An input is a list of changes of a good file,
 * which this program makes when it starts: so inputs stay small, whatever the
 * format. A change is 8 bytes:
 *   kind   modulo 4: 0 writes the numbers that follow, 1 cuts the file, 2 makes
 *          the header's checksum right again, 3 that of a record
 *   count  of bytes to write, modulo 9
 *   at     4 bytes, modulo the file's size; of kind 3 the record
 *   value  2 bytes, written again and again */
#include <unistd.h>
#include <zlib.h>

#include "fuzz.h"
#include "spectra_cache.h"

enum {
    TRAIN = 3,
    HELD_OUT = 2,
    IMAGES = TRAIN + HELD_OUT,
    RADIUS = 2,
    CHANGE_BYTES = 8,
    CHANGES_MOST = 32
};

static const uint64_t contents[TRAIN] = {11, 12, 13}; /* of the held-out images the first too */

static uint8_t *good, *bad;
static size_t good_bytes, header_crc_at, table_at;

static fcnn_status read_source(fcnn_dataset *set, fcnn_split split, int64_t index,
                               fcnn_image *image) {
    (void)split, (void)index;
    *image = fuzz_image(set->channels);
    return FCNN_OK;
}

static void describe(fcnn_dataset *set, fcnn_split split, int64_t index, char *text, size_t bytes) {
    (void)set;
    snprintf(text, bytes, "%d/%d", (int)split, (int)index);
}

/* Opens the cache and reads every image from it; gives its path. Returns how many it had. */
static int64_t read_all(char path[512]) {
    static int32_t labels[TRAIN];
    fcnn_dataset source = {.channels = 1,
                           .classes = 1,
                           .count = {TRAIN, HELD_OUT},
                           .labels = {labels, labels},
                           .contents = {contents, contents},
                           .read = read_source,
                           .describe = describe};
    fcnn_spectra_options options = {.source = &source,
                                    .data = "fuzz",
                                    .device = fuzz_device(),
                                    .radius = RADIUS,
                                    .cache = fuzz_path("cache")};
    fcnn_dataset *set = NULL;
    char *notes = NULL;
    fuzz_expect(!fcnn_spectra_open(&options, &set, &notes), "spectra");
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        for (int64_t i = 0; i < source.count[s]; i++) {
            fcnn_image image;
            fcnn_image_sums sums;
            fuzz_expect(!set->read(set, (fcnn_split)s, i, &image), "image %d", (int)i);
            const fcnn_spectrum *spectrum = &image.spectrum;
            size_t number = spectrum->type == FCNN_FLOAT16 ? sizeof(uint16_t) : sizeof(float);
            fuzz_expect(spectrum->radius >= RADIUS, "radius %d", spectrum->radius);
            fuzz_touch(spectrum->bins, 2 * (size_t)(1 + 2 * RADIUS * (RADIUS + 1)) * number);
            fcnn_image_clear(&image);
            if (set->sums) (void)set->sums(set, (fcnn_split)s, i, &sums);
        }
    fcnn_spectra_usage usage = fcnn_spectra_used(set);
    snprintf(path, 512, "%.511s", usage.path);
    fcnn_dataset_close(set);
    free(notes);
    return usage.hits;
}

/* ---- Checksums ---- */

static uint32_t header_crc(const uint8_t *file, size_t at) {
    uint8_t header[FCNN_CACHE_HEADER_BYTES];
    memcpy(header, file, sizeof header);
    memset(header + at, 0, 4);
    return (uint32_t)crc32_z(0, header, sizeof header);
}

/* The place of the header's checksum: it is the one number that is. */
static size_t find_header_crc(void) {
    for (size_t at = 0; at + 4 <= FCNN_CACHE_HEADER_BYTES; at += 4) {
        uint32_t found;
        memcpy(&found, good + at, sizeof found);
        if (found && found == header_crc(good, at)) return at;
    }
    fuzz_fail(__FILE__, __LINE__, "a checksum", "none in the header");
}

/* The place of the table: entries of records that are there begin with the same mark. */
static size_t find_table(void) {
    for (size_t at = FCNN_CACHE_HEADER_BYTES; at + 8 <= good_bytes; at += 8)
        if (!memcmp(good + at + 4, "NNCF", 4)) return at;
    fuzz_fail(__FILE__, __LINE__, "a table", "none behind the header");
}

static void correct_record(uint32_t at) {
    size_t record_bytes = fcnn_cache_record_bytes(1, RADIUS, FCNN_FLOAT32);
    size_t table_end = table_at + sizeof(uint64_t) * IMAGES;
    int64_t place = at % IMAGES;
    size_t record = (table_end + 63) / 64 * 64 + (size_t)place * record_bytes;
    uint8_t *entry = bad + table_at + (size_t)place * sizeof(uint64_t);
    fuzz_expect(record + record_bytes <= good_bytes, "record %d", (int)place);
    const uint64_t *own = &contents[place < TRAIN ? place : place - TRAIN];
    uLong crc = crc32_z(0, (const unsigned char *)own, sizeof *own);
    uint32_t corrected = (uint32_t)crc32_z(crc, bad + record, record_bytes);
    memcpy(entry, &corrected, sizeof corrected);
}

/* ---- Changes ---- */

/* Returns the size that the file is cut to. */
static size_t change(const uint8_t *change, size_t size) {
    uint32_t at;
    memcpy(&at, change + 2, sizeof at);
    switch (change[0] % 4) {
    case 0:
        for (size_t i = 0; i < change[1] % 9u; i++) bad[(at + i) % good_bytes] = change[6 + i % 2];
        break;
    case 1: return at % good_bytes < size ? at % good_bytes : size;
    case 2: {
        uint32_t crc = header_crc(bad, header_crc_at);
        memcpy(bad + header_crc_at, &crc, sizeof crc);
        break;
    }
    default: correct_record(at);
    }
    return size;
}

static void prepare(char path[512]) {
    read_all(path);
    FILE *file = fopen(path, "rb");
    fuzz_expect(file && !fseek(file, 0, SEEK_END), "a cache %s", path);
    good_bytes = (size_t)ftell(file);
    rewind(file);
    good = malloc(good_bytes);
    bad = malloc(good_bytes);
    fuzz_expect(good && bad && fread(good, 1, good_bytes, file) == good_bytes, "a cache");
    fclose(file);
    header_crc_at = find_header_crc();
    table_at = find_table();
    /* What is made right again here is what was right. */
    memcpy(bad, good, good_bytes);
    for (uint32_t i = 0; i < IMAGES; i++) correct_record(i);
    fuzz_expect(!memcmp(bad, good, good_bytes), "the same checksums");
    fuzz_expect(read_all(path) >= IMAGES, "images from the cache");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char path[512];
    char used[512];
    if (!good) prepare(path);
    memcpy(bad, good, good_bytes);
    size_t bytes = good_bytes;
    for (int i = 0; i < CHANGES_MOST && size >= CHANGE_BYTES; i++) {
        bytes = change(data, bytes);
        data += CHANGE_BYTES;
        size -= CHANGE_BYTES;
    }
    fuzz_write(path, (fuzz_part){bad, bytes});
    read_all(used);
    return 0;
}
