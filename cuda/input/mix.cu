/* Training images are mixed. Their shares travel as the kernel's arguments, some at a time. */
#include "cuda/launch.h" /* first: it says what FCNN_INLINE is */

constexpr int MIX_IMAGES = 256; /* of a launch, and their partners */

/* An item is a number of a row of `images` images from `first` on. */
struct mix_images {
    fcnn_tensor x;
    int width; /* numbers of an image in a row: 2 of a band */
    int first, images;
    float shares[MIX_IMAGES];

    CUDA_BODY void operator()(int64_t item) const {
        int64_t numbers = (int64_t)images * width, row = item / numbers;
        int n = (int)(item % numbers / width), part = (int)(item % numbers % width);
        float *at = x.data + row * x.capacity * width + part;
        int image = first + n, partner = x.images - 1 - image;
        fcnn_mix(shares[n], at + (int64_t)image * width, at + (int64_t)partner * width);
    }
};

fcnn_status cuda_mix(fcnn_device *base, const float *shares, fcnn_tensor *x) {
    mix_images body = {};
    body.x = *x;
    body.width = x->layout == FCNN_BAND ? 2 : 1;
    int half = x->images / 2;
    for (body.first = 0; body.first < half; body.first += MIX_IMAGES) {
        int left = half - body.first;
        body.images = left < MIX_IMAGES ? left : MIX_IMAGES;
        for (int n = 0; n < body.images; n++) body.shares[n] = shares[body.first + n];
        CUDA_RUN(cuda_of(base), fcnn_tensor_rows(x) * body.images * body.width, body);
    }
    return FCNN_OK;
}
