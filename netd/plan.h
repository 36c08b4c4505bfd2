#pragma once

/* The pure middle of netd: from what is and what is wanted to the actions that lead from one to the other. No
 * descriptor, no clock; the tests are tables. */

#include "netd/firewall.h"
#include "netd/uplink.h"

#define PLAN_BRIDGE "zos-nat"
#define PLAN_RESOLV_BYTES 256
#define PLAN_DHCP_BYTES 2048
#define PLAN_ACTIONS_MAX 128

enum plan_kind {
    PLAN_FIREWALL,     /* put plan.firewall in force; nothing after it is done when that fails */
    PLAN_DHCP,         /* run dhcpcd with plan.dhcp */
    PLAN_LINK_UP,      /* index */
    PLAN_ADD_ADDRESS,  /* index, address */
    PLAN_DROP_ADDRESS, /* index, address: leased before the settings were there */
    PLAN_ADD_ROUTE,    /* index, address: the gateway of a default route */
    PLAN_DROP_BRIDGE,  /* index: its subnet clashes with a network of the node's, and nobody is on it */
    PLAN_RESOLV,       /* write plan.resolv */
};

struct plan_action {
    enum plan_kind kind;
    int index;
    struct prefix address;
};

/* What is, and what is wanted. Pointers are the caller's. */
struct plan_input {
    const struct link_snapshot *seen;
    const struct uplink_lease *leases;
    size_t leases_count;
    const struct config *config;
    const uint16_t *ports; /* wanted open for WireGuard */
    size_t ports_count;
    const struct firewall *firewall; /* in force; NULL: none yet */
    const char *resolv;              /* what was written; NULL: nothing yet */
    const char *dhcp;                /* what dhcpcd runs with; NULL: it doesn't run */
};

struct plan {
    bool has_uplink;
    struct uplink uplink;
    char problem[UPLINK_PROBLEM_BYTES]; /* "" : none */
    const char *problem_step;           /* at which the way out ends (uplink.h); NULL: at none, even with a problem */
    struct firewall firewall;
    char resolv[PLAN_RESOLV_BYTES];
    char dhcp[PLAN_DHCP_BYTES];
    struct plan_action actions[PLAN_ACTIONS_MAX]; /* more wait for the next time */
    size_t actions_count;
};

void plan_make(const struct plan_input *input, struct plan *ret_plan);

/* The subnet of the NAT bridge as it is; false: there is no bridge, or it has no address yet. */
bool plan_find_nat(const struct link_snapshot *seen, struct prefix *ret_nat);
/* A subnet for a new bridge: the first of a fixed list that overlaps nothing the node has. false: all do. */
bool plan_choose_nat(const struct link_snapshot *seen, struct prefix *ret_nat);
/* The bridge's own address in its subnet (number 0, the containers' gateway and first DNS server), and the second
 * DNS server's (1), which only the firewall knows. */
struct prefix plan_nat_address(const struct prefix *nat, unsigned number);
