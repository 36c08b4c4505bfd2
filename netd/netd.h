#pragma once

/* The daemon's state, and its one cycle: observe, plan, apply. */

#include "lib/daemon.h"
#include "netd/dhcp.h"
#include "netd/overlay.h"
#include "netd/plan.h"

#define NETD_LEASES_MAX 64

struct netd {
    struct daemon daemon;
    /* observing */
    int rtnl_fd, nft_fd, watch_fd;
    uv_poll_t watch;
    uv_timer_t settle; /* a short pause after a change, so that a row of them costs one cycle */
    uv_timer_t retry;  /* the cycle runs every few seconds besides */
    uv_fs_event_t leases_watch, settings_watch;
    /* what is */
    struct link_snapshot seen;
    struct uplink_lease leases[NETD_LEASES_MAX];
    size_t leases_count;
    struct dhcp dhcp;
    bool firewall_stands;
    struct firewall firewall;
    bool resolv_written;
    char resolv[PLAN_RESOLV_BYTES];
    /* what is wanted */
    struct config config;
    char config_problem[UPLINK_PROBLEM_BYTES]; /* "": none */
    struct overlay_table overlays;
    /* what came of it last */
    struct plan plan;
    uint64_t problem_since_ms;
    bool problem_told;
};

/* Starts watching. 0, or negative errno, logged. `netd` is zeroed, with its daemon open. */
int netd_open(struct netd *netd);
/* One cycle: observes, plans, and applies. Failures are logged and tried again. */
void netd_reconcile(struct netd *netd);
/* The same after the callbacks that are due now. */
void netd_reconcile_soon(struct netd *netd);
/* Takes a new snapshot alone. 0, or negative errno, logged. */
int netd_observe(struct netd *netd);
