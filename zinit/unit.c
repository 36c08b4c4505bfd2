/* Units, from YAML: the table of keys, each with the function that reads its value into the unit. */

#include "zinit/unit.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "zinit/capability.h"
#include "zinit/signals.h"
#include "zinit/value.h"
#include "zinit/words.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define SHUTDOWN_TIMEOUT_MS 10000 /* zinit's default */
#define HEALTH_EVERY_S 30
#define HEALTH_FAILURES 3
#define NUMBER_MAX (INT64_C(1) << 53)
#define NAME_RULE "a service's name is 1 to 127 of A-Z a-z 0-9 . _ @ -, no dot at first"

static int read_exec(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_command(reader, key, node, &reader->unit->exec);
}

static int read_test(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_command(reader, key, node, &reader->unit->test);
}

static int read_oneshot(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_bool(reader, key, node, &reader->unit->oneshot);
}

static int read_critical(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_bool(reader, key, node, &reader->unit->critical);
}

static int read_after_item(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    const char *text;
    int result = value_text(reader, key, node, &text);

    if (result)
        return result;
    if (!unit_name_fits(text))
        return value_refuse(reader, node, key, "isn't the name of a service");
    return words_append(&reader->unit->after, text);
}

static int read_after(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_list(reader, key, node, read_after_item);
}

static int read_signal_stop(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    const char *text = value_scalar(node);
    int number = text ? signals_parse(text) : -1;

    if (number < 0)
        return value_refuse(reader, node, key, "must be a signal's name, such as SIGTERM");
    reader->unit->stop_signal = number;
    return 0;
}

static int read_signal(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    static const struct value_key keys[] = { { "stop", read_signal_stop }, { NULL, NULL } };

    return value_mapping(reader, key, node, keys);
}

static int read_log(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    static const char *const choices[] = { "ring", "none", "null", "stdout", NULL };
    static const enum unit_log logs[] = { UNIT_LOG_RING, UNIT_LOG_NONE, UNIT_LOG_NONE, UNIT_LOG_STDOUT };
    int index = 0, result = value_choice(reader, key, node, choices, "must be ring, none, null or stdout", &index);

    if (result == 0)
        reader->unit->log = logs[index];
    return result;
}

static int read_env_pair(struct value_reader *reader, const yaml_node_t *key, const yaml_node_t *value)
{
    const char *name = value_scalar(key), *text = value_scalar(value);
    cleanup_free char *variable = NULL;

    if (!name || !*name || strchr(name, '='))
        return value_refuse(reader, key, "env", "a name must be a text without =");
    if (!text)
        return value_refuse(reader, value, "env", "a value must be one text: quote it");
    if (asprintf(&variable, "%s=%s", name, text) < 0) {
        variable = NULL;
        return -ENOMEM;
    }
    return words_append(&reader->unit->env, variable);
}

static int read_env(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_pairs(reader, key, node, read_env_pair);
}

static int read_dir(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_copy(reader, key, node, &reader->unit->dir);
}

static int read_shutdown_timeout(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    int64_t seconds = 0;
    int result = value_count(reader, key, node, 0, 86400, &seconds);

    if (result == 0)
        reader->unit->shutdown_timeout_ms = (unsigned)seconds * 1000;
    return result;
}

static int read_ready(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    static const char *const choices[] = { "fd", "notify", NULL };
    int index = 0, result = value_choice(reader, key, node, choices, "must be fd or notify", &index);

    if (result == 0)
        reader->unit->ready = index == 0 ? UNIT_READY_FD : UNIT_READY_NOTIFY;
    return result;
}

static int read_restart(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    static const char *const choices[] = { "always", "on-failure", "never", NULL };
    int index = 0;
    int result = value_choice(reader, key, node, choices, "must be always, on-failure or never", &index);

    if (result == 0) {
        reader->unit->restart = (enum machine_restart)index;
        reader->restart_given = true;
    }
    return result;
}

/* ---- health */

static int read_health_exec(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_command(reader, key, node, &reader->unit->health.exec);
}

static int read_health_every(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    int64_t seconds = 0;
    int result = value_count(reader, key, node, 1, 86400, &seconds);

    if (result == 0)
        reader->unit->health.every_ms = (unsigned)seconds * 1000;
    return result;
}

static int read_health_failures(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    int64_t failures = 0;
    int result = value_count(reader, key, node, 1, 1000, &failures);

    if (result == 0)
        reader->unit->health.failures = (unsigned)failures;
    return result;
}

static int read_health(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    static const struct value_key keys[] = {
        { "exec", read_health_exec },
        { "every_s", read_health_every },
        { "failures", read_health_failures },
        { NULL, NULL },
    };
    int result = value_mapping(reader, key, node, keys);

    if (result == 0 && !reader->unit->health.exec)
        return value_refuse(reader, node, key, "exec is missing in it: the command that succeeds while all is well");
    return result;
}

/* ---- what it may */

static int read_limit_memory(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_count(reader, key, node, 0, NUMBER_MAX, &reader->unit->limits.memory_bytes);
}

static int read_limit_cpu(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_count(reader, key, node, 0, NUMBER_MAX, &reader->unit->limits.cpu_milli);
}

static int read_limit_pids(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_count(reader, key, node, 0, NUMBER_MAX, &reader->unit->limits.pids);
}

static int read_limit_nofile(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_count(reader, key, node, 0, NUMBER_MAX, &reader->unit->limits.nofile);
}

static int read_limits(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    static const struct value_key keys[] = {
        { "memory_bytes", read_limit_memory },
        { "cpu_milli", read_limit_cpu },
        { "pids", read_limit_pids },
        { "nofile", read_limit_nofile },
        { NULL, NULL },
    };

    return value_mapping(reader, key, node, keys);
}

/* A name, or a number (YAML has no type here), or two with a colon between. */
static bool user_fits(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t user = strspn(text, letters), group;

    if (user == 0 || *text == '-' || user > 64)
        return false;
    if (!text[user])
        return true;
    text += user + 1;
    group = strspn(text, letters);
    return text[-1] == ':' && group > 0 && *text != '-' && group <= 64 && !text[group];
}

static int read_user(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    int result = value_copy(reader, key, node, &reader->unit->user);

    if (result == 0 && reader->unit->user && !user_fits(reader->unit->user))
        return value_refuse(reader, node, key, "must be a user's name or number, with :group behind it or without");
    return result;
}

static int read_capability(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    const char *text = value_scalar(node);
    int number = text ? capability_parse(text) : -1;

    if (number < 0)
        return value_refuse(reader, node, key, "must be capabilities' names, such as NET_BIND_SERVICE");
    reader->unit->capabilities |= UINT64_C(1) << number;
    return 0;
}

static int read_capabilities(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    reader->unit->capabilities_given = true;
    return value_list(reader, key, node, read_capability);
}

static int read_no_new_privs(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_bool(reader, key, node, &reader->unit->no_new_privs);
}

static int read_read_only(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_bool(reader, key, node, &reader->unit->read_only);
}

static int read_writable_item(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    const char *text;
    int result = value_text(reader, key, node, &text);

    if (result)
        return result;
    if (text[0] != '/' || !text[1])
        return value_refuse(reader, node, key, "must be absolute paths, such as /run");
    return words_append(&reader->unit->writable, text);
}

static int read_writable(struct value_reader *reader, const char *key, const yaml_node_t *node)
{
    return value_list(reader, key, node, read_writable_item);
}

/* ---- the whole */

static const struct value_key KEYS[] = {
    { "exec", read_exec },
    { "test", read_test },
    { "oneshot", read_oneshot },
    { "after", read_after },
    { "signal", read_signal },
    { "log", read_log },
    { "env", read_env },
    { "dir", read_dir },
    { "shutdown_timeout", read_shutdown_timeout },
    { "ready", read_ready },
    { "health", read_health },
    { "restart", read_restart },
    { "critical", read_critical },
    { "limits", read_limits },
    { "user", read_user },
    { "capabilities", read_capabilities },
    { "no_new_privs", read_no_new_privs },
    { "read_only", read_read_only },
    { "writable", read_writable },
    { NULL, NULL },
};

/* What is wrong of two keys together. */
static int check(struct value_reader *reader, const yaml_node_t *root)
{
    const struct unit *unit = reader->unit;
    int result = 0;

    if (unit->ready != UNIT_READY_BORN && unit->test)
        result = value_refuse(reader, root, "ready", "it and test exclude each other: keep one");
    if (unit->writable && !unit->read_only)
        result = value_refuse(reader, root, "writable", "means nothing without read_only: true");
    return result;
}

static int read_document(struct value_reader *reader)
{
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    struct unit *unit = reader->unit;
    int result;

    if (!root || root->type != YAML_MAPPING_NODE)
        return value_refuse(reader, root, "unit", "must be a mapping that begins with `exec: program`");
    result = value_mapping(reader, "", root, KEYS);
    if (result < 0)
        return result;
    if (!unit->exec && !result)
        result = value_refuse(reader, root, "exec", "is missing: add a line `exec: program arguments`");
    if (!reader->restart_given && unit->oneshot)
        unit->restart = MACHINE_RESTART_NEVER;
    return value_merge(result, check(reader, root));
}

/* Of the file as a whole. */
static int refuse_file(unit_tell *tell, void *context, struct reason *reason, const char *path, const char *rule)
{
    struct reason told;

    reason_refuse(&told, path, "%s", rule);
    if (tell)
        tell(context, UNIT_ERROR, told.text);
    return reason_refuse(reason, NULL, "%s", told.text);
}

int unit_parse(const char *name, const char *file, const char *text, size_t size, struct unit *ret_unit,
               unit_tell *tell, void *context, struct reason *reason)
{
    struct unit unit = { .stop_signal = SIGTERM,
                         .shutdown_timeout_ms = SHUTDOWN_TIMEOUT_MS,
                         .health = { .every_ms = HEALTH_EVERY_S * 1000, .failures = HEALTH_FAILURES } };
    struct value_reader reader = { .file = file, .unit = &unit, .tell = tell, .context = context, .reason = reason };
    int result;

    if (!unit_name_fits(name))
        return refuse_file(tell, context, reason, file, NAME_RULE);
    unit.name = strdup(name);
    result = unit.name ? value_open(&reader, text, size) : -ENOMEM;
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

int unit_load(const char *dir, const char *name, struct unit *ret_unit, unit_tell *tell, void *context,
              struct reason *reason)
{
    char path[512];
    cleanup_free char *text = NULL;
    size_t size;
    int error;

    if (!unit_name_fits(name))
        return refuse_file(tell, context, reason, NULL, NAME_RULE);
    snprintf(path, sizeof path, "%.300s/%s.yaml", dir, name);
    error = file_read(path, UNIT_FILE_BYTES_MAX, &text, &size);
    if (error == -EFBIG)
        return refuse_file(tell, context, reason, path, "is larger than 65536 bytes: that is no unit");
    if (error)
        return refuse_file(tell, context, reason, path, strerror(-error));
    return unit_parse(name, path, text, size, ret_unit, tell, context, reason);
}

void unit_close(struct unit *unit)
{
    if (!unit)
        return;
    words_free(unit->exec);
    words_free(unit->test);
    words_free(unit->after);
    words_free(unit->env);
    words_free(unit->health.exec);
    words_free(unit->writable);
    free(unit->dir);
    free(unit->user);
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
