/* Tables of names. */
#include "foreign_names.h"

#include <stdbool.h>
#include <string.h>

#include "text.h"

enum { NAME_BYTES = 64 };

/* Writes small letters and digits alone, without "2d" at the end. */
static void normalise(const char *name, char plain[NAME_BYTES]) {
    size_t length = 0;
    for (; *name && length < NAME_BYTES - 1; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name + ('a' - 'A')) : *name;
        if (fcnn_is_letter(c) || fcnn_is_digit(c)) plain[length++] = c;
    }
    plain[length] = '\0';
    if (length > 3 && !strcmp(plain + length - 2, "2d")) plain[length - 2] = '\0';
}

/* Whether a list "a|b" has the word. */
static bool lists(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; length && *at; at += strcspn(at, "|"), at += *at == '|')
        if (strcspn(at, "|") == length && !strncmp(at, word, length)) return true;
    return false;
}

typedef struct {
    const char *names, *meaning;
} foreign;

static const char *find(const foreign *rows, const char *name) {
    char plain[NAME_BYTES];
    normalise(name, plain);
    for (; rows->names; rows++)
        if (lists(rows->names, plain)) return rows->meaning;
    return NULL;
}

const char *fcnn_foreign_section(const char *name) {
    static const foreign rows[] = {
        {"globalavgpool|globalpool|gap|globalaveragepool|globalaveragepooling|adaptiveavgpool|"
         "globalmaxpool|globalmaxpooling|adaptivemaxpool",
         "global pooling is [fourier_pool] size=1"},
        {"convolutional|conv|convolution|convlayer", "a convolution is [conv]"},
        {"connected|fc|linear|fullyconnected|affine|mlp|innerproduct|classifier",
         "a fully connected layer is [dense]"},
        {"maxpool|maxpooling", "it is [max_pool], or [fourier_pool] size= in frequency"},
        {"avgpool|averagepool|averagepooling|meanpool",
         "it is [avg_pool], or [fourier_pool] size= in frequency"},
        {"pool|pooling|spectralpool|spectralpooling|fourierpooling|downsample|subsampling",
         "it is [fourier_pool], or [max_pool]"},
        {"batchnorm|batchnormalization|bn|batchnormalisation|layernorm|groupnorm|instancenorm",
         "norms are norm=batch of [conv], or [norm]"},
        {"relu|gelu|leakyrelu|elu|silu|swish|mish|tanh|sigmoid|srelu|modrelu|crelu|nonlinearity",
         "activations are activation= of [conv] or [dense], or [activation] function="},
        {"residual|skip|add|route|concat|identity", "a residual connection is [shortcut] from="},
        {"network|model|training|train|optimizer|solver|hyperparameters",
         "the first section is [net], which has all of the training"},
        {"input|fourier|image|data", "the input is [fft] size=, the data is [net] data="},
        {"flatten|reshape|view|squeeze", "[dense] takes maps as they are: leave it out"},
        {"cost|loss|crossentropy|crossentropyloss|output|logsoftmax",
         "the last section is [softmax], which has the loss"},
        {"inversefft|irfft|rfft|inverse", "they are [fft] and [ifft]"},
        {NULL, NULL}};
    return find(rows, name);
}

const char *fcnn_foreign_key(const char *name) {
    static const foreign rows[] = {
        {"lr|rate|learnrate|alpha|eta|baselr|maxlr|stepsize", "learning_rate"},
        {"wd|decay|l2|weightdecay", "weight_decay"},
        {"bs|batchsize|minibatch|imsperbatch", "batch"},
        {"optim|opt|solver", "optimizer"},
        {"scheduler|lrschedule|lrscheduler|policy|lrpolicy", "schedule"},
        {"nepochs|numepochs|maxepochs|epoch", "epochs"},
        {"randomseed|manualseed|rng", "seed"},
        {"valsplit|validationsplit|valfrac|validationfraction|testsize|holdout|split",
         "val_fraction"},
        {"flip|mirror|hflip|horizontalflip|augmentflip|randomhorizontalflip", "augment_mirror"},
        {"shift|randomcrop|augmentcrop|translate", "augment_shift"},
        {"cutout|randomerasing|erasing|augmenterase", "augment_cutout"},
        {"tta|testtimeaugmentation|testaugment|mirrortest|testflip", "test_mirror"},
        {"mix|mixing|mixupalpha|alphamixup|augmentmixup", "mixup"},
        {"jitter|colorjitter|colourjitter|brightness|contrast", "augment_jitter"},
        {"clip|gradclip|clipgrad|clipgradnorm|maxnorm|gradientclip", "clip_norm"},
        {"accumulate|gradaccum|accumulationsteps|gradientaccumulationsteps|gradaccumulation",
         "subdivisions"},
        {"warmup|warmupsteps", "warmup_epochs"},
        {"earlystopping|earlystop", "patience"},
        {"balance|classweight|weights", "class_weights"},
        {"smoothing|labelsmooth", "label_smoothing"},
        {"dataset|path|root|datadir|datapath", "data"},
        {"cachedir", "cache"},
        {"kernel|kernelsize|ksize|filtersize|width|height|imagesize|imgsize|imgsz|resolution",
         "size"},
        {"outchannels|channels|outputs|nfilters|maps|outplanes", "filters"},
        {"output|outfeatures|features|neurons|hidden|size|nout", "units"},
        {"batchnormalize|batchnorm|bn|normalize|normalization", "norm"},
        {"strides", "stride"},
        {"padding|pad|margin", "pad"},
        {"p|prob|probability|dropout", "rate"},
        {"act|nonlinearity|activations", "activation"},
        {NULL, NULL}};
    return find(rows, name);
}

const char *fcnn_foreign_value(const char *key, const char *word) {
    static const struct {
        const char *key;
        foreign rows[6];
    } keys[] = {{"activation",
                 {{"none|identity|no|null", "linear"},
                  {"swish|silu|elu|mish|selu", "gelu"},
                  {"leaky|lrelu", "leaky_relu"},
                  {"tanh|sigmoid|logistic", "ctanh"},
                  {NULL, NULL}}},
                {"norm",
                 {{"bn|batchnorm|true|1|yes|on|batchnormalization", "batch"},
                  {"0|false|no|off|null", "none"},
                  {NULL, NULL}}},
                {"schedule",
                 {{"cos|cosineannealing|cosineannealinglr|sgdr", "cosine"},
                  {"none|no|fixed|const|flat|off", "constant"},
                  {"1cycle|superconvergence", "onecycle"},
                  {"steps|steplr|multistep|exponential|plateau", "step"},
                  {NULL, NULL}}},
                {"optimizer",
                 {{"momentum|nesterov", "sgd"},
                  {"rmsprop|adagrad|adadelta|nadam|lion|lamb", "adamw"},
                  {NULL, NULL}}},
                {"domain",
                 {{"spatial|pixel|pixels|image", "space"},
                  {"fourier|spectral|freq|fft|spectrum", "frequency"},
                  {NULL, NULL}}},
                {"pad",
                 {{"zeros|constant|0", "zero"},
                  {"mirror|reflection", "reflect"},
                  {"no|off|valid", "none"},
                  {NULL, NULL}}}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!strcmp(keys[i].key, strcmp(key, "function") ? key : "activation"))
            return find(keys[i].rows, word);
    return NULL;
}
