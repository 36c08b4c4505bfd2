/* The actions, a function each. */

#include "provisiond/apply.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "provisiond/bundle.h"
#include "provisiond/call.h"
#include "provisiond/image.h"
#include "provisiond/launch.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#define CALL_MS 60000 /* mkfs, quota, netlink: generous, since a time-out only means another try */
#define STOP_MS 30000 /* zinit escalates to SIGKILL by itself long before */
#define POLL_MS 50
#define SHUTDOWN_TIMEOUT_S 10
#define PIDS_MAX 4096

/* zinit's error codes that mean: it is so already. */
enum {
    ZINIT_NOT_FOUND = -32000,
    ZINIT_MONITORED = -32001,
    ZINIT_IS_UP = -32002,
    ZINIT_IS_DOWN = -32003,
    ZINIT_EXISTS = -32007
};

static int apply_volume(struct deploy *deploy, const struct plan_action *action, struct reason *reason)
{
    cJSON *params = call_name(action->name);

    json_add_integer(params, "size_bytes", action->size_bytes);
    cJSON_AddStringToObject(params, "media", action->media);
    return call("storaged", "volume.create", params, CALL_MS, NULL, NULL, reason);
}

static int apply_network(struct deploy *deploy, const struct plan_action *action, struct reason *reason)
{
    cJSON *params = cJSON_Duplicate(json_member(action->workload, "data"), true);
    uint8_t public[32], secret[32];
    char encoded[64];
    int r;

    key_derive_x25519(deploy->key, "zos-wgrd", public, secret);
    sodium_bin2base64(encoded, sizeof encoded, secret, sizeof secret, sodium_base64_VARIANT_ORIGINAL);
    cJSON_AddStringToObject(params, "name", action->name);
    cJSON_AddStringToObject(params, "private_key", encoded);
    r = call("netd", "network.apply", params, CALL_MS, NULL, NULL, reason);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(encoded, sizeof encoded);
    return r;
}

static int apply_image(struct deploy *deploy, const struct plan_action *action, struct reason *reason)
{
    const cJSON *data = json_member(action->workload, "data");
    struct image_request request = { .name = json_string(data, "image"),
                                     .plain_http = json_bool(data, "plain_http"),
                                     .folder = deploy->paths.images,
                                     .root = deploy->paths.root,
                                     .cancelled = deploy_cancelled,
                                     .context = deploy };
    int r = image_pull(&request, reason);

    return r == 0 ? 0 : reason_prefix(reason, "image");
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* Out of zinit: stopped, forgotten, its unit deleted. */
static int remove_service(const struct deploy *deploy, const char *service, struct reason *reason)
{
    int code = 0, r = call("zinit", "service_stop", call_name(service), CALL_MS, NULL, &code, reason);

    if (r != 0 && code != ZINIT_NOT_FOUND && code != ZINIT_IS_DOWN)
        return r;
    launch_hasten(deploy->paths.root, service);
    for (long waited = 0;; waited += POLL_MS) {
        r = call("zinit", "service_forget", call_name(service), CALL_MS, NULL, &code, reason);
        if (r == 0 || code == ZINIT_NOT_FOUND)
            break;
        if (code != ZINIT_IS_UP || waited > STOP_MS)
            return r;
        pause_ms(POLL_MS);
    }
    r = call("zinit", "service_delete", call_name(service), CALL_MS, NULL, &code, reason);
    return r == 0 || code == ZINIT_NOT_FOUND ? 0 : r;
}

/* "c-<digits>-<container>" without the "c-": what netd knows it by. */
static const char *endpoint_of(const char *service)
{
    return service + 2;
}

static int apply_stop(struct deploy *deploy, const struct plan_action *action, struct reason *reason)
{
    int r = remove_service(deploy, action->name, reason);

    if (r == 0)
        r = call("netd", "endpoint.detach", call_name(endpoint_of(action->name)), CALL_MS, NULL, NULL, reason);
    return r == 0 ? launch_clear(&deploy->paths, action->name, reason) : r;
}

/* Joins the container to its networks, or to the outward bridge alone. */
static int attach(const struct deploy *deploy, const struct plan_action *action, cJSON **ret_endpoint,
                  struct reason *reason)
{
    const cJSON *network;
    cJSON *params = call_name(endpoint_of(action->name)), *list = cJSON_AddArrayToObject(params, "networks");
    char name[PLAN_NAME_BYTES];

    cJSON_ArrayForEach(network, json_member(json_member(action->workload, "data"), "networks")) {
        cJSON *item = cJSON_CreateObject();
        plan_net_name(deploy->id, json_string(network, "network"), name);
        cJSON_AddStringToObject(item, "network", name);
        cJSON_AddStringToObject(item, "address", json_string(network, "address"));
        cJSON_AddItemToArray(list, item);
    }
    return call("netd", "endpoint.attach", params, CALL_MS, ret_endpoint, NULL, reason);
}

/* {volume workload: path} of what the container mounts, and "" for its root. */
static int volume_paths(const struct deploy *deploy, const struct plan_action *action, cJSON *paths,
                        struct reason *reason)
{
    const char *container = json_string(action->workload, "name"), *volume = "";
    const cJSON *mount = json_member(json_member(action->workload, "data"), "mounts");
    char name[PLAN_NAME_BYTES];

    plan_root_name(deploy->id, container, name);
    for (mount = mount ? mount->child : NULL;; mount = mount->next) {
        cleanup_json cJSON *result = NULL;
        int r = call("storaged", "volume.get", call_name(name), CALL_MS, &result, NULL, reason);
        if (r != 0)
            return r;
        if (!json_string(result, "path"))
            return reason_refuse(reason, "volume.get", "storaged's answer has no path");
        if (!cJSON_HasObjectItem(paths, volume))
            cJSON_AddStringToObject(paths, volume, json_string(result, "path"));
        if (!mount)
            return 0;
        volume = json_string(mount, "volume");
        plan_volume_name(deploy->id, volume, name);
    }
}

static int make_bundle(struct deploy *deploy, const struct plan_action *action, struct reason *reason)
{
    cleanup_json cJSON *endpoint = NULL, *paths = cJSON_CreateObject();
    struct bundle_request request = { .service = action->name,
                                      .workload = action->workload,
                                      .paths = &deploy->paths,
                                      .volumes = paths,
                                      .sealing_public = deploy->sealing_public,
                                      .sealing_secret = deploy->sealing_secret };
    char folder[PATH_BYTES];
    int r = volume_paths(deploy, action, paths, reason);

    /* The folder first: by it the end finds the endpoint, should this be interrupted between the two. */
    snprintf(folder, sizeof folder, "%.255s/%.200s", deploy->paths.containers, action->name);
    if (r == 0 && file_make_folders(folder, 0700) < 0)
        r = reason_refuse(reason, "bundle", "the folder can't be made: see the node's log");
    if (r == 0)
        r = attach(deploy, action, &endpoint, reason);
    request.endpoint = endpoint;
    return r == 0 ? bundle_write(&request, reason) : r;
}

static cJSON *service_unit(const struct deploy *deploy, const struct plan_action *action)
{
    const cJSON *data = json_member(action->workload, "data");
    cJSON *unit = cJSON_CreateObject(), *limits, *after;
    char exec[PATH_BYTES];

    snprintf(exec, sizeof exec, "/bin/provisiond launch %.255s/%s", deploy->paths.containers, action->name);
    cJSON_AddStringToObject(unit, "exec", exec);
    cJSON_AddStringToObject(unit, "restart", json_string(data, "restart") ? json_string(data, "restart") : "always");
    /* Not for the start, which comes later anyway: for the end, so that nothing is taken from under it. */
    after = cJSON_AddArrayToObject(unit, "after");
    cJSON_AddItemToArray(after, cJSON_CreateString("storaged"));
    cJSON_AddItemToArray(after, cJSON_CreateString("netd"));
    cJSON_AddStringToObject(unit, "log", "ring");
    json_add_integer(unit, "shutdown_timeout", SHUTDOWN_TIMEOUT_S);
    limits = cJSON_AddObjectToObject(unit, "limits");
    json_add_integer(limits, "memory_bytes", json_integer(data, "memory_bytes"));
    json_add_integer(limits, "cpu_milli", json_integer(data, "cpu_milli"));
    json_add_integer(limits, "pids", PIDS_MAX);
    return unit;
}

static int apply_start(struct deploy *deploy, const struct plan_action *action, struct reason *reason)
{
    cJSON *params;
    int code, r = remove_service(deploy, action->name, reason);

    if (r == 0)
        r = launch_clear(&deploy->paths, action->name, reason);
    if (r == 0)
        r = make_bundle(deploy, action, reason);
    if (r != 0)
        return r;
    params = call_name(action->name);
    cJSON_AddItemToObject(params, "content", service_unit(deploy, action));
    r = call("zinit", "service_create", params, CALL_MS, NULL, NULL, reason);
    if (r != 0)
        return r;
    r = call("zinit", "service_monitor", call_name(action->name), CALL_MS, NULL, &code, reason);
    return r == 0 || code == ZINIT_MONITORED ? 0 : r;
}

static int apply_network_remove(struct deploy *deploy, const struct plan_action *action, struct reason *reason)
{
    return call("netd", "network.remove", call_name(action->name), CALL_MS, NULL, NULL, reason);
}

static int apply_volume_delete(struct deploy *deploy, const struct plan_action *action, struct reason *reason)
{
    return call("storaged", "volume.delete", call_name(action->name), CALL_MS, NULL, NULL, reason);
}

int apply_action(struct deploy *deploy, const struct plan_action *action, struct reason *reason)
{
    static int (*const ACTIONS[])(struct deploy *, const struct plan_action *, struct reason *) = {
        [PLAN_NETWORK_APPLY] = apply_network,
        [PLAN_VOLUME_CREATE] = apply_volume,
        [PLAN_IMAGE_PULL] = apply_image,
        [PLAN_CONTAINER_START] = apply_start,
        [PLAN_CONTAINER_STOP] = apply_stop,
        [PLAN_NETWORK_REMOVE] = apply_network_remove,
        [PLAN_VOLUME_DELETE] = apply_volume_delete,
    };

    log_debug("contract %s: action %d %s", deploy->id, (int)action->kind, action->name);
    return ACTIONS[action->kind](deploy, action, reason);
}
