#pragma once

/* The node's firewall: what one set of facts makes of it, and its rules as one nf_tables batch that replaces them
 * whole. README.md has the rules in prose. */

#include "netd/nft.h"
#include "netd/prefix.h"

#include <net/if.h>

#define FIREWALL_TABLE "zos"
#define FIREWALL_DNS_MAX 2     /* resolvers that containers are offered */
#define FIREWALL_PORTS_MAX 256 /* open WireGuard ports at a time */
#define FIREWALL_LANS_MAX 32

struct firewall {
    char uplink[IFNAMSIZ];                     /* ""; then nothing is forwarded out */
    char bridge[IFNAMSIZ];                     /* the NAT bridge */
    struct prefix nat;                         /* its subnet; family 0: there is none yet */
    struct prefix dns[FIREWALL_DNS_MAX];       /* real resolvers (IPv4); family 0: none */
    struct prefix dns_local[FIREWALL_DNS_MAX]; /* the address under which a container reaches each */
    struct prefix lans[FIREWALL_LANS_MAX];     /* subnets on the node's own links, which containers don't reach */
    size_t lans_count;
    uint16_t ports[FIREWALL_PORTS_MAX]; /* UDP ports open to everyone */
    size_t ports_count;
};

/* Pure: fills a batch (nft_close). Check `failed`. */
void firewall_encode(const struct firewall *firewall, struct nft_batch *ret_batch);
bool firewall_equal(const struct firewall *a, const struct firewall *b);
/* Puts it in force through a NETLINK_NETFILTER socket: all of it, or, when it fails, none. 0 or negative errno, logged.
 */
int firewall_apply(int nft_fd, const struct firewall *firewall);
