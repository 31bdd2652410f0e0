/* A convolution of maps as a test case: random operands with what the reference
 * makes of them, and the planned operation on the device with its memory.
 *
 *     convolution_problem p = convolution_problem_new(&shape, wrap, false);
 *     while (case_device()) {
 *         convolution_operation o;
 *         if (!convolution_plan(&o, &p, FCNN_CONVOLUTION_gemm, true)) break;
 *         case_reserve();
 *         convolution_run_kernel(&o);
 *         fcnn_tensor y = convolution_run_forward(&o);
 *         case_compare("y", &y, p.y);
 *         convolution_run_backward(&o, &p, true, true);
 *     } */
#ifndef FCNN_TESTS_CONVOLUTION_CASE_H
#define FCNN_TESTS_CONVOLUTION_CASE_H

#include "reference_case.h"

extern const char *const convolution_names[FCNN_CONVOLUTION_COUNT];

/* tile = 0: the backend's choice. */
typedef struct {
    int side, size, stride;
    int channels, filters, images;
    int tile;
} convolution_shape;

typedef struct {
    ref_spatial s;
    int tile;
    float *x_float, *w_float, *dy_float;
    double *x, *w, *dy, *y, *dx, *dw;
    int64_t inputs, taps, outputs; /* numbers in x and dx, w and dw, y and dy */
} convolution_problem;

/* `whole`: small whole numbers, whose sums are exact. */
convolution_problem convolution_problem_new(const convolution_shape *shape, bool wrap, bool whole);
/* What the reference makes of the operands as they now are. */
void convolution_solve(convolution_problem *p);
/* Both gradients of the reference by finite differences. */
void convolution_check_gradient(convolution_problem *p);

/* Each pass has a workspace of its own, of exactly the bytes asked for. */
typedef struct {
    fcnn_convolution convolution;
    fcnn_convolution_bytes bytes;
    fcnn_convolution_memory memory;
    fcnn_tensor x, dy;
    float *w;
} convolution_operation;

/* The description that the problem's plan is asked for. */
fcnn_convolution convolution_described(const convolution_shape *shape, bool wrap,
                                       fcnn_convolution_algorithm algorithm, bool training);
/* Places the operands and plans; false, and the case has failed, where that is refused. */
bool convolution_plan(convolution_operation *o, const convolution_problem *p,
                      fcnn_convolution_algorithm algorithm, bool training);
void convolution_run_kernel(convolution_operation *o);
fcnn_tensor convolution_run_forward(convolution_operation *o);
/* dx or dw may be NULL. */
void convolution_call_backward(convolution_operation *o, fcnn_tensor *dx, float *dw);
/* Either gradient, or both, compared with the problem's. */
void convolution_run_backward(convolution_operation *o, const convolution_problem *p, bool data,
                              bool weights);

#endif
