/* The curve of a learning-rate range test, and the rate that it proposes.
 *
 * Losses are smoothed over a third of a decade on either side. The smooth curve falls to its lowest
 * point, the best rate; the edge is the largest rate from there on up to which it stays within 5 %
 * of its fall, or of its lowest value if that is more. Between both the network learns as fast as
 * it can, and beyond the edge it forgets. What is proposed is their geometric mean, rounded to one
 * digit, for a rate that comes down from there in the course of training; a rate that stays where
 * it is has a third of it. */
#ifndef FCNN_TRAIN_RUN_RATE_CURVE_H
#define FCNN_TRAIN_RUN_RATE_CURVE_H

#include "fcnn.h"

/* Why the steps ended. */
typedef enum {
    RATE_CURVE_WHOLE,    /* the largest rate was reached */
    RATE_CURVE_DIVERGED, /* the loss is twice what it began with */
    RATE_CURVE_NOT_FINITE,
    RATE_CURVE_INTERRUPTED
} rate_curve_end;

typedef struct {
    int steps, count; /* planned, and taken with a finite loss */
    bool stays;       /* in training the rate stays where it begins, or drops late */
    double *rate;     /* [steps] growing by the same factor each step */
    double *loss;     /* [count] of each batch, before its step */
    double *smooth;   /* [count] */
    rate_curve_end end;
    double end_rate;   /* of the last step */
    double best, edge; /* rates */
    double best_loss;  /* smooth */
    bool rose;         /* behind the edge the loss is higher */
    double proposal;   /* 0: none, as the loss neither fell nor rose, or rose from the start */
} rate_curve;

/* Rates from `low` to `high`, both among them. FCNN_ERROR_MEMORY. */
fcnn_status rate_curve_create(int steps, double low, double high, rate_curve *curve);
void rate_curve_clear(rate_curve *curve);

/* Adds the next step's loss; false where it ends the curve: it is not finite, the losses have
 * diverged or there is no further rate. */
bool rate_curve_add(rate_curve *curve, double loss);

/* Sets all from `smooth` on, for any end. */
void rate_curve_propose(rate_curve *curve);

/* Returns what the steps ended for: "where the loss diverged". */
const char *rate_curve_end_text(const rate_curve *curve);

#endif
