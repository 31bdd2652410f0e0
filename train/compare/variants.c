/* This file swaps the pools, activations and domain of a cfg. The new cfg is written as text and
 * parsed again, with the line numbers of the old one; from n to n' maps, windows of 3 pixels at
 * stride 2 make n = 2n'+1, and with a pad of 1 n = 2n'-1. */
#include "variants.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "training/training_internal.h"

static const struct {
    const char *name, *section;
} pool_kinds[] = {{"fourier", "fourier_pool"}, {"max", "max_pool"}, {"average", "avg_pool"}};
enum { POOL_KINDS = 3, FOURIER = 0, LIST_MAX = 32 };

static int pool_kind(const fcnn_section *section) {
    for (int i = 0; i < POOL_KINDS; i++)
        if (!strcmp(section->name, pool_kinds[i].section)) return i;
    return -1;
}

/* Returns the key of a section that names an activation before [ifft], or NULL. */
static const char *activation_key(const fcnn_section *section) {
    if (!strcmp(section->name, "conv")) return "activation";
    return strcmp(section->name, "activation") ? NULL : "function";
}

/* Behind [ifft] is the classifier, whose activations stay. */
static bool has_activation(const fcnn_config *config, const fcnn_section *section) {
    for (const fcnn_section *earlier = config->sections; earlier < section; earlier++)
        if (!strcmp(earlier->name, "ifft")) return false;
    const char *key = activation_key(section);
    return key && !fcnn_section_is(section, key, "linear");
}

static fcnn_status out_of_memory(void) {
    return fcnn_status_set(FCNN_ERROR_MEMORY, "out of memory for the variants");
}

/* ---- Names ---- */

/* Appends a name to "a+b" unless it is there. */
static void join(char *text, size_t bytes, const char *name) {
    size_t length = strlen(name), used = strlen(text);
    for (const char *at = text; *at; at += strcspn(at, "+"), at += *at == '+')
        if (strcspn(at, "+") == length && !memcmp(at, name, length)) return;
    snprintf(text + used, bytes - used, "%s%s", used ? "+" : "", name);
}

/* Describes what the cfg has, without any swap. */
static void describe(const fcnn_config *config, variant *v) {
    *v = (variant){.label = ""};
    for (int i = 1; i < config->section_count; i++) {
        const fcnn_section *section = &config->sections[i];
        if (pool_kind(section) >= 0)
            join(v->pool, sizeof v->pool, pool_kinds[pool_kind(section)].name);
        if (has_activation(config, section))
            join(v->activation, sizeof v->activation,
                 fcnn_section_text(section, activation_key(section)));
    }
    if (!*v->pool) strcpy(v->pool, "none");
    if (!*v->activation) strcpy(v->activation, "linear");
    snprintf(v->domain, sizeof v->domain, "%s", fcnn_section_text(&config->sections[0], "domain"));
}

/* Checks that a name may stand in an option's list, by the words of the key table. */
static fcnn_status check_name(const char *option, const char *name) {
    static const char text[] = "[net]\n[activation]\n";
    if (!strcmp(option, "pool")) {
        for (int i = 0; i < POOL_KINDS; i++)
            if (!strcmp(name, pool_kinds[i].name)) return FCNN_OK;
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--pool %s: expected names of fourier, max, "
                               "average with commas between them",
                               name);
    }
    fcnn_config *config;
    FCNN_TRY(fcnn_config_parse("", text, sizeof text - 1, &config));
    bool domain = !strcmp(option, "domain");
    fcnn_status status = fcnn_config_set(config, &config->sections[domain ? 0 : 1],
                                         domain ? "domain" : "function", name);
    fcnn_config_destroy(config);
    return status ? fcnn_status_prefix(status, "--%s", option) : FCNN_OK;
}

typedef struct {
    char *text;
    int count;
    const char *names[LIST_MAX];
} name_list;

/* Splits an option's list; without the option it has one name that is NULL. */
static fcnn_status split(const char *option, const char *given, name_list *list) {
    *list = (name_list){.count = given ? 0 : 1};
    if (!given) return FCNN_OK;
    list->text = strdup(given);
    if (!list->text) return out_of_memory();
    char *rest = list->text;
    for (char *name; (name = strsep(&rest, ","));) {
        FCNN_TRY(check_name(option, name));
        for (int i = 0; i < list->count; i++)
            if (!strcmp(list->names[i], name))
                return fcnn_status_set(FCNN_ERROR_USAGE, "--%s %s: %s is given twice", option,
                                       given, name);
        if (list->count == LIST_MAX)
            return fcnn_status_set(FCNN_ERROR_USAGE, "--%s: more than %d names", option, LIST_MAX);
        list->names[list->count++] = name;
    }
    return FCNN_OK;
}

/* A list for what the cfg does not have would make one network under several names. */
static fcnn_status check_subject(const fcnn_config *config, const variant_lists *lists,
                                 const variant *own) {
    if (lists->pools && !strcmp(own->pool, "none"))
        return fcnn_status_set(FCNN_ERROR_CONFIG, "%s: --pool: there is no pooling section",
                               config->file);
    if (lists->activations && !strcmp(own->activation, "linear"))
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "%s: --activation: there is no activation before [ifft]",
                               config->file);
    return FCNN_OK;
}

static variant combine(const variant *own, const char *pool, const char *activation,
                       const char *domain) {
    variant v = *own;
    v.swaps_pool = pool != NULL;
    v.swaps_activation = activation != NULL;
    v.swaps_domain = domain != NULL;
    if (pool) snprintf(v.pool, sizeof v.pool, "%s", pool);
    if (activation) snprintf(v.activation, sizeof v.activation, "%s", activation);
    if (domain) snprintf(v.domain, sizeof v.domain, "%s", domain);
    snprintf(v.name, sizeof v.name, "%s-%s-%s", v.activation, v.pool, v.domain);
    return v;
}

static fcnn_status make_twins(const fcnn_config *config, const variant_lists *lists,
                              const variant *own, variant **variants, int *count) {
    if (lists->pools || lists->activations || lists->domains)
        return fcnn_status_set(FCNN_ERROR_USAGE,
                               "--twin names the variants, and so does a list of --pool, "
                               "--activation or --domain: expected one of both");
    variant both[] = {combine(own, NULL, NULL, NULL),
                      combine(own, strcmp(own->pool, "none") != 0 ? "max" : NULL,
                              strcmp(own->activation, "linear") != 0 ? "relu" : NULL, "space")};
    if (!strcmp(both[0].name, both[1].name))
        return fcnn_status_set(FCNN_ERROR_CONFIG,
                               "%s: --twin: it is of ReLU and max pools in space itself",
                               config->file);
    *variants = malloc(sizeof both);
    if (!*variants) return out_of_memory();
    memcpy(*variants, both, sizeof both);
    *count = 2;
    return FCNN_OK;
}

fcnn_status variants_create(const fcnn_config *config, const variant_lists *lists,
                            variant **variants, int *count) {
    variant own;
    name_list pools, activations = {0}, domains = {0};
    *variants = NULL;
    *count = 0;
    describe(config, &own);
    if (lists->twin) return make_twins(config, lists, &own, variants, count);
    FCNN_TRY(check_subject(config, lists, &own));
    fcnn_status status = split("pool", lists->pools, &pools);
    if (!status) status = split("activation", lists->activations, &activations);
    if (!status) status = split("domain", lists->domains, &domains);
    int all = pools.count * activations.count * domains.count;
    if (!status && !(*variants = calloc((size_t)all, sizeof **variants))) status = out_of_memory();
    for (int i = 0; !status && i < all; i++) {
        int within = i % (activations.count * domains.count);
        (*variants)[i] = combine(&own, pools.names[i / (activations.count * domains.count)],
                                 activations.names[within / domains.count],
                                 domains.names[within % domains.count]);
        *count = all;
    }
    free(pools.text);
    free(activations.text);
    free(domains.text);
    return status;
}

void variants_destroy(variant *variants, int count) {
    for (int i = 0; i < count; i++) fcnn_config_destroy(variants[i].config);
    free(variants);
}

/* ---- Map sizes ---- */

static fcnn_status build_graph(const fcnn_config *config, const variant_source *source,
                               fcnn_graph **graph) {
    fcnn_graph_options options =
        fcnn_training_graph_options(config, source->channels, source->classes,
                                    (int)fcnn_section_int(&config->sections[0], "batch"));
    return fcnn_graph_create(&options, source->device, graph);
}

/* Returns the sides of a pool's maps: that of the node before the section's first, and that of its
 * last. */
static struct pool_sizes find_sizes(const fcnn_graph *graph, const fcnn_section *section) {
    struct pool_sizes sizes = {0, 0};
    for (int i = 1; i < fcnn_graph_node_count(graph); i++) {
        if (fcnn_graph_node_section(graph, i) != section) continue;
        if (!sizes.from) sizes.from = fcnn_graph_node_output(graph, i - 1)->size;
        sizes.to = fcnn_graph_node_output(graph, i)->size;
    }
    return sizes;
}

fcnn_status variant_source_create(const fcnn_config *config, fcnn_device *device, int channels,
                                  int classes, variant_source *source) {
    *source = (variant_source){config, device, channels, classes, NULL};
    fcnn_graph *graph;
    FCNN_TRY(build_graph(config, source, &graph));
    source->sizes = calloc((size_t)config->section_count, sizeof *source->sizes);
    for (int i = 1; source->sizes && i < config->section_count; i++)
        if (pool_kind(&config->sections[i]) >= 0)
            source->sizes[i] = find_sizes(graph, &config->sections[i]);
    fcnn_graph_destroy(graph);
    return source->sizes ? FCNN_OK : out_of_memory();
}

void variant_source_destroy(variant_source *source) {
    free(source->sizes);
    *source = (variant_source){0};
}

/* ---- The cfg of a variant ---- */

/* Returns the name of section i after the swap. */
static const char *new_name(const variant *v, const fcnn_config *config, int i) {
    if (!v->swaps_pool || pool_kind(&config->sections[i]) < 0) return config->sections[i].name;
    for (int kind = 0;; kind++)
        if (!strcmp(v->pool, pool_kinds[kind].name)) return pool_kinds[kind].section;
}

static fcnn_status write_pool(fcnn_text *out, const variant *v, const variant_source *source,
                              int i) {
    const fcnn_section *section = &source->config->sections[i];
    int from = source->sizes[i].from, to = source->sizes[i].to;
    if (!strcmp(v->pool, pool_kinds[FOURIER].name)) {
        fcnn_text_add(out, "size=%d\n", to);
        return FCNN_OK;
    }
    if (from == 2 * to + 1 || from == 2 * to - 1) {
        fcnn_text_add(out, "size=3\nstride=2\n%s", from == 2 * to - 1 ? "pad=1\n" : "");
        return FCNN_OK;
    }
    int low = (from - 1) / 2, high = (from + 1) / 2;
    return fcnn_config_error(source->config, section, "size",
                             "pools maps of %dx%d to %dx%d; for --pool %s, windows of 3 pixels at "
                             "stride 2 make %dx%d, or %dx%d with pad=1: of these size=%d, the odd "
                             "one, would do",
                             from, from, to, to, v->pool, low, low, high, high,
                             low % 2 ? low : high);
}

/* In [conv] the key algorithm names srelu's way to its square or, in space, the convolution's. */
static bool names_square(const char *algorithm) {
    return !strcmp(algorithm, "sum") || !strcmp(algorithm, "lines") || !strcmp(algorithm, "grid");
}

/* Returns whether an activation reads a key as it was given for another one. */
static bool keeps(const char *activation, const fcnn_entry *entry) {
    const char *key = entry->row->key;
    bool srelu = !strcmp(activation, "srelu");
    if (!strcmp(key, "window") || !strcmp(key, "saturation")) return srelu;
    if (!strcmp(key, "slope")) return !strcmp(activation, "leaky_relu");
    /* A side was chosen for one activation's bandwidth. */
    if (!strcmp(key, "grid")) return !fcnn_is_digit(entry->value[0]);
    if (!strcmp(key, "algorithm")) return srelu || !names_square(entry->value);
    return true;
}

/* A shortcut that names a pool names it by its new name and number. */
static void write_from(fcnn_text *out, const variant *v, const fcnn_config *config,
                       const char *from) {
    char label[64];
    for (int i = 1; i < config->section_count; i++) {
        const fcnn_section *section = &config->sections[i];
        snprintf(label, sizeof label, "%s%d", section->name, section->ordinal);
        if (pool_kind(section) < 0 || strcmp(label, from) != 0) continue;
        int ordinal = 1;
        for (int j = 1; j < i; j++)
            ordinal += !strcmp(new_name(v, config, j), new_name(v, config, i));
        fcnn_text_add(out, "from=%s%d\n", new_name(v, config, i), ordinal);
        return;
    }
    fcnn_text_add(out, "from=%s\n", from);
}

/* Returns whether a variant goes without a key of [net]: each of its epochs is trained and scored,
 * and bands do not grow in space. */
static bool drops(const variant *v, const char *key) {
    if (!strcmp(key, "domain")) return v->swaps_domain;
    if (!strcmp(key, "bands")) return !strcmp(v->domain, "space");
    return !strcmp(key, "validate_every") || !strcmp(key, "patience");
}

static void write_entry(fcnn_text *out, const fcnn_entry *entry) {
    fcnn_text_add(out, "%s=", entry->row->key);
    fcnn_config_write_value(out, entry->value);
    fcnn_text_add(out, "\n");
}

static fcnn_status write_section(fcnn_text *out, const variant *v, const variant_source *source,
                                 int i) {
    const fcnn_config *config = source->config;
    const fcnn_section *section = &config->sections[i];
    fcnn_text_add(out, "%s[%s]\n", i ? "\n" : "", new_name(v, config, i));
    bool keeps_windows = pool_kind(section) > FOURIER && strcmp(v->pool, "fourier") != 0;
    if (strcmp(new_name(v, config, i), section->name) != 0 && !keeps_windows)
        return write_pool(out, v, source, i);
    const char *key = activation_key(section);
    bool swap = v->swaps_activation && has_activation(config, section) &&
                !fcnn_section_is(section, key, v->activation);
    for (int j = 0; j < section->entry_count; j++) {
        const fcnn_entry *entry = &section->entries[j];
        if (i == 0 && drops(v, entry->row->key)) continue;
        if (!strcmp(entry->row->key, "from"))
            write_from(out, v, config, entry->value);
        else if (swap && !strcmp(entry->row->key, key))
            fcnn_text_add(out, "%s=%s\n", key, v->activation);
        else if (!swap || keeps(v->activation, entry))
            write_entry(out, entry);
    }
    if (i == 0 && v->swaps_domain) fcnn_text_add(out, "domain=%s\n", v->domain);
    return FCNN_OK;
}

/* Messages about the variant then name the lines of the cfg that the user wrote. */
static void restore_lines(fcnn_config *config, const fcnn_config *source) {
    for (int i = 0; i < config->section_count; i++) {
        fcnn_section *section = &config->sections[i];
        const fcnn_section *original = &source->sections[i];
        section->line = original->line;
        for (int j = 0; j < section->entry_count; j++) {
            fcnn_entry *entry = &section->entries[j];
            entry->line = original->line;
            for (int k = 0; k < original->entry_count; k++)
                if (!strcmp(original->entries[k].row->key, entry->row->key))
                    entry->line = original->entries[k].line;
        }
    }
}

static fcnn_status make_config(variant *v, const variant_source *source) {
    fcnn_text out = {0};
    fcnn_status status = FCNN_OK;
    for (int i = 0; !status && i < source->config->section_count; i++)
        status = write_section(&out, v, source, i);
    char *text = fcnn_text_take(&out);
    if (!text && !status) status = out_of_memory();
    if (!status) status = fcnn_config_parse(source->config->file, text, strlen(text), &v->config);
    if (!status) restore_lines(v->config, source->config);
    free(text);
    return status;
}

/* ---- Facts ---- */

static void describe_pools(variant *v, const fcnn_graph *graph) {
    size_t used = 0;
    for (int i = 1; i < v->config->section_count && used < sizeof v->pools; i++) {
        const fcnn_section *section = &v->config->sections[i];
        int kind = pool_kind(section);
        if (kind < 0) continue;
        struct pool_sizes sizes = find_sizes(graph, section);
        used += (size_t)snprintf(v->pools + used, sizeof v->pools - used, "%s%d to %d",
                                 used ? ", " : "", sizes.from, sizes.to);
        for (int j = 0; kind != FOURIER && j < section->entry_count && used < sizeof v->pools; j++)
            used += (size_t)snprintf(v->pools + used, sizeof v->pools - used, "%s%s=%s",
                                     j ? " " : " by ", section->entries[j].row->key,
                                     section->entries[j].value);
    }
}

static void count(variant *v, const fcnn_graph *graph) {
    bool fused = false;
    for (int i = 0; i < fcnn_graph_node_count(graph); i++) {
        fcnn_node_cost cost;
        fcnn_graph_node_cost(graph, i, &cost);
        v->parameters += cost.parameters;
        fused |= !strcmp(cost.label, "fused");
    }
    bool space = !strcmp(v->domain, "space");
    v->label = space ? "space" : fused ? "fused" : "resident";
}

fcnn_status variant_build(variant *v, const variant_source *source) {
    fcnn_graph *graph = NULL;
    fcnn_status status = make_config(v, source);
    if (!status) status = build_graph(v->config, source, &graph);
    FCNN_TRY(status);
    describe_pools(v, graph);
    count(v, graph);
    fcnn_graph_destroy(graph);
    return FCNN_OK;
}
