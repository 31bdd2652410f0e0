/* The library's own version, for whoever loads it at run time. */
#ifndef FCNN_VERSION_H
#define FCNN_VERSION_H

#include "status.h"

FCNN_C_BEGIN

/* "0.1.0": major.minor.patch. */
const char *fcnn_version(void);

FCNN_C_END
#endif
