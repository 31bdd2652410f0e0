/* Memory for what is large. */
#ifndef FCNN_HUGE_PAGES_H
#define FCNN_HUGE_PAGES_H

#include <stddef.h>

#include "status.h"

FCNN_C_BEGIN

/* Memory that begins at a multiple of 64 bytes, and which free() gives back; NULL where there is
 * none. From 4 MiB on it asks for huge pages where the system has them: each first touch of a page
 * costs a fault, and each page an entry of the processor's address cache. */
void *fcnn_allocate(size_t bytes);

FCNN_C_END
#endif
