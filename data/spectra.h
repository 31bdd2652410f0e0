/* A data set whose images are read as spectra. Loader threads then decode and
 * transform an image at once and keep its bins alone, and a cache keeps them on
 * disk for later epochs and runs. */
#ifndef FCNN_SPECTRA_H
#define FCNN_SPECTRA_H

#include "backend.h"
#include "dataset.h"

FCNN_C_BEGIN

typedef struct {
    fcnn_dataset *source; /* outlives the spectra; not closed with them */
    const char *data;     /* its name or absolute path, for the cache's name; NULL: "" */
    fcnn_device *device;  /* its image_to_spectrum is called from any thread */
    fcnn_placement placement;
    const char *cache; /* folder, created where missing; NULL: none */
    int radius;        /* bins are needed up to this one; a cache may hold, and give, more */
    /* NULL, or is told once, in a line, if another process is waited for to open its cache. */
    void (*waiting)(const void *user, const char *text);
    const void *user; /* of that */
    fcnn_number type; /* how bins are written if a cache is asked for, even if none can be had */
} fcnn_spectra_options;

typedef struct {
    char path[4096]; /* "" without a cache */
    int64_t bytes;   /* the file's size */
    int64_t images;  /* how many it has room for */
    int64_t stored;  /* how many it holds now */
    /* Images given since it was opened, as spectra or as sums: `hits` came from the cache,
     * `misses` from the source. */
    int64_t hits, misses;
    char stopped[256]; /* why the cache is not used any more, or not written; "" while it is */
} fcnn_spectra_usage;

/* A data set like the source, whose read gives spectra. Files that turn out to be undecodable are
 * its problems, each once; the source's are not repeated there, and the list may be read while no
 * thread reads images. A cache that cannot be used (no room, no permission) is none, and one that
 * is damaged or of other images is made anew, with the spectra of those that did not change;
 * *notes, one a line, says so ("" if nothing; the caller frees it). The source's flag ends the
 * opening with FCNN_ERROR_INTERRUPTED, also while another process is waited for. */
fcnn_status fcnn_spectra_open(const fcnn_spectra_options *options, fcnn_dataset **dataset,
                              char **notes);
/* How a data set that fcnn_spectra_open opened has been used. */
fcnn_spectra_usage fcnn_spectra_used(fcnn_dataset *dataset);

/* Whether spectra were kept in a folder before. */
bool fcnn_spectra_is_cache(const char *folder);

FCNN_C_END
#endif
