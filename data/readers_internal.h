/* The rows of the table of readers, each defined in the file of its reader. */
#ifndef FCNN_READERS_INTERNAL_H
#define FCNN_READERS_INTERNAL_H

#include "readers.h"

extern const fcnn_reader fcnn_reader_cifar;
extern const fcnn_reader fcnn_reader_idx;
extern const fcnn_reader fcnn_reader_image_archive;
extern const fcnn_reader fcnn_reader_image_folder;
extern const fcnn_reader fcnn_reader_synthetic;

#endif
