/* What programs do at their beginning and end where they may be one of several ranks. */
#include "program_ranks.h"

#include <stdio.h>

#include "keeper.h"
#include "terminal.h"

fcnn_status program_ranks_open(fcnn_ranks **ranks) {
    keeper_start();
    FCNN_TRY(fcnn_ranks_open(ranks));
    keeper_joined();
    if (!fcnn_ranks_number(*ranks) || freopen("/dev/null", "w", stdout)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_IO, "/dev/null cannot be opened");
}

fcnn_status program_ranks_compare(fcnn_ranks *ranks, bool works) {
    return fcnn_ranks_compare(ranks, "other options", works ? "work to do" : "--help or its like");
}

int program_ranks_end(const program_info *program, fcnn_ranks *ranks, fcnn_status status,
                      int code) {
    bool alone = ranks && status && !fcnn_ranks_agreed(ranks);
    terminal_mute(false);
    if (alone) fcnn_status_prefix(status, "%s", fcnn_ranks_name(ranks));
    if (!fcnn_ranks_number(ranks) || alone)
        code = program_end(program, status, code);
    else if (status)
        code = fcnn_status_exit_code(status);
    if (alone)
        fcnn_ranks_abort(ranks, code);
    else
        fcnn_ranks_close(ranks);
    return code;
}
