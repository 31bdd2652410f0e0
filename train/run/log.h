/* log.csv of a run's folder gets a row after each epoch, and is read by its columns' names. */
#ifndef FCNN_TRAIN_RUN_LOG_H
#define FCNN_TRAIN_RUN_LOG_H

#include "fcnn.h"

/* ---- Writing ---- */

/* A row of log.csv. Accuracies are fractions of 1; val_ columns are empty where the epoch was not
 * validated; seconds are those of the epoch's training steps, the learning rate is that of its
 * last one. */
typedef struct {
    int64_t epoch, step;
    double train_loss, train_accuracy;
    bool validated;
    double val_loss, val_accuracy;
    double seconds, images_per_second;
    double val_top5, band_fraction, learning_rate;
} log_row;

/* Creates log.csv with its header line. */
fcnn_status log_create(const char *folder);
/* Cuts the rows after `epochs` complete ones, when a run is resumed. */
fcnn_status log_cut(const char *folder, int64_t epochs);
/* Adds a row, which the next checkpoint brings to the disk (saver.c). */
fcnn_status log_append(const char *folder, const log_row *row);

/* ---- Reading ---- */

/* COLUMN(name in capitals, name in the file, whether it must be there) */
#define RUN_LOG_COLUMNS(COLUMN)                                                                    \
    COLUMN(EPOCH, epoch, true)                                                                     \
    COLUMN(TRAIN_LOSS, train_loss, true)                                                           \
    COLUMN(TRAIN_ACCURACY, train_accuracy, true)                                                   \
    COLUMN(VAL_LOSS, val_loss, false)                                                              \
    COLUMN(VAL_ACCURACY, val_accuracy, false)                                                      \
    COLUMN(SECONDS, seconds, true)                                                                 \
    COLUMN(RATE, images_per_second, true)                                                          \
    COLUMN(BAND_FRACTION, band_fraction, false)

#define RUN_LOG_ENUM(upper, lower, needed) RUN_LOG_##upper,
typedef enum { RUN_LOG_COLUMNS(RUN_LOG_ENUM) RUN_LOG_COLUMN_COUNT } run_log_column;

typedef struct {
    int count;                             /* epochs; 0 in the first one */
    double *columns[RUN_LOG_COLUMN_COUNT]; /* [count] each; NaN where a field is empty */
} run_log;

/* A missing file is FCNN_ERROR_IO; one with a column missing or with a field that is no number is
 * FCNN_ERROR_FORMAT and names the line. */
fcnn_status run_log_read(const char *folder, run_log *log);
void run_log_clear(run_log *log);

#endif
