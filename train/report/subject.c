/* This file holds names and figures that several sections tell. */
#include "subject.h"

#include <string.h>

#include "layer.h"

const fcnn_section *report_net(const report_options *o) {
    return &fcnn_graph_get_options(o->graph)->config->sections[0];
}

const char *report_scored_name(const report_options *o) {
    const fcnn_training_data *data = o->data;
    return data->validation.name ? data->validation.name : "validation";
}

double report_seconds(const fcnn_training_times *p) {
    return p->opening + p->input + p->train + p->exchange + p->update + p->validation + p->saving;
}

bool report_cache_usage(const fcnn_training_data *data, fcnn_spectra_usage *usage) {
    if (!data->spectra || data->spectra == data->dataset) return false;
    *usage = fcnn_spectra_used(data->spectra);
    return *usage->path != '\0';
}

const char *report_last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}
