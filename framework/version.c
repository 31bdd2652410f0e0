#include "version.h"

const char *fcnn_version(void) { return FCNN_VERSION; }
