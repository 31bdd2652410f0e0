#include "npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "files.h"

enum { ALIGNMENT = 64, PREAMBLE_BYTES = 10 };

/* Magic, version and the header's length; then the header, ended by spaces and a line end so that
 * the numbers are aligned. */
static void write_header(FILE *out, bool complex, int rank, const int64_t *shape) {
    char text[256];
    int used = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
                        complex ? "<c8" : "<f4");
    for (int i = 0; i < rank; i++)
        used += snprintf(text + used, sizeof text - (size_t)used, "%" PRId64 ", ", shape[i]);
    used += snprintf(text + used, sizeof text - (size_t)used, "), }");
    int whole = (PREAMBLE_BYTES + used + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    int length = whole - PREAMBLE_BYTES;
    fwrite("\x93NUMPY\x01\x00", 1, 8, out);
    fputc(length & 255, out);
    fputc(length >> 8, out);
    fprintf(out, "%s%*s\n", text, length - used - 1, "");
}

fcnn_status npy_write(const char *path, bool complex, int rank, const int64_t *shape,
                      const float *values) {
    fcnn_output output;
    size_t count = complex ? 2 : 1;
    for (int i = 0; i < rank; i++) count *= (size_t)shape[i];
    FCNN_TRY(fcnn_output_open(path, &output));
    write_header(output.stream, complex, rank, shape);
    fwrite(values, sizeof *values, count, output.stream); /* a failure shows when it is closed */
    return fcnn_output_close(&output, FCNN_OK);
}
