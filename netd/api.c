/* Requests. status reads what the last cycle left; the others change what is wanted and what is, then have a cycle run,
 * so that the firewall fits when they answer. */

#include "netd/api.h"

#include "lib/log.h"
#include "netd/endpoint.h"
#include "netd/netd.h"
#include "netd/netns.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const char *check_name(const cJSON *value)
{
    return endpoint_is_name(value->valuestring) ? NULL : "must match [a-z0-9][a-z0-9-]{0,62}";
}

static const char *check_address(const cJSON *value)
{
    struct prefix prefix;
    return prefix_parse_address(value->valuestring, &prefix) && prefix_usable(&prefix)
               ? NULL
               : "must be the address of a host";
}

#define NAME_RULE                                                                                                      \
    {                                                                                                                  \
        .name = "name", .kind = JSON_STRING, .min = 1, .max = ENDPOINT_NAME_BYTES - 1, .check = check_name             \
    }
#define ENDPOINT_NETWORKS_MAX 8

static const struct json_rule NAME_RULES[] = { NAME_RULE, { 0 } };
static const struct json_rule ENDPOINT_NETWORK_RULES[] = {
    { .name = "network", .kind = JSON_STRING, .min = 1, .max = ENDPOINT_NAME_BYTES - 1, .check = check_name },
    { .name = "address", .kind = JSON_STRING, .max = PREFIX_TEXT_BYTES, .check = check_address },
    { 0 },
};
static const struct json_rule ATTACH_RULES[] = {
    NAME_RULE,
    { .name = "networks",
      .kind = JSON_ARRAY,
      .optional = true,
      .max = ENDPOINT_NETWORKS_MAX,
      .items = JSON_OBJECT,
      .of = ENDPOINT_NETWORK_RULES },
    { 0 },
};

static cJSON *address_json(const struct prefix *address, bool with_length)
{
    char text[PREFIX_TEXT_BYTES];
    if (!address->family)
        return cJSON_CreateNull();
    if (with_length)
        prefix_format(address, text);
    else
        prefix_format_address(address, text);
    return cJSON_CreateString(text);
}

static cJSON *addresses_json(const struct prefix *addresses, size_t count)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, address_json(&addresses[i], false));
    return array;
}

static cJSON *uplink_json(const struct netd *netd)
{
    const struct uplink *uplink = &netd->plan.uplink;
    if (!netd->plan.has_uplink)
        return cJSON_CreateNull();
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", uplink->name);
    cJSON_AddStringToObject(object, "mac", uplink->mac);
    cJSON_AddItemToObject(object, "address", address_json(&uplink->address, true));
    cJSON_AddItemToObject(object, "gateway", address_json(&uplink->gateway, false));
    cJSON_AddItemToObject(object, "dns", addresses_json(uplink->dns, uplink->dns_count));
    if (uplink->lease_since_ms)
        json_add_integer(object, "lease_age_s", (int64_t)(uv_now(netd->daemon.loop) - uplink->lease_since_ms) / 1000);
    else
        cJSON_AddNullToObject(object, "lease_age_s");
    return object;
}

static cJSON *link_json(const struct netd *netd, const struct link *link)
{
    char mac[LINK_MAC_TEXT_BYTES];
    cJSON *object = cJSON_CreateObject(), *addresses = cJSON_CreateArray();
    link_format_mac(link, mac);
    cJSON_AddStringToObject(object, "name", link->name);
    cJSON_AddStringToObject(object, "mac", mac);
    cJSON_AddBoolToObject(object, "carrier", link->carrier);
    for (size_t i = 0; i < netd->seen.addresses_count; i++)
        if (netd->seen.addresses[i].index == link->index)
            cJSON_AddItemToArray(addresses, address_json(&netd->seen.addresses[i].prefix, true));
    cJSON_AddItemToObject(object, "addresses", addresses);
    return object;
}

static void add_text(cJSON *object, const char *name, const char *text)
{
    if (text)
        cJSON_AddStringToObject(object, name, text);
    else
        cJSON_AddNullToObject(object, name);
}

static void call_status(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    const struct netd *netd = context;
    cJSON *result = cJSON_CreateObject(), *links = cJSON_AddArrayToObject(result, "links");
    for (size_t i = 0; i < netd->seen.links_count; i++)
        if (netd->seen.links[i].physical)
            cJSON_AddItemToArray(links, link_json(netd, &netd->seen.links[i]));
    cJSON_AddItemToObject(result, "uplink", uplink_json(netd));
    const char *problem = netd->plan.problem[0] ? netd->plan.problem : netd->config_problem;
    add_text(result, "problem", problem[0] ? problem : NULL);
    add_text(result, "step", netd->plan.problem_step);
    json_add_integer(result, "problem_s",
                     netd->plan.problem[0] ? (int64_t)(uv_now(netd->daemon.loop) - netd->problem_since_ms) / 1000 : 0);
    *ret_result = result;
}

/* What a function's result means to the caller: false, and the error is set. */
static bool succeeded(int result, const struct reason *reason, const char *message, struct rpc_error *ret_error)
{
    if (result == 0)
        return true;
    rpc_error_set(ret_error, RPC_REFUSED, message, reason->text[0] ? reason->text : strerror(result < 0 ? -result : 0));
    return false;
}

/* eth1, eth2 … in the order asked for. */
static int join_networks(struct netd *netd, const char *name, const cJSON *networks, struct reason *reason)
{
    const cJSON *item;
    unsigned number = 1;
    cJSON_ArrayForEach(item, networks) {
        struct prefix address = { 0 };
        prefix_parse_address(json_string(item, "address"), &address);
        int result = overlay_join(&netd->overlays, json_string(item, "network"), name, number++, &address, reason);
        if (result)
            return result;
    }
    return 0;
}

static cJSON *endpoint_json(const struct endpoint *endpoint, const struct prefix *nat, const cJSON *networks)
{
    char path[NETNS_PATH_BYTES];
    struct prefix dns[FIREWALL_DNS_MAX];
    cJSON *result = cJSON_CreateObject();
    netns_path(endpoint->name, path);
    for (unsigned i = 0; i < FIREWALL_DNS_MAX; i++)
        dns[i] = plan_nat_address(nat, i);
    cJSON_AddStringToObject(result, "netns", path);
    if (cJSON_GetArraySize(networks) > 0)
        cJSON_AddStringToObject(result, "address", json_string(cJSON_GetArrayItem(networks, 0), "address"));
    else
        cJSON_AddItemToObject(result, "address", address_json(&endpoint->address, false));
    cJSON_AddItemToObject(result, "gateway", address_json(&dns[0], false));
    cJSON_AddItemToObject(result, "dns", addresses_json(dns, FIREWALL_DNS_MAX));
    return result;
}

/* As a whole or not at all. */
static int detach(struct netd *netd, const char *name)
{
    overlay_leave(&netd->overlays, name);
    return endpoint_detach(netd->rtnl_fd, name);
}

static void call_attach(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    struct netd *netd = context;
    struct reason reason = { 0 };
    struct endpoint endpoint;
    struct prefix nat;
    const char *name = json_string(params, "name");
    const cJSON *networks = json_member(params, "networks");
    int result = netd_observe(netd);
    bool was_there = result == 0 && endpoint_find(&netd->seen, name, &endpoint);
    if (result == 0)
        result = endpoint_attach(netd->rtnl_fd, &netd->seen, name, &endpoint, &nat, &reason);
    if (result == 0)
        result = join_networks(netd, name, networks, &reason);
    if (result != 0 && !was_there)
        detach(netd, name);
    if (!succeeded(result, &reason, "can't attach the endpoint", ret_error))
        return;
    netd_reconcile(netd);
    *ret_result = endpoint_json(&endpoint, &nat, networks);
}

static void call_detach(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    struct netd *netd = context;
    struct reason reason = { 0 };
    int result = detach(netd, json_string(params, "name"));
    if (!succeeded(result, &reason, "can't detach the endpoint", ret_error))
        return;
    log_info("endpoint %s: detached", json_string(params, "name"));
    *ret_result = cJSON_CreateObject();
}

static void call_network_apply(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    struct netd *netd = context;
    struct reason reason = { 0 };
    static struct overlay_network network; /* too large for the stack */
    int result = overlay_parse(params, &network, &reason);
    if (result == 0)
        result = overlay_apply(&netd->overlays, netd->rtnl_fd, &network, &reason);
    sodium_memzero(&network, sizeof(network));
    if (!succeeded(result, &reason, "can't apply the network", ret_error))
        return;
    netd_reconcile(netd);
    *ret_result = cJSON_CreateObject();
}

static void call_network_remove(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    struct netd *netd = context;
    struct reason reason = { 0 };
    int result = overlay_remove(&netd->overlays, json_string(params, "name"));
    if (!succeeded(result, &reason, "can't remove the network", ret_error))
        return;
    netd_reconcile(netd);
    *ret_result = cJSON_CreateObject();
}

static void call_network_list(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    struct netd *netd = context;
    cJSON *result = cJSON_CreateObject();
    cJSON_AddItemToObject(result, "networks", overlay_list(&netd->overlays));
    *ret_result = result;
}

const struct rpc_method API_METHODS[] = {
    { "status", NULL, call_status },
    { "endpoint.attach", ATTACH_RULES, call_attach },
    { "endpoint.detach", NAME_RULES, call_detach },
    { "network.apply", OVERLAY_RULES, call_network_apply },
    { "network.remove", NAME_RULES, call_network_remove },
    { "network.list", NULL, call_network_list },
    { 0 },
};
