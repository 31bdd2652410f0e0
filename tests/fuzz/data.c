/* See data.h. */
#include "data.h"

enum { IMAGES_MOST = 4 };

static void read_image(fcnn_dataset *set, fcnn_split split, int64_t index) {
    char text[64];
    fcnn_image image;
    fcnn_image_sums sums;
    set->describe(set, split, index, text, sizeof text);
    if (set->read(set, split, index, &image)) return;
    fuzz_expect(!fcnn_dataset_check_image(set, split, index, &image), "an image");
    fcnn_image_sum(&image, &sums); /* reads every pixel */
    fuzz_expect(sums.pixels == (uint64_t)image.height * (uint64_t)image.width, "pixels");
    fcnn_image_clear(&image);
}

void fuzz_dataset(const char *spec) {
    fcnn_dataset *set = NULL;
    if (fcnn_dataset_open(spec, 1, &set)) {
        fuzz_expect(!set, "nothing to close");
        return;
    }
    for (int c = 0; c < set->classes; c++)
        fuzz_touch(set->class_names[c], strlen(set->class_names[c]));
    for (int64_t i = 0; i < set->problems.count; i++)
        fuzz_touch(set->problems.messages[i], strlen(set->problems.messages[i]));
    for (int s = 0; s < FCNN_SPLIT_COUNT; s++) {
        int64_t count = set->count[s];
        for (int64_t i = 0; i < count; i++)
            fuzz_expect(set->labels[s][i] >= 0 && set->labels[s][i] < set->classes, "a class");
        for (int64_t i = 0; i < IMAGES_MOST && i < count; i++) {
            read_image(set, (fcnn_split)s, i);
            read_image(set, (fcnn_split)s, count - 1 - i);
        }
    }
    fcnn_dataset_close(set);
}
