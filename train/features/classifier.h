/* What a classifier weighed: how much each of its inputs adds to the logit of a class. */
#ifndef FCNN_TRAIN_FEATURES_CLASSIFIER_H
#define FCNN_TRAIN_FEATURES_CLASSIFIER_H

#include "features.h"

typedef struct {
    int input;      /* the node that the classifier, all layers from there to the end, reads */
    double *inputs; /* what each number of that node's output adds, in its order */
    double biases;  /* what is left of the logit */
} contributions;

/* A classifier of dense layers, dropout and activations f(x) = g(x) x is a matrix for one picture:
 * g of that picture, with every dense layer's matrix. The contributions and the biases add up to
 * the logit. Cleared by contributions_clear, also after an error. */
fcnn_status contributions_read(fcnn_graph *graph, const features *features, int class_index,
                               contributions *contributions);
void contributions_clear(contributions *contributions);

#endif
