/* A device with many peers doesn't fit in one message, so that each peer is set by a message of its own (which the
 * protocol allows), and those that aren't wanted any more are removed first. */

#include "netd/wireguard.h"

#include "lib/cleanup.h"
#include "netd/netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Keeps the flow open in the connection tracking of both nodes, and in NATs between (wireguard.com/quickstart). */
#define KEEPALIVE_S 25

static void on_family(void *context, struct nlmsghdr *message)
{
    struct nlattr *id = nlmsg_find_attr(message, GENL_HDRLEN, CTRL_ATTR_FAMILY_ID);
    if (id)
        *(int *)context = nla_get_u16(id);
}

/* The number of the family, which the kernel gives out when it starts; -EOPNOTSUPP without WireGuard. */
static int find_family(int fd)
{
    static int family;
    struct genlmsghdr header = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 };
    if (family > 0)
        return family;
    struct nl_msg *request = netlink_request(GENL_ID_CTRL, 0, &header, sizeof(header));
    if (request)
        nla_put_string(request, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
    int result = netlink_query(fd, request, on_family, &family);
    if (result == -ENOENT || (result == 0 && family == 0))
        return -EOPNOTSUPP;
    return result < 0 ? result : family;
}

static struct nl_msg *device_request(int fd, int command, int flags, const char *link)
{
    struct genlmsghdr header = { .cmd = (uint8_t)command, .version = WG_GENL_VERSION };
    int family = find_family(fd);
    struct nl_msg *request = family < 0 ? NULL : netlink_request(family, flags, &header, sizeof(header));
    if (request)
        nla_put_string(request, WGDEVICE_A_IFNAME, link);
    return request;
}

/* The message held the private key. */
static int call_and_wipe(int fd, struct nl_msg *request)
{
    if (!request)
        return -ENOMEM;
    nlmsg_get(request);
    int result = netlink_call(fd, request);
    sodium_memzero(nlmsg_hdr(request), nlmsg_hdr(request)->nlmsg_len);
    nlmsg_free(request);
    return result;
}

static int set_device(int fd, const char *link, const struct overlay_network *network)
{
    struct nl_msg *request = device_request(fd, WG_CMD_SET_DEVICE, 0, link);
    if (request) {
        nla_put(request, WGDEVICE_A_PRIVATE_KEY, OVERLAY_KEY_BYTES, network->private_key);
        nla_put_u16(request, WGDEVICE_A_LISTEN_PORT, network->listen_port);
    }
    return call_and_wipe(fd, request);
}

static void put_endpoint(struct nl_msg *request, const struct overlay_peer *peer)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(peer->endpoint_port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(peer->endpoint_port) };
    memcpy(&v4.sin_addr, peer->endpoint.bytes, 4);
    memcpy(&v6.sin6_addr, peer->endpoint.bytes, 16);
    if (peer->endpoint.family == AF_INET)
        nla_put(request, WGPEER_A_ENDPOINT, sizeof(v4), &v4);
    else if (peer->endpoint.family == AF_INET6)
        nla_put(request, WGPEER_A_ENDPOINT, sizeof(v6), &v6);
    else
        return;
    nla_put_u16(request, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, KEEPALIVE_S);
}

static void put_allowed(struct nl_msg *request, const struct overlay_peer *peer)
{
    struct nlattr *list = nla_nest_start(request, WGPEER_A_ALLOWEDIPS | NLA_F_NESTED);
    for (size_t i = 0; i < peer->allowed_count; i++) {
        struct nlattr *item = nla_nest_start(request, (int)i | NLA_F_NESTED);
        nla_put_u16(request, WGALLOWEDIP_A_FAMILY, (uint16_t)peer->allowed[i].family);
        nla_put(request, WGALLOWEDIP_A_IPADDR, (int)prefix_size(&peer->allowed[i]), peer->allowed[i].bytes);
        nla_put_u8(request, WGALLOWEDIP_A_CIDR_MASK, (uint8_t)peer->allowed[i].length);
        nla_nest_end(request, item);
    }
    nla_nest_end_keep_empty(request, list);
}

/* `peer` NULL: the peer with this key is removed. */
static int set_peer(int fd, const char *link, const uint8_t *public_key, const struct overlay_peer *peer)
{
    struct nl_msg *request = device_request(fd, WG_CMD_SET_DEVICE, 0, link);
    if (!request)
        return -ENOMEM;
    struct nlattr *list = nla_nest_start(request, WGDEVICE_A_PEERS | NLA_F_NESTED);
    struct nlattr *item = nla_nest_start(request, 0 | NLA_F_NESTED);
    nla_put(request, WGPEER_A_PUBLIC_KEY, OVERLAY_KEY_BYTES, public_key);
    nla_put_u32(request, WGPEER_A_FLAGS, peer ? WGPEER_F_REPLACE_ALLOWEDIPS : WGPEER_F_REMOVE_ME);
    if (peer) {
        put_endpoint(request, peer);
        put_allowed(request, peer);
    }
    nla_nest_end(request, item);
    nla_nest_end(request, list);
    return netlink_call(fd, request);
}

static bool is_wanted(const struct overlay_network *network, const uint8_t *public_key)
{
    for (size_t i = 0; i < network->peers_count; i++)
        if (memcmp(network->peers[i].public_key, public_key, OVERLAY_KEY_BYTES) == 0)
            return true;
    return false;
}

static int remove_unwanted(int fd, const char *link, const struct overlay_network *network)
{
    cleanup_free struct wireguard_peer *peers = calloc(OVERLAY_PEERS_MAX, sizeof(*peers));
    int count = peers ? wireguard_get(fd, link, peers, OVERLAY_PEERS_MAX) : -ENOMEM;
    int result = count < 0 ? count : 0;
    for (int i = 0; i < count && result == 0; i++)
        if (!is_wanted(network, peers[i].public_key))
            result = set_peer(fd, link, peers[i].public_key, NULL);
    return result;
}

int wireguard_set(int genl_fd, const char *link, const struct overlay_network *network)
{
    int result = find_family(genl_fd);
    if (result >= 0)
        result = set_device(genl_fd, link, network);
    if (result == 0)
        result = remove_unwanted(genl_fd, link, network);
    for (size_t i = 0; i < network->peers_count && result == 0; i++)
        result = set_peer(genl_fd, link, network->peers[i].public_key, &network->peers[i]);
    return result;
}

struct reading {
    struct wireguard_peer *peers;
    size_t count, max;
};

static void read_peer(struct reading *reading, struct nlattr *item)
{
    struct nlattr *a[WGPEER_A_MAX + 1];
    if (nla_parse_nested(a, WGPEER_A_MAX, item, NULL) < 0 || !a[WGPEER_A_PUBLIC_KEY] ||
        nla_len(a[WGPEER_A_PUBLIC_KEY]) != OVERLAY_KEY_BYTES)
        return;
    const uint8_t *key = nla_data(a[WGPEER_A_PUBLIC_KEY]);
    if (reading->count > 0 && memcmp(reading->peers[reading->count - 1].public_key, key, OVERLAY_KEY_BYTES) == 0)
        return; /* more of the allowed addresses of the last one */
    if (reading->count == reading->max)
        return;
    struct wireguard_peer *peer = &reading->peers[reading->count++];
    *peer = (struct wireguard_peer){ 0 };
    memcpy(peer->public_key, key, OVERLAY_KEY_BYTES);
    if (a[WGPEER_A_LAST_HANDSHAKE_TIME] && nla_len(a[WGPEER_A_LAST_HANDSHAKE_TIME]) >= (int)sizeof(int64_t))
        memcpy(&peer->last_handshake, nla_data(a[WGPEER_A_LAST_HANDSHAKE_TIME]), sizeof(int64_t));
    peer->received_bytes = a[WGPEER_A_RX_BYTES] ? nla_get_u64(a[WGPEER_A_RX_BYTES]) : 0;
    peer->sent_bytes = a[WGPEER_A_TX_BYTES] ? nla_get_u64(a[WGPEER_A_TX_BYTES]) : 0;
}

static void on_device(void *context, struct nlmsghdr *message)
{
    struct nlattr *list = nlmsg_find_attr(message, GENL_HDRLEN, WGDEVICE_A_PEERS), *item;
    int left;
    if (list)
        nla_for_each_nested(item, list, left) read_peer(context, item);
}

int wireguard_get(int genl_fd, const char *link, struct wireguard_peer *ret_peers, size_t max)
{
    struct reading reading = { .peers = ret_peers, .max = max };
    int result = find_family(genl_fd);
    if (result >= 0)
        result =
            netlink_query(genl_fd, device_request(genl_fd, WG_CMD_GET_DEVICE, NLM_F_DUMP, link), on_device, &reading);
    return result < 0 ? result : (int)reading.count;
}
