/* The element-wise rules of every activation and optimizer, once, for all backends:
 * plain inline functions that a backend's kernels call in their loops, listed in
 * three tables (X-macros) from which enums, names, kernels and tests are made.
 * To add an activation, write its two functions and its row: see "Write your
 * own activation" in DESIGN.md. */
#ifndef FCNN_RULES_H
#define FCNN_RULES_H

#include <math.h>

#include "band.h"

/* ---- Pointwise rules: one real number to one real number ------------------
 * value(x, parameter) and its derivative slope(x, parameter); the parameter is
 * the cfg's `slope` and most rules ignore it. On bands they are evaluated on a
 * grid (fused); after `ifft` and in dense layers they apply directly. */
FCNN_INLINE float fcnn_linear_value(float x, float parameter) {
    (void)parameter;
    return x;
}
FCNN_INLINE float fcnn_linear_slope(float x, float parameter) {
    (void)x;
    (void)parameter;
    return 1.0f;
}

FCNN_INLINE float fcnn_relu_value(float x, float parameter) {
    (void)parameter;
    return x < 0.0f ? 0.0f : x; /* in this order NaN stays NaN */
}
FCNN_INLINE float fcnn_relu_slope(float x, float parameter) {
    (void)parameter;
    return x > 0.0f ? 1.0f : 0.0f;
}

FCNN_INLINE float fcnn_leaky_relu_value(float x, float parameter) {
    return x > 0.0f ? x : parameter * x;
}
FCNN_INLINE float fcnn_leaky_relu_slope(float x, float parameter) {
    return x > 0.0f ? 1.0f : parameter;
}

/* x Phi(x), Phi the normal distribution function (Hendrycks & Gimpel 2016). */
FCNN_INLINE float fcnn_gelu_value(float x, float parameter) {
    (void)parameter;
    return 0.5f * x * (1.0f + erff(x * 0.70710678f));
}
FCNN_INLINE float fcnn_gelu_slope(float x, float parameter) {
    (void)parameter;
    return 0.5f * (1.0f + erff(x * 0.70710678f)) + x * 0.39894228f * expf(-0.5f * x * x);
}

FCNN_INLINE float fcnn_square_value(float x, float parameter) {
    (void)parameter;
    return x * x;
}
FCNN_INLINE float fcnn_square_slope(float x, float parameter) {
    (void)parameter;
    return 2.0f * x;
}

/* ---- Per-bin rules: one complex number to one complex number --------------
 * value(z, b), and gradient(z, b, dy, &db): dL/dz as dL/dRe + i dL/dIm, adding
 * the bin's share of dL/db to *db. b is a learned number per channel where the
 * row says so (it starts 0), else it is 0 and db is not used. Each must map
 * real numbers to real numbers, because DC is real. */

/* Arjovsky, Shah & Bengio 2016: the modulus is shifted by b, the phase kept. */
FCNN_INLINE fcnn_complex fcnn_modrelu_value(fcnn_complex z, float b) {
    float modulus = sqrtf(z.re * z.re + z.im * z.im);
    float scale = modulus + b > 0.0f && modulus > 0.0f ? (modulus + b) / modulus : 0.0f;
    fcnn_complex y = {z.re * scale, z.im * scale};
    return y;
}
FCNN_INLINE fcnn_complex fcnn_modrelu_gradient(fcnn_complex z, float b, fcnn_complex dy,
                                               float *db) {
    float modulus = sqrtf(z.re * z.re + z.im * z.im);
    bool active = modulus + b > 0.0f && modulus > 0.0f;
    float inverse = active ? 1.0f / modulus : 0.0f;
    float ure = z.re * inverse, uim = z.im * inverse; /* unit phase */
    float along = ure * dy.re + uim * dy.im;
    float scale = active ? 1.0f + b * inverse : 0.0f;
    fcnn_complex dz = {scale * dy.re - b * inverse * along * ure,
                       scale * dy.im - b * inverse * along * uim};
    *db += along;
    return dz;
}

/* ReLU on the real and on the imaginary part of the stored half plane. */
FCNN_INLINE fcnn_complex fcnn_crelu_value(fcnn_complex z, float b) {
    (void)b;
    fcnn_complex y = {z.re < 0.0f ? 0.0f : z.re, z.im < 0.0f ? 0.0f : z.im};
    return y;
}
FCNN_INLINE fcnn_complex fcnn_crelu_gradient(fcnn_complex z, float b, fcnn_complex dy, float *db) {
    (void)b;
    (void)db;
    fcnn_complex dz = {z.re > 0.0f ? dy.re : 0.0f, z.im > 0.0f ? dy.im : 0.0f};
    return dz;
}

/* tanh on the real and on the imaginary part. */
FCNN_INLINE fcnn_complex fcnn_ctanh_value(fcnn_complex z, float b) {
    (void)b;
    fcnn_complex y = {tanhf(z.re), tanhf(z.im)};
    return y;
}
FCNN_INLINE fcnn_complex fcnn_ctanh_gradient(fcnn_complex z, float b, fcnn_complex dy, float *db) {
    (void)b;
    (void)db;
    float re = tanhf(z.re), im = tanhf(z.im);
    fcnn_complex dz = {dy.re * (1.0f - re * re), dy.im * (1.0f - im * im)};
    return dz;
}

/* ---- The tables ----------------------------------------------------------- */

/* ROW(name) */
#define FCNN_POINTWISE_RULES(ROW)                                                                  \
    ROW(linear)                                                                                    \
    ROW(relu)                                                                                      \
    ROW(leaky_relu)                                                                                \
    ROW(gelu)                                                                                      \
    ROW(square)

/* ROW(name, whether b is learned) */
#define FCNN_PER_BIN_RULES(ROW)                                                                    \
    ROW(modrelu, true)                                                                             \
    ROW(crelu, false)                                                                              \
    ROW(ctanh, false)

#define FCNN_RULE_ENUM(name, ...) FCNN_RULE_##name,
typedef enum { FCNN_POINTWISE_RULES(FCNN_RULE_ENUM) FCNN_POINTWISE_COUNT } fcnn_pointwise;
typedef enum { FCNN_PER_BIN_RULES(FCNN_RULE_ENUM) FCNN_PER_BIN_COUNT } fcnn_per_bin;

/* ---- Optimizer rules ------------------------------------------------------ */

typedef struct {
    float rate;               /* learning rate of this step */
    float decay;              /* weight decay: L2 for sgd and adam, decoupled for adamw */
    float momentum;           /* sgd */
    bool nesterov;            /* sgd */
    float beta1, beta2;       /* adam, adamw */
    float epsilon;            /* adam, adamw */
    float correct1, correct2; /* 1 / (1 - beta^t), t counting from 1 */
    float gradient_scale;     /* clipping: multiplies every gradient */
} fcnn_step_constants;

/* Each takes a weight, its gradient and its two moments, and updates all but
 * the gradient. sgd as in Sutskever et al. 2013 (PyTorch's form). */
FCNN_INLINE void fcnn_sgd_update(const fcnn_step_constants *c, float decay, float gradient,
                                 float *weight, float *moment1, float *moment2) {
    (void)moment2;
    float g = gradient * c->gradient_scale + decay * *weight;
    *moment1 = c->momentum * *moment1 + g;
    *weight -= c->rate * (c->nesterov ? g + c->momentum * *moment1 : *moment1);
}

/* Kingma & Ba 2015. */
FCNN_INLINE void fcnn_adam_update(const fcnn_step_constants *c, float decay, float gradient,
                                  float *weight, float *moment1, float *moment2) {
    float g = gradient * c->gradient_scale + decay * *weight;
    *moment1 = c->beta1 * *moment1 + (1.0f - c->beta1) * g;
    *moment2 = c->beta2 * *moment2 + (1.0f - c->beta2) * g * g;
    *weight -= c->rate * (*moment1 * c->correct1) / (sqrtf(*moment2 * c->correct2) + c->epsilon);
}

/* Loshchilov & Hutter 2019. */
FCNN_INLINE void fcnn_adamw_update(const fcnn_step_constants *c, float decay, float gradient,
                                   float *weight, float *moment1, float *moment2) {
    *weight -= c->rate * decay * *weight;
    fcnn_adam_update(c, 0.0f, gradient, weight, moment1, moment2);
}

/* ROW(name, moments kept) */
#define FCNN_OPTIMIZER_RULES(ROW)                                                                  \
    ROW(sgd, 1)                                                                                    \
    ROW(adam, 2)                                                                                   \
    ROW(adamw, 2)

typedef enum { FCNN_OPTIMIZER_RULES(FCNN_RULE_ENUM) FCNN_OPTIMIZER_COUNT } fcnn_update_rule;
#endif
