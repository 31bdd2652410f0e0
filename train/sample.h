/* Figures of a sample of at least one value. */
#ifndef FCNN_TRAIN_SAMPLE_H
#define FCNN_TRAIN_SAMPLE_H

/* Sample deviation, with n - 1; 0 for one value. */
double sample_deviation(const double *values, int count, double *mean);
/* Sorts the values. */
double sample_median(double *values, int count);

#endif
