/* fcnn: convolutional networks trained in the frequency domain. The public
 * interface; every name begins with fcnn_.
 *
 *   fcnn_device_open     a backend's device, "cpu" or "auto"
 *   fcnn_config_load     a cfg file          fcnn_dataset_open   a data set
 *   fcnn_graph_create    the network of a cfg, with its memory plan
 *   fcnn_graph_train     forward and backward; fcnn_optimizer_step updates
 *   fcnn_graph_forward   inference; fcnn_graph_probabilities reads the result
 *   fcnn_model_load      a saved model; fcnn_model_graph makes it ready
 *
 * Functions that can fail return fcnn_status; fcnn_status_message() says what
 * went wrong. Objects are not thread-safe; different devices with their graphs
 * may be used from different threads. */
#ifndef FCNN_H
#define FCNN_H

#include "backend.h"
#include "bands.h"
#include "config.h"
#include "dataloader.h"
#include "dataset.h"
#include "graph.h"
#include "model.h"
#include "optimizer.h"
#include "status.h"
#include "text.h"
#ifndef FCNN_DATA_INCLUDED /* by framework/fcnn.h, which finds them elsewhere */
#include "arrays.h"
#include "image_file.h"
#include "inference.h"
#include "readers.h"
#include "spectra.h"
#include "training.h"
#endif

#endif
