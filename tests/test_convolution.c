/* Convolution of maps on a backend: every algorithm against the loops of
 * reference_spatial.c, both borders, both passes; what each refuses; and what
 * all must agree on. `test_convolution oaa` runs the cases of one algorithm. */
#include <stdio.h>
#include <string.h>

#include "compare.h"
#include "convolution_case.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

/* side, size, stride; channels, filters, images; tile. */
typedef convolution_shape shape;
typedef convolution_problem problem;
typedef convolution_operation operation;

/* Sides odd, even and prime; channels, filters and images one and many. */
static const shape sides[] = {
    {1, 1, 1, 1, 1, 1, 0},    {1, 1, 1, 17, 9, 19, 0},  {2, 1, 1, 3, 5, 8, 0},
    {2, 2, 1, 3, 5, 3, 0},    {5, 3, 1, 17, 9, 19, 0},  {5, 5, 1, 1, 1, 16, 0},
    {7, 3, 1, 16, 16, 16, 0}, {7, 7, 1, 3, 5, 3, 0},    {8, 3, 1, 9, 33, 8, 0},
    {8, 8, 1, 5, 3, 3, 0},    {12, 3, 1, 3, 5, 1, 0},   {12, 5, 1, 8, 1, 19, 0},
    {13, 3, 1, 1, 1, 3, 0},   {13, 13, 1, 3, 2, 1, 0},  {16, 3, 1, 3, 5, 8, 0},
    {16, 7, 1, 1, 8, 5, 0},   {27, 3, 1, 5, 3, 5, 0},   {27, 5, 1, 2, 3, 3, 0},
    {31, 3, 1, 2, 5, 3, 0},   {31, 9, 1, 2, 1, 1, 0},   {32, 3, 1, 3, 2, 19, 0},
    {32, 11, 1, 1, 2, 3, 0},  {37, 3, 1, 3, 3, 3, 0},   {37, 6, 1, 2, 2, 1, 0},
    {67, 3, 1, 3, 2, 3, 0},   {64, 8, 1, 2, 1, 1, 0},   {64, 15, 1, 1, 1, 1, 0},
    {13, 3, 1, 70, 66, 3, 0}, {9, 3, 1, 35, 130, 1, 0}, {4, 4, 1, 65, 64, 40, 0},
};

static const shape strided[] = {
    {2, 1, 2, 3, 5, 3, 0},    {8, 3, 2, 17, 9, 19, 0}, {12, 3, 4, 3, 5, 8, 0},
    {16, 5, 2, 3, 5, 5, 0},   {16, 2, 4, 1, 1, 1, 0},  {28, 11, 4, 3, 8, 3, 0},
    {32, 7, 2, 3, 2, 16, 0},  {32, 4, 2, 2, 3, 1, 0},  {16, 1, 4, 16, 16, 3, 0},
    {64, 11, 4, 3, 16, 1, 0}, {9, 3, 3, 2, 3, 3, 0},
};

/* Tiles smaller, larger and much larger than the map; some of odd side. */
static const shape tiled[] = {
    {5, 3, 1, 3, 5, 3, 8},   {16, 3, 1, 17, 9, 3, 8}, {27, 5, 1, 3, 2, 5, 8},
    {16, 3, 1, 3, 5, 8, 16}, {31, 7, 1, 2, 3, 3, 16}, {37, 8, 1, 2, 2, 1, 16},
    {32, 3, 1, 2, 3, 1, 32}, {13, 2, 1, 3, 5, 1, 32}, {37, 15, 1, 2, 1, 3, 32},
    {7, 7, 1, 1, 3, 3, 16},  {67, 4, 1, 1, 2, 1, 64},
};

/* ---- The table's cases ---- */

static void train_device(const problem *p, fcnn_convolution_algorithm algorithm) {
    operation o;
    if (!convolution_plan(&o, p, algorithm, true)) return;
    case_reserve();
    convolution_run_kernel(&o);
    fcnn_tensor y = convolution_run_forward(&o);
    case_compare("y", &y, p->y);
    convolution_run_backward(&o, p, true, true);
    convolution_run_backward(&o, p, true, false);
    convolution_run_backward(&o, p, false, true);
}

static void infer_device(const problem *p, fcnn_convolution_algorithm algorithm) {
    operation o;
    if (!convolution_plan(&o, p, algorithm, false)) return;
    case_reserve();
    convolution_run_kernel(&o);
    fcnn_tensor y = convolution_run_forward(&o);
    case_compare("y in inference", &y, p->y);
}

static bool possible(fcnn_convolution_algorithm algorithm, const shape *s) {
    if (s->tile) return algorithm == FCNN_CONVOLUTION_oaa;
    if (algorithm == FCNN_CONVOLUTION_winograd) return s->size == 3 && s->stride == 1;
    return s->stride == 1 || algorithm == FCNN_CONVOLUTION_direct ||
           algorithm == FCNN_CONVOLUTION_gemm;
}

static bool begin(const char *kind, const char *prefix, fcnn_convolution_algorithm algorithm,
                  const shape *s, bool wrap) {
    char extra[32] = "";
    if (s->stride > 1) snprintf(extra, sizeof extra, " stride=%d", s->stride);
    if (s->tile) snprintf(extra, sizeof extra, " tile=%d", s->tile);
    return case_begin(kind, "%s%s %s size=%d%s %dx%d C=%d F=%d N=%d", prefix,
                      convolution_names[algorithm], wrap ? "wrap" : "zero", s->size, extra, s->side,
                      s->side, s->channels, s->filters, s->images);
}

/* Whether differences of the reference are quick. */
static bool small(const shape *s) {
    int64_t m = s->side / s->stride;
    return m * m * s->size * s->size * s->channels * s->filters * s->images <= 40000;
}

static void run_case(fcnn_convolution_algorithm algorithm, const shape *s, bool wrap) {
    if (!possible(algorithm, s)) return;
    if (!begin(small(s) ? "gradient" : "passes", "", algorithm, s, wrap)) return;
    problem p = convolution_problem_new(s, wrap, false);
    if (small(s)) convolution_check_gradient(&p);
    while (case_device()) {
        train_device(&p, algorithm);
        infer_device(&p, algorithm);
    }
    case_end();
}

static void run_table(fcnn_convolution_algorithm algorithm, const shape *table, int count) {
    for (int i = 0; i < count; i++)
        for (int wrap = 0; wrap < 2; wrap++) run_case(algorithm, &table[i], wrap);
}

/* Every kernel from 1 to 15 on maps as small as it and larger, even and odd. */
static void run_sizes(fcnn_convolution_algorithm algorithm) {
    for (int size = 1; size <= 15; size++) {
        shape fits = {size, size, 1, 2, 3, 3, 0}, even = {16, size, 1, 3, 2, 1, 0},
              odd = {19, size, 1, 1, 2, 8, 0};
        for (int wrap = 0; wrap < 2; wrap++) {
            run_case(algorithm, &fits, wrap);
            run_case(algorithm, &even, wrap);
            run_case(algorithm, &odd, wrap);
        }
    }
}

/* Whole numbers have one right answer, to the last bit. */
static void run_whole(fcnn_convolution_algorithm algorithm) {
    static const shape table[] = {{7, 3, 1, 17, 9, 19, 0}, {12, 4, 2, 3, 5, 3, 0},
                                  {16, 8, 1, 5, 3, 8, 0},  {27, 5, 1, 3, 17, 1, 0},
                                  {8, 1, 4, 16, 3, 16, 0}, {16, 11, 4, 3, 5, 3, 0}};
    for (int i = 0; i < COUNT(table); i++) {
        for (int wrap = 0; wrap < 2; wrap++) {
            if (!begin("exact", "", algorithm, &table[i], wrap)) continue;
            problem p = convolution_problem_new(&table[i], wrap, true);
            case_tolerance(0.0);
            while (case_device()) train_device(&p, algorithm);
            case_end();
        }
    }
}

/* ---- Memory over more than one pass ---- */

/* The epoch's last batch: fewer images in the memory of a full one, where those of the batch
 * before still lie. */
static void run_last_batch(fcnn_convolution_algorithm algorithm) {
    shape s = {13, 3, 1, 3, 5, 5, 0}, whole_batch = {13, 3, 1, 3, 5, 32, 0};
    for (int wrap = 0; wrap < 2; wrap++) {
        if (!begin("memory", "last batch: ", algorithm, &s, wrap)) continue;
        problem all = convolution_problem_new(&whole_batch, wrap, false),
                last = convolution_problem_new(&s, wrap, false);
        memcpy(last.w_float, all.w_float, (size_t)last.taps * sizeof *last.w_float);
        memcpy(last.w, all.w, (size_t)last.taps * sizeof *last.w);
        convolution_solve(&last);
        while (case_device()) {
            operation o, small;
            if (!convolution_plan(&o, &all, algorithm, true)) break;
            if (!convolution_plan(&small, &last, algorithm, true)) break;
            CASE_CHECK(small.x.capacity == o.x.capacity, "the two batches' capacities differ");
            case_reserve();
            convolution_run_kernel(&o);
            fcnn_tensor y = convolution_run_forward(&o);
            case_compare("y", &y, all.y);
            convolution_run_backward(&o, &all, true, true);
            o.x = small.x;
            o.dy = small.dy;
            y = convolution_run_forward(&o);
            case_compare("y of the last batch", &y, last.y);
            convolution_run_backward(&o, &last, true, true);
        }
        case_end();
    }
}

/* Two layers on one device: their demands add up to scratch that suits both, and new taps
 * in the same memory replace the old. */
static void run_two_layers(fcnn_convolution_algorithm algorithm) {
    shape first = {16, 3, 1, 2, 17, 8, 0}, second = {27, 3, 1, 5, 1, 3, 0};
    if (!begin("memory", "two layers, ", algorithm, &first, true)) return;
    problem a = convolution_problem_new(&first, true, false),
            b = convolution_problem_new(&second, false, false);
    problem again = convolution_problem_new(&first, true, false);
    while (case_device()) {
        operation oa, ob;
        if (!convolution_plan(&oa, &a, algorithm, true) ||
            !convolution_plan(&ob, &b, algorithm, true))
            break;
        case_reserve();
        convolution_run_kernel(&oa);
        convolution_run_kernel(&ob);
        fcnn_tensor ya = convolution_run_forward(&oa), yb = convolution_run_forward(&ob);
        case_compare("y of the first", &ya, a.y);
        case_compare("y of the second", &yb, b.y);
        convolution_run_backward(&ob, &b, true, true);
        convolution_run_backward(&oa, &a, true, true);
        oa.x = case_map(CASE_INPUT, first.side, first.channels, first.images, again.x_float);
        oa.dy = case_map(CASE_INPUT, first.side, first.filters, first.images, again.dy_float);
        oa.w = case_array(CASE_INPUT, again.taps, again.w_float);
        convolution_run_kernel(&oa);
        ya = convolution_run_forward(&oa);
        case_compare("y of the next step", &ya, again.y);
        convolution_run_backward(&oa, &again, true, true);
    }
    case_end();
}

/* ---- Refusals ---- */

/* The plan must fail and its message must say `why`. */
static void run_refusal(fcnn_convolution_algorithm algorithm, const shape *s, const char *why) {
    if (!begin("refused", "", algorithm, s, false)) return;
    while (case_device()) {
        fcnn_device *device = case_current();
        fcnn_convolution c = convolution_described(s, false, algorithm, true);
        fcnn_convolution_bytes bytes;
        if (!device->backend->convolution_plan) {
            case_fail("the backend has no convolution_plan");
            break;
        }
        fcnn_status status = device->backend->convolution_plan(device, &c, &bytes);
        CASE_CHECK(status == FCNN_ERROR_UNSUPPORTED, "the plan returned %d instead of refusing",
                   (int)status);
        CASE_CHECK(!status || strstr(fcnn_status_message(), why), "the message has no '%s': %s",
                   why, fcnn_status_message());
    }
    case_end();
}

static void run_refusals(fcnn_convolution_algorithm algorithm) {
    bool any_stride = algorithm == FCNN_CONVOLUTION_direct || algorithm == FCNN_CONVOLUTION_gemm;
    int size = algorithm == FCNN_CONVOLUTION_winograd ? 3 : 5;
    run_refusal(algorithm, &(shape){2, 3, 1, 3, 5, 8, 0}, "size=3");
    run_refusal(algorithm, &(shape){7, size, 2, 3, 5, 8, 0}, "stride=2");
    if (!any_stride) {
        run_refusal(algorithm, &(shape){8, size, 2, 3, 5, 8, 0}, "stride=1");
        run_refusal(algorithm, &(shape){16, size, 4, 3, 5, 8, 0}, "stride=1");
    }
    if (algorithm == FCNN_CONVOLUTION_winograd) {
        for (int other = 1; other <= 5; other++)
            if (other != 3) run_refusal(algorithm, &(shape){8, other, 1, 3, 5, 8, 0}, "3x3");
    }
    if (algorithm == FCNN_CONVOLUTION_oaa) {
        run_refusal(algorithm, &(shape){16, 5, 1, 3, 5, 8, 4}, "tile=4");
        run_refusal(algorithm, &(shape){16, 5, 1, 3, 5, 8, 1}, "tile=1");
        run_refusal(algorithm, &(shape){16, 5, 1, 3, 5, 8, 1 << 20}, "tile=1048576");
    }
}

/* ---- Properties ---- */

/* One tap of 1 moves the map: y[o] = x[o + p - c], exactly so where nothing is transformed. */
static void run_impulse(fcnn_convolution_algorithm algorithm) {
    static const struct {
        int size, py, px;
    } taps[] = {{3, 0, 0}, {3, 1, 1}, {3, 1, 2}, {4, 3, 0}, {7, 6, 2}, {8, 0, 7}};
    for (int i = 0; i < COUNT(taps); i++) {
        int size = taps[i].size, side = 12, centre = (size - 1) / 2;
        if (algorithm == FCNN_CONVOLUTION_winograd && size != 3) continue;
        if (!case_begin("property", "%s: tap (%d, %d) of %dx%d shifts the map",
                        convolution_names[algorithm], taps[i].py, taps[i].px, size, size))
            continue;
        problem p = convolution_problem_new(&(shape){side, size, 1, 1, 1, 1, 0}, true, false);
        for (int64_t t = 0; t < p.taps; t++) p.w_float[t] = 0.0f;
        p.w_float[taps[i].py * size + taps[i].px] = 1.0f;
        for (int o = 0; o < side * side; o++) {
            int y = (o / side + taps[i].py - centre + side) % side;
            int x = (o % side + taps[i].px - centre + side) % side;
            p.y[o] = p.x[y * side + x];
        }
        bool exact = algorithm == FCNN_CONVOLUTION_direct || algorithm == FCNN_CONVOLUTION_gemm;
        if (exact) case_tolerance(0.0);
        while (case_device()) infer_device(&p, algorithm);
        case_end();
    }
}

static void agree(fcnn_convolution_algorithm algorithm, const char *result, const float *got,
                  const float *direct, int64_t count) {
    char name[64];
    snprintf(name, sizeof name, "%s of %s against direct", result, convolution_names[algorithm]);
    compare_result verdict;
    CASE_CHECK(compare_float_pair(name, got, direct, count, 1e-5, &verdict), "%s", verdict.message);
}

/* One after the other on one device: results differ by no more than their rounding. */
static void agree_device(const problem *p) {
    operation o[FCNN_CONVOLUTION_COUNT];
    const float *direct[3] = {NULL}, *got[3];
    for (int a = 0; a < FCNN_CONVOLUTION_COUNT; a++)
        if (!convolution_plan(&o[a], p, (fcnn_convolution_algorithm)a, true)) return;
    case_reserve();
    for (int a = 0; a < FCNN_CONVOLUTION_COUNT; a++) {
        convolution_run_kernel(&o[a]);
        fcnn_tensor y = convolution_run_forward(&o[a]);
        fcnn_tensor dx = case_map(CASE_OUTPUT, p->s.side, p->s.channels, p->s.images, NULL);
        float *dw = case_array(CASE_OUTPUT, p->taps, NULL);
        convolution_call_backward(&o[a], &dx, dw);
        got[0] = case_read("y", &y);
        got[1] = case_read("dx", &dx);
        got[2] = case_read_array("dw", dw, p->taps);
        if (a == FCNN_CONVOLUTION_direct) memcpy(direct, got, sizeof direct);
        agree((fcnn_convolution_algorithm)a, "y", got[0], direct[0], p->outputs);
        agree((fcnn_convolution_algorithm)a, "dx", got[1], direct[1], p->inputs);
        agree((fcnn_convolution_algorithm)a, "dw", got[2], direct[2], p->taps);
    }
}

static void all_agree(void) {
    shape s = {40, 3, 1, 16, 24, 16, 0};
    for (int wrap = 0; wrap < 2; wrap++) {
        if (!case_begin("property", "all algorithms agree, %s size=3 40x40 C=16 F=24 N=16",
                        wrap ? "wrap" : "zero"))
            continue;
        problem p = convolution_problem_new(&s, wrap, false);
        while (case_device()) agree_device(&p);
        case_end();
    }
}

/* ---- More sums at once than a backend may keep room for ---- */

static void many_taps(void) {
    shape s = {2, 2, 1, 256, 1032, 1, 0};
    if (!begin("backward", "", FCNN_CONVOLUTION_direct, &s, true)) return;
    problem p = convolution_problem_new(&s, true, false);
    while (case_device()) {
        operation o;
        if (!convolution_plan(&o, &p, FCNN_CONVOLUTION_direct, true)) break;
        case_reserve();
        convolution_run_kernel(&o);
        convolution_run_backward(&o, &p, false, true);
    }
    case_end();
}

/* ---- Program ---- */

static void run_algorithm(fcnn_convolution_algorithm algorithm) {
    run_table(algorithm, sides, COUNT(sides));
    run_table(algorithm, strided, COUNT(strided));
    run_table(algorithm, tiled, COUNT(tiled));
    run_sizes(algorithm);
    if (algorithm == FCNN_CONVOLUTION_direct || algorithm == FCNN_CONVOLUTION_gemm)
        run_whole(algorithm);
    run_last_batch(algorithm);
    run_two_layers(algorithm);
    run_refusals(algorithm);
    run_impulse(algorithm);
}

#define TEST_FUNCTION(name)                                                                        \
    static void test_##name(void) { run_algorithm(FCNN_CONVOLUTION_##name); }
#define TEST_ROW(name) {#name, test_##name},
FCNN_CONVOLUTION_ALGORITHMS(TEST_FUNCTION)

int main(int count, char **arguments) {
    static const case_test tests[] = {FCNN_CONVOLUTION_ALGORITHMS(TEST_ROW){"agree", all_agree},
                                      {"many taps", many_taps}};
    if (count < 2) return case_main("convolution of maps", tests, COUNT(tests));
    for (int i = 0; i < COUNT(tests); i++)
        if (!strcmp(tests[i].name, arguments[1]))
            return case_main("convolution of maps", &tests[i], 1);
    fprintf(stderr, "%s: no tests named '%s'\n", arguments[0], arguments[1]);
    return 2;
}
