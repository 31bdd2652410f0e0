/* What ranks tell rank 0 in words. */
#include <stdlib.h>
#include <string.h>

#include "ranks.h"

static fcnn_status no_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the messages of ranks");
}

fcnn_status fcnn_ranks_send_text(fcnn_ranks *ranks, fcnn_text *text) {
    int64_t bytes = (int64_t)text->length;
    char *own = fcnn_text_take(text);
    if (!own) return no_memory();
    fcnn_status status = fcnn_ranks_send(ranks, 0, &bytes, sizeof bytes);
    if (!status) status = fcnn_ranks_send(ranks, 0, own, bytes);
    free(own);
    return status;
}

fcnn_status fcnn_ranks_receive_text(fcnn_ranks *ranks, int from, char **text, int64_t *bytes) {
    *text = NULL;
    FCNN_TRY(fcnn_ranks_receive(ranks, from, bytes, sizeof *bytes));
    char *received = malloc((size_t)*bytes + 1);
    if (!received) return no_memory();
    received[*bytes] = '\0';
    fcnn_status status = fcnn_ranks_receive(ranks, from, received, *bytes);
    if (status)
        free(received);
    else
        *text = received;
    return status;
}

/* ---- Problems ---- */

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(char **messages, int64_t count) {
    if (count) qsort(messages, (size_t)count, sizeof *messages, by_text);
}

static fcnn_status add_lines(const char *lines, int64_t bytes, fcnn_problems *problems) {
    for (const char *line = lines; line < lines + bytes; line += strlen(line) + 1) {
        fcnn_status_record("%s", line);
        FCNN_TRY(fcnn_problems_add(problems));
    }
    return FCNN_OK;
}

static fcnn_status receive_all(fcnn_ranks *ranks, fcnn_problems *theirs) {
    for (int r = 1; r < fcnn_ranks_size(ranks); r++) {
        char *lines;
        int64_t bytes;
        FCNN_TRY(fcnn_ranks_receive_text(ranks, r, &lines, &bytes));
        fcnn_status status = add_lines(lines, bytes, theirs);
        free(lines);
        FCNN_TRY(status);
    }
    return FCNN_OK;
}

/* Adds those that are new, each once; ours stay in their order in front. */
static fcnn_status add_new(const fcnn_problems *theirs, fcnn_problems *ours) {
    int64_t known = ours->count;
    size_t size = sizeof *ours->messages;
    char **sorted = malloc(((size_t)known + 1) * size);
    fcnn_status status = sorted ? FCNN_OK : no_memory();
    if (sorted && known) memcpy(sorted, ours->messages, (size_t)known * size);
    if (sorted) sort(sorted, known);
    for (int64_t i = 0; !status && i < theirs->count; i++) {
        char **line = &theirs->messages[i];
        bool again = i && !strcmp(line[-1], line[0]);
        if (again || (known && bsearch(line, sorted, (size_t)known, size, by_text))) continue;
        fcnn_status_record("%s", *line);
        status = fcnn_problems_add(ours);
    }
    free(sorted);
    return status;
}

fcnn_status fcnn_ranks_gather_problems(fcnn_ranks *ranks, fcnn_problems *problems) {
    fcnn_problems theirs = {0};
    fcnn_text text = {0};
    if (!ranks) return FCNN_OK;
    if (fcnn_ranks_number(ranks)) {
        for (int64_t i = 0; i < problems->count; i++)
            fcnn_text_add_bytes(&text, problems->messages[i], strlen(problems->messages[i]) + 1);
        return fcnn_ranks_send_text(ranks, &text);
    }
    fcnn_status status = receive_all(ranks, &theirs);
    sort(theirs.messages, theirs.count);
    if (!status) status = add_new(&theirs, problems);
    fcnn_problems_clear(&theirs);
    return status;
}
