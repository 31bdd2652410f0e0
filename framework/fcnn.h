/* The public header for programs that are compiled with -I framework alone, as they were before it
 * stood in include/. Its headers of data/ are found from here; nothing of fcnn includes this file,
 * and none of it is installed. */
#include "../data/arrays.h"
#include "../data/image_file.h"
#include "../data/readers.h"
#include "../data/spectra.h"
#include "../inference/network.h"
#define FCNN_DATA_INCLUDED
#include "../include/fcnn.h"
