/* The transforms of Winograd's F(4x4, 3x3) along one axis: B^T of data, A^T of
 * products, A of gradients, G of taps, G^T of their gradients. They are on numbers of
 * WINOGRAD_TYPE, which whoever includes this defines: float, or a register of them,
 * one of each of several tiles or images. The points are 0, +-5/8, +-3/2 and infinity, chosen for
 * the least rounding error: A and B are exact in float32, and their numbers are closer to 1 than
 * those of the paper's 0, +-1, +-2. */
#ifndef FCNN_WINOGRAD_INTERNAL_H
#define FCNN_WINOGRAD_INTERNAL_H

#include "formulas.h"

enum {
    GRID = 6,   /* side of a transformed tile, */
    STEP = 4,   /* of its outputs */
    PLANES = 36 /* products; a plane holds one number of each transformed tile */
};

#define P  0.625f /* the points */
#define Q  1.5f
#define PP (P * P)
#define QQ (Q * Q)
#define NP (1.0f / (2.0f * PP * (PP - QQ))) /* 1 / product of a point's distances to the others */
#define NQ (1.0f / (2.0f * QQ * (QQ - PP)))
#define N0 (1.0f / (PP * QQ))

/* ---- In place: v[0], v[s], v[2 s] .. ---- */

/* B^T: 6 to 6. */
FCNN_INLINE void data_line(WINOGRAD_TYPE *v, int s) {
    WINOGRAD_TYPE d0 = v[0], d1 = v[s], d2 = v[2 * s], d3 = v[3 * s], d4 = v[4 * s], d5 = v[5 * s];
    WINOGRAD_TYPE even_p = d4 - QQ * d2, odd_p = d3 - QQ * d1;
    WINOGRAD_TYPE even_q = d4 - PP * d2, odd_q = d3 - PP * d1;
    v[0] = PP * QQ * d0 - (PP + QQ) * d2 + d4;
    v[s] = even_p + P * odd_p;
    v[2 * s] = even_p - P * odd_p;
    v[3 * s] = even_q + Q * odd_q;
    v[4 * s] = even_q - Q * odd_q;
    v[5 * s] = PP * QQ * d1 - (PP + QQ) * d3 + d5;
}

/* A^T: 6 to 4. */
FCNN_INLINE void output_line(WINOGRAD_TYPE *v, int s) {
    WINOGRAD_TYPE even_p = v[s] + v[2 * s], odd_p = P * (v[s] - v[2 * s]);
    WINOGRAD_TYPE even_q = v[3 * s] + v[4 * s], odd_q = Q * (v[3 * s] - v[4 * s]);
    v[0] += even_p + even_q;
    v[s] = odd_p + odd_q;
    v[2 * s] = PP * even_p + QQ * even_q;
    v[3 * s] = PP * odd_p + QQ * odd_q + v[5 * s];
}

/* A: 4 to 6. */
FCNN_INLINE void gradient_line(WINOGRAD_TYPE *v, int s) {
    WINOGRAD_TYPE d0 = v[0], d1 = v[s], d2 = v[2 * s], d3 = v[3 * s];
    WINOGRAD_TYPE even_p = d0 + PP * d2, odd_p = P * (d1 + PP * d3);
    WINOGRAD_TYPE even_q = d0 + QQ * d2, odd_q = Q * (d1 + QQ * d3);
    v[s] = even_p + odd_p;
    v[2 * s] = even_p - odd_p;
    v[3 * s] = even_q + odd_q;
    v[4 * s] = even_q - odd_q;
    v[5 * s] = d3;
}

/* G: 3 to 6. */
FCNN_INLINE void taps_line(WINOGRAD_TYPE *v, int s) {
    WINOGRAD_TYPE g0 = v[0], g1 = v[s], g2 = v[2 * s];
    WINOGRAD_TYPE even_p = NP * (g0 + PP * g2), odd_p = NP * P * g1;
    WINOGRAD_TYPE even_q = NQ * (g0 + QQ * g2), odd_q = NQ * Q * g1;
    v[0] = N0 * g0;
    v[s] = even_p + odd_p;
    v[2 * s] = even_p - odd_p;
    v[3 * s] = even_q + odd_q;
    v[4 * s] = even_q - odd_q;
    v[5 * s] = g2;
}

/* G^T: 6 to 3. */
FCNN_INLINE void taps_gradient_line(WINOGRAD_TYPE *v, int s) {
    WINOGRAD_TYPE even_p = NP * (v[s] + v[2 * s]), odd_p = NP * P * (v[s] - v[2 * s]);
    WINOGRAD_TYPE even_q = NQ * (v[3 * s] + v[4 * s]), odd_q = NQ * Q * (v[3 * s] - v[4 * s]);
    v[0] = N0 * v[0] + even_p + even_q;
    v[s] = odd_p + odd_q;
    v[2 * s] = PP * even_p + QQ * even_q + v[5 * s];
}

/* Along both axes of a tile [GRID][GRID], of which `across` columns hold something before the
 * first transform, and `rows` rows are wanted after it. */
#define BOTH_AXES(line, v, across, rows)                                                           \
    do {                                                                                           \
        for (int j = 0; j < (across); j++) line((v) + j, GRID);                                    \
        for (int i = 0; i < (rows); i++) line((v) + GRID * i, 1);                                  \
    } while (0)

#undef P
#undef Q
#undef PP
#undef QQ
#undef NP
#undef NQ
#undef N0

#endif
