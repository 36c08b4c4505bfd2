#pragma once

/* What the kernel has: links, their addresses, the default routes. Observed by rtnetlink (rtnetlink(7)): a snapshot by
 * three dumps, and a socket that becomes readable when a new one is worth taking. */

#include "netd/prefix.h"

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#define LINK_MAC_TEXT_BYTES 18
#define LINK_ALIAS_BYTES 256 /* IFALIASZ of linux/if.h */

struct link {
    int index;
    char name[IFNAMSIZ];
    uint8_t mac[6];
    bool physical; /* an Ethernet device that isn't software's: no kind, or named by link_treat_as_physical */
    bool up;       /* IFF_UP: it was asked to work */
    bool carrier;  /* and the cable is in */
    int master;    /* index of the bridge it is a port of; 0: none */
    char kind[16]; /* "bridge", "veth", …; "" for hardware */
    char alias[LINK_ALIAS_BYTES];
};

struct link_address {
    int index;
    struct prefix prefix;
};

/* A default route of the main table. */
struct link_route {
    int index;
    struct prefix gateway; /* family 0: on-link */
    int family;
    uint32_t metric;
};

/* The arrays are the snapshot's. */
struct link_snapshot {
    struct link *links;
    size_t links_count;
    struct link_address *addresses;
    size_t addresses_count;
    struct link_route *routes;
    size_t routes_count;
};

/* For tests, whose links are virtual: the link with this name counts as physical (a string that stays). */
void link_treat_as_physical(const char *name);

/* Takes a snapshot through a NETLINK_ROUTE socket. 0 (link_snapshot_close), or negative errno, logged. */
int link_observe(int rtnl_fd, struct link_snapshot *ret_snapshot);
void link_snapshot_close(struct link_snapshot *snapshot);

/* A socket that hears of changes to links, addresses and routes; its content is of no interest: netlink_drain. The
 * descriptor, or negative errno, logged. */
int link_watch(void);

/* NULL when there is none. */
const struct link *link_by_name(const struct link_snapshot *snapshot, const char *name);
const struct link *link_by_index(const struct link_snapshot *snapshot, int index);

void link_format_mac(const struct link *link, char ret_text[static LINK_MAC_TEXT_BYTES]);
