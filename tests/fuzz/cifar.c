/* CIFAR from an archive, which is the whole input, or from the files of a folder
 * where the input has marks. */
#include <sys/stat.h>
#include <unistd.h>

#include "data.h"

enum { FILES = 7 };

static void read_folder(const fuzz_part *parts, int count) {
    static const char *const names[2][FILES] = {
        {"cifar/train.bin", "cifar/test.bin", "cifar/fine_label_names.txt", "cifar/1", "cifar/2",
         "cifar/3", "cifar/data_batch_1.bin"},
        {"cifar/data_batch_1.bin", "cifar/data_batch_2.bin", "cifar/data_batch_3.bin",
         "cifar/data_batch_4.bin", "cifar/data_batch_5.bin", "cifar/test_batch.bin",
         "cifar/batches.meta.txt"}};
    const char *const *name = names[count > 4];
    mkdir(fuzz_path("cifar"), 0777);
    for (int i = 0; i < count; i++) fuzz_write(fuzz_path(name[i]), parts[i]);
    fuzz_dataset(fuzz_path("cifar"));
    for (int i = 0; i < count; i++) unlink(fuzz_path(name[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_part parts[FILES];
    int count = fuzz_split((fuzz_part){data, size}, parts, FILES);
    if (count > 1) {
        read_folder(parts, count);
    } else {
        fuzz_write(fuzz_path("cifar.tar"), parts[0]);
        fuzz_dataset(fuzz_path("cifar.tar"));
    }
    return 0;
}
