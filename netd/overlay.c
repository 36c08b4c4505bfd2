/* Networks, each in its own namespace "net.<name>" (no endpoint's name has a dot):
 *
 *     container's namespace        net.<name>                               the node's
 *     eth1 10.20.1.5/24 ── veth ── zo<hash> ─ br0 10.20.1.1/24 ─ wg0 ┄┄┄┄┄┄ UDP socket, port 51820
 *     route 10.20.0.0/16 via .1                route 10.20.0.0/16 dev wg0
 *
 * What goes to which peer, and who may send from where, is WireGuard's own table of allowed addresses. */

#include "netd/overlay.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/file.h"
#include "lib/log.h"
#include "netd/dhcp.h"
#include "netd/netlink.h"
#include "netd/netns.h"
#include "netd/rtnl.h"
#include "netd/sysctl.h"
#include "netd/wireguard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATE_PATH DHCP_FOLDER "/networks.json"
#define STATE_BYTES_MAX 1048576
#define BRIDGE "br0"
#define TUNNEL "wg0"
#define LINK_PREFIX "zo"
#define TUNNEL_MTU 1420 /* 1500 less IPv6, UDP and WireGuard's own headers: what the kernel gives wg0 */

static void namespace_name(const char *network, char ret_name[static ENDPOINT_NAME_BYTES + 4])
{
    snprintf(ret_name, ENDPOINT_NAME_BYTES + 4, "net.%s", network);
}

static int open_namespace(const char *network)
{
    char name[ENDPOINT_NAME_BYTES + 4];
    namespace_name(network, name);
    return netns_open(name);
}

struct prefix overlay_gateway(const struct prefix *subnet)
{
    struct prefix gateway = prefix_network(subnet);
    gateway.bytes[prefix_size(subnet) - 1] |= 1;
    return gateway;
}

const struct overlay_entry *overlay_find(const struct overlay_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->entries[i].name, name) == 0)
            return &table->entries[i];
    return NULL;
}

size_t overlay_open_ports(const struct overlay_table *table, uint16_t ret_ports[static FIREWALL_PORTS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < table->count; i++)
        if (table->entries[i].access)
            ret_ports[count++] = table->entries[i].listen_port;
    return count;
}

/* ---- What is kept */

static cJSON *entry_to_json(const struct overlay_entry *entry)
{
    char text[PREFIX_TEXT_BYTES];
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", entry->name);
    prefix_format(&entry->range, text);
    cJSON_AddStringToObject(object, "range", text);
    prefix_format(&entry->subnet, text);
    cJSON_AddStringToObject(object, "subnet", text);
    json_add_integer(object, "listen_port", entry->listen_port);
    cJSON_AddBoolToObject(object, "access", entry->access);
    return object;
}

static int save(const struct overlay_table *table)
{
    cleanup_json cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < table->count; i++)
        cJSON_AddItemToArray(array, entry_to_json(&table->entries[i]));
    cleanup_free char *text = json_print(array);
    return text ? file_write(STATE_PATH, text, strlen(text), 0600) : log_fail(-ENOMEM, "write %s", STATE_PATH);
}

static const struct json_rule ENTRY_RULES[] = {
    { .name = "name", .kind = JSON_STRING, .min = 1, .max = ENDPOINT_NAME_BYTES - 1 },
    { .name = "range", .kind = JSON_STRING, .max = PREFIX_TEXT_BYTES },
    { .name = "subnet", .kind = JSON_STRING, .max = PREFIX_TEXT_BYTES },
    { .name = "listen_port", .kind = JSON_INTEGER, .max = 65535 },
    { .name = "access", .kind = JSON_BOOL },
    { 0 },
};

static bool entry_from_json(const cJSON *object, struct overlay_entry *ret_entry, struct reason *reason)
{
    struct overlay_entry entry = { 0 };
    if (json_check(object, ENTRY_RULES, "", reason))
        return false;
    snprintf(entry.name, sizeof(entry.name), "%s", json_string(object, "name"));
    entry.listen_port = (uint16_t)json_integer(object, "listen_port");
    entry.access = json_bool(object, "access");
    if (!prefix_parse(json_string(object, "range"), &entry.range) ||
        !prefix_parse(json_string(object, "subnet"), &entry.subnet))
        return reason_refuse(reason, entry.name, "range or subnet is none") == 0;
    *ret_entry = entry;
    return true;
}

void overlay_load(struct overlay_table *table)
{
    cleanup_free char *text = NULL;
    cleanup_json cJSON *array = NULL;
    struct reason reason;
    const cJSON *item;
    size_t size;
    table->count = 0;
    if (file_read(STATE_PATH, STATE_BYTES_MAX, &text, &size) < 0)
        return;
    if (json_parse(text, size, STATE_BYTES_MAX, &array, &reason))
        log_warning("%s: %s", STATE_PATH, reason.text);
    cJSON_ArrayForEach(item, array) {
        if (table->count == OVERLAY_NETWORKS_MAX)
            return;
        if (entry_from_json(item, &table->entries[table->count], &reason))
            table->count++;
        else
            log_warning("%s: %s", STATE_PATH, reason.text);
    }
}

/* ---- The networks themselves */

static int make_tunnel(int rtnl_fd, int netns_fd, int inside_fd)
{
    int index = rtnl_find(inside_fd, TUNNEL);
    if (index != -ENODEV)
        return index;
    int result = rtnl_add_wireguard(rtnl_fd, TUNNEL, netns_fd);
    return result < 0 ? result : rtnl_find(inside_fd, TUNNEL);
}

static int make_bridge(int inside_fd, const struct overlay_network *network)
{
    struct prefix gateway = overlay_gateway(&network->subnet);
    int result = rtnl_add_bridge(inside_fd, BRIDGE);
    int index = result == 0 || result == -EEXIST ? rtnl_find(inside_fd, BRIDGE) : result;
    if (index < 0)
        return index;
    result = rtnl_add_address(inside_fd, index, &gateway);
    return result < 0 ? result : rtnl_set_up(inside_fd, index);
}

/* Everything inside the namespace; each step is fine with what is there already. */
static int set_up(int rtnl_fd, int netns_fd, const struct overlay_network *network)
{
    cleanup_close int inside_fd = netns_netlink(netns_fd, NETLINK_ROUTE);
    cleanup_close int genl_fd = netns_netlink(netns_fd, NETLINK_GENERIC);
    if (inside_fd < 0 || genl_fd < 0)
        return inside_fd < 0 ? inside_fd : genl_fd;
    netns_run(netns_fd, sysctl_set_network, NULL);
    int tunnel = make_tunnel(rtnl_fd, netns_fd, inside_fd);
    int lo = rtnl_find(inside_fd, "lo");
    int result = tunnel < 0 ? tunnel : lo < 0 ? lo : rtnl_set_up(inside_fd, lo);
    if (result == 0)
        result = wireguard_set(genl_fd, TUNNEL, network);
    if (result == 0)
        result = rtnl_set_up(inside_fd, tunnel);
    if (result == 0)
        result = make_bridge(inside_fd, network);
    if (result == 0)
        result = rtnl_add_route(inside_fd, tunnel, &network->range, NULL, 0);
    return result;
}

static int refuse_clash(const struct overlay_table *table, const struct overlay_network *network, struct reason *reason)
{
    const struct overlay_entry *same = overlay_find(table, network->name);
    for (size_t i = 0; i < table->count; i++)
        if (&table->entries[i] != same && network->listen_port && table->entries[i].listen_port == network->listen_port)
            return reason_refuse(reason, "listen_port", "%u is in use on this node", network->listen_port);
    if (!same && table->count == OVERLAY_NETWORKS_MAX)
        return reason_refuse(reason, NULL, "this node has %d networks, more it can't hold", OVERLAY_NETWORKS_MAX);
    if (same && (!prefix_equal(&same->subnet, &network->subnet) || !prefix_equal(&same->range, &network->range)))
        return reason_refuse(reason, "subnet", "the network is here with another range or subnet");
    return 0;
}

static int remember(struct overlay_table *table, const struct overlay_network *network)
{
    struct overlay_entry *entry = (struct overlay_entry *)overlay_find(table, network->name);
    if (!entry)
        entry = &table->entries[table->count++];
    *entry = (struct overlay_entry){ .range = network->range,
                                     .subnet = network->subnet,
                                     .listen_port = network->listen_port,
                                     .access = network->access };
    memcpy(entry->name, network->name, sizeof(entry->name));
    return save(table);
}

int overlay_apply(struct overlay_table *table, int rtnl_fd, const struct overlay_network *network,
                  struct reason *reason)
{
    char name[ENDPOINT_NAME_BYTES + 4];
    bool is_new = !overlay_find(table, network->name);
    if (refuse_clash(table, network, reason))
        return REFUSED;
    namespace_name(network->name, name);
    int result = netns_make(name);
    if (result < 0)
        return result;
    cleanup_close int netns_fd = netns_open(name);
    result = netns_fd < 0 ? netns_fd : set_up(rtnl_fd, netns_fd, network);
    if (result < 0 && is_new)
        overlay_remove(table, network->name);
    if (result == -EADDRINUSE)
        return reason_refuse(reason, "listen_port", "%u is in use on this node", network->listen_port);
    if (result < 0)
        return log_fail(result, "network %s", network->name);
    if (is_new)
        log_info("network %s: applied, %zu peers", network->name, network->peers_count);
    return remember(table, network);
}

/* Deleting the links doesn't wait for the namespace's last process. */
static void delete_links(int netns_fd)
{
    static const char *const LINKS[] = { TUNNEL, BRIDGE };
    cleanup_close int fd = netns_netlink(netns_fd, NETLINK_ROUTE);
    for (size_t i = 0; fd >= 0 && i < sizeof(LINKS) / sizeof(LINKS[0]); i++) {
        int index = rtnl_find(fd, LINKS[i]);
        if (index > 0)
            rtnl_delete(fd, index);
    }
}

int overlay_remove(struct overlay_table *table, const char *name)
{
    char namespace[ENDPOINT_NAME_BYTES + 4];
    struct overlay_entry *entry = (struct overlay_entry *)overlay_find(table, name);
    namespace_name(name, namespace);
    cleanup_close int netns_fd = netns_open(namespace);
    if (netns_fd >= 0)
        delete_links(netns_fd);
    int result = netns_remove(namespace);
    if (result < 0 || !entry)
        return result;
    *entry = table->entries[--table->count];
    log_info("network %s: removed", name);
    return save(table);
}

/* ---- Containers in them */

static int refuse_address(const struct overlay_entry *entry, const struct prefix *address, struct reason *reason)
{
    struct prefix gateway = overlay_gateway(&entry->subnet), host = *address;
    host.length = entry->subnet.length;
    struct prefix network = prefix_network(&host);
    bool last = true; /* all host bits set: broadcast */
    for (unsigned bit = entry->subnet.length; bit < prefix_size(address) * 8; bit++)
        last &= (address->bytes[bit / 8] & (0x80 >> (bit % 8))) != 0;
    if (!prefix_equal(&network, &entry->subnet))
        return reason_refuse(reason, "address", "must lie in the network's subnet");
    if (prefix_equal(&host, &gateway) || prefix_equal(&host, &network) || (last && address->family == AF_INET))
        return reason_refuse(reason, "address", "is the gateway's, or none that a host may have");
    return 0;
}

/* Who in the network has the address, or which address the endpoint has: both must fit. 0 (not there), REFUSED, or
 * 2: it is joined already. */
enum { JOINED = 2 };
static int look_for(int inside_fd, const char *endpoint, const struct prefix *address, int endpoint_fd,
                    const char *peer, struct reason *reason)
{
    struct link_snapshot seen;
    struct endpoint other;
    int found = link_observe(inside_fd, &seen);
    for (size_t i = 0; found == 0 && i < seen.links_count; i++) {
        if (!endpoint_parse_alias(seen.links[i].alias, &other))
            continue;
        bool same_name = strcmp(other.name, endpoint) == 0, same_address = prefix_equal(&other.address, address);
        if (same_name && same_address)
            found = rtnl_find(endpoint_fd, peer) > 0 ? JOINED : rtnl_delete(inside_fd, seen.links[i].index);
        else if (same_address)
            found = reason_refuse(reason, "address", "another container has it");
        else if (same_name)
            found = reason_refuse(reason, "address", "the container has another one in this network");
    }
    if (found >= 0)
        link_snapshot_close(&seen);
    return found;
}

static int set_up_endpoint(int fd, const char *peer, const struct overlay_entry *entry, const struct prefix *address)
{
    struct prefix gateway = overlay_gateway(&entry->subnet), own = *address;
    int index = rtnl_find(fd, peer);
    own.length = entry->subnet.length;
    gateway.length = prefix_size(&gateway) * 8;
    int result = index < 0 ? index : rtnl_set_mtu(fd, index, TUNNEL_MTU);
    if (result == 0)
        result = rtnl_add_address(fd, index, &own);
    if (result == 0)
        result = rtnl_set_up(fd, index);
    if (result == 0)
        result = rtnl_add_route(fd, index, &entry->range, &gateway, 0);
    return result;
}

struct joint {
    int inside_fd, endpoint_fd, endpoint_netns_fd;
    char link[IFNAMSIZ], peer[IFNAMSIZ];
};

/* The alias comes last: a link without one is half made. */
static int make_joint(const struct joint *joint, const struct overlay_entry *entry, const char *endpoint,
                      const struct prefix *address)
{
    char alias[LINK_ALIAS_BYTES], text[PREFIX_TEXT_BYTES];
    int bridge = rtnl_find(joint->inside_fd, BRIDGE), stale = rtnl_find(joint->inside_fd, joint->link);
    if (stale > 0)
        rtnl_delete(joint->inside_fd, stale);
    int result = bridge < 0 ? bridge
                            : rtnl_add_veth(joint->inside_fd, joint->link, bridge, -1, joint->peer,
                                            joint->endpoint_netns_fd, NULL);
    int index = result < 0 ? result : rtnl_find(joint->inside_fd, joint->link);
    if (index < 0)
        return index;
    result = set_up_endpoint(joint->endpoint_fd, joint->peer, entry, address);
    if (result == 0)
        result = rtnl_set_mtu(joint->inside_fd, index, TUNNEL_MTU);
    if (result == 0)
        result = rtnl_set_up(joint->inside_fd, index);
    prefix_format_address(address, text);
    snprintf(alias, sizeof(alias), "%s%s %s", ENDPOINT_ALIAS, endpoint, text);
    return result < 0 ? result : rtnl_set_alias(joint->inside_fd, index, alias);
}

int overlay_join(const struct overlay_table *table, const char *network, const char *endpoint, unsigned number,
                 const struct prefix *address, struct reason *reason)
{
    const struct overlay_entry *entry = overlay_find(table, network);
    struct joint joint;
    cleanup_close int netns_fd = open_namespace(network), endpoint_netns_fd = netns_open(endpoint);
    if (!entry || netns_fd < 0)
        return reason_refuse(reason, network, "no such network is on this node");
    if (refuse_address(entry, address, reason))
        return REFUSED;
    if (endpoint_netns_fd < 0)
        return log_fail(endpoint_netns_fd, "the namespace of %s", endpoint);
    cleanup_close int inside_fd = netns_netlink(netns_fd, NETLINK_ROUTE);
    cleanup_close int endpoint_fd = netns_netlink(endpoint_netns_fd, NETLINK_ROUTE);
    if (inside_fd < 0 || endpoint_fd < 0)
        return inside_fd < 0 ? inside_fd : endpoint_fd;
    joint = (struct joint){ inside_fd, endpoint_fd, endpoint_netns_fd, "", "" };
    snprintf(joint.peer, sizeof(joint.peer), "eth%u", number);
    endpoint_link_name(LINK_PREFIX, endpoint, joint.link);
    int result = look_for(inside_fd, endpoint, address, endpoint_fd, joint.peer, reason);
    if (result != 0)
        return result == JOINED ? 0 : result;
    result = make_joint(&joint, entry, endpoint, address);
    return result < 0 ? log_fail(result, "join %s to network %s", endpoint, network) : 0;
}

void overlay_leave(const struct overlay_table *table, const char *endpoint)
{
    char link[IFNAMSIZ];
    endpoint_link_name(LINK_PREFIX, endpoint, link);
    for (size_t i = 0; i < table->count; i++) {
        cleanup_close int netns_fd = open_namespace(table->entries[i].name);
        cleanup_close int fd = netns_fd < 0 ? -1 : netns_netlink(netns_fd, NETLINK_ROUTE);
        int index = fd < 0 ? -ENODEV : rtnl_find(fd, link);
        if (index > 0)
            rtnl_delete(fd, index);
    }
}

/* ---- Telling of them */

static cJSON *peer_to_json(const struct wireguard_peer *peer)
{
    cJSON *object = cJSON_CreateObject();
    cleanup_free char *key = encode_base64(peer->public_key, sizeof(peer->public_key));
    cJSON_AddStringToObject(object, "public_key", key ? key : "");
    json_add_integer(object, "last_handshake", peer->last_handshake);
    json_add_integer(object, "received_bytes", (int64_t)peer->received_bytes);
    json_add_integer(object, "sent_bytes", (int64_t)peer->sent_bytes);
    return object;
}

static cJSON *peers_of(const char *network)
{
    cJSON *array = cJSON_CreateArray();
    cleanup_free struct wireguard_peer *peers = calloc(OVERLAY_PEERS_MAX, sizeof(*peers));
    cleanup_close int netns_fd = open_namespace(network);
    cleanup_close int fd = netns_fd < 0 ? -1 : netns_netlink(netns_fd, NETLINK_GENERIC);
    int count = fd < 0 || !peers ? 0 : wireguard_get(fd, TUNNEL, peers, OVERLAY_PEERS_MAX);
    for (int i = 0; i < count; i++)
        cJSON_AddItemToArray(array, peer_to_json(&peers[i]));
    return array;
}

cJSON *overlay_list(const struct overlay_table *table)
{
    cJSON *array = cJSON_CreateArray();
    for (size_t i = 0; i < table->count; i++) {
        cJSON *object = entry_to_json(&table->entries[i]);
        cJSON_AddItemToObject(object, "peers", peers_of(table->entries[i].name));
        cJSON_AddItemToArray(array, object);
    }
    return array;
}
