/* Between bands and maps on a backend: the inverse transform, the forward one and
 * its scaled form, against sums over all pixels, and by round trip, Parseval and
 * adjointness <inverse(X), y> = <X, m^2 forward(y)>. */
#include "reference_case.h"

#include <math.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static double dot(const float *a, const float *b, int64_t count) {
    double sum = 0.0;
    for (int64_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* <inverse(X), y> = <X, m^2 forward(y)>, as far as float goes. */
static void check_adjoint(const float *map, const float *y, int64_t pixels, const float *band,
                          const float *adjoint, int64_t count) {
    double left = dot(map, y, pixels), right = dot(band, adjoint, count);
    double scale = sqrt(dot(map, map, pixels) * dot(y, y, pixels));
    CASE_CHECK(fabs(left - right) <= 1e-6 * scale, "adjoint: %g in space, %g in frequency", left,
               right);
}

/* The first plan is for one channel, so that the next may need larger plans; where it is for
 * fewer channels than there are, a backend may have to take its tensors in parts. */
static void plan_grid(int m, int channels, int capacity) {
    CASE_CALL(grid_plan, m, 1, capacity);
    CASE_CALL(grid_plan, m, channels, capacity);
    case_reserve();
}

static void map_case(int radius, int m, int channels, int images, int planned) {
    if (!case_begin("transform", "band and map r=%d grid=%d C=%d (%d planned) N=%d", radius, m,
                    channels, planned, images))
        return;
    ref_shape shape = {radius, m, channels, images};
    int64_t count = ref_band_count(&shape, radius), pixels = ref_map_count(&shape);
    float *x = case_random_band(radius, channels, images, 1.0), *y = case_random(pixels, 1.0);
    double *map = case_new(pixels), *half = case_new(pixels), plane = (double)m * m;
    ref_complex *band = case_new_complex(count), *adjoint = case_new_complex(count);
    ref_inverse(&shape, case_complex(x, count), map);
    ref_forward(&shape, case_doubles(y, pixels), 1.0, band);
    for (int64_t i = 0; i < count; i++) adjoint[i] = plane * band[i];
    for (int64_t i = 0; i < pixels; i++) half[i] = 0.5 * map[i];
    while (case_device()) {
        fcnn_tensor tx = case_band(CASE_INPUT, radius, channels, images, x);
        fcnn_tensor ty = case_map(CASE_INPUT, m, channels, images, y);
        fcnn_tensor tmap = case_map(CASE_OUTPUT, m, channels, images, NULL);
        fcnn_tensor thalf = case_map(CASE_OUTPUT, m, channels, images, NULL);
        fcnn_tensor tband = case_band(CASE_OUTPUT, radius, channels, images, NULL);
        fcnn_tensor tadjoint = case_band(CASE_OUTPUT, radius, channels, images, NULL);
        fcnn_tensor tback = case_band(CASE_OUTPUT, radius, channels, images, NULL);
        plan_grid(m, planned, tx.capacity);
        CASE_CALL(band_to_map, &tx, 1.0f, &tmap);
        CASE_CALL(band_to_map, &tx, 0.5f, &thalf);
        CASE_CALL(map_to_band, &ty, 1.0f, &tband);
        CASE_CALL(map_to_band, &ty, (float)plane, &tadjoint);
        CASE_CALL(map_to_band, &tmap, 1.0f, &tback);
        case_compare("map", &tmap, map);
        case_compare("half the map", &thalf, half);
        case_compare("band", &tband, band);
        case_compare("adjoint", &tadjoint, adjoint);
        case_compare("round trip", &tback, case_complex(x, count));
        const float *got = case_read("map", &tmap);
        double energy = dot(got, got, pixels) / plane, want = dot(x, x, 2 * count);
        CASE_CHECK(fabs(energy - want) <= 1e-5 * want, "Parseval: %g in space, %g in frequency",
                   energy, want);
        check_adjoint(got, y, pixels, x, case_read("adjoint", &tadjoint), 2 * count);
    }
    case_end();
}

static void maps(void) {
    static const int shapes[][4] = {{0, 1, 3, 5},   {1, 3, 1, 16},  {2, 5, 17, 19},
                                    {3, 7, 16, 32}, {6, 13, 5, 19}, {6, 18, 3, 5},
                                    {6, 14, 1, 1},  {7, 15, 5, 16}, {13, 27, 1, 19},
                                    {13, 30, 3, 1}, {0, 6, 1, 5},   {15, 31, 1, 5}};
    for (int i = 0; i < COUNT(shapes); i++)
        map_case(shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3], shapes[i][2]);
    map_case(2, 5, 17, 19, 1);
    map_case(3, 8, 11, 37, 3);
}

int main(void) {
    static const case_test tests[] = {{"bands and maps", maps}};
    return case_main("bands and maps", tests, COUNT(tests));
}
