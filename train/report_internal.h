/* The parts of report.html, one file each. Every write_ function writes a whole
 * <section>; failures to write show at the end, on the stream itself. */
#ifndef FCNN_TRAIN_REPORT_INTERNAL_H
#define FCNN_TRAIN_REPORT_INTERNAL_H

#include "picture.h"
#include "report.h"

/* ---- report_log.c: log.csv by its columns' names ---- */

/* COLUMN(name in capitals, name in the file, whether it must be there) */
#define REPORT_LOG_COLUMNS(COLUMN)                                                                 \
    COLUMN(EPOCH, epoch, true)                                                                     \
    COLUMN(TRAIN_LOSS, train_loss, true)                                                           \
    COLUMN(TRAIN_ACCURACY, train_accuracy, true)                                                   \
    COLUMN(VAL_LOSS, val_loss, false)                                                              \
    COLUMN(VAL_ACCURACY, val_accuracy, false)                                                      \
    COLUMN(SECONDS, seconds, true)                                                                 \
    COLUMN(RATE, images_per_second, true)                                                          \
    COLUMN(BAND_FRACTION, band_fraction, false)

#define REPORT_LOG_ENUM(upper, lower, needed) REPORT_##upper,
typedef enum { REPORT_LOG_COLUMNS(REPORT_LOG_ENUM) REPORT_COLUMN_COUNT } report_column;

typedef struct {
    int count;                            /* epochs */
    double *columns[REPORT_COLUMN_COUNT]; /* [count] each; NaN where a field is empty */
} report_log;

/* A missing file is FCNN_ERROR_IO; one without epochs, with a column missing or with a field that
 * is no number is FCNN_ERROR_FORMAT and names the line. */
fcnn_status report_log_read(const char *folder, report_log *log);
void report_log_clear(report_log *log);

/* ---- report_curves.c ---- */

fcnn_status report_write_curves(FILE *out, const report_log *log, const char *validation_name);
fcnn_status report_write_speed(FILE *out, const report_log *log, const run_phases *phases);

/* ---- report_scores.c ---- */

fcnn_status report_write_confusion(FILE *out, const report_options *options);
fcnn_status report_write_mistakes(FILE *out, const report_options *options);

/* ---- report_kernels.c ---- */

enum { REPORT_KERNELS_MAX = 96, REPORT_PLANE_RADIUS = 13, REPORT_TAPS_MAX = 15 };

/* The first convolution's kernels. */
typedef struct {
    const char *layer; /* NULL: the network has none */
    bool spectral;     /* the spectrum is the parameter, and the taps are its inverse transform */
    int filters;       /* shown */
    int all_filters, channels;
    int grid;      /* of the transform: pixels across */
    int size;      /* taps across; of a spectrum, of the middle that is shown */
    double *taps;  /* [filters][channels][size][size] */
    int plane;     /* bins across, DC in the middle */
    int step;      /* every step-th bin */
    double *gains; /* [filters][plane][plane] root mean square of |H| over the channels */
} report_kernels;

fcnn_status report_kernels_read(fcnn_graph *graph, report_kernels *kernels);
void report_kernels_clear(report_kernels *kernels);
fcnn_status report_write_kernels(FILE *out, fcnn_graph *graph);

/* ---- report_style.c ---- */

extern const char report_style[]; /* the CSS */

/* ---- report_layers.c ---- */

fcnn_status report_write_layers(FILE *out, const fcnn_graph *graph, int batch);

#endif
