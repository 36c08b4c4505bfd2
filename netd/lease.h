#pragma once

/* A DHCPv4 lease as dhcpcd keeps it: the server's last message, raw (RFC 2131 §2 has the layout, RFC 2132 the options).
 * The server is nobody we trust: all bounds are checked here, and whatever value isn't usable is left out. */

#include "lib/reason.h"
#include "netd/prefix.h"

#include <stddef.h>

#define LEASE_BYTES_MAX 65535 /* what fits in a UDP datagram */
#define LEASE_DNS_MAX 3       /* MAXNS of resolv.h: more are never asked */

struct lease {
    struct prefix address;            /* yiaddr with the length of the subnet mask (option 1), 32 without one */
    struct prefix gateway;            /* the first router (option 3); family 0: none given, or none usable */
    struct prefix dns[LEASE_DNS_MAX]; /* option 6 */
    size_t dns_count;
    uint32_t lease_s; /* option 51; 0: not given */
};

/* Both say the same. */
bool lease_equal(const struct lease *a, const struct lease *b);

/* Pure. 0; or REFUSED when it is no DHCP reply, an option runs over the end, or the address leased isn't usable. */
int lease_parse(const uint8_t *bytes, size_t size, struct lease *ret_lease, struct reason *reason);
