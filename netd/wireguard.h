#pragma once

/* WireGuard links by generic netlink (linux/wireguard.h has the protocol). A link is changed through a NETLINK_GENERIC
 * socket of the namespace that it is in. */

#include "netd/overlay.h"

struct wireguard_peer {
    uint8_t public_key[OVERLAY_KEY_BYTES];
    int64_t last_handshake; /* unix seconds; 0: never */
    uint64_t received_bytes, sent_bytes;
};

/* Key, port and peers of a link become those of `network`; a peer that stays keeps its session. 0, or negative errno,
 * silent: -EADDRINUSE when the port is another's; -EOPNOTSUPP when the kernel has no WireGuard. */
int wireguard_set(int genl_fd, const char *link, const struct overlay_network *network);
/* The peers of a link, at most `max`. Their number, or negative errno, silent. */
int wireguard_get(int genl_fd, const char *link, struct wireguard_peer *ret_peers, size_t max);
