/* The one key table: it parses, validates and prints the cfg language. */
#include "backend.h"
#include "config.h"

#define WORD(name, ...) #name "|"
/* Every activation and algorithm by name, from the tables of the backend. */
#define POINTWISE_WORDS  FCNN_POINTWISE_RULES(WORD)
#define ACTIVATION_WORDS POINTWISE_WORDS FCNN_PER_BIN_RULES(WORD) "srelu"
#define ALGORITHM_WORDS  FCNN_CONVOLUTION_ALGORITHMS(WORD)
#define SQUARE_HELP                                                                                \
    "srelu: by sums over bins (resident), the same with sums along one axis alone (lines), or on " \
    "a pixel grid (fused)"

enum { SIZE_MAX_PX = 2 * FCNN_RADIUS_MAX + 1 };

#define WINDOW_HELP "srelu: radius of the bins that the square is restricted to"
#define SATURATION_HELP                                                                            \
    "srelu: what the square's energies saturate to; 0: they are divided by their root mean square"
#define GRID_HELP                                                                                  \
    "fused activations: side of the pixel grid; same as the map, or auto: the next size with "     \
    "factors 2, 3, 5, 7"
#define SLOPE_HELP "leaky_relu: slope below zero"

#define ACTIVATION_KEYS(section, key, algorithms, help)                                            \
    {section, key, FCNN_KEY_WORD, 0, 0, "linear", ACTIVATION_WORDS, "the activation"},             \
        {section, "window", FCNN_KEY_INT, 0, FCNN_RADIUS_MAX, "3", NULL, WINDOW_HELP},             \
        {section, "saturation", FCNN_KEY_REAL, 0, 1e6, "0", NULL, SATURATION_HELP},                \
        {section, "algorithm", FCNN_KEY_WORD, 0, 0, "sum", algorithms, help},                      \
        {section, "grid", FCNN_KEY_INT, 1, 2 * SIZE_MAX_PX, "same", "same|auto", GRID_HELP}, {     \
        section, "slope", FCNN_KEY_REAL, -10, 10, "0.01", NULL, SLOPE_HELP                         \
    }

#define WINDOW_KEYS(section, help)                                                                 \
    {section, NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, help},                                     \
        {section, "size", FCNN_KEY_INT, 1, SIZE_MAX_PX, NULL, NULL, "pixels of a window across"},  \
        {section, "stride", FCNN_KEY_INT, 1, SIZE_MAX_PX, "1", NULL, "pixels between windows"}, {  \
        section, "pad", FCNN_KEY_INT, 0, SIZE_MAX_PX, "0", NULL,                                   \
            "pixels by which windows may reach over the edge; they count for nothing"              \
    }

const fcnn_config_key fcnn_config_keys[] = {
    {"net", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, "the run: data, optimizer, schedule"},
    {"net", "data", FCNN_KEY_PATH, 0, 0, "fashion-mnist", NULL,
     "data set: a name (fcnn-train --help lists them) or a folder"},
    {"net", "domain", FCNN_KEY_WORD, 0, 0, "frequency", "frequency|space",
     "where the layers compute; space: the same network on pixels, its twin"},
    {"net", "border", FCNN_KEY_WORD, 0, 0, "wrap", "wrap|zero",
     "space: what a convolution finds beyond the edge; a product per bin wraps around"},
    {"net", "algorithm", FCNN_KEY_WORD, 0, 0, "auto", ALGORITHM_WORDS "auto",
     "space: how convolutions are computed (direct where the one named cannot)"},
    {"net", "precision", FCNN_KEY_WORD, 0, 0, "fp32", "fp32|tf32",
     "on a GPU: what the operands of products are rounded to; a CPU takes fp32"},
    {"net", "batch", FCNN_KEY_INT, 1, 65536, "128", NULL, "images a step"},
    {"net", "epochs", FCNN_KEY_INT, 1, 1000000, "5", NULL, "passes over the training images"},
    {"net", "seed", FCNN_KEY_INT, 0, 9007199254740992.0, "1", NULL,
     "of initial weights, order, dropout"},
    {"net", "val_fraction", FCNN_KEY_REAL, 0, 0.9, "0", NULL,
     "part of the training images held out to validate on; 0: none"},
    {"net", "optimizer", FCNN_KEY_WORD, 0, 0, "adamw", "sgd|adam|adamw", "update rule"},
    {"net", "learning_rate", FCNN_KEY_REAL, 0, 1e6, "0.001", NULL, "the schedule's peak rate"},
    {"net", "momentum", FCNN_KEY_REAL, 0, 0.9999, "0.9", NULL, "sgd"},
    {"net", "nesterov", FCNN_KEY_INT, 0, 1, "0", NULL, "sgd: 1 for Nesterov's form"},
    {"net", "beta1", FCNN_KEY_REAL, 0, 0.99999, "0.9", NULL, "adam, adamw"},
    {"net", "beta2", FCNN_KEY_REAL, 0, 0.999999, "0.999", NULL, "adam, adamw"},
    {"net", "epsilon", FCNN_KEY_REAL, 1e-16, 1, "1e-8", NULL, "adam, adamw"},
    {"net", "weight_decay", FCNN_KEY_REAL, 0, 10, "0", NULL,
     "on weights; never on biases, norms and activations"},
    {"net", "clip_norm", FCNN_KEY_REAL, 0, 1e9, "0", NULL,
     "largest norm of all gradients together; 0: no limit"},
    {"net", "subdivisions", FCNN_KEY_INT, 1, 65536, "1", NULL,
     "equal parts of a batch that pass one after the other, their gradients added: less memory; "
     "norms have the statistics of a part"},
    {"net", "shards", FCNN_KEY_INT, 1, 4096, "1", NULL,
     "a power of two: equal parts of a batch that may pass on as many machines (mpirun), with the "
     "same bits on any number of them; each passes in its subdivisions, gradients are added by one "
     "tree, and norms keep the mean of the shards' statistics"},
    {"net", "bands", FCNN_KEY_TEXT, 0, 0, "1:", NULL,
     "growing bands: fraction:epochs,...,fraction: trains its first epochs on the low frequencies "
     "alone"},
    {"net", "class_weights", FCNN_KEY_TEXT, 0, 0, "none", NULL,
     "of the classes' losses in training: none, balanced (by how rare a class is) or a list of "
     "numbers, one a class; losses are reported without"},
    {"net", "validate_every", FCNN_KEY_INT, 1, 1000000, "1", NULL,
     "epochs between validations; the last epoch is always validated"},
    {"net", "patience", FCNN_KEY_INT, 0, 1000000, "0", NULL,
     "stops after so many validations without a better accuracy; 0: never; not with a test set"},
    {"net", "save_every", FCNN_KEY_TEXT, 0, 0, "auto", NULL,
     "epochs (5) or minutes (10m) between saves of model and checkpoint; auto: what costs the run "
     "a few percent of its time; the end and Ctrl-C always save"},
    {"net", "cache", FCNN_KEY_OUTPUT, 0, 0, "none", NULL,
     "folder where the images' spectra are kept for later epochs and runs; none: nowhere"},
    {"net", "cache_type", FCNN_KEY_WORD, 0, 0, "float", "float|half",
     "numbers in the cache; half takes half the room, and a thousandth of precision"},
    {"net", "augment_mirror", FCNN_KEY_INT, 0, 1, "0", NULL,
     "1: every second training image is mirrored, left to right"},
    {"net", "augment_shift", FCNN_KEY_REAL, 0, 8191, "0", NULL,
     "random shift of training images, at most so many pixels of the input map on each axis; "
     "what leaves on one side enters on the other (see pad=)"},
    {"net", "augment_truncate", FCNN_KEY_REAL, 0, 1, "0", NULL,
     "smallest fraction of the input's radius that a training image keeps; 0: all is kept"},
    {"net", "augment_jitter", FCNN_KEY_REAL, 0, 1, "0", NULL,
     "largest random gain and offset of each channel of training images"},
    {"net", "augment_cutout", FCNN_KEY_REAL, 0, 8191, "0", NULL,
     "side of a square of each training image, at a random place, that becomes the mean colour: "
     "pixels of the input map"},
    {"net", "mixup", FCNN_KEY_REAL, 0, 1, "0", NULL,
     "training images and their labels are mixed in pairs, by shares of the Beta distribution with "
     "both parameters this number; training accuracy is of the label with the larger share; 0: "
     "not"},
    {"net", "test_mirror", FCNN_KEY_INT, 0, 1, "0", NULL,
     "1: an image is validated, tested and classified by the mean of its logits and of its mirror "
     "image's, in twice the time"},
    {"net", "schedule", FCNN_KEY_WORD, 0, 0, "constant", "constant|step|cosine|onecycle",
     "course of the learning rate"},
    {"net", "step_epochs", FCNN_KEY_REAL, 0.001, 1e6, "30", NULL, "step: epochs between drops"},
    {"net", "gamma", FCNN_KEY_REAL, 0, 1, "0.1", NULL, "step: factor of each drop"},
    {"net", "warmup_epochs", FCNN_KEY_REAL, 0, 1e6, "0", NULL, "linear warm-up from 0"},

    {"fft", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL,
     "enter the frequency domain: images of any size become one band"},
    {"fft", "size", FCNN_KEY_INT, 1, SIZE_MAX_PX, NULL, NULL,
     "side of the map the band stands for, odd"},
    {"fft", "placement", FCNN_KEY_WORD, 0, 0, "stretch", "stretch|crop",
     "how an image becomes a square: all of it, stretched, or the middle of its long side"},
    {"fft", "crop", FCNN_KEY_REAL, 0.01, 1, "1", NULL,
     "placement=crop: part of the short side that is kept; 0.875 is the custom of ImageNet"},
    {"fft", "pad", FCNN_KEY_WORD, 0, 0, "none", "none|zero|reflect",
     "frame around the image, so that convolutions do not reach around to its other side"},
    {"fft", "margin", FCNN_KEY_REAL, 0, 0.5, "0.125", NULL,
     "pad: width of the frame on each side, as a part of the image's side"},

    {"conv", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL,
     "convolution as a product per bin, then norm or bias, then activation"},
    {"conv", "filters", FCNN_KEY_INT, 1, 1 << 20, NULL, NULL, "output channels"},
    {"conv", "size", FCNN_KEY_INT, 1, SIZE_MAX_PX, NULL, "full",
     "taps across; full: the spectrum itself is learned"},
    {"conv", "stride", FCNN_KEY_INT, 1, SIZE_MAX_PX, "1", NULL,
     "1, or even with (map size + 1) / stride odd"},
    {"conv", "init_size", FCNN_KEY_INT, 1, SIZE_MAX_PX, "5", NULL,
     "size=full: taps across of the compact kernel it starts from"},
    {"conv", "norm", FCNN_KEY_WORD, 0, 0, "none", "none|batch", "none has a bias instead"},
    ACTIVATION_KEYS("conv", "activation", ALGORITHM_WORDS "auto|sum|lines|grid",
                    SQUARE_HELP "; or in space how this convolution is computed, in place of "
                                "net.algorithm"),
    {"conv", "tile", FCNN_KEY_INT, 0, 4096, "0", NULL,
     "oaa, fft: side of the grids that are transformed; 0: by cost"},

    {"norm", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, "batch norm"},

    {"activation", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, "an activation by itself"},
    ACTIVATION_KEYS("activation", "function", "sum|lines|grid", SQUARE_HELP),

    {"fourier_pool", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, "keep the low frequencies"},
    {"fourier_pool", "size", FCNN_KEY_INT, 1, SIZE_MAX_PX, NULL, NULL,
     "side of the smaller map, odd"},

    WINDOW_KEYS("max_pool",
                "the largest pixel of each window; in frequency on a pixel grid (fused)"),
    WINDOW_KEYS("avg_pool", "the mean of each window; in frequency on a pixel grid (fused)"),

    {"dropout", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, "drops whole channels in training"},
    {"dropout", "rate", FCNN_KEY_REAL, 0, 0.99, "0.5", NULL, "probability to drop"},

    {"shortcut", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL,
     "adds an earlier layer's output, cropped or zero-extended in frequency"},
    {"shortcut", "from", FCNN_KEY_TEXT, 0, 0, NULL, NULL,
     "the section whose output is added: conv1 is the first [conv], -2 two sections up"},

    {"ifft", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, "leave the frequency domain"},

    {"dense", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, "fully connected"},
    {"dense", "units", FCNN_KEY_INT, 1, 1 << 20, NULL, "classes",
     "outputs; classes: as many as the data has"},
    {"dense", "activation", FCNN_KEY_WORD, 0, 0, "linear", POINTWISE_WORDS, "after the bias"},
    {"dense", "slope", FCNN_KEY_REAL, -10, 10, "0.01", NULL, SLOPE_HELP},

    {"softmax", NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, "class probabilities, cross-entropy"},
    {"softmax", "label_smoothing", FCNN_KEY_REAL, 0, 0.99, "0", NULL,
     "probability spread over all classes"},

    {NULL, NULL, FCNN_KEY_SECTION, 0, 0, NULL, NULL, NULL},
};
