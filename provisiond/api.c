/* One method: everything else that anyone wants of a node comes as a contract. */

#include "provisiond/api.h"

#include "provisiond/clock.h"
#include "provisiond/connect.h"
#include "provisiond/node.h"

/* What keeps the node from the directory now. After a failure of the way it begins again at an earlier step, which then
 * is the one that counts as soon as it fails too. */
static struct retry find_failing(const struct node *node, bool clock_set)
{
    struct retry clock = { .what = "clock", .reason = { "it can't be set to the directory's time: see the log" } };

    if (node->step < NODE_TIME && node->link.what)
        return node->link;
    return node->reachable && !clock_set ? clock : node->contact;
}

static void add_step(cJSON *directory, const struct retry *failing)
{
    if (!failing->what) {
        cJSON_AddNullToObject(directory, "step");
        cJSON_AddNullToObject(directory, "detail");
        return;
    }
    cJSON_AddStringToObject(directory, "step", failing->what);
    cJSON_AddStringToObject(directory, "detail", failing->reason.text);
}

static void add_directory(const struct node *node, bool clock_set, cJSON *status)
{
    struct retry failing = find_failing(node, clock_set);
    cJSON *directory = cJSON_AddObjectToObject(status, "directory");

    cJSON_AddStringToObject(directory, "url", node->settings.directory ? node->settings.directory : "");
    cJSON_AddBoolToObject(directory, "reachable", node->reachable);
    add_step(directory, &failing);
}

static void add_contracts(const struct node *node, cJSON *status)
{
    cJSON *contracts = cJSON_AddArrayToObject(status, "contracts");

    for (const struct wanted *wanted = node->wanted; wanted; wanted = wanted->next) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "id", wanted->id);
        cJSON_AddStringToObject(item, "state",
                                wanted->ending && !wanted->refused ? "stopping" : wanted_state_name(wanted->state));
        cJSON_AddStringToObject(item, "message", wanted->message.text);
        cJSON_AddItemToArray(contracts, item);
    }
}

static void status(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    const struct node *node = context;
    bool clock_set = clock_is_set(node->paths.root);
    cJSON *result = cJSON_CreateObject();

    cJSON_AddStringToObject(result, "node_id", node->key ? key_id(node->key) : "");
    json_add_integer(result, "farm", node->farm);
    cJSON_AddBoolToObject(result, "registered", node->registered);
    add_directory(node, clock_set, result);
    cJSON_AddBoolToObject(result, "clock_set", clock_set);
    if (node->heartbeat_ms)
        json_add_integer(result, "heartbeat_age_s", (int64_t)((uv_now(node->daemon.loop) - node->heartbeat_ms) / 1000));
    else
        cJSON_AddNullToObject(result, "heartbeat_age_s");
    add_contracts(node, result);
    cJSON_AddItemToObject(result, "missing", connect_missing(node));
    *ret_result = result;
}

const struct rpc_method API_METHODS[] = { { .name = "status", .call = status }, { 0 } };
