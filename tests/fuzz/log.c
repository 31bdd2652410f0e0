/* log.csv: read for the report, whose curves are drawn, and cut for a resumed run. */
#include "fuzz.h"
#include "train/report/sections.h"

static void draw(const run_log *log) {
    char *page = NULL;
    size_t bytes = 0;
    fcnn_training_data data = {.may_choose = true};
    report_options options = {.data = &data};
    FILE *out = open_memstream(&page, &bytes);
    fuzz_expect(out, "memory");
    fcnn_status status = report_write_curves(out, log, &options);
    if (!status) status = report_write_speed(out, log, &options);
    fclose(out);
    fuzz_expect(!status, "curves");
    fuzz_expect(!strstr(page, "nan") && !strstr(page, "\"inf"), "numbers: %s", page);
    free(page);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_part input = {data, size};
    unsigned choice = fuzz_take(&input);
    char *folder = strdup(fuzz_path("."));
    run_log log;
    fuzz_expect(folder, "memory");
    fuzz_write(fuzz_path("log.csv"), input);
    if (!run_log_read(folder, &log)) {
        draw(&log);
        run_log_clear(&log);
    }
    if (!log_cut(folder, choice)) {
        log_row row = {.epoch = choice + 1, .validated = choice & 1};
        fuzz_expect(!log_append(folder, &row), "a row");
    }
    free(folder);
    return 0;
}
