/* The confusion matrix as a file. */
#include "confusion.h"

#include "files.h"
#include "train/csv.h"

static void write_matrix(FILE *out, const fcnn_evaluation *e, const fcnn_dataset *dataset) {
    fputs("label", out);
    for (int c = 0; c < e->classes; c++) {
        fputc(',', out);
        csv_write_text(out, dataset->class_names[c]);
    }
    fputc('\n', out);
    for (int label = 0; label < e->classes; label++) {
        csv_write_text(out, dataset->class_names[label]);
        for (int c = 0; c < e->classes; c++)
            fprintf(out, ",%lld", (long long)e->confusion[(int64_t)label * e->classes + c]);
        fputc('\n', out);
    }
}

fcnn_status confusion_write(const fcnn_evaluation *e, const fcnn_dataset *dataset,
                            const char *path) {
    fcnn_output output;
    FCNN_TRY(fcnn_output_open(path, &output));
    write_matrix(output.stream, e, dataset);
    return fcnn_output_close(&output, FCNN_OK);
}
