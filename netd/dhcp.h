#pragma once

/* Supervises dhcpcd, which leases addresses on all links that its configuration doesn't deny, waits for carriers and
 * for links that appear later; and reads the leases that it keeps. */

#include "netd/plan.h"

#include <uv.h>

#define DHCP_LEASE_FOLDER "/run/dhcpcd"
#define DHCP_FOLDER "/run/netd"

struct dhcp {
    uv_loop_t *loop;
    uv_process_t process;
    uv_timer_t again; /* until it is started once more */
    bool running, stopping;
    bool restarting; /* asked to end, to be started with another configuration */
    uint64_t started_ms;
    unsigned backoff_ms;
    char config[PLAN_DHCP_BYTES]; /* "": not asked to run yet */
};

/* Ends a dhcpcd that an earlier netd left behind. 0, or negative errno, logged. */
int dhcp_open(struct dhcp *dhcp, uv_loop_t *loop);
/* Writes the configuration and (re)starts dhcpcd with it; from then on it is started again whenever it ends, at once at
 * first, then after up to 5 s. 0, or negative errno, logged. */
int dhcp_run(struct dhcp *dhcp, const char *config);
/* Has it begin anew, when it runs. */
void dhcp_restart(struct dhcp *dhcp);
/* Asks dhcpcd to end, its addresses stay. */
void dhcp_stop(struct dhcp *dhcp);

/* Reads a link's lease. false: there is none, or none yet (`reason` is ""), or it isn't valid (`reason` says why). */
bool dhcp_read_lease(const char *link, struct lease *ret_lease, struct reason *reason);
