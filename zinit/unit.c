/* Units, from YAML. libyaml's document interface gives a tree whose nodes know their lines; keys are looked up in one
 * table, each with the function that reads its value. Only two levels are ever walked, so that aliases can't blow up.
 */

#include "zinit/unit.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "zinit/signals.h"
#include "zinit/words.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <yaml.h>

#define SHUTDOWN_TIMEOUT_MS 10000 /* zinit's default */

struct reader {
    yaml_document_t document;
    const char *file;
    struct unit *unit;
    bool restart_given;
    unit_warn *warn;
    void *context;
    struct reason *reason;
};

typedef int read_value(struct reader *reader, const char *key, const yaml_node_t *node);

struct key {
    const char *name;
    read_value *read;
};

static int refuse(struct reader *reader, const yaml_node_t *node, const char *key, const char *rule)
{
    char place[300];

    snprintf(place, sizeof place, "%.200s:%zu", reader->file, node->start_mark.line + 1);
    return reason_refuse(reader->reason, place, "%s: %s", key, rule);
}

static const char *scalar(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;

    if (node->type != YAML_SCALAR_NODE || strlen(text) != node->data.scalar.length)
        return NULL;
    return text;
}

/* ---- kinds of values */

static int read_text(struct reader *reader, const char *key, const yaml_node_t *node, const char **ret_text)
{
    *ret_text = scalar(node);
    return *ret_text ? 0 : refuse(reader, node, key, "must be one text, such as a word or a quoted string");
}

static int read_bool(struct reader *reader, const char *key, const yaml_node_t *node, bool *ret_value)
{
    const char *text = scalar(node);

    if (text && (strcasecmp(text, "true") == 0 || strcasecmp(text, "yes") == 0)) {
        *ret_value = true;
    } else if (text && (strcasecmp(text, "false") == 0 || strcasecmp(text, "no") == 0)) {
        *ret_value = false;
    } else {
        return refuse(reader, node, key, "must be true or false");
    }
    return 0;
}

static int read_count(struct reader *reader, const char *key, const yaml_node_t *node, int64_t *ret_value)
{
    const char *text = scalar(node);
    char *end;
    long long value;

    if (!text || !isdigit((unsigned char)*text))
        return refuse(reader, node, key, "must be a whole number, 0 or more");
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno || *end || value > (1LL << 53))
        return refuse(reader, node, key, "must be a whole number of at most 2^53");
    *ret_value = value;
    return 0;
}

/* Which of `choices` (ending with NULL) the value is. */
static int read_choice(struct reader *reader, const char *key, const yaml_node_t *node, const char *const *choices,
                       const char *rule, int *ret_index)
{
    const char *text = scalar(node);

    for (int i = 0; text && choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return refuse(reader, node, key, rule);
}

static int read_command(struct reader *reader, const char *key, const yaml_node_t *node, char ***ret_words)
{
    const char *text;
    struct reason inner = { "" };
    int result = read_text(reader, key, node, &text);

    if (result)
        return result;
    result = words_split(text, ret_words, &inner);
    if (result == REFUSED)
        return refuse(reader, node, key, inner.text);
    if (result == 0 && !(*ret_words)[0])
        return refuse(reader, node, key, "must name a program, such as /bin/program --flag");
    return result;
}

static int read_mapping(struct reader *reader, const char *key, const yaml_node_t *node,
                        int (*read_pair)(struct reader *, const yaml_node_t *, const yaml_node_t *))
{
    if (node->type != YAML_MAPPING_NODE)
        return refuse(reader, node, key, "must be a mapping, one `name: value` a line, indented");
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
        int result = read_pair(reader, yaml_document_get_node(&reader->document, pair->key),
                               yaml_document_get_node(&reader->document, pair->value));
        if (result)
            return result;
    }
    return 0;
}

/* Finds the key's reader in a table that ends with a NULL name; a key that isn't there is a warning. */
static int read_key(struct reader *reader, const struct key *keys, const char *outer, const yaml_node_t *key,
                    const yaml_node_t *value)
{
    const char *name = scalar(key);
    char warning[512];

    for (size_t i = 0; name && keys[i].name; i++)
        if (strcmp(name, keys[i].name) == 0)
            return keys[i].read(reader, name, value);
    snprintf(warning, sizeof warning, "%.200s:%zu: unknown key %s%.100s, passed over", reader->file,
             key->start_mark.line + 1, outer, name ? name : "(not a text)");
    if (reader->warn)
        reader->warn(reader->context, warning);
    return 0;
}

/* ---- the keys */

static int read_exec(struct reader *reader, const char *key, const yaml_node_t *node)
{
    return read_command(reader, key, node, &reader->unit->exec);
}

static int read_test(struct reader *reader, const char *key, const yaml_node_t *node)
{
    return read_command(reader, key, node, &reader->unit->test);
}

static int read_oneshot(struct reader *reader, const char *key, const yaml_node_t *node)
{
    return read_bool(reader, key, node, &reader->unit->oneshot);
}

static int read_after_item(struct reader *reader, const char *key, const yaml_node_t *node)
{
    const char *text;
    int result = read_text(reader, key, node, &text);

    if (result)
        return result;
    if (!unit_name_fits(text))
        return refuse(reader, node, key, "isn't the name of a service");
    return words_append(&reader->unit->after, text);
}

static int read_after(struct reader *reader, const char *key, const yaml_node_t *node)
{
    if (node->type == YAML_SCALAR_NODE)
        return *scalar(node) ? read_after_item(reader, key, node) : 0;
    if (node->type != YAML_SEQUENCE_NODE)
        return refuse(reader, node, key, "must be a list, one `- name` a line");
    for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
        int result = read_after_item(reader, key, yaml_document_get_node(&reader->document, *item));
        if (result)
            return result;
    }
    return 0;
}

static int read_signal_stop(struct reader *reader, const char *key, const yaml_node_t *node)
{
    const char *text = scalar(node);
    int number = text ? signals_parse(text) : -1;

    if (number < 0)
        return refuse(reader, node, "signal.stop", "must be a signal's name, such as SIGTERM");
    reader->unit->stop_signal = number;
    return 0;
}

static int read_signal_pair(struct reader *reader, const yaml_node_t *key, const yaml_node_t *value)
{
    static const struct key keys[] = { { "stop", read_signal_stop }, { NULL, NULL } };

    return read_key(reader, keys, "signal.", key, value);
}

static int read_signal(struct reader *reader, const char *key, const yaml_node_t *node)
{
    return read_mapping(reader, key, node, read_signal_pair);
}

static int read_log(struct reader *reader, const char *key, const yaml_node_t *node)
{
    static const char *const choices[] = { "ring", "none", "null", "stdout", NULL };
    static const enum unit_log logs[] = { UNIT_LOG_RING, UNIT_LOG_NONE, UNIT_LOG_NONE, UNIT_LOG_STDOUT };
    int index = 0, result = read_choice(reader, key, node, choices, "must be ring, none, null or stdout", &index);

    if (result == 0)
        reader->unit->log = logs[index];
    return result;
}

static int read_env_pair(struct reader *reader, const yaml_node_t *key, const yaml_node_t *value)
{
    const char *name = scalar(key), *text = scalar(value);
    cleanup_free char *variable = NULL;

    if (!name || !*name || strchr(name, '='))
        return refuse(reader, key, "env", "a name must be a text without =");
    if (!text)
        return refuse(reader, value, "env", "a value must be one text: quote it");
    if (asprintf(&variable, "%s=%s", name, text) < 0) {
        variable = NULL;
        return -ENOMEM;
    }
    return words_append(&reader->unit->env, variable);
}

static int read_env(struct reader *reader, const char *key, const yaml_node_t *node)
{
    return read_mapping(reader, key, node, read_env_pair);
}

static int read_dir(struct reader *reader, const char *key, const yaml_node_t *node)
{
    const char *text;
    int result = read_text(reader, key, node, &text);

    if (result)
        return result;
    free(reader->unit->dir);
    reader->unit->dir = strdup(text);
    return reader->unit->dir ? 0 : -ENOMEM;
}

static int read_shutdown_timeout(struct reader *reader, const char *key, const yaml_node_t *node)
{
    int64_t seconds = 0;
    int result = read_count(reader, key, node, &seconds);

    if (result)
        return result;
    if (seconds > 86400)
        return refuse(reader, node, key, "must be at most 86400 seconds");
    reader->unit->shutdown_timeout_ms = seconds * 1000;
    return 0;
}

static int read_ready(struct reader *reader, const char *key, const yaml_node_t *node)
{
    static const char *const choices[] = { "fd", NULL };
    int index = 0, result = read_choice(reader, key, node, choices, "must be fd", &index);

    if (result == 0)
        reader->unit->ready_fd = true;
    return result;
}

static int read_restart(struct reader *reader, const char *key, const yaml_node_t *node)
{
    static const char *const choices[] = { "always", "on-failure", "never", NULL };
    int index = 0, result = read_choice(reader, key, node, choices, "must be always, on-failure or never", &index);

    if (result == 0) {
        reader->unit->restart = (enum machine_restart)index;
        reader->restart_given = true;
    }
    return result;
}

static int read_limit_memory(struct reader *reader, const char *key, const yaml_node_t *node)
{
    return read_count(reader, "limits.memory_bytes", node, &reader->unit->limits.memory_bytes);
}

static int read_limit_cpu(struct reader *reader, const char *key, const yaml_node_t *node)
{
    return read_count(reader, "limits.cpu_milli", node, &reader->unit->limits.cpu_milli);
}

static int read_limit_pids(struct reader *reader, const char *key, const yaml_node_t *node)
{
    return read_count(reader, "limits.pids", node, &reader->unit->limits.pids);
}

static int read_limits_pair(struct reader *reader, const yaml_node_t *key, const yaml_node_t *value)
{
    static const struct key keys[] = {
        { "memory_bytes", read_limit_memory },
        { "cpu_milli", read_limit_cpu },
        { "pids", read_limit_pids },
        { NULL, NULL },
    };

    return read_key(reader, keys, "limits.", key, value);
}

static int read_limits(struct reader *reader, const char *key, const yaml_node_t *node)
{
    return read_mapping(reader, key, node, read_limits_pair);
}

static int read_unit_pair(struct reader *reader, const yaml_node_t *key, const yaml_node_t *value)
{
    static const struct key keys[] = {
        { "exec", read_exec },   { "test", read_test },       { "oneshot", read_oneshot },
        { "after", read_after }, { "signal", read_signal },   { "log", read_log },
        { "env", read_env },     { "dir", read_dir },         { "shutdown_timeout", read_shutdown_timeout },
        { "ready", read_ready }, { "restart", read_restart }, { "limits", read_limits },
        { NULL, NULL },
    };

    return read_key(reader, keys, "", key, value);
}

/* ---- the whole */

static int refuse_duplicates(struct reader *reader, const yaml_node_t *root)
{
    yaml_node_pair_t *pairs = root->data.mapping.pairs.start, *top = root->data.mapping.pairs.top;

    if (top - pairs > 64)
        return refuse(reader, root, "unit", "has too many keys");
    for (yaml_node_pair_t *pair = pairs; pair < top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&reader->document, pair->key);
        for (yaml_node_pair_t *earlier = pairs; earlier < pair; earlier++) {
            const yaml_node_t *other = yaml_document_get_node(&reader->document, earlier->key);
            if (scalar(key) && scalar(other) && strcmp(scalar(key), scalar(other)) == 0)
                return refuse(reader, key, scalar(key), "stands there twice: keep one");
        }
    }
    return 0;
}

static int read_document(struct reader *reader)
{
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    int result;

    if (!root || root->type != YAML_MAPPING_NODE)
        return reason_refuse(reader->reason, reader->file, "must be a mapping that begins with `exec: program`");
    result = refuse_duplicates(reader, root);
    if (!result)
        result = read_mapping(reader, "unit", root, read_unit_pair);
    if (!result && !reader->unit->exec)
        result = reason_refuse(reader->reason, reader->file, "exec is missing: add a line `exec: program arguments`");
    if (!result && reader->unit->ready_fd && reader->unit->test)
        result = reason_refuse(reader->reason, reader->file, "ready and test exclude each other: keep one");
    if (!reader->restart_given && reader->unit->oneshot)
        reader->unit->restart = MACHINE_RESTART_NEVER;
    return result;
}

static int load_document(struct reader *reader, const char *text, size_t size)
{
    yaml_parser_t parser;
    int loaded, result = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, size);
    loaded = yaml_parser_load(&parser, &reader->document);
    if (!loaded && parser.error == YAML_MEMORY_ERROR) {
        result = -ENOMEM;
    } else if (!loaded) {
        char place[300];
        size_t line = parser.problem_mark.line + 1;
        snprintf(place, sizeof place, "%.200s:%zu", reader->file, line);
        result =
            reason_refuse(reader->reason, place, "isn't YAML: %s%s%s", parser.problem ? parser.problem : "unreadable",
                          parser.context ? ", " : "", parser.context ? parser.context : "");
    }
    yaml_parser_delete(&parser);
    return result;
}

int unit_parse(const char *name, const char *file, const char *text, size_t size, struct unit *ret_unit,
               unit_warn *warn, void *context, struct reason *reason)
{
    struct unit unit = { .stop_signal = SIGTERM, .shutdown_timeout_ms = SHUTDOWN_TIMEOUT_MS };
    struct reader reader = { .file = file, .unit = &unit, .warn = warn, .context = context, .reason = reason };
    int result;

    if (!unit_name_fits(name))
        return reason_refuse(reason, file, "a service's name is 1 to 127 of A-Z a-z 0-9 . _ @ -, no dot at first");
    unit.name = strdup(name);
    if (!unit.name)
        return -ENOMEM;
    result = load_document(&reader, text, size);
    if (result == 0) {
        result = read_document(&reader);
        yaml_document_delete(&reader.document);
    }
    if (result)
        unit_close(&unit);
    else
        *ret_unit = unit;
    return result;
}

int unit_load(const char *dir, const char *name, struct unit *ret_unit, unit_warn *warn, void *context,
              struct reason *reason)
{
    char path[512];
    cleanup_free char *text = NULL;
    size_t size;
    int error;

    if (!unit_name_fits(name))
        return reason_refuse(reason, NULL, "a service's name is 1 to 127 of A-Z a-z 0-9 . _ @ -, no dot at first");
    snprintf(path, sizeof path, "%.300s/%s.yaml", dir, name);
    error = file_read(path, UNIT_FILE_BYTES_MAX, &text, &size);
    if (error == -EFBIG)
        return reason_refuse(reason, path, "is larger than %d bytes: that is no unit", UNIT_FILE_BYTES_MAX);
    if (error)
        return reason_refuse(reason, path, "%s", strerror(-error));
    return unit_parse(name, path, text, size, ret_unit, warn, context, reason);
}

void unit_close(struct unit *unit)
{
    if (!unit)
        return;
    words_free(unit->exec);
    words_free(unit->test);
    words_free(unit->after);
    words_free(unit->env);
    free(unit->dir);
    free(unit->name);
    *unit = (struct unit){ 0 };
}

bool unit_name_fits(const char *name)
{
    size_t size = strlen(name);

    if (size == 0 || size >= UNIT_NAME_BYTES_MAX || name[0] == '.')
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-") == size;
}
