/* Endpoints on the NAT bridge:
 *
 *     container's namespace            the node's
 *     eth0 10.88.7.9/32  ── veth ──  zv<hash> ─┐
 *                                    (isolated) zos-nat 10.88.0.1/16 ── forward, masquerade ── uplink
 *
 * Ports are isolated from each other and locked to one MAC address, and the node forwards nothing from the bridge to
 * the bridge. The container's address has length 32 and its gateway is on-link, so that a network of the contract may
 * use any range without hiding the gateway. */

#include "netd/endpoint.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/log.h"
#include "netd/netlink.h"
#include "netd/netns.h"
#include "netd/rtnl.h"
#include "netd/sysctl.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define LINK_PREFIX "zv"
#define FIRST_HOST 16 /* numbers below are the node's: gateway, DNS */

bool endpoint_is_name(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size < ENDPOINT_NAME_BYTES && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

static void hash_name(const char *name, uint8_t ret_hash[static 16])
{
    crypto_generichash(ret_hash, 16, (const uint8_t *)name, strlen(name), NULL, 0);
}

void endpoint_link_name(const char *prefix, const char *name, char ret_link[static IFNAMSIZ])
{
    uint8_t hash[16];
    char digits[13];
    hash_name(name, hash);
    encode_hex(hash, 6, digits);
    snprintf(ret_link, IFNAMSIZ, "%.3s%s", prefix, digits);
}

bool endpoint_parse_alias(const char *alias, struct endpoint *ret_endpoint)
{
    struct endpoint endpoint = { 0 };
    size_t begin = strlen(ENDPOINT_ALIAS);
    if (strncmp(alias, ENDPOINT_ALIAS, begin) != 0)
        return false;
    const char *space = strchr(alias + begin, ' ');
    if (!space || (size_t)(space - alias) - begin >= sizeof(endpoint.name))
        return false;
    memcpy(endpoint.name, alias + begin, (size_t)(space - alias) - begin);
    if (!endpoint_is_name(endpoint.name) || !prefix_parse_address(space + 1, &endpoint.address))
        return false;
    *ret_endpoint = endpoint;
    return true;
}

bool endpoint_find(const struct link_snapshot *seen, const char *name, struct endpoint *ret_endpoint)
{
    struct endpoint endpoint;
    const struct link *bridge = link_by_name(seen, PLAN_BRIDGE);
    for (size_t i = 0; bridge && i < seen->links_count; i++) {
        const struct link *link = &seen->links[i];
        if (link->master == bridge->index && endpoint_parse_alias(link->alias, &endpoint) &&
            strcmp(endpoint.name, name) == 0) {
            endpoint.index = link->index;
            *ret_endpoint = endpoint;
            return true;
        }
    }
    return false;
}

static bool is_taken(const struct link_snapshot *seen, const struct prefix *address)
{
    struct endpoint other;
    for (size_t i = 0; i < seen->links_count; i++)
        if (endpoint_parse_alias(seen->links[i].alias, &other) && prefix_equal(&other.address, address))
            return true;
    return false;
}

bool endpoint_choose_address(const struct link_snapshot *seen, const struct prefix *nat, const char *name,
                             struct prefix *ret_address)
{
    uint8_t hash[16];
    hash_name(name, hash);
    uint32_t hosts = (1u << (32 - nat->length)) - FIRST_HOST - 1; /* without the broadcast address */
    uint32_t wanted = ((uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3]) % hosts;
    struct prefix network = prefix_network(nat);
    uint32_t base = (uint32_t)network.bytes[0] << 24 | (uint32_t)network.bytes[1] << 16 |
                    (uint32_t)network.bytes[2] << 8 | network.bytes[3];
    for (uint32_t tried = 0; tried < hosts; tried++) {
        struct prefix address = prefix_ipv4(base + FIRST_HOST + (wanted + tried) % hosts, 32);
        if (!is_taken(seen, &address)) {
            *ret_address = address;
            return true;
        }
    }
    return false;
}

/* The bridge, its address, and IPv6 and ARP kept to what is needed. The index, or negative errno, logged. */
static int make_bridge(int rtnl_fd, const struct prefix *nat)
{
    struct prefix gateway = plan_nat_address(nat, 0);
    int result = rtnl_add_bridge(rtnl_fd, PLAN_BRIDGE);
    int index = result == 0 || result == -EEXIST ? rtnl_find(rtnl_fd, PLAN_BRIDGE) : result;
    if (index < 0)
        return log_fail(index, "make the bridge %s", PLAN_BRIDGE);
    sysctl_set_link("ipv6", PLAN_BRIDGE, "disable_ipv6", "1");
    sysctl_set_link("ipv4", PLAN_BRIDGE, "rp_filter", "1");
    sysctl_set_link("ipv4", PLAN_BRIDGE, "arp_ignore", "1");
    result = rtnl_add_address(rtnl_fd, index, &gateway);
    if (result == 0)
        result = rtnl_set_up(rtnl_fd, index);
    return result < 0 ? log_fail(result, "set up the bridge %s", PLAN_BRIDGE) : index;
}

static int find_or_make_bridge(int rtnl_fd, const struct link_snapshot *seen, struct prefix *ret_nat,
                               struct reason *reason)
{
    const struct link *bridge = link_by_name(seen, PLAN_BRIDGE);
    if (bridge && bridge->up && plan_find_nat(seen, ret_nat))
        return bridge->index;
    if (!(bridge && plan_find_nat(seen, ret_nat)) && !plan_choose_nat(seen, ret_nat)) {
        reason_refuse(reason, NULL, "no subnet for containers is free: the node's own networks overlap all candidates");
        return -EADDRNOTAVAIL;
    }
    return make_bridge(rtnl_fd, ret_nat);
}

/* Inside the namespace: lo, eth0 with its address, and a default route to the bridge. */
static int set_up_inside(int netns_fd, const struct prefix *address, const struct prefix *nat)
{
    struct prefix gateway = plan_nat_address(nat, 0), everywhere = prefix_ipv4(0, 0);
    gateway.length = 32;
    cleanup_close int fd = netns_netlink(netns_fd, NETLINK_ROUTE);
    if (fd < 0)
        return fd;
    netns_run(netns_fd, sysctl_set_container, NULL);
    int lo = rtnl_find(fd, "lo"), eth0 = rtnl_find(fd, "eth0");
    int result = lo < 0 ? lo : eth0 < 0 ? eth0 : rtnl_set_up(fd, lo);
    if (result == 0)
        result = rtnl_add_address(fd, eth0, address);
    if (result == 0)
        result = rtnl_set_up(fd, eth0);
    if (result == 0)
        result = rtnl_add_route(fd, eth0, &gateway, NULL, 0);
    if (result == 0)
        result = rtnl_add_route(fd, eth0, &everywhere, &gateway, 0);
    return result < 0 ? log_fail(result, "set up a container's eth0") : 0;
}

/* Locally administered (IEEE 802, the second bit), from the name's hash. */
static void choose_mac(const char *name, uint8_t ret_mac[static 6])
{
    uint8_t hash[16];
    hash_name(name, hash);
    memcpy(ret_mac, hash + 8, 6);
    ret_mac[0] = (uint8_t)((ret_mac[0] & 0xfc) | 2);
}

/* Its alias is set last: a link without one is half made. */
static int make_link(int rtnl_fd, int bridge, int netns_fd, const struct prefix *nat, struct endpoint *endpoint)
{
    char link[IFNAMSIZ], address[PREFIX_TEXT_BYTES], alias[LINK_ALIAS_BYTES];
    uint8_t mac[6];
    choose_mac(endpoint->name, mac);
    endpoint_link_name(LINK_PREFIX, endpoint->name, link);
    int result = rtnl_add_veth(rtnl_fd, link, bridge, -1, "eth0", netns_fd, mac);
    endpoint->index = result < 0 ? result : rtnl_find(rtnl_fd, link);
    if (endpoint->index < 0)
        return log_fail(endpoint->index, "make the link %s", link);
    sysctl_set_link("ipv6", link, "disable_ipv6", "1");
    result = rtnl_confine_port(rtnl_fd, endpoint->index, mac);
    if (result == 0)
        result = rtnl_fix_neighbour(rtnl_fd, bridge, &endpoint->address, mac);
    if (result == 0)
        result = rtnl_set_up(rtnl_fd, endpoint->index);
    if (result < 0)
        return log_fail(result, "set up the link %s", link);
    result = set_up_inside(netns_fd, &endpoint->address, nat);
    if (result < 0)
        return result;
    prefix_format_address(&endpoint->address, address);
    snprintf(alias, sizeof(alias), ENDPOINT_ALIAS "%s %s", endpoint->name, address);
    result = rtnl_set_alias(rtnl_fd, endpoint->index, alias);
    return result < 0 ? log_fail(result, "name the link %s", link) : 0;
}

static int make_endpoint(int rtnl_fd, const struct link_snapshot *seen, int bridge, const struct prefix *nat,
                         struct endpoint *endpoint)
{
    if (!endpoint_choose_address(seen, nat, endpoint->name, &endpoint->address))
        return log_fail(-EADDRNOTAVAIL, "choose an address for %s", endpoint->name);
    int result = endpoint_detach(rtnl_fd, endpoint->name); /* what is half there */
    if (result == 0)
        result = netns_make(endpoint->name);
    if (result < 0)
        return result;
    cleanup_close int netns_fd = netns_open(endpoint->name);
    if (netns_fd < 0)
        return netns_fd;
    result = make_link(rtnl_fd, bridge, netns_fd, nat, endpoint);
    if (result < 0)
        endpoint_detach(rtnl_fd, endpoint->name);
    return result;
}

int endpoint_attach(int rtnl_fd, const struct link_snapshot *seen, const char *name, struct endpoint *ret_endpoint,
                    struct prefix *ret_nat, struct reason *reason)
{
    struct endpoint endpoint = { 0 };
    int bridge = find_or_make_bridge(rtnl_fd, seen, ret_nat, reason);
    if (bridge < 0)
        return bridge;
    cleanup_close int netns_fd = netns_open(name);
    if (netns_fd < 0 || !endpoint_find(seen, name, &endpoint)) {
        snprintf(endpoint.name, sizeof(endpoint.name), "%s", name);
        int result = make_endpoint(rtnl_fd, seen, bridge, ret_nat, &endpoint);
        if (result < 0)
            return result;
        log_info("endpoint %s: attached", name);
    }
    *ret_endpoint = endpoint;
    return 0;
}

int endpoint_detach(int rtnl_fd, const char *name)
{
    char link[IFNAMSIZ];
    endpoint_link_name(LINK_PREFIX, name, link);
    int index = rtnl_find(rtnl_fd, link);
    int result = index < 0 ? 0 : rtnl_delete(rtnl_fd, index);
    if (result < 0 && result != -ENODEV)
        return log_fail(result, "delete the link %s", link);
    return netns_remove(name);
}
