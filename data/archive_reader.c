/* libarchive reads the archives. zlib takes gzip off beneath it, because
 * libarchive does not compare gzip's checksum, and liblzma xz, because
 * libarchive bounds its memory by nothing. Names are converted under a
 * locale of UTF-8 that this thread has meanwhile: in the C locale, which a
 * program has unless it calls setlocale, libarchive would lose some. */
#include "archive_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "text.h"
#include "xz.h"

enum { BLOCK_BYTES = 1 << 16 };

struct fcnn_archive {
    fcnn_stream member; /* the current file; first, as read_member casts it to this struct */
    fcnn_stream file;   /* the archive itself */
    fcnn_xz *xz;        /* decodes it; NULL: not needed */
    struct archive *reader;
    struct archive_entry *entry; /* of the current member */
    const char *name;            /* the current file's; NULL before the first and behind the last */
    locale_t utf8;               /* 0 where the system has no such locale */
    fcnn_status status;          /* what became of reading `file`; this thread has its message */
    unsigned char block[BLOCK_BYTES];
};

/* ---- What libarchive calls ---- */

static la_ssize_t read_block(struct archive *reader, void *user, const void **block) {
    fcnn_archive *archive = user;
    size_t found = 0;
    (void)reader;
    *block = archive->block;
    if (!archive->status)
        archive->status =
            archive->xz ? fcnn_xz_read(archive->xz, archive->block, BLOCK_BYTES, &found)
                        : fcnn_stream_read(&archive->file, archive->block, BLOCK_BYTES, &found);
    if (!archive->status && !found && archive->file.end)
        archive->status = fcnn_status_set(FCNN_ERROR_FORMAT, "%s: truncated: %s",
                                          archive->file.path, archive->file.end);
    return archive->status ? ARCHIVE_FATAL : (la_ssize_t)found;
}

/* libarchive seeks in a zip, which has its table of contents at its end. */
static la_int64_t seek(struct archive *reader, void *user, la_int64_t offset, int whence) {
    fcnn_archive *archive = user;
    struct stat info = {.st_size = 0};
    (void)reader;
    if (whence == SEEK_CUR) offset += gztell(archive->file.file);
    if (whence == SEEK_END && stat(archive->file.path, &info)) return ARCHIVE_FATAL;
    z_off_t at = gzseek(archive->file.file, (z_off_t)(offset + info.st_size), SEEK_SET);
    return at < 0 ? ARCHIVE_FATAL : at;
}

/* ---- Reading ---- */

static fcnn_status failure(const fcnn_archive *archive) {
    const char *why = archive_error_string(archive->reader), *name = archive->name;
    if (archive->status) return archive->status;
    if (archive_errno(archive->reader) == ENOMEM)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", archive->file.path);
    if (!why) why = "truncated: it ends too early";
    return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: %s: %s%s%.*s", archive->file.path,
                           archive_format(archive->reader) ? "damaged archive"
                                                           : "not a tar or zip archive, or damaged",
                           name ? name : "", name ? ": " : "", (int)strcspn(why, "\n"),
                           why); /* some end a line */
}

static fcnn_status read_member(fcnn_stream *member, void *data, size_t bytes, size_t *found) {
    fcnn_archive *archive = (fcnn_archive *)member;
    la_ssize_t got = archive_read_data(archive->reader, data, bytes);
    *found = got < 0 ? 0 : (size_t)got;
    return got < 0 ? failure(archive) : FCNN_OK;
}

/* Members of a zip may be compressed in ways that take as much memory as the file likes: LZMA 4
 * GiB, PPMd 256 MiB. After a header libarchive names the way: "ZIP 2.0 (deflation)". */
static fcnn_status check_compression(const fcnn_archive *archive) {
    static const char *const known[] = {"(uncompressed)", "(deflation)", "(bzip)"};
    const char *name = archive_format_name(archive->reader);
    if ((archive_format(archive->reader) & ARCHIVE_FORMAT_BASE_MASK) != ARCHIVE_FORMAT_ZIP || !name)
        return FCNN_OK;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strstr(name, known[i])) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: %s: is compressed as %s; expected a zip's usual deflation",
                           archive->file.path, archive->name, name);
}

/* Goes over what is left of the current file. Skipping it would be left to libarchive, which then
 * neither compares a checksum nor tells where a file is cut. */
static fcnn_status finish_member(fcnn_archive *archive) {
    const void *block;
    size_t bytes;
    la_int64_t at;
    int result = archive->name ? ARCHIVE_OK : ARCHIVE_EOF;
    while (result == ARCHIVE_OK)
        result = archive_read_data_block(archive->reader, &block, &bytes, &at);
    return result == ARCHIVE_EOF ? FCNN_OK : failure(archive);
}

/* Whether a header may be used. libarchive warns of a name or an owner in another coding, and of
 * sizes that contradict each other; names are passed on as they are, and sizes are compared when
 * the file is read. What it warns of otherwise is damage. */
static bool is_usable(struct archive *reader, int result) {
    return result == ARCHIVE_OK || (result == ARCHIVE_WARN && archive_errno(reader) == EILSEQ);
}

/* Some formats tell in the header; of others reading fails. */
static fcnn_status check_encryption(const fcnn_archive *archive, struct archive_entry *entry) {
    if (!archive_entry_is_encrypted(entry)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: %s: is encrypted; expected an archive without a password",
                           archive->file.path, archive->name);
}

fcnn_status fcnn_archive_next_member(fcnn_archive *archive, fcnn_archive_member *member) {
    struct archive_entry *entry = archive->entry;
    int result;
    bool link = false, file = false;
    *member = (fcnn_archive_member){0};
    do {
        FCNN_TRY(finish_member(archive));
        locale_t before = uselocale(archive->utf8);
        result = archive_read_next_header2(archive->reader, entry);
        bool usable = is_usable(archive->reader, result);
        archive->name = usable ? archive_entry_pathname(entry) : NULL;
        member->link = usable ? archive_entry_hardlink(entry) : NULL;
        member->symbolic = usable && !member->link && archive_entry_filetype(entry) == AE_IFLNK;
        if (member->symbolic) member->link = archive_entry_symlink(entry);
        uselocale(before);
        if (!archive->name) break;
        FCNN_TRY(check_encryption(archive, entry));
        FCNN_TRY(check_compression(archive));
        link = member->link != NULL;
        file = !link && archive_entry_filetype(entry) == AE_IFREG;
    } while (!link && !file);
    if (archive->status || (!archive->name && result != ARCHIVE_EOF)) return failure(archive);
    member->name = archive->name;
    if (member->name && file) member->size = (uint64_t)archive_entry_size(entry);
    return FCNN_OK;
}

fcnn_status fcnn_archive_next(fcnn_archive *archive, const char **name, uint64_t *size) {
    fcnn_archive_member member;
    *name = NULL;
    do FCNN_TRY(fcnn_archive_next_member(archive, &member));
    while (member.name && member.link);
    *name = member.name;
    if (*name) *size = member.size;
    return FCNN_OK;
}

fcnn_stream *fcnn_archive_file(fcnn_archive *archive) { return &archive->member; }

/* ---- Opening ---- */

bool fcnn_archive_is_named(const char *path) {
    static const char *const endings[] = {".tar",     ".tar.gz", ".tgz",      ".tar.bz2",
                                          ".tbz2",    ".tbz",    ".tar.xz",   ".txz",
                                          ".tar.zst", ".tzst",   ".tar.zstd", ".zip"};
    size_t length = strlen(path);
    struct stat info;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t end = strlen(endings[i]);
        if (length > end && fcnn_text_same(path + length - end, endings[i]))
            return !stat(path, &info) && S_ISREG(info.st_mode);
    }
    return false;
}

/* Takes xz off where the file has it. */
static fcnn_status look_for_xz(fcnn_archive *archive) {
    unsigned char magic[FCNN_XZ_MAGIC_BYTES];
    size_t found;
    FCNN_TRY(fcnn_stream_read(&archive->file, magic, sizeof magic, &found));
    if (gzrewind(archive->file.file))
        return fcnn_status_set(FCNN_ERROR_IO, "%s: cannot be read again: %s", archive->file.path,
                               strerror(errno));
    if (found < sizeof magic || !fcnn_xz_is_magic(magic)) return FCNN_OK;
    return fcnn_xz_open(&archive->file, &archive->xz);
}

/* libarchive has formats and filters that would run other programs or open other files: only
 * these are allowed. */
static fcnn_status start(fcnn_archive *archive) {
    struct archive *reader = archive->reader = archive_read_new();
    archive->entry = archive_entry_new(); /* a reader may be there without one of its own */
    if (!reader || !archive->entry)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", archive->file.path);
    bool seeks = !archive->xz && gzdirect(archive->file.file);
    /* A reader that was told half of this would end the program. */
    int told = archive_read_support_filter_bzip2(reader);
    told |= archive_read_support_filter_zstd(reader);
    told |= archive_read_support_format_tar(reader);
    told |= archive_read_support_format_zip(reader);
    /* A tar is then read to the end of the file, where its compression has a checksum. */
    told |= archive_read_set_option(reader, "tar", "read_concatenated_archives", "1");
    told |= archive_read_set_callback_data(reader, archive);
    told |= archive_read_set_read_callback(reader, read_block);
    if (seeks) told |= archive_read_set_seek_callback(reader, seek);
    if (told != ARCHIVE_OK)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", archive->file.path);
    return archive_read_open1(reader) ? failure(archive) : FCNN_OK;
}

fcnn_status fcnn_archive_open(const char *path, fcnn_archive **out) {
    *out = NULL;
    fcnn_archive *archive = calloc(1, sizeof *archive);
    if (!archive) return fcnn_status_set(FCNN_ERROR_MEMORY, "%s: out of memory", path);
    archive->member = (fcnn_stream){.path = path, .read = read_member};
    fcnn_status status = fcnn_stream_open(path, &archive->file);
    archive->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!status) status = look_for_xz(archive);
    if (!status) status = start(archive);
    if (status)
        fcnn_archive_close(archive);
    else
        *out = archive;
    return status;
}

void fcnn_archive_close(fcnn_archive *archive) {
    archive_read_free(archive->reader);
    archive_entry_free(archive->entry);
    fcnn_xz_close(archive->xz);
    if (archive->utf8) freelocale(archive->utf8);
    fcnn_stream_close(&archive->file);
    free(archive);
}
