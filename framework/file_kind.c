/* The table of first bytes. */
#include "file_kind.h"

#include <stdbool.h>
#include <string.h>

#include "text.h"

/* Bytes at a place that tell a kind of file; of two that fit the first counts. */
static const struct {
    const char *what;
    size_t at, bytes;
    const char *mark;
} marks[] = {
    {"a model (safetensors)", 8, 2, "{\""}, /* behind the header's length */
    {"a JPEG image", 0, 3, "\xff\xd8\xff"},
    {"a PNG image", 0, 8, "\x89PNG\r\n\x1a\n"},
    {"a GIF image", 0, 4, "GIF8"},
    {"a BMP image", 0, 2, "BM"},
    {"a WebP image", 8, 4, "WEBP"},
    {"a RAW image (Canon)", 8, 2, "CR"}, /* inside a TIFF */
    {"a TIFF image", 0, 4, "II*\0"},
    {"a TIFF image", 0, 4, "MM\0*"},
    {"an AVIF image", 4, 8, "ftypavif"},
    {"an AVIF image", 4, 8, "ftypavis"},
    {"a RAW image (Canon)", 4, 7, "ftypcrx"},
    {"a HEIC image", 4, 7, "ftyphei"},
    {"a HEIC image", 4, 7, "ftyphev"},
    {"a HEIC image", 4, 7, "ftypmif"},
    {"a HEIC image", 4, 7, "ftypmsf"},
    {"a video", 4, 4, "ftyp"},
    {"a RAW image (Fuji)", 0, 8, "FUJIFILM"},
    {"a RAW image (Olympus)", 0, 4, "IIRO"},
    {"a RAW image (Panasonic)", 0, 4, "IIU\0"},
    {"a Photoshop file", 0, 4, "8BPS"},
    {"a JPEG XL image", 0, 2, "\xff\x0a"},
    {"a JPEG XL image", 4, 4, "JXL "},
    {"a JPEG 2000 image", 4, 4, "jP  "},
    {"a JPEG 2000 image", 0, 4, "\xff\x4f\xff\x51"},
    {"a Windows icon", 0, 4, "\0\0\1\0"},
    {"a DirectDraw surface", 0, 4, "DDS "},
    {"an OpenEXR image", 0, 4, "\x76\x2f\x31\x01"},
    {"a Radiance image", 0, 10, "#?RADIANCE"},
    {"a DICOM image", 128, 4, "DICM"},
    {"a PNM image", 0, 3, "P5\n"},
    {"a PNM image", 0, 3, "P6\n"},
    {"a PDF", 0, 4, "%PDF"},
    {"a PostScript file", 0, 4, "%!PS"},
    {"a GIMP image", 0, 9, "gimp xcf "},
    {"a zip archive (PyTorch's .pt files are such)", 0, 4, "PK\3\4"},
    {"a gzip file", 0, 2, "\x1f\x8b"},
    {"an xz file", 0, 6, "\xfd\x37zXZ\0"},
    {"a NumPy array", 0, 6, "\x93NUMPY"},
    {"an HDF5 file (as of Keras)", 0, 4, "\x89HDF"},
    {"a program", 0, 4, "\x7f\x45LF"},
    {"a pointer of Git LFS, not the file itself", 0, 25, "version https://git-lfs.g"},
};

/* Tells texts by what stands in their beginning. */
static const char *text_kind(const char *text) {
    static const struct {
        const char *what, *mark;
    } kinds[] = {{"a cfg", "[net]"},
                 {"an SVG drawing", "<svg"},
                 {"an HTML page, as of a failed download", "<html"},
                 {"an HTML page, as of a failed download", "<HTML"},
                 {"an HTML page, as of a failed download", "<!DOCTYPE"},
                 {"an HTML page, as of a failed download", "<!doctype"},
                 {"an XML text", "<?xml"}};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        if (strstr(text, kinds[k].mark)) return kinds[k].what;
    for (const char *at = text; *at;) {
        int bytes = fcnn_text_character(at);
        bool cut = strlen(at) < 4; /* of the last character a part may be missing */
        if ((!bytes && !cut) || ((unsigned char)*at < ' ' && !strchr("\t\r\n", *at))) return NULL;
        at += bytes ? bytes : 1;
    }
    return "a text";
}

const char *fcnn_file_mark(const uint8_t *start, size_t count) {
    for (size_t k = 0; k < sizeof marks / sizeof marks[0]; k++)
        if (marks[k].at + marks[k].bytes <= count &&
            !memcmp(start + marks[k].at, marks[k].mark, marks[k].bytes))
            return marks[k].what;
    return NULL;
}

const char *fcnn_file_kind(const uint8_t *start, size_t count) {
    char text[FCNN_FILE_KIND_BYTES + 1];
    const char *what = fcnn_file_mark(start, count);
    if (count > FCNN_FILE_KIND_BYTES) count = FCNN_FILE_KIND_BYTES;
    if (!count) return "an empty file";
    memcpy(text, start, count);
    text[count] = '\0';
    if (!what && strlen(text) == count) what = text_kind(text);
    return what ? what : "another kind of file";
}
