#pragma once

/* The link by which the node reaches the world, and what is missing when there is none. Pure. */

#include "netd/config.h"
#include "netd/lease.h"
#include "netd/link.h"

/* A lease and the link that it was given on. */
struct uplink_lease {
    char name[IFNAMSIZ];
    struct lease lease;
    uint64_t since_ms; /* the monotonic time at which this content was first seen */
};

struct uplink {
    int index;
    char name[IFNAMSIZ];
    char mac[LINK_MAC_TEXT_BYTES];
    struct prefix address;
    struct prefix gateway; /* family 0: on-link */
    struct prefix dns[LEASE_DNS_MAX];
    size_t dns_count;
    uint64_t lease_since_ms; /* 0: not leased */
};

#define UPLINK_PROBLEM_BYTES 256

/* The link with carrier, a usable address and a default route: IPv4 before IPv6, then the lowest metric. DNS servers
 * are those of its settings, else of its lease, if that is the lease of the address it has. false: there is none. */
bool uplink_choose(const struct link_snapshot *seen, const struct uplink_lease *leases, size_t leases_count,
                   const struct config *config, struct uplink *ret_uplink);
/* The first step towards a working uplink that isn't done: "link", "lease", "route" or "DNS", and what is missing in
 * words; NULL and "" when all is well. `uplink` NULL: there is none. */
const char *uplink_find_problem(const struct link_snapshot *seen, const struct uplink *uplink,
                                char ret_text[static UPLINK_PROBLEM_BYTES]);
/* Some physical link has a carrier, no settings, and no address that serves for an uplink. */
bool uplink_waits_for_lease(const struct link_snapshot *seen, const struct config *config);
/* An address that serves for more than its own link: usable, and not IPv6's link-local or IPv4's (RFC 3927). */
bool uplink_is_global(const struct prefix *address);
