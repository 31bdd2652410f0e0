/* Draws of mixup's shares. */
#include "mixup.h"

#include <math.h>

/* Numbers of a part's sequence that a draw may take. */
enum { NUMBERS = 1 << 16 };

/* Joehnk's algorithm: of uniform u and v, x = u^(1/alpha) and y = v^(1/alpha) are taken where
 * x + y <= 1, which is at least every second time; then x / (x + y) is the share. By logarithms, as
 * powers of a small alpha are below the smallest number. */
static float draw_share(double alpha, const fcnn_random *random, uint64_t first) {
    double difference, larger;
    do {
        double u = log((double)fcnn_random_uniform(random, first++));
        double v = log((double)fcnn_random_uniform(random, first++));
        difference = (v - u) / alpha;
        larger = fmax(u, v) / alpha;
    } while (larger + log1p(exp(-fabs(difference))) > 0.0);
    return (float)(1.0 / (1.0 + exp(difference)));
}

void fcnn_mixup_draw(double alpha, uint64_t seed, int64_t step, int part, int count,
                     float *shares) {
    /* A batch has at most 65536 images, and so many parts. */
    fcnn_random random = {seed, FCNN_STREAM_MIXUP, (uint64_t)step << 16 | (uint64_t)part};
    shares[count / 2] = 1.0f;
    for (int i = 0; i < count / 2; i++)
        shares[i] = shares[count - 1 - i] =
            draw_share(alpha, &random, (uint64_t)i * (uint64_t)NUMBERS);
}
