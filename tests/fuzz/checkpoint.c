/* A checkpoint as a resumed run takes it: the position, the parameters and the
 * moments, and what the trainer computes from them. */
#include <unistd.h>

#include "fuzz.h"
#include "train/run/position.h"
#include "train/run/rundir.h"

/* The training that goes on: of the file's own cfg, so that it is not refused for another. */
typedef struct {
    fcnn_dataset dataset;
    fcnn_training_data data;
    fcnn_training t;
    char *text;
} run;

static void prepare(run *r, const fcnn_model *model) {
    const char *images = fcnn_safetensors_metadata(model->file, "training_images");
    *r = (run){.dataset = {.channels = model->channels,
                           .classes = model->classes,
                           .class_names = (const char *const *)model->class_names},
               .text = fcnn_config_text(model->config)};
    r->data = (fcnn_training_data){
        .dataset = &r->dataset,
        .train = {FCNN_SPLIT_TRAIN, images ? strtoll(images, NULL, 10) : 0, NULL, "training"}};
    r->t.of =
        (fcnn_training_parts){.config = model->config, .config_text = r->text, .data = &r->data};
    r->t.epochs = fcnn_section_int(fcnn_training_net(&r->t), "epochs");
    r->t.steps_per_epoch = 4;
    r->t.batch = (int)fcnn_section_int(fcnn_training_net(&r->t), "batch");
}

static void save_again(fcnn_training *t) {
    fcnn_training_file file = {.path = "model"};
    fcnn_snapshot *model = NULL, *checkpoint = NULL;
    fcnn_status status = fcnn_training_take_model(t, &file, &model);
    file =
        (fcnn_training_file){.path = "checkpoint", .weights = model, .weights_files = RUNDIR_MODEL};
    if (!status) status = fcnn_training_take_checkpoint(t, &file, &checkpoint);
    if (!status) status = fcnn_snapshot_write(model, fuzz_path(RUNDIR_MODEL));
    if (!status) status = fcnn_snapshot_write(checkpoint, fuzz_path(RUNDIR_CHECKPOINT));
    fuzz_expect(!status, "what was resumed can be saved");
    fcnn_snapshot_destroy(checkpoint);
    fcnn_snapshot_destroy(model);
    unlink(fuzz_path(RUNDIR_MODEL));
}

/* What a resumed training does before its first step. */
static void go_on(run *r, const fcnn_model *model) {
    char text[256];
    fcnn_graph *graph;
    fcnn_training *t = &r->t;
    t->optimizer = fcnn_optimizer_from_config(fcnn_training_net(t), t->steps_per_epoch, t->epochs);
    fcnn_graph_options options =
        fcnn_training_graph_options(model->config, model->channels, model->classes, 2);
    fcnn_schedule_factor(&t->optimizer.schedule, fcnn_training_steps(t));
    if (fcnn_training_stopped_early(t)) fcnn_training_describe_stop(t, text, sizeof text);
    if (!fuzz_is_small(model->config) || fcnn_graph_create(&options, fuzz_device(), &graph)) return;
    if (fuzz_fits(graph) && !fcnn_graph_allocate(graph) && !fcnn_model_restore(model, graph) &&
        !fcnn_model_restore_moments(model, graph)) {
        t->graph = graph;
        save_again(t);
    }
    fcnn_graph_destroy(graph);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *path = fuzz_path("checkpoint.safetensors");
    char *folder = strdup(fuzz_path("."));
    fcnn_model *own, *model;
    fuzz_expect(folder, "memory");
    fuzz_write(path, (fuzz_part){data, size});
    if (!fcnn_model_load(path, &own)) {
        run r;
        prepare(&r, own);
        if (!position_open(folder, own->config, &model)) {
            if (!fcnn_training_read_position(&r.t, model)) go_on(&r, model);
            fcnn_model_destroy(model);
        }
        free(r.text);
        fcnn_model_destroy(own);
    }
    free(folder);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    return fuzz_mutate_container(data, size, most, seed);
}
