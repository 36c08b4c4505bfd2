/* One action of a plan at a time. What was done is remembered where the kernel can't be asked for it (the firewall's
 * facts, resolv.conf). */

#include "netd/apply.h"

#include "lib/file.h"
#include "lib/log.h"
#include "netd/rtnl.h"

#include <errno.h>
#include <string.h>

#define RESOLV_PATH "/etc/resolv.conf"
#define STATIC_METRIC 100 /* before what is leased: dhcpcd's begin at 1000 */

static int apply_firewall(struct netd *netd)
{
    int result = firewall_apply(netd->nft_fd, &netd->plan.firewall);
    if (result < 0)
        return result;
    if (!netd->firewall_stands)
        log_info("firewall stands");
    netd->firewall = netd->plan.firewall;
    netd->firewall_stands = true;
    return 0;
}

static int apply_resolv(struct netd *netd)
{
    int result = file_write(RESOLV_PATH, netd->plan.resolv, strlen(netd->plan.resolv), 0644);
    if (result < 0)
        return result;
    memcpy(netd->resolv, netd->plan.resolv, sizeof(netd->resolv));
    netd->resolv_written = true;
    return 0;
}

/* A link that went away meanwhile is no failure. */
static int tell(int result, const char *what, int index)
{
    if (result == 0 || result == -ENODEV)
        return 0;
    return log_fail(result, "%s link %d", what, index);
}

int apply_action(struct netd *netd, const struct plan_action *action)
{
    struct prefix everywhere = { .family = action->address.family };
    switch (action->kind) {
    case PLAN_FIREWALL:
        return apply_firewall(netd);
    case PLAN_DHCP:
        return dhcp_run(&netd->dhcp, netd->plan.dhcp);
    case PLAN_LINK_UP:
        return tell(rtnl_set_up(netd->rtnl_fd, action->index), "bring up", action->index);
    case PLAN_ADD_ADDRESS:
        return tell(rtnl_add_address(netd->rtnl_fd, action->index, &action->address), "give an address to",
                    action->index);
    case PLAN_DROP_ADDRESS:
        return tell(rtnl_delete_address(netd->rtnl_fd, action->index, &action->address), "take an address from",
                    action->index);
    case PLAN_ADD_ROUTE:
        return tell(rtnl_add_route(netd->rtnl_fd, action->index, &everywhere, &action->address, STATIC_METRIC),
                    "add a route by", action->index);
    case PLAN_DROP_BRIDGE:
        return tell(rtnl_delete(netd->rtnl_fd, action->index), "delete the bridge,", action->index);
    case PLAN_RESOLV:
        return apply_resolv(netd);
    }
    return -EINVAL;
}
