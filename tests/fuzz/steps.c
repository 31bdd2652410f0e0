/* steps.csv as a resumed run takes it: read, drawn, gone on with, written and read again. */
#include "fuzz.h"
#include "train/report/sections.h"

static void draw(const step_series *series) {
    char *page = NULL;
    size_t bytes = 0;
    fcnn_training_data data = {.may_choose = true};
    report_options options = {.data = &data, .losses = series};
    run_log log = {0};
    FILE *out = open_memstream(&page, &bytes);
    fuzz_expect(out, "memory");
    fcnn_status status = report_write_curves(out, &log, &options);
    fclose(out);
    fuzz_expect(!status, "curves");
    fuzz_expect(!strstr(page, "nan") && !strstr(page, "\"inf"), "numbers: %s", page);
    free(page);
}

/* What was written is read back as it was. */
static void write_and_read(const step_series *series, const char *folder) {
    step_series again;
    int64_t step = series->rows[series->count - 1].step;
    fuzz_expect(!steps_write(series, folder), "written");
    fuzz_expect(!steps_create(&again, 1), "memory");
    fuzz_expect(!steps_read(&again, folder, step), "%s", fcnn_status_message());
    fuzz_expect(again.rows[again.count - 1].step == step, "the last step");
    steps_destroy(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_part input = {data, size};
    int64_t step = (int64_t)fuzz_take(&input) << (fuzz_take(&input) % 32);
    char *folder = strdup(fuzz_path("."));
    step_series series;
    fuzz_expect(folder && !steps_create(&series, fuzz_take(&input) % 2 ? 16 : 1), "memory");
    fuzz_write(fuzz_path("steps.csv"), input);
    (void)steps_read(&series, folder, step);
    for (int i = 0; i < 3; i++) steps_add(&series, ++step, i, i + 1);
    fuzz_expect(series.count > 0 && series.count <= STEPS_ROWS, "%d rows", series.count);
    draw(&series);
    write_and_read(&series, folder);
    steps_destroy(&series);
    free(folder);
    return 0;
}
