/* Ranks whose results would differ, or that would wait for each other without end, are refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ranks.h"
#include "text.h"
#include "version.h"

/* The first line that differs. */
static fcnn_status different(const char *what, const char *ours, const char *first) {
    size_t same = fcnn_text_same_lines(ours, first);
    int here = (int)strcspn(ours + same, "\n"), there = (int)strcspn(first + same, "\n");
    return fcnn_status_set(FCNN_ERROR_CONFIG, "%s: '%.*s' here, and '%.*s' on rank 0", what,
                           here < 120 ? here : 120, ours + same, there < 120 ? there : 120,
                           first + same);
}

fcnn_status fcnn_ranks_compare(fcnn_ranks *ranks, const char *what, const char *ours) {
    int64_t bytes = (int64_t)strlen(ours) + 1;
    if (!ranks) return FCNN_OK;
    FCNN_TRY(fcnn_ranks_broadcast(ranks, &bytes, sizeof bytes));
    char *text = malloc((size_t)bytes);
    if (!text)
        return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory to compare the ranks' %s", what);
    if (!fcnn_ranks_number(ranks)) memcpy(text, ours, (size_t)bytes);
    fcnn_status status = fcnn_ranks_broadcast(ranks, text, bytes);
    if (!status) status = strcmp(text, ours) ? different(what, ours, text) : FCNN_OK;
    free(text);
    return fcnn_ranks_agree(ranks, status);
}

fcnn_status fcnn_ranks_compare_machines(fcnn_ranks *ranks, const fcnn_device *device) {
    const char *kernels = strchr(device->description, ','); /* behind the threads */
    if (!ranks) return FCNN_OK;
    FCNN_TRY(fcnn_ranks_compare(ranks, "another version of fcnn", fcnn_version()));
    return fcnn_ranks_compare(ranks, "another instruction set (FCNN_ISA chooses one)",
                              kernels ? kernels + 2 : "");
}
