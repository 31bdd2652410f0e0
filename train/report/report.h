/* report.html is one self-contained file about a run. */
#ifndef FCNN_TRAIN_REPORT_REPORT_H
#define FCNN_TRAIN_REPORT_REPORT_H

#include "subject.h"

/* Writes folder/report.html, by a temporary file that takes its place when it is whole: a failure
 * leaves an earlier report as it was. FCNN_ERROR_IO names the file; a log.csv that is missing or
 * not as expected is an error that names it too. Images that cannot be read are left out. */
fcnn_status report_write(const report_options *options);

/* Returns whether the folder's report is that of a run that goes on, or was killed. */
bool report_is_running(const char *folder);

#endif
