/* How long a run will take. */
#include "state.h"

#include <math.h>

double trainer_seconds_left(const trainer *t) {
    const fcnn_training *training = &t->training;
    const fcnn_training_times *times = &training->times;
    double steps = (double)(fcnn_training_steps(training) - t->first_step);
    double epochs = (double)(training->epoch - t->first_epoch);
    if (steps <= 0) return NAN;
    double left =
        (times->input + times->train + times->update) / steps *
        (double)(training->epochs * training->steps_per_epoch - fcnn_training_steps(training));
    if (epochs > 0)
        left += (times->validation + times->saving) / epochs *
                (double)(training->epochs - training->epoch);
    return left;
}
