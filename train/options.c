/* This file parses, checks and prints a program's table of options. */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "nearest.h"
#include "number.h"
#include "terminal.h"
#include "threads.h"

enum { OPTIONS_MAX = 32, HELP_COLUMN = 28, DATA_COLUMN = 21, HELP_WIDTH = 80 };
/* getopt_long returns these for a row of the table and for the options of every program. */
enum { CODE_ROW = 256, CODE_HELP, CODE_VERSION };

/* Opens what is closed of the descriptors 0 to 2 the wrong way round. */
static void open_standard(void) {
    for (int i = 0; i <= STDERR_FILENO; i++)
        if (fcntl(i, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", i == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Raises a low limit of the stack where that is allowed, and returns whether it did. */
static bool raise_stack(const char *name) {
    enum { LEAST = 2 * FCNN_STACK_BYTES, USUAL = 8 << 20 };
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur >= LEAST) return false;
    rlim_t before = limit.rlim_cur;
    const char *slash = strrchr(name, '/');
    limit.rlim_cur = limit.rlim_max < USUAL ? limit.rlim_max : USUAL;
    if (limit.rlim_cur >= LEAST && !setrlimit(RLIMIT_STACK, &limit)) return true;
    fprintf(stderr, "%s: the stack is limited to %llu KiB (ulimit -s): expected %d at least\n",
            slash ? slash + 1 : name, (unsigned long long)before >> 10, LEAST >> 10);
    exit(EXIT_USAGE);
}

void program_start(char **argv) {
    open_standard();
    signal(SIGXFSZ, SIG_IGN);                     /* a limit of files' sizes is a write error */
    bool again = argv[0] && raise_stack(argv[0]); /* the runtime took the stack's size before */
    if (!getenv("OMP_WAIT_POLICY") && !getenv("GOMP_SPINCOUNT"))
        again = !setenv("GOMP_SPINCOUNT", "1000", 1);
    char path[PATH_MAX];
    ssize_t length = again ? readlink("/proc/self/exe", path, sizeof path - 1) : -1;
    if (length < 0) return; /* threads wait, and have stacks, as they would have */
    path[length] = '\0';
    execv(path, argv);
}

/* ---- What is printed ---- */

/* Prints a text from a column on, in lines that break at spaces, the first of which stands at
 * `at`. */
static void print_column(int at, int column, const char *text) {
    do {
        int room = HELP_WIDTH - column, length = (int)strlen(text), end = length;
        if (length > room)
            for (end = room; end > 0 && text[end] != ' ';) end--;
        if (!end) end = length; /* a word that is longer */
        printf("%*s%.*s\n", at < column ? column - at : 0, "", end, text);
        text += end + (text[end] == ' ');
        at = 0;
    } while (*text);
}

/* Prints an option and what it does. */
static void print_option(const char *name, const char *argument, const char *help) {
    int at = printf("  --%s%s%s", name, argument ? " " : "", argument ? argument : "");
    if (at > HELP_COLUMN - 2) at = printf("\n") - 1;
    print_column(at, HELP_COLUMN, help);
}

/* Prints lines, and each that is too long as several. */
static void print_paragraph(const char *text) {
    char line[512];
    while (*text) {
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        print_column(0, 0, line);
        text += length + (text[length] == '\n');
    }
}

/* The data sets that this build knows follow where there is an option that names one. */
static void print_help(const program_info *program) {
    bool data = false;
    printf("usage: %s %s\n\n", program->name, program->synopsis);
    print_paragraph(program->summary);
    puts("\noptions:");
    for (const option_row *row = program->rows; row->name; row++) {
        print_option(row->name, row->argument, row->help);
        data |= !strcmp(row->name, "data");
    }
    print_option("help", NULL, "this text");
    print_option("version", NULL, "version, processors and backends");
    if (program->notes) putchar('\n');
    if (program->notes) print_paragraph(program->notes);
    if (!data) return;
    puts("\ndata sets:");
    for (int i = 0; fcnn_readers[i]; i++) {
        int column = printf("  %-18s ", fcnn_readers[i]->name);
        print_column(column, DATA_COLUMN, fcnn_readers[i]->help);
    }
}

void program_print_version(const program_info *program) {
    printf("%s %s\n", program->name, fcnn_version());
    for (int i = 0; fcnn_backends[i]; i++) {
        char text[256];
        bool found = fcnn_backends[i]->probe(text, sizeof text) == FCNN_OK;
        terminal_print(stdout, "  %s: %s", fcnn_backends[i]->name,
                       found ? text : fcnn_status_message());
    }
}

int program_fail(const program_info *program, fcnn_status status) {
    terminal_print(stderr, "%s: %s", program->name, fcnn_status_message());
    return fcnn_status_exit_code(status);
}

int program_end(const program_info *program, fcnn_status status, int code) {
    if (status) code = program_fail(program, status);
    errno = 0;
    bool failed = ferror(stdout) != 0;
    failed |= fclose(stdout) != 0;
    if (!failed) return code;
    fprintf(stderr, "%s: standard output could not be written%s%s\n", program->name,
            errno ? ": " : "", errno ? strerror(errno) : "");
    return code ? code : EXIT_FAILURE;
}

/* ---- Values ---- */

static fcnn_status read_whole(const option_row *row, const char *text, int64_t *value) {
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (end != text && !*end && !errno && *value >= row->low && *value <= row->high) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "--%s %s: expected a whole number from %lld to %lld",
                           row->name, text, (long long)row->low, (long long)row->high);
}

static fcnn_status read_int(const option_row *row, const char *text, int *value) {
    int64_t number;
    FCNN_TRY(read_whole(row, text, &number));
    *value = (int)number;
    return FCNN_OK;
}

static fcnn_status read_real(const option_row *row, const char *text, double *value) {
    char *end;
    *value = fcnn_number_read(text, &end);
    if (end != text && !*end && *value > 0.0 && *value <= (double)row->high) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "--%s %s: expected a number above 0 and up to %lld",
                           row->name, text, (long long)row->high);
}

static fcnn_status read_fraction(const option_row *row, const char *text, double *value) {
    if (fcnn_bands_read_fraction(text, '\0', value)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "--%s %s: expected a fraction above 0 and up to 1, such as 0.5",
                           row->name, text);
}

/* Returns the place of a name among words with one character between them, or -1. */
static int find_word(const char *words, const char *name, size_t length) {
    for (int place = 0;; place++) {
        size_t word = strcspn(words, "|,");
        if (word == length && !memcmp(words, name, length)) return place;
        if (!words[word]) return -1;
        words += word + 1;
    }
}

static fcnn_status read_choice(const option_row *row, const char *text, int *value) {
    *value = find_word(row->argument, text, strlen(text));
    if (*value >= 0) return FCNN_OK;
    int first = (int)strcspn(row->argument, "|");
    return fcnn_status_set(FCNN_ERROR_USAGE, "--%s %s: expected %.*s or %s", row->name, text, first,
                           row->argument, row->argument + first + 1);
}

static fcnn_status read_list(const option_row *row, const char *text, bool *listed) {
    int places = 1;
    for (const char *at = row->argument; *at; at++) places += *at == ',';
    memset(listed, 0, (size_t)places * sizeof *listed);
    for (const char *name = text;;) {
        size_t length = strcspn(name, ",");
        int place = find_word(row->argument, name, length);
        if (place < 0)
            return fcnn_status_set(FCNN_ERROR_USAGE, "--%s %s: '%.*s' is none of %s", row->name,
                                   text, (int)length, name, row->argument);
        listed[place] = true;
        if (!name[length]) return FCNN_OK;
        name += length + 1;
    }
}

fcnn_status option_override(fcnn_config *config, const char *key, const char *value) {
    return fcnn_config_set(config, &config->sections[0], key, value);
}

fcnn_status option_data(fcnn_config *config, const char *value) {
    char absolute[PATH_MAX];
    FCNN_TRY(fcnn_dataset_check(value));
    bool path = !fcnn_dataset_is_name(value) && realpath(value, absolute);
    return option_override(config, "data", path ? absolute : value);
}

fcnn_status option_cache(fcnn_config *config, const char *value) {
    char here[PATH_MAX], absolute[2 * PATH_MAX];
    if (!*value)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--cache: expected a folder, found an empty text");
    if (strlen(value) >= PATH_MAX)
        return fcnn_status_set(FCNN_ERROR_USAGE, "--cache %s: the path is longer than %d bytes",
                               value, PATH_MAX - 1);
    if (*value == '/' || !strcmp(value, "none")) return option_override(config, "cache", value);
    if (!getcwd(here, sizeof here))
        return fcnn_status_set(FCNN_ERROR_IO, "--cache %s: the current folder is not known: %s",
                               value, strerror(errno));
    snprintf(absolute, sizeof absolute, "%s/%s", here, value);
    return option_override(config, "cache", absolute);
}

/* --val-fraction sets val_fraction. */
static fcnn_status read_key(const option_row *row, const char *text, fcnn_config *config) {
    char key[32];
    snprintf(key, sizeof key, "%s", row->name);
    for (char *dash; (dash = strchr(key, '-'));) *dash = '_';
    return option_override(config, key, text);
}

static fcnn_status read_value(const option_row *row, const char *text, fcnn_config *config,
                              void *field) {
    if (row->kind >= OPTION_KEY && !config) return FCNN_OK;
    switch (row->kind) {
    case OPTION_FLAG: *(bool *)field = true; return FCNN_OK;
    case OPTION_TEXT:
    case OPTION_PAIR: *(const char **)field = text; return FCNN_OK;
    case OPTION_INT: return read_int(row, text, field);
    case OPTION_INT64: return read_whole(row, text, field);
    case OPTION_REAL: return read_real(row, text, field);
    case OPTION_FRACTION: return read_fraction(row, text, field);
    case OPTION_CHOICE: return read_choice(row, text, field);
    case OPTION_LIST: return read_list(row, text, field);
    case OPTION_KEY: return read_key(row, text, config);
    case OPTION_DATA: return option_data(config, text);
    case OPTION_CACHE: return option_cache(config, text);
    case OPTION_SET: return fcnn_config_override(config, text);
    case OPTION_MANUAL: break;
    }
    return FCNN_OK;
}

/* ---- Command lines ---- */

/* Writes the program's table in getopt's form; the places of the rows are the same. */
static void make_options(const program_info *program, struct option options[OPTIONS_MAX]) {
    int count = 0;
    for (const option_row *row = program->rows; row->name; row++)
        options[count++] = (struct option){
            row->name, row->argument ? required_argument : no_argument, NULL, CODE_ROW};
    options[count++] = (struct option){"help", no_argument, NULL, CODE_HELP};
    options[count++] = (struct option){"version", no_argument, NULL, CODE_VERSION};
    options[count] = (struct option){0};
    optind = 0; /* from the first word on */
}

static fcnn_status check_operands(const program_info *program, char *const *operands, int count) {
    if (!program->operand && count)
        return fcnn_status_set(FCNN_ERROR_USAGE, "unexpected argument '%s'; see --help",
                               operands[0]);
    if (!program->operand || count == 1 || (count && program->several)) return FCNN_OK;
    if (!count)
        return fcnn_status_set(FCNN_ERROR_USAGE, "expected one %s and got 0; see --help",
                               program->operand);
    for (int i = 0; i < count; i++)
        if (!strncmp(operands[i], "\xe2\x80\x93", 3) || !strncmp(operands[i], "\xe2\x80\x94", 3))
            return fcnn_status_set(FCNN_ERROR_USAGE,
                                   "%s begins with a long dash, as a word processor writes it; "
                                   "options begin with two short ones: --%s",
                                   operands[i], operands[i] + 3);
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "expected one %s: unexpected argument '%s'; see --help",
                           program->operand, operands[1]);
}

static bool takes_keys(const program_info *program) {
    for (const option_row *row = program->rows; row->name; row++)
        if (row->kind == OPTION_SET) return true;
    return false;
}

static const option_row *find_option(const program_info *program, const char *name, size_t length) {
    for (const option_row *row = program->rows; row->name; row++)
        if (strlen(row->name) == length && !strncmp(row->name, name, length)) return row;
    return NULL;
}

/* What other programs call an option of this one. */
static bool option_hint(const program_info *program, const char *letters, bool single, char *hint,
                        size_t bytes) {
    static const struct {
        const char *names, *option;
    } rows[] = {{"h|?|usage", "help"},
                {"V", "version"},
                {"o|outdir|output|output_dir|folder|save_dir|logdir|log_dir|project|name", "out"},
                {"d|dataset|dir|input|data_dir", "data"},
                {"q|silent", "quiet"},
                {"v|debug", "verbose"},
                {"n|e|iterations", "epochs"},
                {"b", "batch"},
                {"j|jobs|workers|num_workers|cpus|nproc|cores", "threads"},
                {"gpu|cuda|gpus|use_cuda", "device cuda"},
                {"cpu|no_cuda", "device cpu"},
                {"lr_find|lr_finder|find_lr|auto_lr|range_test|lr_range_test", "find-rate"},
                {"weights|pretrained|load|finetune|fine_tune|from|warm_start|transfer", "init"},
                {"continue|checkpoint|restart|ckpt|restore|load_checkpoint", "resume"},
                {"k|topk", "top"},
                {"overwrite|force|f", "fresh"},
                {"subset|max_images|samples", "limit"}};
    char name[64];
    snprintf(name, sizeof name, "%s", letters);
    for (char *dash; (dash = strchr(name, '-'));) *dash = '_';
    size_t length = strlen(name);
    for (size_t i = 0; length && i < sizeof rows / sizeof rows[0]; i++)
        for (const char *at = rows[i].names; *at; at += strcspn(at, "|"), at += *at == '|') {
            if (strcspn(at, "|") != length || strncmp(at, name, length) != 0) continue;
            const char *option = rows[i].option;
            bool common = !strcmp(option, "help") || !strcmp(option, "version");
            if (!common && !find_option(program, option, strcspn(option, " "))) continue;
            snprintf(hint, bytes,
                     single ? " (long options have two dashes: --%s)" : " (did you mean --%s?)",
                     option);
            return true;
        }
    return false;
}

/* The value that an unknown option was given, as far as that is clear. */
static const char *value_of(const char *word, const char *next) {
    char *end;
    const char *value = strchr(word, '=');
    if (value && value[1] && strlen(value) < 32) return value + 1;
    if (value || !next) return "VALUE";
    fcnn_number_read(next, &end);
    return end != next && !*end && strlen(next) < 32 ? next : "VALUE";
}

/* What other programs have as options are keys of the cfg here, or options of such a key. */
static bool key_hint(const program_info *program, const char *letters, const char *value,
                     char *hint, size_t bytes) {
    static const char *const optimizers[] = {"sgd", "adam", "adamw"};
    char option[64];
    const char *section, *key = fcnn_config_find_key(letters, &section);
    for (size_t i = 0; i < sizeof optimizers / sizeof optimizers[0]; i++)
        if (!strcmp(letters, optimizers[i])) {
            snprintf(hint, bytes, "; it is a value of a key: --set net.optimizer=%s", letters);
            return true;
        }
    if (!key) return false;
    snprintf(option, sizeof option, "%s", key);
    for (char *line; (line = strchr(option, '_'));) *line = '-';
    if (!strcmp(section, "net") && find_option(program, option, strlen(option)))
        snprintf(hint, bytes, " (did you mean --%s?)", option);
    else
        snprintf(hint, bytes, "; it is a key of the cfg: --set %s.%s=%s", section, key, value);
    return true;
}

/* Says why getopt_long did not take a word: `code` is its answer. Options have long names alone,
 * which it reads letter by letter where there is a single dash. */
static fcnn_status refuse_option(const program_info *program, char *const *argv, int code) {
    const char *word = argv[optind - 1], *now = argv[optind];
    char hint[128] = "";
    if (code == ':') return fcnn_status_set(FCNN_ERROR_USAGE, "%s needs a value; see --help", word);
    if (optopt >= CODE_ROW)
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s: this option takes no value; see --help",
                               word);
    bool single = optopt != 0;
    if (single && now && now[0] == '-' && now[1] == optopt && now[2]) word = now;
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    const char *letters = name + strspn(name, "-");
    fcnn_nearest near = {.wanted = letters};
    for (const option_row *row = program->rows; row->name; row++)
        fcnn_nearest_consider(&near, row->name, strlen(row->name));
    fcnn_nearest_consider(&near, "help", 4);
    fcnn_nearest_consider(&near, "version", 7);
    bool found = *near.best && *letters, slip = found && near.distance == 0; /* case, dashes */
    bool hinted = !slip && *letters &&
                  (option_hint(program, letters, single, hint, sizeof hint) ||
                   (takes_keys(program) &&
                    key_hint(program, letters, value_of(word, now), hint, sizeof hint)));
    if (!hinted && found)
        snprintf(hint, sizeof hint,
                 single ? " (long options have two dashes: --%s)" : " (did you mean --%s?)",
                 near.best);
    else if (!hinted && single)
        snprintf(hint, sizeof hint, " (options have long names and two dashes)");
    return fcnn_status_set(FCNN_ERROR_USAGE, "unknown option %s%s; see --help", word, hint);
}

fcnn_status options_scan(const program_info *program, int argc, char **argv, char ***operands) {
    struct option options[OPTIONS_MAX];
    int code, place;
    *operands = NULL;
    make_options(program, options);
    while ((code = getopt_long(argc, argv, ":", options, &place)) != -1) {
        if (code == '?' || code == ':') return refuse_option(program, argv, code);
        option_kind kind = code == CODE_ROW ? program->rows[place].kind : OPTION_FLAG;
        bool manual = kind == OPTION_MANUAL;
        if (kind == OPTION_PAIR && optind++ >= argc)
            return fcnn_status_set(FCNN_ERROR_USAGE, "--%s needs two values, %s; see --help",
                                   program->rows[place].name, program->rows[place].argument);
        if (code == CODE_HELP) print_help(program);
        if (code == CODE_VERSION) program_print_version(program);
        if (manual) fcnn_config_print_manual(stdout);
        if (manual || code != CODE_ROW) return FCNN_OK;
    }
    *operands = argv + optind;
    return check_operands(program, *operands, argc - optind);
}

fcnn_status options_read(const program_info *program, int argc, char **argv, fcnn_config *config,
                         void *options) {
    struct option table[OPTIONS_MAX];
    int place;
    make_options(program, table);
    while (getopt_long(argc, argv, ":", table, &place) == CODE_ROW) {
        const option_row *row = &program->rows[place];
        FCNN_TRY(read_value(row, optarg, config, (char *)options + row->field));
        if (row->kind == OPTION_PAIR)
            ((const char **)(void *)((char *)options + row->field))[1] = argv[optind++];
    }
    return FCNN_OK;
}

/* How a shell reads a word: as it is; in single quotes; or, for one that a terminal cannot show, in
 * $'' with escapes. */
typedef enum { WORD_PLAIN, WORD_QUOTED, WORD_ESCAPED } word_form;

static word_form form_of(const char *word) {
    word_form form = *word ? WORD_PLAIN : WORD_QUOTED;
    for (int bytes; *word; word += bytes) {
        bytes = fcnn_text_visible(word);
        if (!bytes) return WORD_ESCAPED;
        bool plain = fcnn_is_letter(*word) || fcnn_is_digit(*word) || strchr("_@%+=:,./-", *word);
        if (!plain) form = WORD_QUOTED;
    }
    return form;
}

/* Writes the next character as it stands in a word of this form, or the next byte. */
static const char *quote(word_form form, const char *at, char *text, size_t bytes) {
    int length = fcnn_text_visible(at);
    if (form == WORD_ESCAPED && (*at == '\'' || *at == '\\'))
        snprintf(text, bytes, "\\%c", *at);
    else if (form == WORD_QUOTED && *at == '\'')
        snprintf(text, bytes, "'\\''");
    else if (length)
        snprintf(text, bytes, "%.*s", length, at);
    else
        snprintf(text, bytes, "\\x%02x", (unsigned char)*at);
    return at + (length ? length : 1);
}

void command_append(char *text, size_t bytes, const char *word) {
    static const char *const opening[] = {"", "'", "$'"}, *const closing[] = {"", "'", "'"};
    static const char gap[] = " ...";
    char quoted[8];
    word_form form = form_of(word);
    size_t used = strlen(text), length = strlen(opening[form]) + strlen(closing[form]) + 1;
    for (const char *at = word; *at; length += strlen(quoted))
        at = quote(form, at, quoted, sizeof quoted);
    if (used + length + sizeof gap > bytes) { /* half a word would be another */
        bool said = used >= sizeof gap - 1 && !strcmp(text + used - (sizeof gap - 1), gap);
        if (!said && used + sizeof gap <= bytes) memcpy(text + used, gap, sizeof gap);
        return;
    }
    used += (size_t)sprintf(text + used, "%s%s", used ? " " : "", opening[form]);
    for (const char *at = word; *at; used += strlen(quoted)) {
        at = quote(form, at, quoted, sizeof quoted);
        memcpy(text + used, quoted, strlen(quoted) + 1);
    }
    memcpy(text + used, closing[form], strlen(closing[form]) + 1);
}
