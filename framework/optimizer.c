/* One step of the optimizer over the graph's flat parameters. */
#include "optimizer.h"

#include <math.h>

#include "layer.h"

fcnn_optimizer fcnn_optimizer_from_config(const fcnn_section *net, int64_t steps_per_epoch,
                                          int64_t epochs) {
    fcnn_step_constants constants = {.decay = (float)fcnn_section_real(net, "weight_decay"),
                                     .momentum = (float)fcnn_section_real(net, "momentum"),
                                     .nesterov = fcnn_section_int(net, "nesterov") != 0,
                                     .beta1 = (float)fcnn_section_real(net, "beta1"),
                                     .beta2 = (float)fcnn_section_real(net, "beta2"),
                                     .epsilon = (float)fcnn_section_real(net, "epsilon"),
                                     .gradient_scale = 1.0f};
    return (fcnn_optimizer){.rule = (fcnn_update_rule)fcnn_section_word(net, "optimizer"),
                            .constants = constants,
                            .learning_rate = fcnn_section_real(net, "learning_rate"),
                            .clip_norm = fcnn_section_real(net, "clip_norm"),
                            .schedule = fcnn_schedule_from_config(net, steps_per_epoch, epochs)};
}

int fcnn_optimizer_moments(fcnn_update_rule rule) {
#define MOMENTS(name, moments) moments,
    static const int kept[] = {FCNN_OPTIMIZER_RULES(MOMENTS)};
#undef MOMENTS
    return kept[rule];
}

static fcnn_status update(fcnn_update_rule rule, const fcnn_step_constants *constants,
                          fcnn_graph *graph, fcnn_kept_moments kept) {
    fcnn_flat_parameters flat = fcnn_graph_flat(graph);
    int64_t from = kept.range.from, count = kept.range.to - from, decayed = flat.decayed - from;
    decayed = decayed < 0 ? 0 : decayed < count ? decayed : count;
    FCNN_CALL(graph, update, rule, constants, count, decayed, flat.values + from,
              flat.gradients + from, kept.moments[0], kept.moments[1]);
    return FCNN_OK;
}

fcnn_status fcnn_optimizer_step(const fcnn_optimizer *optimizer, fcnn_graph *graph, int64_t step,
                                double *norm) {
    fcnn_step_constants c = optimizer->constants;
    fcnn_flat_parameters flat = fcnn_graph_flat(graph);
    c.rate = (float)(optimizer->learning_rate * fcnn_schedule_factor(&optimizer->schedule, step));
    c.correct1 = (float)(1.0 / (1.0 - pow(c.beta1, (double)step + 1.0)));
    c.correct2 = (float)(1.0 / (1.0 - pow(c.beta2, (double)step + 1.0)));
    if (norm || optimizer->clip_norm > 0.0) {
        double squares;
        FCNN_CALL(graph, squared_norm, flat.trained, flat.gradients, &squares);
        if (!isfinite(squares))
            return fcnn_status_set(FCNN_ERROR_NUMERIC, "the gradients' norm is not finite");
        double length = sqrt(squares);
        if (norm) *norm = length;
        if (optimizer->clip_norm > 0.0 && length > optimizer->clip_norm)
            c.gradient_scale = (float)(optimizer->clip_norm / length);
    }
    for (int64_t i = 0; i < fcnn_graph_kept_count(graph); i++)
        FCNN_TRY(update(optimizer->rule, &c, graph, fcnn_graph_kept(graph, i)));
    fcnn_graph_parameters_changed(graph);
    return FCNN_OK;
}
