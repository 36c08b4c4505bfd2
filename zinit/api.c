/* Requests → what is wanted of services. Every method returns at once; what it set going is seen in service_status. */

#include "zinit/api.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "zinit/discover.h"
#include "zinit/history.h"
#include "zinit/kexec.h"
#include "zinit/shutdown.h"
#include "zinit/signals.h"
#include "zinit/stats.h"
#include "zinit/subscribe.h"
#include "zinit/supervisor.h"
#include "zinit/yaml.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 512

static const char *check_name(const cJSON *value)
{
    return unit_name_fits(value->valuestring) ? NULL : "must be 1 to 127 of A-Z a-z 0-9 . _ @ -, no dot at first";
}

static const struct json_rule NAME_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .min = 1, .max = UNIT_NAME_BYTES_MAX - 1, .check = check_name },
    { .name = NULL },
};

/* ---- answers */

void api_fail(struct rpc_error *error, int code, const char *message, const char *format, const char *name)
{
    char data[sizeof error->data];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(data, sizeof data, format, name);
#pragma GCC diagnostic pop
    rpc_error_set(error, code, message, data);
}

struct service *api_find(struct supervisor *supervisor, const cJSON *params, struct rpc_error *error)
{
    const char *name = json_string(params, "name");
    struct service *service = supervisor_find(supervisor, name);

    if (!service)
        api_fail(error, API_UNKNOWN, "Service not found", "service name \"%s\" unknown", name);
    return service;
}

static bool refuse_at_end(const struct supervisor *supervisor, struct rpc_error *error)
{
    if (supervisor->shutdown == SHUTDOWN_NONE)
        return false;
    rpc_error_set(error, API_SHUTTING_DOWN, "Shutting down", "system is already shutting down");
    return true;
}

static void give_text(cJSON **ret_result, struct rpc_error *error, const char *name, const char *done)
{
    char text[UNIT_NAME_BYTES_MAX + 64];

    snprintf(text, sizeof text, "Service '%s' %s successfully", name, done);
    *ret_result = cJSON_CreateString(text);
    if (!*ret_result)
        rpc_error_set(error, RPC_INTERNAL_ERROR, "Out of memory", "");
}

/* ---- services that are there */

static void service_list(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    struct supervisor *supervisor = context;

    *ret_result = cJSON_CreateObject();
    for (struct service *service = supervisor->services; service; service = service->next)
        cJSON_AddStringToObject(*ret_result, service->unit.name, service_state_name(service));
}

/* {"code": 3} or {"signal": "SIGKILL"}, with what is known of why. */
static void add_last_exit(cJSON *status, const struct service_exit *exit)
{
    cJSON *object;

    if (exit->kind == SERVICE_EXIT_NONE)
        return;
    object = cJSON_AddObjectToObject(status, "last_exit");
    if (exit->kind == SERVICE_EXIT_CODE)
        json_add_integer(object, "code", exit->number);
    else
        cJSON_AddStringToObject(object, "signal", signals_name(exit->number));
    if (exit->kind == SERVICE_EXIT_LIMIT || exit->kind == SERVICE_EXIT_MACHINE)
        cJSON_AddStringToObject(object, "out_of_memory", exit->kind == SERVICE_EXIT_LIMIT ? "limit" : "machine");
    if (exit->unhealthy)
        cJSON_AddTrueToObject(object, "unhealthy");
}

static void service_status(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    struct supervisor *supervisor = context;
    struct service *service = api_find(supervisor, params, error);
    cJSON *after;

    if (!service)
        return;
    *ret_result = cJSON_CreateObject();
    cJSON_AddStringToObject(*ret_result, "name", service->unit.name);
    json_add_integer(*ret_result, "pid", service->pid);
    cJSON_AddStringToObject(*ret_result, "state", service_state_name(service));
    cJSON_AddStringToObject(*ret_result, "target", machine_wanted_up(service->state) ? "Up" : "Down");
    after = cJSON_AddObjectToObject(*ret_result, "after");
    for (char **name = service->unit.after; name && *name; name++) {
        const struct service *other = supervisor_find(supervisor, *name);
        cJSON_AddStringToObject(after, *name, other ? service_state_name(other) : "Unknown");
    }
    cJSON_AddStringToObject(*ret_result, "reason", service->reason);
    json_add_integer(*ret_result, "restarts", service->restarts);
    cJSON_AddBoolToObject(*ret_result, "crash_loop", service_is_crash_loop(service));
    if (service_next_start_ms(service) >= 0)
        json_add_integer(*ret_result, "next_start_ms", service_next_start_ms(service));
    add_last_exit(*ret_result, &service->exit);
}

static void api_start(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    struct service *service = api_find(context, params, error);

    if (service && !refuse_at_end(context, error))
        service_start(service);
}

static void api_stop(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    struct service *service = api_find(context, params, error);

    if (!service)
        return;
    if (!machine_wanted_up(service->state) && !machine_has_process(service->state))
        api_fail(error, API_DOWN, "Service is down", "service \"%s\" is down", service->unit.name);
    else
        service_stop(service);
}

/* The state machine knows what to do: stop, by all means, and start once all of it is gone; or start. */
static void api_restart(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    struct service *service = api_find(context, params, error);

    if (!service || refuse_at_end(context, error))
        return;
    service_stop(service);
    service_start(service);
}

static void api_kill(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    struct service *service = api_find(context, params, error);
    const char *name = json_string(params, "signal");
    int number = signals_parse(name), result;

    if (!service)
        return;
    if (number < 0) {
        api_fail(error, API_BAD_SIGNAL, "Invalid signal", "invalid signal: %s", name);
        return;
    }
    result = service_signal(service, number);
    if (result == -ESRCH)
        api_fail(error, API_DOWN, "Service is down", "service \"%s\" is down", service->unit.name);
    else if (result)
        rpc_error_set(error, RPC_INTERNAL_ERROR, "Can't send the signal", strerror(-result));
}

static void api_forget(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    struct service *service = api_find(context, params, error);

    if (!service)
        return;
    if (machine_wanted_up(service->state) || machine_has_process(service->state))
        api_fail(error, API_UP, "Service is up", "service \"%s\" is up", service->unit.name);
    else if (service_lingers(service)) /* whoever asks goes on to remove what those have open */
        api_fail(error, API_UP, "Service is up", "service \"%s\": its last processes are still ending",
                 service->unit.name);
    else
        supervisor_remove(context, service);
}

static void api_monitor(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    const char *name = json_string(params, "name");
    struct service *service;
    struct reason reason = { "" };
    int result;

    if (refuse_at_end(context, error))
        return;
    result = supervisor_add(context, name, &service, &reason);
    if (result == 0) {
        service_start(service);
    } else if (result == SUPERVISOR_KNOWN) {
        api_fail(error, API_MONITORED, "Service already monitored", "service \"%s\" already monitored", name);
    } else {
        rpc_error_set(error, API_CONFIG, "Config error", result == REFUSED ? reason.text : strerror(-result));
    }
}

/* ---- their files */

static void unit_path(const struct supervisor *supervisor, const char *name, char path[static PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%.300s/%.127s.yaml", supervisor->dir, name);
}

/* JSON is YAML, so that what came is written as it came, once it is seen to make a unit. */
static void service_create(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    const char *name = json_string(params, "name");
    cleanup_free char *text = json_print(json_member(params, "content"));
    struct unit unit;
    struct reason reason = { "" };
    char path[PATH_BYTES];
    int result;

    unit_path(context, name, path);
    if (access(path, F_OK) == 0) {
        api_fail(error, API_EXISTS, "Service already exists", "Service '%s' already exists", name);
        return;
    }
    result = text ? unit_parse(name, path, text, strlen(text), &unit, NULL, NULL, &reason) : -ENOMEM;
    if (result == 0) {
        unit_close(&unit);
        result = file_write(path, text, strlen(text), 0600);
    }
    if (result)
        rpc_error_set(error, API_FILE, "Service file error", result == REFUSED ? reason.text : strerror(-result));
    else
        give_text(ret_result, error, name, "created");
}

static void service_delete(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    const char *name = json_string(params, "name");
    char path[PATH_BYTES];

    unit_path(context, name, path);
    if (unlink(path) == 0)
        give_text(ret_result, error, name, "deleted");
    else if (errno == ENOENT)
        api_fail(error, API_UNKNOWN, "Service not found", "Service '%s' not found", name);
    else
        rpc_error_set(error, API_FILE, "Service file error", strerror(errno));
}

static void service_get(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    const char *name = json_string(params, "name");
    cleanup_free char *text = NULL;
    struct reason reason = { "" };
    char path[PATH_BYTES];
    size_t size;
    int result;

    unit_path(context, name, path);
    result = file_read(path, UNIT_FILE_BYTES_MAX, &text, &size);
    if (result == 0)
        result = yaml_to_json(text, size, ret_result, &reason);
    if (result == -ENOENT)
        api_fail(error, API_UNKNOWN, "Service not found", "Service '%s' not found", name);
    else if (result)
        rpc_error_set(error, API_FILE, "Service file error", result == REFUSED ? reason.text : strerror(-result));
}

/* ---- logs and the machine */

static void current_logs(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    struct supervisor *supervisor = context;
    const char *name = json_string(params, "name");
    int level = json_member(params, "level") ? (int)json_integer(params, "level") : 7;
    int64_t count = json_integer(params, "count");

    if (name && !history_has(&supervisor->logs, name)) {
        api_fail(error, API_UNKNOWN, "Service not found", "service name \"%s\" unknown", name);
        return;
    }
    *ret_result =
        history_to_json(&supervisor->logs, name, json_bool(params, "raw"), level, count ? (size_t)count : SIZE_MAX);
    if (!*ret_result)
        rpc_error_set(error, RPC_INTERNAL_ERROR, "Out of memory", "");
}

static void end(struct supervisor *supervisor, enum shutdown_mode mode, struct rpc_error *error)
{
    if (!refuse_at_end(supervisor, error))
        shutdown_begin(supervisor, mode);
}

static void system_shutdown(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    end(context, SHUTDOWN_POWER_OFF, error);
}

static void system_reboot(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    const struct supervisor *supervisor = context;
    bool kexec = json_bool(params, "kexec");

    if (kexec && !refuse_at_end(supervisor, error) && (supervisor->container || !kexec_is_loaded()))
        rpc_error_set(error, API_NO_KERNEL, "No kernel loaded", "load one first: zinit kexec KERNEL");
    if (!error->code)
        end(context, kexec ? SHUTDOWN_KEXEC : SHUTDOWN_REBOOT, error);
}

/* What zinit's HTTP proxy is for isn't here: the socket is all there is. */
static void system_start_http_server(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    rpc_error_set(error, RPC_INVALID_PARAMS, "Invalid address", "this zinit listens on its Unix socket alone");
}

static void system_stop_http_server(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *error)
{
    rpc_error_set(error, RPC_INVALID_PARAMS, "Server not running", "this zinit listens on its Unix socket alone");
}

static const struct json_rule HTTP_RULES[] = {
    { .name = "address", .kind = JSON_STRING, .max = 256 },
    { .name = NULL },
};

static const struct json_rule SUBSCRIBE_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .optional = true, .min = 1, .max = UNIT_NAME_BYTES_MAX - 1 },
    { .name = NULL },
};

static const struct json_rule UNSUBSCRIBE_RULES[] = {
    { .name = "subscription", .kind = JSON_STRING, .min = 1, .max = 15 },
    { .name = NULL },
};

static const struct json_rule REBOOT_RULES[] = {
    { .name = "kexec", .kind = JSON_BOOL, .optional = true },
    { .name = NULL },
};

static const struct json_rule KILL_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .min = 1, .max = UNIT_NAME_BYTES_MAX - 1, .check = check_name },
    { .name = "signal", .kind = JSON_STRING, .min = 1, .max = 32 },
    { .name = NULL },
};

static const struct json_rule CREATE_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .min = 1, .max = UNIT_NAME_BYTES_MAX - 1, .check = check_name },
    { .name = "content", .kind = JSON_OBJECT },
    { .name = NULL },
};

static const struct json_rule LOGS_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .optional = true, .min = 1, .max = UNIT_NAME_BYTES_MAX - 1 },
    { .name = "raw", .kind = JSON_BOOL, .optional = true },
    { .name = "level", .kind = JSON_INTEGER, .optional = true, .max = 7 },
    { .name = "count", .kind = JSON_INTEGER, .optional = true, .min = 1, .max = 1000000 },
    { .name = NULL },
};

const struct rpc_method API_METHODS[] = {
    { "rpc.discover", NULL, discover_call },
    { "service_list", NULL, service_list },
    { "service_status", NAME_RULES, service_status },
    { "service_start", NAME_RULES, api_start },
    { "service_stop", NAME_RULES, api_stop },
    { "service_restart", NAME_RULES, api_restart },
    { "service_monitor", NAME_RULES, api_monitor },
    { "service_forget", NAME_RULES, api_forget },
    { "service_kill", KILL_RULES, api_kill },
    { "service_create", CREATE_RULES, service_create },
    { "service_delete", NAME_RULES, service_delete },
    { "service_get", NAME_RULES, service_get },
    { "service_stats", NAME_RULES, stats_call },
    { "stream_currentLogs", LOGS_RULES, current_logs },
    { "stream_subscribeLogs", SUBSCRIBE_RULES, subscribe_call },
    { "stream_unsubscribeLogs", UNSUBSCRIBE_RULES, unsubscribe_call },
    { "system_shutdown", NULL, system_shutdown },
    { "system_reboot", REBOOT_RULES, system_reboot },
    { "system_start_http_server", HTTP_RULES, system_start_http_server },
    { "system_stop_http_server", NULL, system_stop_http_server },
    { NULL, NULL, NULL },
};
