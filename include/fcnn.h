/* fcnn: convolutional networks trained in the frequency domain. The public
 * interface; every name begins with fcnn_.
 *
 * A network and its data, in memory:
 *   fcnn_network_load     a saved model, ready to use (inference.h)
 *   fcnn_network_create   a network of a cfg, which fcnn_config_load reads
 *   fcnn_network_predict  classifies an array of images (arrays.h)
 *   fcnn_network_score    scores one whose classes are known
 *   fcnn_network_output   what a layer makes of images, as bands or as maps
 *   fcnn_network_save     writes a model again
 *   fcnn_network_export_onnx   writes it for other programs (onnx.h)
 *   fcnn_dataset_from_arrays, fcnn_dataset_open   arrays or files as a data set
 *   fcnn_training_open    a training on them, whose fcnn_training_run may be
 *                         watched, stopped, saved and gone on with (training.h)
 *
 * What they are made of, for a step of one's own:
 *   fcnn_device_open      a backend's device, "cpu" or "auto"
 *   fcnn_graph_create     the network of a cfg, with its memory plan
 *   fcnn_graph_train      forward and backward; fcnn_optimizer_step updates
 *   fcnn_graph_forward    inference; fcnn_graph_probabilities reads the result
 *   fcnn_model_load       a saved model; fcnn_model_graph makes it ready
 *
 * Functions that can fail return fcnn_status; fcnn_status_message() says what
 * went wrong, to the thread whose call it was. A network may be used by any
 * thread, and its calls wait for each other; a data set is read by any. Other
 * objects belong to one thread at a time; different devices with their graphs
 * may be used side by side. */
#ifndef FCNN_H
#define FCNN_H

#include "backend.h"
#include "bands.h"
#include "config.h"
#include "dataloader.h"
#include "dataset.h"
#include "graph.h"
#include "model.h"
#include "onnx.h"
#include "optimizer.h"
#include "status.h"
#include "text.h"
#include "version.h"
#ifndef FCNN_DATA_INCLUDED /* by framework/fcnn.h, which finds them elsewhere */
#include "arrays.h"
#include "image_file.h"
#include "inference.h"
#include "readers.h"
#include "spectra.h"
#include "training.h"
#endif

#endif
