/* A folder of images: each part is a path's line, then a file's bytes. */
#include <sys/stat.h>
#include <unistd.h>

#include "data.h"

enum { FILES = 12, DEPTH = 4 };

/* Makes the file and the folders above it; whatever is no such path is left out. */
static void make_file(const char *root, fuzz_part part) {
    const uint8_t *newline = part.count ? memchr(part.bytes, '\n', part.count) : NULL;
    size_t length = newline ? (size_t)(newline - part.bytes) : 0;
    char path[512];
    if (!length || length > 200 || memchr(part.bytes, 0, length)) return;
    int used = snprintf(path, sizeof path, "%s/%.*s", root, (int)length, (const char *)part.bytes);
    if (used < 0 || strstr(path, "/../") || strstr(path, "//") || path[used - 1] == '.' ||
        path[used - 1] == '/')
        return;
    int depth = 0;
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        if (++depth > DEPTH) return;
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *file = fopen(path, "wb");
    if (!file) return; /* a folder, or below a file */
    fwrite(newline + 1, 1, part.count - length - 1, file);
    fclose(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_part parts[FILES];
    int count = fuzz_split((fuzz_part){data, size}, parts, FILES);
    const char *root = fuzz_path("images");
    mkdir(root, 0777);
    for (int i = 0; i < count; i++) make_file(root, parts[i]);
    fuzz_dataset(root);
    fuzz_remove(root);
    return 0;
}
