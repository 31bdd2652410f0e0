/* Where buckets and their parts lie. */
#include "buckets.h"

int64_t fcnn_bucket_count(int64_t floats) {
    return (floats + FCNN_BUCKET_FLOATS - 1) / FCNN_BUCKET_FLOATS;
}

fcnn_range fcnn_bucket(int64_t floats, int64_t number) {
    int64_t from = number * FCNN_BUCKET_FLOATS, to = from + FCNN_BUCKET_FLOATS;
    return (fcnn_range){from, to < floats ? to : floats};
}

fcnn_range fcnn_range_half(fcnn_range whole, bool upper) {
    int64_t half = (whole.to - whole.from) / 2 / FCNN_IMAGE_MULTIPLE * FCNN_IMAGE_MULTIPLE;
    int64_t middle = whole.from + half;
    return upper ? (fcnn_range){middle, whole.to} : (fcnn_range){whole.from, middle};
}

fcnn_range fcnn_range_part(fcnn_range whole, int ranks, int rank) {
    for (int bit = 1; bit < ranks; bit *= 2) whole = fcnn_range_half(whole, rank & bit);
    return whole;
}
