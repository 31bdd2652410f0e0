/* fcnn-info --cost prints what the FFT saves in each convolution of a network in space, by the
 * formulas of Mathieu, Henaff & LeCun (2013) and by measurement. */
#ifndef FCNN_TRAIN_BENCH_COST_H
#define FCNN_TRAIN_BENCH_COST_H

#include <stdio.h>

#include "fcnn.h"

/* A layer of S images, f input maps, f' output maps, taps of k x k, grids of n x n and outputs of
 * n' x n'. */
typedef struct {
    double images, channels, filters, taps, grid, output;
} cost_shape;

/* S f' f n'^2 k^2: multiplications of one pass. */
double cost_direct(const cost_shape *shape);
/* 2 C n^2 log2 n (f' S + f S + f' f): the transforms of inputs, taps and outputs; C = 2.5, of the
 * customary 5 n log2 n for n complex numbers and half of it for real ones. */
double cost_transforms(const cost_shape *shape);
/* 4 S f' f n^2: the products of one pass. */
double cost_products(const cost_shape *shape);
/* 4 n (n+1) (S f + S f' + f f'): bytes of all three transforms. */
double cost_memory(const cost_shape *shape);

/* Prints and measures every convolution of the cfg's graph, as in its spatial twin. */
fcnn_status cost_print(FILE *out, const fcnn_config *config, fcnn_graph *graph, fcnn_device *device,
                       int batch);

#endif
