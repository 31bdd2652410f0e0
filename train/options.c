/* Command-line helpers of the programs. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void program_start(char **argv) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length < 0) return; /* threads wait as they would have */
    path[length] = '\0';
    setenv("GOMP_SPINCOUNT", "1000", 1);
    execv(path, argv);
}

void program_print_help(const program_info *program) {
    printf("usage: %s %s\n\n%s\n\noptions:\n%s", program->name, program->synopsis, program->summary,
           program->options);
    fputs("  --help               this text\n"
          "  --version            version, processors and backends\n",
          stdout);
    if (!strstr(program->options, "--data")) return;
    puts("\ndata sets:");
    for (int i = 0; fcnn_readers[i]; i++)
        printf("  %-18s %s\n", fcnn_readers[i]->name, fcnn_readers[i]->help);
}

void program_print_version(const program_info *program) {
    printf("%s %s\n", program->name, FCNN_VERSION);
    for (int i = 0; fcnn_backends[i]; i++) {
        char text[256];
        bool found = fcnn_backends[i]->probe(text, sizeof text) == FCNN_OK;
        printf("  %s: %s\n", fcnn_backends[i]->name, found ? text : fcnn_status_message());
    }
}

int program_fail(const program_info *program, fcnn_status status) {
    char text[2048];
    fcnn_text_printable(fcnn_status_message(), text, sizeof text);
    fprintf(stderr, "%s: %s\n", program->name, text);
    return fcnn_status_exit_code(status);
}

fcnn_status option_int(const char *option, const char *text, int64_t low, int64_t high,
                       int64_t *value) {
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    if (end != text && !*end && !errno && *value >= low && *value <= high) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE, "--%s %s: expected a whole number from %lld to %lld",
                           option, text, (long long)low, (long long)high);
}

fcnn_status option_fraction(const char *option, const char *text, double *value) {
    if (fcnn_bands_read_fraction(text, '\0', value)) return FCNN_OK;
    return fcnn_status_set(FCNN_ERROR_USAGE,
                           "--%s %s: expected a fraction above 0 and up to 1, such as 0.5", option,
                           text);
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
    if (*value == '/' || !strcmp(value, "none")) return option_override(config, "cache", value);
    if (!getcwd(here, sizeof here))
        return fcnn_status_set(FCNN_ERROR_IO, "--cache %s: the current folder is not known: %s",
                               value, strerror(errno));
    snprintf(absolute, sizeof absolute, "%s/%s", here, value);
    return option_override(config, "cache", absolute);
}

fcnn_status option_unknown(int code, char **argv) {
    const char *option = argv[optind - 1];
    if (code == ':')
        return fcnn_status_set(FCNN_ERROR_USAGE, "%s needs a value; see --help", option);
    return fcnn_status_set(FCNN_ERROR_USAGE, "unknown option %s; see --help", option);
}

void command_append(char *text, size_t bytes, const char *word) {
    size_t used = strlen(text);
    bool quoted = !*word || strpbrk(word, " '\"$*?;&|<>[](){}!#~`\\\t\n");
    if (used + 4 >= bytes) return;
    if (used) text[used++] = ' ';
    if (quoted) text[used++] = '\'';
    for (; *word && used + 6 < bytes; word++)
        used += (size_t)snprintf(text + used, bytes - used, *word == '\'' ? "'\\''" : "%c", *word);
    if (quoted) text[used++] = '\'';
    text[used] = '\0';
}
