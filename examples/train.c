/* Trains the network of a cfg, on the data that the cfg names, and saves the model.
 *
 *     cc train.c $(pkg-config --cflags --libs fcnn) -o train
 *     ./train lenet.cfg model.safetensors [SECONDS]
 *
 * After so many seconds it stops behind a step: the model is then as far as it came. */
#include <fcnn.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    double started, seconds; /* 0: as long as it takes */
} limits;

static fcnn_status after_step(void *user, fcnn_training *training,
                              const fcnn_training_progress *progress) {
    const limits *l = user;
    (void)progress;
    if (l->seconds > 0 && fcnn_seconds() - l->started > l->seconds) fcnn_training_stop(training);
    return FCNN_OK;
}

static fcnn_status after_epoch(void *user, fcnn_training *training,
                               const fcnn_training_progress *p) {
    (void)user;
    (void)training;
    printf("epoch %lld of %lld: loss %.4f, accuracy %.4f", (long long)p->epoch,
           (long long)p->epochs, p->loss, p->accuracy);
    if (p->validation_accuracy >= 0) /* NaN where the epoch was not validated */
        printf("; validation loss %.4f, accuracy %.4f", p->validation_loss, p->validation_accuracy);
    puts("");
    return FCNN_OK;
}

static void print_message(void *user, fcnn_message_kind kind, const char *text) {
    (void)user;
    fprintf(stderr, "%s%s\n", kind == FCNN_WARNING ? "warning: " : "", text);
}

static fcnn_status train(const fcnn_config *config, const char *model, limits *l) {
    const fcnn_training_options options = {
        .config = config,
        .events = {.user = l, .step = after_step, .epoch = after_epoch, .message = print_message}};
    fcnn_training *training;
    bool finished;
    FCNN_TRY(fcnn_training_open(&options, &training));
    fcnn_status status = fcnn_training_run(training, &finished);
    if (!status) status = fcnn_training_save_model(training, model, FCNN_FORM_TRAINABLE);
    if (!status) printf("%s %s\n", finished ? "finished:" : "stopped:", model);
    fcnn_training_close(training);
    return status;
}

int main(int argc, char **argv) {
    limits l = {.started = fcnn_seconds(), .seconds = argc > 3 ? atof(argv[3]) : 0};
    fcnn_config *config;
    fcnn_status status =
        argc >= 3 ? fcnn_config_load(argv[1], &config)
                  : fcnn_status_set(FCNN_ERROR_USAGE, "usage: train CFG MODEL [SECONDS]");
    if (!status) {
        status = train(config, argv[2], &l);
        fcnn_config_destroy(config);
    }
    if (status) fprintf(stderr, "train: %s\n", fcnn_status_message());
    return fcnn_status_exit_code(status);
}
