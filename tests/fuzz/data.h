/* For the targets of data sets: opens one, and reads some of all that it has. */
#ifndef FCNN_TESTS_FUZZ_DATA_H
#define FCNN_TESTS_FUZZ_DATA_H

#include "fuzz.h"

void fuzz_dataset(const char *spec);

#endif
