/* The memory plan: its parts add up to the arena, no two buffers alive at the same
 * step overlap, everything lives as long as it is read, and the plan is what is
 * allocated, at once and for good. */
#include <stdlib.h>

#include "graph_internal.h"
#include "network_case.h"

#define TAIL      " [ifft] [dense] units=classes [softmax]"
#define CONV      " [conv] filters=4 size=5"
#define POOL(s)   " [fourier_pool] size=" #s
#define FFT27     "[net] [fft] size=27"
#define SMALLCONV " [conv] filters=4 size=3"

static const network_options options = {.channels = 3, .classes = 10, .batch = 20, .moments = 2};

static const char *const planned[] = {
    FFT27 CONV " norm=batch activation=srelu" POOL(13) CONV " norm=batch activation=relu" POOL(
        7) " [ifft] [dropout] [dense] units=30 activation=gelu [dense] units=classes [softmax]",
    /* Branches of two and three consumers, with and without a crop between. */
    FFT27 CONV CONV " norm=batch activation=modrelu" POOL(
        13) " [shortcut] from=conv1" SMALLCONV
            " [shortcut] from=conv1 [activation] function=srelu [shortcut] from=conv2" POOL(7) TAIL,
    "[net] [fft] size=25 [conv] filters=8 size=7 stride=2 activation=crelu" POOL(7)
        POOL(3) " [conv] filters=5 size=full init_size=3 [norm] [dropout]" TAIL,
    FFT27 POOL(13) TAIL, NULL, /* alexnet.cfg */
};

static network planned_network(int i, bool training) {
    network_options with = options;
    with.inference = !training;
    network n;
    network_ok(planned[i] ? network_create(&n, planned[i], with)
                          : network_load(&n, "alexnet.cfg", with));
    return n;
}

static bool together(const fcnn_buffer *a, const fcnn_buffer *b) {
    if (a->kind == FCNN_MEMORY_SPECTRA || b->kind == FCNN_MEMORY_SPECTRA) return true;
    return a->first <= b->last && b->first <= a->last;
}

static void check_offsets(const fcnn_graph *g) {
    const fcnn_memory_plan *memory = &g->plan;
    int64_t step = memory->arena - memory->bytes[FCNN_MEMORY_STEP];
    int64_t spectra = step - memory->bytes[FCNN_MEMORY_SPECTRA];
    for (int i = 0; i < g->buffer_count; i++) {
        const fcnn_buffer *a = &g->buffers[i];
        bool always = a->kind == FCNN_MEMORY_SPECTRA;
        ck_assert_int_eq(a->offset % 64, 0);
        ck_assert_int_ge(a->offset, always ? spectra : step);
        ck_assert_int_le(a->offset + a->bytes, always ? step : memory->arena);
        ck_assert_int_gt(a->bytes, 0);
        for (int j = 0; j < i; j++) {
            const fcnn_buffer *b = &g->buffers[j];
            bool apart = a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;
            ck_assert_msg(apart || !together(a, b),
                          "buffers %d (steps %d-%d, %lld+%lld) and %d (%d-%d, %lld+%lld)", i,
                          a->first, a->last, (long long)a->offset, (long long)a->bytes, j, b->first,
                          b->last, (long long)b->offset, (long long)b->bytes);
        }
    }
}

static void check_alive(const fcnn_graph *g, int buffer, int from, int to, const char *what) {
    const fcnn_buffer *b = &g->buffers[buffer];
    ck_assert_msg(b->first <= from && b->last >= to, "%s is used in steps %d-%d and lives %d-%d",
                  what, from, to, b->first, b->last);
}

/* What each pass reads and writes must be alive when it does. */
static void check_lifetimes(const fcnn_graph *g, bool training) {
    for (int i = 0; i < g->node_count; i++) {
        const fcnn_node *node = g->nodes[i];
        check_alive(g, node->output_buffer, i, i, node->name);
        ck_assert_int_ge(g->buffers[node->output_buffer].bytes,
                         fcnn_tensor_floats(&node->output) * (int64_t)sizeof(float));
        bool backward = training && node->needs_gradient;
        int step = fcnn_backward_step(g, node);
        bool rereads =
            backward && !node->forgets_input && (node->type->flags & FCNN_LAYER_KEEPS_INPUT);
        for (int j = 0; j < node->input_count; j++) {
            const fcnn_node *input = g->nodes[node->inputs[j]];
            check_alive(g, input->output_buffer, input->index, rereads ? step : i, input->name);
            if (!backward || !input->needs_gradient) continue;
            check_alive(g, input->gradient_buffer, step, fcnn_backward_step(g, input), input->name);
            ck_assert_int_ge(g->buffers[input->gradient_buffer].bytes,
                             fcnn_tensor_floats(&input->output) * (int64_t)sizeof(float));
            ck_assert_int_eq(input->consumer_count > 1, input->extra_gradient_buffer >= 0);
        }
        if (!training) ck_assert_int_lt(node->gradient_buffer, 0);
    }
}

/* A view is its input's memory; its gradient is too, where it alone reads all of the input. */
static void check_views(const fcnn_graph *g, bool training) {
    for (int i = 1; i < g->node_count; i++) {
        const fcnn_node *node = g->nodes[i], *input = g->nodes[node->inputs[0]];
        bool view = node->type->flags & FCNN_LAYER_VIEW;
        ck_assert_int_eq(view, node->output_buffer == input->output_buffer);
        if (!training || node->gradient_buffer < 0) continue;
        bool whole = view && input->consumer_count == 1 &&
                     node->output.radius == input->output.radius && input->needs_gradient;
        ck_assert_int_eq(whole, node->gradient_buffer == input->gradient_buffer);
    }
}

START_TEST(memory_plan) {
    bool training = _i % 2;
    network n = planned_network(_i / 2, training);
    const fcnn_memory_plan *memory = fcnn_graph_memory(n.graph);
    int64_t sum = 0, separate = 0;
    for (int i = 0; i < FCNN_MEMORY_KINDS; i++) sum += memory->bytes[i];
    for (int i = 0; i < n.graph->buffer_count; i++)
        if (n.graph->buffers[i].kind == FCNN_MEMORY_STEP) separate += n.graph->buffers[i].bytes;
    ck_assert_int_eq(sum, memory->arena);
    ck_assert_int_eq(separate, memory->step_unshared);
    /* More than a few buffers cannot all be needed at once. */
    ck_assert_int_lt(memory->bytes[FCNN_MEMORY_STEP], memory->step_unshared);
    int64_t trained = training ? fcnn_graph_flat(n.graph).trained * (int64_t)sizeof(float) : 0;
    ck_assert_int_eq(memory->bytes[FCNN_MEMORY_GRADIENTS], trained);
    ck_assert_int_eq(memory->bytes[FCNN_MEMORY_MOMENTS], 2 * trained);
    check_offsets(n.graph);
    check_lifetimes(n.graph, training);
    check_views(n.graph, training);
    network_close(&n);
}
END_TEST

/* A backend that counts what is taken from it. */
static int64_t allocations, allocated;
static const fcnn_backend *counted_backend;

static fcnn_status counting_allocate(fcnn_device *device, size_t bytes, void **memory) {
    allocations++;
    allocated += (int64_t)bytes;
    return counted_backend->allocate(device, bytes, memory);
}

static void check_addresses(const network *n) {
    const unsigned char *end = n->graph->arena + n->graph->arena_bytes;
    for (int i = 0; i < n->graph->node_count; i++) {
        const fcnn_tensor *t = &n->graph->nodes[i]->output;
        const unsigned char *at = (const unsigned char *)t->data;
        ck_assert_uint_eq((uintptr_t)at % 64, 0);
        ck_assert(at >= n->graph->arena && at + fcnn_tensor_floats(t) * 4 <= end);
    }
    for (int i = 0; i < n->graph->parameter_count; i++) {
        const fcnn_parameter *p = &n->graph->parameters[i];
        ck_assert_uint_eq((uintptr_t)p->value % 64, 0);
        ck_assert_uint_eq((uintptr_t)p->gradient % 64, 0);
        ck_assert_int_eq(p->trained, p->gradient != NULL);
    }
}

START_TEST(allocates_the_plan_and_no_more) {
    network n = planned_network(_i, true);
    fcnn_backend backend = *n.device->backend;
    counted_backend = n.device->backend;
    backend.allocate = counting_allocate;
    n.device->backend = &backend;
    allocations = allocated = 0;
    network_images images = network_images_make(&n, 20, 27, 27, 3);
    network_expect(fcnn_graph_forward(n.graph, images.images, 1, NULL, NULL), FCNN_ERROR_USAGE,
                   "allocate");
    network_ok(fcnn_graph_allocate(n.graph));
    ck_assert_int_eq(allocations, 1);
    ck_assert_int_eq(allocated, fcnn_graph_memory(n.graph)->arena);
    ck_assert_int_eq(fcnn_graph_arena_bytes(n.graph), allocated);
    check_addresses(&n);
    network_ok(fcnn_graph_initialise(n.graph, 1));
    allocations = 0;
    network_train(&n, &images, 0);
    network_train(&n, &images, 1);
    free(network_logits(&n, &images, 0, 20));
    ck_assert_int_eq(allocations, 0);
    network_expect(fcnn_graph_forward(n.graph, images.images, 21, NULL, NULL), FCNN_ERROR_USAGE,
                   "1 to 20|21");
    network_images_free(&images);
    network_close(&n);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plan");
    TCase *tests = tcase_create("plan");
    suite_add_tcase(suite, tests);
    tcase_add_loop_test(tests, memory_plan, 0, 2 * LENGTH(planned));
    tcase_add_loop_test(tests, allocates_the_plan_and_no_more, 0, LENGTH(planned) - 1);
    return network_main(suite);
}
