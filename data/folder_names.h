/* What names in a folder of images stand for: splits, images by their extension,
 * formats that are not read, and what a system has put there by itself. */
#ifndef FCNN_DATA_FOLDER_NAMES_H
#define FCNN_DATA_FOLDER_NAMES_H

#include "dataset.h"

/* How files are named that are read, in messages. */
#define FCNN_FOLDER_NAMES ".jpg, .jpeg, .png, .webp, .tif, .tiff, .bmp or .gif"

/* Whether a folder of this name, in any case, holds a split: train or training; val, valid,
 * validation or dev; test or testing. */
bool fcnn_folder_names_split(const char *name, fcnn_split *split);
/* Whether it is train, val or test to the letter, which a class cannot be named. */
bool fcnn_folder_name_is_reserved(const char *name);

/* Whether a file or folder is hidden, or made by a file manager, an archiver or a disk for itself:
 * .git, Thumbs.db, __MACOSX, @eaDir. Those are passed over in silence. */
bool fcnn_folder_name_is_systems(const char *name);

/* Whether a file is read by its extension. */
bool fcnn_folder_name_is_image(const char *name);
/* Gives the format of an image that is not read, by its extension; NULL of other files. */
const char *fcnn_folder_name_format(const char *name);

/* Whether either is the case. */
bool fcnn_folder_name_is_picture(const char *name);
/* FCNN_ERROR_FORMAT for a file that is not read by its name, naming its format. */
fcnn_status fcnn_folder_name_refuse(const char *path);

#endif
