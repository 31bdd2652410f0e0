/* The form of a cache file: its header, and where its parts lie. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "band.h"
#include "number.h"
#include "spectra_cache.h"

enum { VERSION = 3, BYTE_ORDER_MARK = 0x01020304, ALIGNMENT = 64 };

static const char magic[8] = {'f', 'c', 'n', 'n', 's', 'p', 'e', 'c'};

static_assert(sizeof(fcnn_cache_header) == FCNN_CACHE_HEADER_BYTES, "the header has no gaps");
static_assert(sizeof(fcnn_cache_record) == 128, "a record's bins are aligned");

size_t fcnn_cache_record_bytes(int channels, int radius, fcnn_number type) {
    size_t number = type == FCNN_FLOAT16 ? sizeof(uint16_t) : sizeof(float);
    size_t bins = (size_t)channels * (size_t)fcnn_band_count(radius) * 2 * number;
    return sizeof(fcnn_cache_record) + (size_t)fcnn_align_up((int64_t)bins, ALIGNMENT);
}

/* ---- What a file is made of ---- */

/* Writes down all that decides what a spectrum is, but for the radius and the image itself. */
static void describe_settings(const fcnn_cache_key *key, char *text, size_t bytes) {
    static const char *const paddings[] = {"none", "zero", "reflect"};
    const fcnn_placement *p = &key->placement;
    char crop[40] = "stretch", margin[40] = "";
    if (p->crop) fcnn_number_format(crop, sizeof crop, "crop %.17g", p->crop_fraction);
    if (p->padding) fcnn_number_format(margin, sizeof margin, " %.17g", p->margin);
    snprintf(text, bytes,
             "\nspectra of images\nplacement: %s\npadding: %s%s\nchannels: %d\nnumbers: %s\n", crop,
             paddings[p->padding], margin, key->channels,
             key->type == FCNN_FLOAT16 ? "half" : "float");
}

static uint32_t header_crc(const fcnn_cache_header *header) {
    fcnn_cache_header copy = *header;
    copy.crc = 0;
    return (uint32_t)crc32_z(0, (const unsigned char *)&copy, sizeof copy);
}

void fcnn_cache_fill_header(const fcnn_cache_key *key, fcnn_cache_header *header) {
    char settings[256];
    describe_settings(key, settings, sizeof settings);
    *header = (fcnn_cache_header){
        .version = VERSION,
        .byte_order = BYTE_ORDER_MARK,
        .settings_hash = fcnn_fingerprint(FCNN_FINGERPRINT, settings, strlen(settings)),
        .fingerprint = FCNN_FINGERPRINT,
        .record_bytes = (int64_t)fcnn_cache_record_bytes(key->channels, key->radius, key->type),
        .channels = key->channels,
        .radius = key->radius,
        .type = (int32_t)key->type};
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        header->fingerprint = fcnn_fingerprint(header->fingerprint, key->contents[s],
                                               (size_t)key->count[s] * sizeof *key->contents[s]);
    memcpy(header->magic, magic, sizeof magic);
    memcpy(header->count, key->count, sizeof header->count);
    /* A longer name is cut. */
    int length = snprintf(header->settings, sizeof header->settings, "%s", settings);
    snprintf(header->settings + length, sizeof header->settings - (size_t)length, "data: %.3600s\n",
             key->data);
    header->crc = header_crc(header);
}

bool fcnn_cache_lay_out(const fcnn_cache_header *header, fcnn_cache_file *file) {
    size_t images = 0, table, records;
    file->radius = header->radius;
    file->record_bytes = (size_t)header->record_bytes;
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++)
        if (__builtin_add_overflow(images, (size_t)header->count[s], &images)) return false;
    if (__builtin_mul_overflow(images, sizeof(uint64_t), &table) ||
        __builtin_mul_overflow(images, file->record_bytes, &records) || table > SIZE_MAX / 4)
        return false;
    file->table_at = FCNN_CACHE_HEADER_BYTES + table;
    file->records_at = (size_t)fcnn_align_up((int64_t)(file->table_at + table), ALIGNMENT);
    return !__builtin_add_overflow(file->records_at, records, &file->bytes) &&
           file->bytes <= INT64_MAX;
}

/* ---- Reading and writing ---- */

bool fcnn_cache_read_at(int descriptor, void *bytes, size_t count, size_t at) {
    for (char *to = bytes; count;) {
        ssize_t got = pread(descriptor, to, count, (off_t)at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        to += got;
        at += (size_t)got;
        count -= (size_t)got;
    }
    return true;
}

bool fcnn_cache_write_at(int descriptor, const void *bytes, size_t count, size_t at) {
    for (const char *from = bytes; count;) {
        ssize_t written = pwrite(descriptor, from, count, (off_t)at);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        from += written;
        at += (size_t)written;
        count -= (size_t)written;
    }
    return true;
}

const char *fcnn_cache_read_header(const fcnn_cache_header *wanted, fcnn_cache_file *file,
                                   fcnn_cache_header *found) {
    struct stat info;
    *found = (fcnn_cache_header){.version = 0};
    ssize_t got = pread(file->descriptor, found, sizeof *found, 0);
    if (got < (ssize_t)sizeof magic || memcmp(found->magic, magic, sizeof magic) != 0)
        return "it is no cache of spectra";
    if (got < (ssize_t)sizeof *found) return "it is cut short";
    if (found->byte_order != BYTE_ORDER_MARK) return "it was written by another kind of machine";
    if (found->version != VERSION) return "it was written by another version of fcnn";
    if (found->crc != header_crc(found)) return "its header is damaged";
    if (found->settings_hash != wanted->settings_hash || found->channels != wanted->channels ||
        found->type != wanted->type)
        return "it was made with other settings";
    if (found->radius < wanted->radius) return "its spectra have a smaller radius than is needed";
    if (found->radius > FCNN_RADIUS_MAX ||
        found->record_bytes != (int64_t)fcnn_cache_record_bytes(found->channels, found->radius,
                                                                (fcnn_number)found->type) ||
        !fcnn_cache_lay_out(found, file))
        return "its header is damaged";
    if (fstat(file->descriptor, &info) || info.st_size < (off_t)file->bytes)
        return "it is cut short";
    return NULL;
}
