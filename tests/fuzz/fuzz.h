/* What the fuzz targets share. A target is a file NAME.c with
 * LLVMFuzzerTestOneInput, the readers' caller: it gives them the input, uses all
 * that they return, and leaves no memory and no file behind. What must hold
 * beyond that memory is in order stands in fuzz_expect(). */
#ifndef FCNN_TESTS_FUZZ_H
#define FCNN_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fcnn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the program, as a finding, unless the condition holds. */
#define fuzz_expect(condition, ...)                                                                \
    do {                                                                                           \
        if (!(condition)) fuzz_fail(__FILE__, __LINE__, #condition, __VA_ARGS__);                  \
    } while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *condition, const char *format, ...)
    FCNN_PRINTF(4, 5);

/* ---- The input ---- */

typedef struct {
    const uint8_t *bytes;
    size_t count;
} fuzz_part;

/* Takes a byte from the input's end, 0 where there is none: a choice, of which the front of the
 * input does not move. */
unsigned fuzz_take(fuzz_part *input);
/* Splits the input at each "\n%%%%\n" into at most so many parts; the last has the rest. */
int fuzz_split(fuzz_part input, fuzz_part *parts, int most);
/* A part as a text, cut at its first zero byte. The caller frees it. */
char *fuzz_text(fuzz_part part);

/* ---- Files ---- */

/* A path in this process's own folder, in memory where the system allows that, in one of a few
 * buffers. */
const char *fuzz_path(const char *name);
void fuzz_write(const char *path, fuzz_part part);
/* Removes a folder with all that is in it. */
void fuzz_remove(const char *path);

/* ---- Networks ---- */

/* The CPU with one thread. */
fcnn_device *fuzz_device(void);
/* Whether a network is so small that it is made and run in no time. */
bool fuzz_is_small(const fcnn_config *config);
/* The same of what a graph is going to allocate. */
bool fuzz_fits(const fcnn_graph *graph);
/* A picture of so many channels; its pixels are static. */
fcnn_image fuzz_image(int channels);
/* Sums the bytes so that a checker of memory sees each being read. */
void fuzz_touch(const void *bytes, size_t count);

/* ---- Mutators: they return the new size ---- */

/* From libFuzzer. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
/* Changes a text that has a cfg in it: often a whole section is removed, repeated or moved. */
size_t fuzz_mutate_config(uint8_t *data, size_t size, size_t most, unsigned seed);
/* Changes the header of a safetensors file or its data, and keeps the header's length right. */
size_t fuzz_mutate_container(uint8_t *data, size_t size, size_t most, unsigned seed);
/* What libFuzzer calls where a target has it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

#endif
