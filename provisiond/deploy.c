/* observe → plan → apply, round and round. */

#include "provisiond/deploy.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "provisiond/apply.h"
#include "provisiond/call.h"
#include "provisiond/text.h"
#include "provisiond/watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MAX 1024 /* more than any contract has actions: 64 workloads, at most 3 each, and as many to undo */
#define CALL_MS 20000

struct observed {
    cJSON *volumes, *networks, *services, *images, *bundles;
};

static void observed_close(struct observed *observed)
{
    cJSON_Delete(observed->volumes);
    cJSON_Delete(observed->networks);
    cJSON_Delete(observed->services);
    cJSON_Delete(observed->images);
    cJSON_Delete(observed->bundles);
}

static bool has_type(const cJSON *workloads, const char *type)
{
    const cJSON *workload;

    cJSON_ArrayForEach(workload, workloads)
        if (!strcmp(json_string(workload, "type"), type))
            return true;
    return false;
}

/* Folders below `path` that hold `file`, as an array of their names with `prefix` before them. */
static cJSON *list_complete(const char *path, const char *file, const char *prefix)
{
    cJSON *names = cJSON_CreateArray();
    DIR *folder = opendir(path);
    struct dirent *entry;
    char name[512];

    while (folder && (entry = readdir(folder))) {
        snprintf(name, sizeof name, "%s/%s", entry->d_name, file);
        if (entry->d_name[0] == '.' || faccessat(dirfd(folder), name, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        snprintf(name, sizeof name, "%s%s", prefix, entry->d_name);
        cJSON_AddItemToArray(names, cJSON_CreateString(name));
    }
    if (folder)
        closedir(folder);
    return names;
}

/* A list that a call answers: {"<name>": [...]}, or the array itself. */
static int ask_list(const char *daemon, const char *method, const char *name, cJSON **ret_list, struct reason *reason)
{
    cleanup_json cJSON *result = NULL;
    int r = call(daemon, method, NULL, CALL_MS, &result, NULL, reason);

    if (r != 0)
        return r;
    *ret_list = cJSON_IsArray(result) ? steal_pointer(result) : cJSON_DetachItemFromObjectCaseSensitive(result, name);
    if (!*ret_list)
        return reason_refuse(reason, method, "%s's answer has no %s", daemon, name);
    return 0;
}

static int observe(const struct deploy *deploy, struct observed *observed, struct reason *reason)
{
    int r = ask_list("storaged", "volume.list", "volumes", &observed->volumes, reason);

    if (r == 0 && (deploy->ending || has_type(deploy->workloads, "network")))
        r = ask_list("netd", "network.list", "networks", &observed->networks, reason);
    if (r == 0)
        r = call("zinit", "service_list", NULL, CALL_MS, &observed->services, NULL, reason);
    observed->images = list_complete(deploy->paths.images, APPLY_IMAGE_MARK, "sha256:");
    /* What is to go goes also when it is half done. */
    observed->bundles = list_complete(deploy->paths.containers, deploy->ending ? "" : APPLY_BUNDLE_MARK, "");
    return r;
}

static void report(struct deploy *deploy, const cJSON *failed)
{
    const cJSON *workload;

    cJSON_Delete(deploy->reports);
    deploy->reports = cJSON_CreateArray();
    cJSON_ArrayForEach(workload, deploy->workloads) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", json_string(workload, "name"));
        cJSON_AddStringToObject(item, "state", workload == failed ? "failed" : "deploying");
        cJSON_AddStringToObject(item, "message", workload == failed ? deploy->reason.text : "");
        cJSON_AddItemToArray(deploy->reports, item);
    }
}

/* One round: true when there is another one to do. */
static bool round_once(struct deploy *deploy, struct plan_action *last)
{
    struct observed observed = { 0 };
    struct plan_wanted wanted = { deploy->id, deploy->workloads, deploy->ending };
    struct plan_observed seen;
    struct plan_action action = { 0 };
    bool again = false;
    int r = observe(deploy, &observed, &deploy->reason);

    if (r == 0) {
        seen = (struct plan_observed){ observed.volumes, observed.networks, observed.services, observed.images,
                                       observed.bundles };
        plan_next(&wanted, &seen, &action);
        if (action.kind == PLAN_DONE) {
            deploy->outcome = DEPLOY_GONE;
        } else if (action.kind == PLAN_WATCH) {
            r = watch_containers(deploy);
        } else if (action.kind == last->kind && !strcmp(action.name, last->name) && action.workload == last->workload) {
            r = reason_refuse(&deploy->reason, action.name, "was done, and isn't there: it will be tried again");
        } else {
            r = apply_action(deploy, &action, &deploy->reason);
            again = r == 0;
            deploy->started |= action.kind == PLAN_CONTAINER_START;
        }
    }
    observed_close(&observed);
    *last = action;
    if (r != 0) {
        deploy->outcome = deploy_cancelled(deploy) ? DEPLOY_GIVEN_UP : r == CALL_AWAY ? DEPLOY_AWAY : DEPLOY_FAILED;
        text_clean(deploy->reason.text);
        report(deploy, action.workload);
    }
    return again;
}

void deploy_run(struct deploy *deploy)
{
    struct plan_action last = { .kind = PLAN_DONE };

    for (int i = 0; i < ROUNDS_MAX; i++) {
        if (deploy_cancelled(deploy)) {
            deploy->outcome = DEPLOY_GIVEN_UP;
            return;
        }
        if (!round_once(deploy, &last))
            return;
    }
    deploy->outcome = DEPLOY_FAILED;
    reason_refuse(&deploy->reason, NULL, "too many steps");
}

bool deploy_cancelled(void *deploy)
{
    return __atomic_load_n(&((struct deploy *)deploy)->cancelled, __ATOMIC_RELAXED);
}

void deploy_close(struct deploy *deploy)
{
    cJSON_Delete(deploy->workloads);
    cJSON_Delete(deploy->reports);
    deploy->workloads = deploy->reports = NULL;
}
