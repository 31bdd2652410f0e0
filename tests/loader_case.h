/* For the tests of the loader: a data set that fails where told and whose images
 * say which they are. */
#ifndef FCNN_TESTS_LOADER_CASE_H
#define FCNN_TESTS_LOADER_CASE_H

#include <time.h>

#include "dataloader.h"
#include "temporary.h"

enum { IMAGES_MAX = 4096 };

typedef struct {
    fcnn_dataset base;
    int32_t labels[IMAGES_MAX];
    fcnn_status failures[IMAGES_MAX];
    bool uneven; /* reads take unequal times */
} fake_set;

static fake_set fake;

static inline fcnn_status fake_read(fcnn_dataset *dataset, fcnn_split split, int64_t index,
                                    fcnn_image *image) {
    (void)dataset, (void)split;
    if (fake.uneven)
        nanosleep(&(struct timespec){0, (long)((uint64_t)index * 2654435761u % 300000)}, NULL);
    if (fake.failures[index])
        return fcnn_status_set(fake.failures[index], "image %d is broken", (int)index);
    uint8_t *pixels = malloc(sizeof index);
    ck_assert_ptr_nonnull(pixels);
    memcpy(pixels, &index, sizeof index);
    *image = (fcnn_image){.height = 1,
                          .width = (int)sizeof index,
                          .channels = 1,
                          .pixels = pixels,
                          .storage = pixels};
    return FCNN_OK;
}

static inline fcnn_dataset *fake_open(int count) {
    memset(&fake, 0, sizeof fake);
    for (int i = 0; i < IMAGES_MAX; i++) fake.labels[i] = i * 3 % 17;
    fake.base = (fcnn_dataset){.channels = 1,
                               .classes = 17,
                               .count = {count, count},
                               .labels = {fake.labels, fake.labels},
                               .read = fake_read};
    return &fake.base;
}

static inline fcnn_loader *loader_of(fcnn_loader_options options) {
    fcnn_loader *loader = NULL;
    if (!options.dataset) options.dataset = &fake.base;
    if (!options.count) options.count = options.dataset->count[options.split];
    if (!options.threads) options.threads = 1;
    ck_assert_msg(!fcnn_loader_create(&options, &loader), "%s", fcnn_status_message());
    return loader;
}

#endif
