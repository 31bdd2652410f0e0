/* Memory in huge pages (huge_pages.h). */
#define _DEFAULT_SOURCE /* madvise */
#include "huge_pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ALIGNMENT = 64, HUGE_PAGE = 2 << 20 };

void *fcnn_allocate(size_t bytes) {
    size_t alignment = bytes < 2 * (size_t)HUGE_PAGE ? ALIGNMENT : HUGE_PAGE;
    if (bytes > SIZE_MAX - alignment) return NULL;
    size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void *memory = aligned_alloc(alignment, whole ? whole : ALIGNMENT);
#ifdef MADV_HUGEPAGE
    if (memory && alignment > ALIGNMENT) madvise(memory, whole, MADV_HUGEPAGE); /* a hint */
#endif
    return memory;
}
