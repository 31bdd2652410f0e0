/* A sample has at least one value; these functions sum it up. */
#ifndef FCNN_TRAIN_SAMPLE_H
#define FCNN_TRAIN_SAMPLE_H

/* Returns the sample deviation, with n - 1, or 0 for one value, and sets the mean. */
double sample_deviation(const double *values, int count, double *mean);
/* Returns the median; the values end sorted. */
double sample_median(double *values, int count);

#endif
