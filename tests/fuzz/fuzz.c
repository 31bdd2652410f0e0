/* See fuzz.h. */
#define _GNU_SOURCE /* memmem, nftw */
#include "fuzz.h"

#include <ftw.h>
#include <stdarg.h>
#include <unistd.h>

enum { NETWORK_SIDE = 40, NETWORK_SECTIONS = 16, NETWORK_BYTES = 32 << 20, LENGTH_BYTES = 8 };

void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...) {
    va_list arguments;
    fprintf(stderr, "%s:%d: expected %s: ", file, line, condition);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, "\nlast message: %s\n", fcnn_status_message());
    abort();
}

/* ---- The input ---- */

unsigned fuzz_take(fuzz_part *input) { return input->count ? input->bytes[--input->count] : 0; }

int fuzz_split(fuzz_part input, fuzz_part *parts, int most) {
    static const char mark[] = "\n%%%%\n";
    int count = 0;
    for (;;) {
        const uint8_t *found = count + 1 < most && input.count
                                   ? memmem(input.bytes, input.count, mark, sizeof mark - 1)
                                   : NULL;
        if (!found) break;
        size_t before = (size_t)(found - input.bytes), used = before + sizeof mark - 1;
        parts[count++] = (fuzz_part){input.bytes, before};
        input = (fuzz_part){input.bytes + used, input.count - used};
    }
    parts[count++] = input;
    return count;
}

char *fuzz_text(fuzz_part part) {
    char *text = strndup(part.count ? (const char *)part.bytes : "", part.count);
    fuzz_expect(text, "memory for %zu bytes", part.count);
    return text;
}

/* ---- Files ---- */

static char folder[256];

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}

void fuzz_remove(const char *path) { nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS); }

static void remove_folder(void) { fuzz_remove(folder); }

static void make_folder(void) {
    const char *base = getenv("TMPDIR");
    if (!base || !*base) base = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
    snprintf(folder, sizeof folder, "%s/fcnn-fuzz-XXXXXX", base);
    fuzz_expect(mkdtemp(folder), "a folder %s", folder);
    atexit(remove_folder);
}

const char *fuzz_path(const char *name) {
    static char paths[4][512];
    static int next;
    if (!*folder) make_folder();
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void fuzz_write(const char *path, fuzz_part part) {
    FILE *file = fopen(path, "wb");
    fuzz_expect(file, "%s can be written", path);
    size_t written = part.count ? fwrite(part.bytes, 1, part.count, file) : 0;
    fuzz_expect(fclose(file) == 0 && written == part.count, "%s can be written", path);
}

/* ---- Networks ---- */

fcnn_device *fuzz_device(void) {
    static fcnn_device *device;
    if (!device) fuzz_expect(!fcnn_device_open("cpu", 1, &device), "a device");
    return device;
}

bool fuzz_is_small(const fcnn_config *config) {
    if (config->section_count > NETWORK_SECTIONS) return false;
    for (int i = 1; i < config->section_count; i++) {
        const fcnn_section *section = &config->sections[i];
        for (int j = 0; j < section->entry_count; j++) {
            const fcnn_entry *entry = &section->entries[j];
            if (entry->row->type == FCNN_KEY_INT && strtod(entry->value, NULL) > NETWORK_SIDE)
                return false;
        }
    }
    return true;
}

bool fuzz_fits(const fcnn_graph *graph) {
    const fcnn_memory_plan *plan = fcnn_graph_memory(graph);
    return plan->arena < NETWORK_BYTES && plan->scratch < NETWORK_BYTES;
}

fcnn_image fuzz_image(int channels) {
    enum { SIDE = 9 };
    static uint8_t pixels[SIDE * SIDE * FCNN_IMAGE_CHANNELS_MAX];
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(i * i * 7 + 3 * i);
    return (fcnn_image){.height = SIDE, .width = SIDE, .channels = channels, .pixels = pixels};
}

void fuzz_touch(const void *bytes, size_t count) {
    static volatile unsigned char sum;
    const unsigned char *at = bytes;
    unsigned char all = 0;
    for (size_t i = 0; i < count; i++) all = (unsigned char)(all + at[i]);
    sum = all;
    (void)sum;
}

/* ---- Mutators ---- */

enum { STARTS = 32 };

/* Finds where sections begin, after a line's end or JSON's \n, and where the last one ends. */
static int find_sections(const uint8_t *data, size_t size, size_t starts[STARTS + 1]) {
    int count = 0;
    for (size_t i = 0; i + 1 < size && count < STARTS; i++) {
        bool begins = i == 0 || data[i - 1] == '\n' || data[i - 1] == 'n' || data[i - 1] == '"';
        if (begins && data[i] == '[' && data[i + 1] >= 'a' && data[i + 1] <= 'z')
            starts[count++] = i;
    }
    if (!count) return 0;
    size_t end = starts[count - 1];
    while (end < size && data[end] != '"' && data[end] != '%') end++;
    starts[count] = end;
    return count;
}

size_t fuzz_mutate_config(uint8_t *data, size_t size, size_t most, unsigned seed) {
    size_t starts[STARTS + 1];
    int count = find_sections(data, size, starts);
    if (count < 3 || seed % 4) return LLVMFuzzerMutate(data, size, most);
    unsigned first = seed / 4, second = seed / 4 / STARTS;
    const size_t *from = &starts[1 + first % (unsigned)(count - 1)];
    size_t to = starts[1 + second % (unsigned)(count - 1)];
    size_t at = from[0], length = from[1] - from[0];
    uint8_t *copy = malloc(length + 1);
    fuzz_expect(copy, "memory for %zu bytes", length);
    memcpy(copy, data + at, length);
    if (seed >> 16 & 3) { /* it leaves its place */
        memmove(data + at, data + at + length, size - at - length);
        size -= length;
        if (to > at) to = to - at < length ? at : to - length;
    }
    if ((seed >> 16 & 3) != 1 && size + length <= most) { /* and has another */
        memmove(data + to + length, data + to, size - to);
        memcpy(data + to, copy, length);
        size += length;
    }
    free(copy);
    return size;
}

size_t fuzz_mutate_container(uint8_t *data, size_t size, size_t most, unsigned seed) {
    uint64_t length = 0;
    if (size >= LENGTH_BYTES) memcpy(&length, data, LENGTH_BYTES);
    if (size < LENGTH_BYTES || length > size - LENGTH_BYTES || most > 1 << 20 || seed % 16 == 0)
        return LLVMFuzzerMutate(data, size, most);
    size_t header = (size_t)length, rest = size - LENGTH_BYTES - header;
    uint8_t *floats = data + LENGTH_BYTES + header;
    if (rest && seed % 16 < 3)
        return LENGTH_BYTES + header + LLVMFuzzerMutate(floats, rest, most - LENGTH_BYTES - header);
    /* The header grows or shrinks, and the data move with its end. */
    uint8_t *copy = malloc(rest + 1);
    fuzz_expect(copy, "memory for %zu bytes", rest);
    memcpy(copy, floats, rest);
    header = fuzz_mutate_config(data + LENGTH_BYTES, header, most - LENGTH_BYTES - rest, seed / 16);
    length = header;
    memcpy(data, &length, LENGTH_BYTES);
    memcpy(data + LENGTH_BYTES + header, copy, rest);
    free(copy);
    return LENGTH_BYTES + header + rest;
}
