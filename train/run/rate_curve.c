/* The rule by which a range test proposes a rate. */
#include "rate_curve.h"

#include <math.h>
#include <stdlib.h>

enum { WINDOW = 10, TRAILING = 8 };
static const double NEARLY = 0.05, DIVERGED = 2;

fcnn_status rate_curve_create(int steps, double low, double high, rate_curve *curve) {
    *curve = (rate_curve){.steps = steps};
    double *values = calloc(3 * (size_t)steps, sizeof *values);
    if (!values) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for a curve of rates");
    curve->rate = values;
    curve->loss = values + steps;
    curve->smooth = values + 2 * (ptrdiff_t)steps;
    for (int i = 0; i < steps; i++) curve->rate[i] = low * pow(high / low, (double)i / (steps - 1));
    return FCNN_OK;
}

void rate_curve_clear(rate_curve *curve) {
    free(curve->rate);
    *curve = (rate_curve){0};
}

static double mean(const double *values, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += values[i];
    return sum / count;
}

bool rate_curve_add(rate_curve *curve, double loss) {
    curve->end_rate = curve->rate[curve->count];
    curve->end = RATE_CURVE_NOT_FINITE;
    if (!isfinite(loss)) return false;
    curve->loss[curve->count++] = loss;
    int count = curve->count;
    curve->end = RATE_CURVE_DIVERGED;
    if (count >= 2 * TRAILING &&
        mean(curve->loss + count - TRAILING, TRAILING) > DIVERGED * mean(curve->loss, TRAILING))
        return false;
    curve->end = RATE_CURVE_WHOLE;
    return count < curve->steps;
}

/* A mean with weights that fall evenly to 0 on both sides. A diverging loss counts as no more than
 * what ends the curve. */
static void smooth(rate_curve *curve) {
    int count = curve->count, first = count < TRAILING ? count : TRAILING;
    double most = DIVERGED * mean(curve->loss, first);
    for (int i = 0; i < count; i++) {
        double sum = 0, weights = 0;
        for (int j = i - WINDOW; j <= i + WINDOW; j++) {
            if (j < 0 || j >= count) continue;
            double weight = 1 + WINDOW - abs(j - i);
            sum += weight * fmin(curve->loss[j], most);
            weights += weight;
        }
        curve->smooth[i] = sum / weights;
    }
}

static double round_digit(double value) {
    double power = pow(10, floor(log10(value) + 1e-9));
    return round(value / power) * power;
}

void rate_curve_propose(rate_curve *curve) {
    enum { FEWEST = 2 * WINDOW };
    curve->proposal = curve->best = curve->edge = 0;
    curve->rose = false;
    if (!curve->count) return;
    smooth(curve);
    const double *losses = curve->smooth;
    int best = 0, last = curve->count - 1;
    for (int i = 1; i <= last; i++)
        if (losses[i] < losses[best]) best = i;
    double lowest = losses[best], fall = losses[0] - lowest;
    double within = lowest + NEARLY * fmax(fall, fabs(lowest));
    int edge = best;
    while (edge < last && losses[edge + 1] <= within) edge++;
    curve->best = curve->rate[best];
    curve->best_loss = lowest;
    curve->edge = curve->rate[edge];
    curve->rose =
        edge < last || curve->end == RATE_CURVE_DIVERGED || curve->end == RATE_CURVE_NOT_FINITE;
    bool fell = losses[0] > within;
    if (edge < FEWEST || (!curve->rose && (!fell || curve->end == RATE_CURVE_INTERRUPTED))) return;
    /* Of a trained network the curve is level, and its lowest point anywhere. */
    double from = fmax(curve->best, curve->edge / 100);
    curve->proposal = round_digit(sqrt(from * curve->edge) / (curve->stays ? 3 : 1));
}

const char *rate_curve_end_text(const rate_curve *curve) {
    switch (curve->end) {
    case RATE_CURVE_DIVERGED: return "where the loss diverged";
    case RATE_CURVE_NOT_FINITE: return "where the loss was no longer finite";
    case RATE_CURVE_INTERRUPTED: return "where it was interrupted";
    default: return "the largest tried";
    }
}
