/* JPEG by libjpeg. A file that is not quite right, without its end mark or with
 * bytes too many, is read as long as every block of the image has its data;
 * where data are missing or are no code, libjpeg would paint grey and go on:
 * here the file is truncated or damaged. CMYK becomes RGB without a profile. */
#include <stdio.h>

#include <jpeglib.h> /* needs what stands above, and is needed by what stands below */

#include <jerror.h>
#include <setjmp.h>
#include <string.h>

#include "image_format.h"
#include "image_orientation.h"

enum {
    BYTES_A_FILL = 4096,
    EXIF = JPEG_APP0 + 1,
    EXIF_BYTES = 4096, /* of which the tag is among the first */
    SCANS_MOST = 500,  /* each passes over the whole image, whatever few bytes it has */
    /* Pixels that may go to a byte: the flattest blocks of 64 take a bit each. */
    PIXELS_A_BYTE = 1024,
    PIXELS_FREE = 1 << 20
};

typedef struct {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr input;
    struct jpeg_progress_mgr progress;
    fcnn_image_source *source;
    fcnn_image *image; /* NULL: the header alone */
    int channels;
    fcnn_status status;
    bool out_of_memory, unsupported, complete;
    bool missing, damaged; /* some blocks lack their data; some data are no code */
    bool ended;            /* libjpeg was given an end mark that the file lacks */
    char why[JMSG_LENGTH_MAX];
    jmp_buf failed;
    JOCTET bytes[BYTES_A_FILL];
} jpeg_job;

static jpeg_job *job_of(void *info) { return ((j_common_ptr)info)->client_data; }

/* ---- What libjpeg calls ---- */

static void on_error(j_common_ptr info) {
    jpeg_job *job = job_of(info);
    int code = info->err->msg_code;
    job->out_of_memory = code == JERR_OUT_OF_MEMORY;
    job->unsupported = code == JERR_BAD_PRECISION || code == JERR_SOF_UNSUPPORTED ||
                       code == JERR_ARITH_NOTIMPL || code == JERR_CONVERSION_NOTIMPL;
    info->err->format_message(info, job->why);
    longjmp(job->failed, 1);
}

/* Warnings have level -1. Of them, these say that blocks were made up. */
static void on_message(j_common_ptr info, int level) {
    jpeg_job *job = job_of(info);
    int code = info->err->msg_code;
    if (level >= 0) return;
    if (code == JWRN_HIT_MARKER) job->missing = true;
    if (code != JWRN_HUFF_BAD_CODE && code != JWRN_ARITH_BAD_CODE && code != JWRN_HIT_MARKER)
        return;
    if (!job->damaged) info->err->format_message(info, job->why);
    job->damaged = true;
}

static void start_input(j_decompress_ptr info) { (void)info; }

static boolean fill_input(j_decompress_ptr info) {
    jpeg_job *job = job_of(info);
    size_t got = fcnn_source_read(job->source, job->bytes, sizeof job->bytes);
    if (!got) {
        job->ended = true;
        job->bytes[got++] = 0xff;
        job->bytes[got++] = JPEG_EOI;
    }
    job->input.next_input_byte = job->bytes;
    job->input.bytes_in_buffer = got;
    return TRUE;
}

static void skip_input(j_decompress_ptr info, long bytes) {
    jpeg_job *job = job_of(info);
    size_t held = job->input.bytes_in_buffer;
    if (bytes <= 0) return;
    if ((size_t)bytes > held) fcnn_source_skip(job->source, (int64_t)bytes - (int64_t)held);
    size_t step = (size_t)bytes < held ? (size_t)bytes : held;
    job->input.next_input_byte += step;
    job->input.bytes_in_buffer -= step;
}

static void end_input(j_decompress_ptr info) { (void)info; }

static void on_progress(j_common_ptr common) {
    j_decompress_ptr info = (j_decompress_ptr)common;
    jpeg_job *job = job_of(common);
    if (info->input_scan_number <= SCANS_MOST) return;
    snprintf(job->why, sizeof job->why, "more than %d scans", SCANS_MOST);
    longjmp(job->failed, 1);
}

/* ---- Rows ---- */

static uint8_t product(int a, int b) {
    int t = a * b + 128;
    return (uint8_t)((t + (t >> 8)) >> 8); /* a b / 255, rounded */
}

/* Adobe's files hold the inks inverted: how much light they leave. */
static void convert_inks(uint8_t *row, int width, bool inverted) {
    uint8_t flip = inverted ? 0 : 255, *to = row;
    for (const uint8_t *from = row; width-- > 0; from += 4, to += 3) {
        int light = from[3] ^ flip;
        for (int c = 0; c < 3; c++) to[c] = product(from[c] ^ flip, light);
    }
}

static void read_rows(jpeg_job *job) {
    j_decompress_ptr info = &job->info;
    int samples = info->output_components, width = (int)info->output_width;
    JSAMPARRAY row =
        info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, (JDIMENSION)(width * samples), 1);
    while (info->output_scanline < info->output_height) {
        int y = (int)info->output_scanline;
        jpeg_read_scanlines(info, row, 1);
        if (samples == 4) convert_inks(row[0], width, info->saw_Adobe_marker);
        fcnn_image_put(job->image, y, 0, 1, width, row[0], samples == 1 ? 1 : 3);
    }
}

/* A file without its end mark may lack whole scans, which libjpeg does not mind. */
static bool lacks_scans(const jpeg_job *job) {
    const struct jpeg_decompress_struct *info = &job->info;
    if (!job->ended || !job->complete || !job->image) return false;
    if (info->arith_code) return true; /* its decoder does not tell where data end */
    for (int c = 0; c < info->num_components; c++) {
        if (!info->comp_info[c].quant_table) return true; /* no scan had this component */
        for (int k = 0; info->coef_bits && k < DCTSIZE2; k++)
            if (info->coef_bits[c][k]) return true; /* bits of it were still to come */
    }
    return false;
}

/* ---- Decoding ---- */

static void read_orientation(jpeg_job *job) {
    for (jpeg_saved_marker_ptr m = job->info.marker_list; m; m = m->next)
        if (m->marker == EXIF && m->data_length >= 6 && !memcmp(m->data, "Exif", 4))
            job->source->orientation = fcnn_orientation_of_exif(m->data, m->data_length);
}

static fcnn_status check_header(jpeg_job *job) {
    const struct jpeg_decompress_struct *info = &job->info;
    int64_t width = info->image_width, height = info->image_height;
    FCNN_TRY(fcnn_source_check_sides(job->source, width, height));
    if (info->num_components != 1 && info->num_components != 3 && info->num_components != 4)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: a JPEG of %d components: expected 1, 3 or 4",
                               job->source->path, info->num_components);
    int64_t pixels = width * height;
    return fcnn_source_check_bytes(job->source, width, height,
                                   pixels > PIXELS_FREE ? pixels / PIXELS_A_BYTE : 0);
}

/* Holds the place that errors jump to. What changes after it is in the job. */
static void decode_guarded(jpeg_job *job) {
    j_decompress_ptr info = &job->info;
    if (setjmp(job->failed)) return;
    jpeg_create_decompress(info);
    info->src = &job->input;
    info->progress = &job->progress;
    if (job->image) jpeg_save_markers(info, EXIF, EXIF_BYTES);
    jpeg_read_header(info, TRUE);
    read_orientation(job);
    if ((job->status = check_header(job))) return;
    if (job->image) {
        info->out_color_space = info->num_components == 1   ? JCS_GRAYSCALE
                                : info->num_components == 3 ? JCS_RGB
                                                            : JCS_CMYK;
        jpeg_start_decompress(info);
        job->status = fcnn_image_create(job->source, (int)info->output_height,
                                        (int)info->output_width, job->channels, 8, job->image);
        if (job->status) return;
        read_rows(job);
    }
    job->complete = true;
}

static fcnn_status outcome(jpeg_job *job) {
    if (job->status) return job->status;
    if (job->out_of_memory) return fcnn_source_no_memory(job->source);
    if (job->unsupported)
        return fcnn_status_set(FCNN_ERROR_FORMAT, "%s: a JPEG of a kind that is not read: %s",
                               job->source->path, job->why);
    bool lost = job->missing || lacks_scans(job);
    if (job->complete && !job->damaged && !lost && !job->source->error) return FCNN_OK;
    if (job->complete && job->ended && lost && !job->source->error)
        return fcnn_source_truncated(job->source);
    job->source->ended = job->ended && !job->complete;
    return fcnn_source_failure(job->source, "JPEG", job->why);
}

/* Reads the header and, if there is an image to fill, all of the file. */
static fcnn_status run(fcnn_image_source *source, int channels, fcnn_image *image, int *height,
                       int *width) {
    jpeg_job job;
    memset(&job, 0, offsetof(jpeg_job, failed));
    job.source = source;
    job.image = image;
    job.channels = channels;
    job.input = (struct jpeg_source_mgr){.init_source = start_input,
                                         .fill_input_buffer = fill_input,
                                         .skip_input_data = skip_input,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = end_input};
    job.progress.progress_monitor = on_progress;
    job.info.err = jpeg_std_error(&job.errors);
    job.info.client_data = &job; /* jpeg_create_decompress keeps these two */
    job.errors.error_exit = on_error;
    job.errors.emit_message = on_message;
    decode_guarded(&job);
    *height = (int)job.info.image_height;
    *width = (int)job.info.image_width;
    fcnn_status status = outcome(&job);
    jpeg_destroy_decompress(&job.info);
    return status;
}

static fcnn_status decode(fcnn_image_source *source, int channels, fcnn_image *image) {
    int height, width;
    return run(source, channels, image, &height, &width);
}

/* ---- Probing ---- */

/* Finds the next marker, whether among segments or at the end of a scan, or -1. */
static int next_marker(fcnn_image_source *source) {
    for (;;) {
        int c;
        do c = fcnn_source_byte(source);
        while (c >= 0 && c != 0xff);
        while (c == 0xff) c = fcnn_source_byte(source);
        /* 0 is a stuffed byte of a scan, D0 to D7 are its restarts. */
        if (c != 0 && (c < 0xd0 || c > 0xd7)) return c;
    }
}

/* Walks over the segments, as something may follow the last of them. */
static bool has_end(fcnn_image_source *source) {
    if (fcnn_source_ends_with(source, "\xff\xd9", 2)) return true;
    fcnn_source_seek(source, 0);
    for (int marker; (marker = next_marker(source)) >= 0;) {
        if (marker == JPEG_EOI) return true;
        int64_t length = marker == 0xd8 ? 2 : fcnn_source_number(source, 2);
        if (length < 2) break;
        fcnn_source_skip(source, length - 2);
    }
    return false;
}

static fcnn_status probe(fcnn_image_source *source, int *height, int *width) {
    FCNN_TRY(run(source, 1, NULL, height, width));
    return has_end(source) ? FCNN_OK : fcnn_source_probe_whole(source, decode, height, width);
}

static bool recognises(const uint8_t *start, size_t bytes) {
    return bytes >= 3 && start[0] == 0xff && start[1] == 0xd8 && start[2] == 0xff;
}

const fcnn_image_format fcnn_format_jpeg = {
    .name = "JPEG", .recognises = recognises, .probe = probe, .decode = decode};
