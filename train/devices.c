/* Ranks of a host take its devices in turn; those that have to share one are told of. */
#include "devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

typedef struct {
    char host[256], id[sizeof((fcnn_device *)0)->id];
} place;

static bool is_same(const place *a, const place *b) {
    return *a->id && !strcmp(a->id, b->id) && !strcmp(a->host, b->host);
}

static void tell(const place *all, int size) {
    int devices = 0, first = -1, second = -1;
    for (int r = 0; r < size; r++) {
        int before = 0;
        while (!is_same(&all[before], &all[r]) && before < r) before++;
        devices += before == r;
        if (before < r && second < 0) {
            first = before;
            second = r;
        }
    }
    if (second < 0) return;
    terminal_warn("%d ranks have %d device%s: ranks %d and %d on %s share one, and each waits for "
                  "the other",
                  size, devices, devices == 1 ? "" : "s", first, second, all[first].host);
}

fcnn_status devices_open(const fcnn_ranks *ranks, const char *name, int threads,
                         fcnn_device **device) {
    return fcnn_device_open_number(name, fcnn_ranks_local(ranks), threads, device);
}

fcnn_status devices_tell_shared(fcnn_ranks *ranks, const fcnn_device *device) {
    int size = fcnn_ranks_size(ranks);
    if (!ranks) return FCNN_OK;
    place *all = calloc((size_t)size, sizeof *all);
    if (!all) return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the ranks' devices");
    place *mine = &all[fcnn_ranks_number(ranks)];
    snprintf(mine->host, sizeof mine->host, "%s", fcnn_ranks_host(ranks));
    memcpy(mine->id, device->id, sizeof mine->id);
    fcnn_status status = fcnn_ranks_gather(ranks, all, size, sizeof *all);
    if (!status && !fcnn_ranks_number(ranks)) tell(all, size);
    free(all);
    return status;
}
