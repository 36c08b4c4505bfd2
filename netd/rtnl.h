#pragma once

/* Changes to links, addresses and routes by rtnetlink (rtnetlink(7), linux/if_link.h). Every function takes a
 * NETLINK_ROUTE socket of the namespace that it is to change, and gives 0 or the kernel's negative errno, silent: the
 * caller knows which of them matter. */

#include "netd/prefix.h"

int rtnl_set_up(int fd, int index);
int rtnl_delete(int fd, int index);
int rtnl_set_mtu(int fd, int index, uint32_t mtu);
int rtnl_set_alias(int fd, int index, const char *alias);
/* Makes a bridge's port one that is trusted with nothing (bridge(8)): isolated from other ports of the kind, locked to
 * the one MAC address given, learning none, and not flooded with what isn't addressed to it. */
int rtnl_confine_port(int fd, int index, const uint8_t mac[static 6]);
/* A neighbour that isn't asked for by ARP, so that nobody else can answer for it. */
int rtnl_fix_neighbour(int fd, int index, const struct prefix *address, const uint8_t mac[static 6]);
int rtnl_add_bridge(int fd, const char *name);
/* A pair whose one end is `name` here, as a port of the link with index `master` (0: none), in namespace `netns_fd`
 * (-1: this one), and the other `peer` in namespace `peer_netns_fd`, with a MAC address (NULL: a random one). */
int rtnl_add_veth(int fd, const char *name, int master, int netns_fd, const char *peer, int peer_netns_fd,
                  const uint8_t *peer_mac);
/* A WireGuard link in namespace `netns_fd` whose UDP socket stays in this one (wireguard.com/netns). */
int rtnl_add_wireguard(int fd, const char *name, int netns_fd);
/* Puts a port into a bridge of its namespace. */
int rtnl_set_master(int fd, int index, int master);
/* An address that is there already is fine. */
int rtnl_add_address(int fd, int index, const struct prefix *prefix);
int rtnl_delete_address(int fd, int index, const struct prefix *prefix);
/* `gateway` may be NULL: the destination is on the link. A gateway need not lie in a subnet of the link (onlink). A
 * route to the same destination is replaced. `metric` 0: the kernel's default. */
int rtnl_add_route(int fd, int index, const struct prefix *destination, const struct prefix *gateway, uint32_t metric);
/* The index of the link with this name, -ENODEV, or another negative errno. */
int rtnl_find(int fd, const char *name);
