/* An image file of any format: probed, and decoded as grey and as colour. */
#include "fuzz.h"

enum { RADIUS = 6, TRANSFORMED_MOST = 1 << 16 };

static void transform(const fcnn_image *image) {
    static float bins[3 * (1 + 2 * RADIUS * (RADIUS + 1)) * 2];
    static const fcnn_placement placements[] = {
        {.crop = false},
        {.crop = true, .crop_fraction = 0.875, .padding = FCNN_PAD_REFLECT, .margin = 0.5}};
    fcnn_device *device = fuzz_device();
    for (size_t i = 0; i < 2; i++) {
        fcnn_spectrum spectrum;
        fcnn_status status = device->backend->image_to_spectrum(device, image, &placements[i],
                                                                RADIUS, bins, &spectrum);
        fuzz_expect(!status, "a spectrum of %d x %d", image->height, image->width);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_path("image");
    int height = 0, width = 0;
    fuzz_write(path, (fuzz_part){data, size});
    bool probed = !fcnn_image_probe(path, &height, &width);
    for (int channels = 1; channels <= 3; channels += 2) {
        fcnn_image image;
        fcnn_image_sums sums;
        if (fcnn_image_load(path, channels, &image)) continue;
        size_t pixels = (size_t)image.height * (size_t)image.width;
        bool upright = height == image.height && width == image.width;
        bool turned = height == image.width && width == image.height; /* by its orientation */
        fuzz_expect(probed && (upright || turned), "the header's %d x %d, not %d x %d", height,
                    width, image.height, image.width);
        fuzz_expect(image.channels == channels, "%d channels", channels);
        fcnn_image_sum(&image, &sums); /* reads every pixel */
        fuzz_expect(sums.pixels == pixels, "%zu pixels", pixels);
        if (pixels <= TRANSFORMED_MOST) transform(&image);
        fcnn_image_clear(&image);
    }
    return 0;
}
