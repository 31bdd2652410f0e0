/* The tables behind folder_names.h. */
#include "folder_names.h"

#include <string.h>

#include "image_file.h"
#include "text.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
    const char *name;
    fcnn_split split;
} splits[] = {{"train", FCNN_SPLIT_TRAIN},  {"training", FCNN_SPLIT_TRAIN},
              {"val", FCNN_SPLIT_HELD_OUT}, {"valid", FCNN_SPLIT_HELD_OUT},
              {"dev", FCNN_SPLIT_HELD_OUT}, {"validation", FCNN_SPLIT_HELD_OUT},
              {"test", FCNN_SPLIT_TEST},    {"testing", FCNN_SPLIT_TEST}};

bool fcnn_folder_names_split(const char *name, fcnn_split *split) {
    for (size_t i = 0; i < COUNT(splits); i++)
        if (fcnn_text_same(name, splits[i].name)) {
            *split = splits[i].split;
            return true;
        }
    return false;
}

bool fcnn_folder_name_is_reserved(const char *name) {
    return !strcmp(name, "train") || !strcmp(name, "val") || !strcmp(name, "test");
}

bool fcnn_folder_name_is_systems(const char *name) {
    static const char *const known[] = {"Thumbs.db",    "ehthumbs.db", "desktop.ini",
                                        "Icon\r",       "__MACOSX",    "@eaDir",
                                        "$RECYCLE.BIN", "lost+found",  "System Volume Information"};
    if (name[0] == '.') return true;
    for (size_t i = 0; i < COUNT(known); i++)
        if (fcnn_text_same(name, known[i])) return true;
    return false;
}

bool fcnn_folder_name_is_image(const char *name) {
    static const char *const known[] = {"jpg", "jpeg", "jpe",  "jfif", "png",
                                        "bmp", "gif",  "webp", "tif",  "tiff"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < COUNT(known); i++)
        if (fcnn_text_same(dot + 1, known[i])) return true;
    return false;
}

const char *fcnn_folder_name_format(const char *name) {
    static const struct {
        const char *extension, *format;
    } known[] = {{"heic", "HEIC"},         {"heif", "HEIC"},       {"avif", "AVIF"},
                 {"jxl", "JPEG XL"},       {"jp2", "JPEG 2000"},   {"j2k", "JPEG 2000"},
                 {"svg", "SVG"},           {"psd", "Photoshop"},   {"ico", "icon"},
                 {"tga", "TGA"},           {"pgm", "PNM"},         {"ppm", "PNM"},
                 {"pbm", "PNM"},           {"pnm", "PNM"},         {"exr", "OpenEXR"},
                 {"hdr", "Radiance"},      {"dcm", "DICOM"},       {"dds", "DDS"},
                 {"cr2", "Canon RAW"},     {"cr3", "Canon RAW"},   {"nef", "Nikon RAW"},
                 {"arw", "Sony RAW"},      {"orf", "Olympus RAW"}, {"raf", "Fuji RAW"},
                 {"rw2", "Panasonic RAW"}, {"dng", "RAW"},         {"raw", "RAW"},
                 {"srw", "Samsung RAW"},   {"pef", "Pentax RAW"},  {"nrw", "Nikon RAW"},
                 {"sr2", "Sony RAW"},      {"hif", "HEIC"},        {"heics", "HEIC"},
                 {"avifs", "AVIF"},        {"jpx", "JPEG 2000"},   {"jpf", "JPEG 2000"},
                 {"svgz", "SVG"},          {"eps", "PostScript"},  {"ps", "PostScript"},
                 {"pdf", "PDF"},           {"ai", "Illustrator"},  {"xcf", "GIMP"},
                 {"psb", "Photoshop"},     {"pcx", "PCX"},         {"qoi", "QOI"},
                 {"emf", "EMF"},           {"wmf", "WMF"}};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < COUNT(known); i++)
        if (fcnn_text_same(dot + 1, known[i].extension)) return known[i].format;
    return NULL;
}

bool fcnn_folder_name_is_picture(const char *name) {
    return fcnn_folder_name_is_image(name) || fcnn_folder_name_format(name);
}

fcnn_status fcnn_folder_name_refuse(const char *path) {
    const char *format = fcnn_folder_name_format(path);
    if (!format)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: not named " FCNN_FOLDER_NAMES, path);
    return fcnn_status_set(FCNN_ERROR_FORMAT,
                           "%s: is %s, which fcnn does not read; expected " FCNN_IMAGE_FORMATS,
                           path, format);
}
