/* netd brings the node's network up and keeps it up: links, addresses, the firewall, the containers' bridge, networks.
 * This file only wires; netd.c has the cycle.
 *
 * `--link NAME` makes a virtual link count as physical: for tests. */

#include "lib/log.h"
#include "netd/api.h"
#include "netd/netd.h"

#include <stdio.h>
#include <string.h>

static void on_stop(void *context)
{
    struct netd *netd = context;
    dhcp_stop(&netd->dhcp);
}

static int read_arguments(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        if (strcmp(arguments[i], "--link") != 0 || i + 1 == count) {
            fprintf(stderr, "usage: netd [--link NAME]...\n");
            return 2;
        }
        link_treat_as_physical(arguments[++i]);
    }
    return 0;
}

int main(int count, char **arguments)
{
    static struct netd netd;
    if (read_arguments(count, arguments))
        return 2;
    if (daemon_open(&netd.daemon, "netd", API_METHODS, &netd) < 0)
        return 1;
    netd.daemon.on_stop = on_stop;
    if (netd_open(&netd) < 0)
        return 1;
    netd_reconcile(&netd);
    daemon_ready(&netd.daemon);
    return daemon_run(&netd.daemon);
}
