/* The manifest of a run lists the pictures of its data set, where they are files, so that a resume
 * names each that differs and goes on without those that are gone. It is images.tsv in the run's
 * folder: a line of column names, a line "class" for each class, then a line for each picture with
 * its split ("train", "held-out" or "test"), class, path below the data's folder, and the
 * fingerprint of its bytes. Control characters, backslashes and bytes that are not UTF-8 stand as
 * \x09. */
#ifndef FCNN_TRAIN_RUN_MANIFEST_H
#define FCNN_TRAIN_RUN_MANIFEST_H

#include "dataset_view.h"
#include "fcnn.h"

enum { MANIFEST_ID_BYTES = 17 };
#define MANIFEST_COLUMNS "split\tclass\tpath\tfingerprint"

typedef struct manifest manifest;

/* Writes the data set's manifest into a run's folder, and its fingerprint as text; "" and no file
 * where images are not files. */
fcnn_status manifest_write(fcnn_dataset *dataset, const char *folder, char id[MANIFEST_ID_BYTES]);

/* Reads the manifest of a run's folder, whose fingerprint must be `id`. *out is NULL where there is
 * none. */
fcnn_status manifest_read(const char *folder, const char *id, manifest **out);
void manifest_destroy(manifest *manifest);

/* Puts the data set as the manifest lists it in place of *dataset, and takes the manifest over.
 * Classes that differ, pictures that are new or have other contents, and too many that are gone are
 * FCNN_ERROR_CONFIG, with their names; then the caller keeps both. */
fcnn_status manifest_apply(manifest *manifest, fcnn_dataset **dataset);

#endif
