/* The files of an idx folder, plain or gzipped, and the names of its classes. */
#include <sys/stat.h>
#include <unistd.h>

#include "data.h"

enum { FILES = 5 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const names[FILES] = {
        "idx/train-images-idx3-ubyte", "idx/train-labels-idx1-ubyte", "idx/t10k-images-idx3-ubyte",
        "idx/t10k-labels-idx1-ubyte", "idx/classes.txt"};
    fuzz_part parts[FILES];
    int count = fuzz_split((fuzz_part){data, size}, parts, FILES);
    mkdir(fuzz_path("idx"), 0777);
    for (int i = 0; i < count; i++) fuzz_write(fuzz_path(names[i]), parts[i]);
    fuzz_dataset(fuzz_path("idx"));
    for (int i = 0; i < count; i++) unlink(fuzz_path(names[i]));
    return 0;
}
