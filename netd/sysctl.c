/* A new network namespace takes over IPv4's settings from the first one (ip-sysctl.rst, devconf_inherit_init_net), so
 * that forwarding has to be turned off again where it isn't wanted. */

#include "netd/sysctl.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static void set(const char *name, const char *value)
{
    char path[160];
    snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return;
    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        log_warning("%s: can't be set to %s: %s", path, value, strerror(errno));
}

/* `default` is for links to come, `all` for those that are there. */
static void set_both(const char *family, const char *name, const char *value)
{
    sysctl_set_link(family, "all", name, value);
    sysctl_set_link(family, "default", name, value);
}

void sysctl_set_link(const char *family, const char *link, const char *name, const char *value)
{
    char text[128];
    snprintf(text, sizeof(text), "%s/conf/%s/%s", family, link, name);
    set(text, value);
}

static void set_common(void)
{
    set_both("ipv4", "accept_redirects", "0");
    set_both("ipv4", "secure_redirects", "0");
    set_both("ipv4", "send_redirects", "0");
    set_both("ipv4", "accept_source_route", "0");
    set_both("ipv6", "accept_redirects", "0");
}

void sysctl_set_node(void)
{
    set("ipv4/ip_forward", "1"); /* first: it resets others */
    set_common();
    set_both("ipv6", "accept_ra", "0"); /* dhcpcd handles them */
    set("ipv4/icmp_echo_ignore_broadcasts", "1");
    set("ipv4/tcp_syncookies", "1");
}

int sysctl_set_container(void *unused)
{
    set("ipv4/ip_forward", "0");
    set_common();
    set_both("ipv6", "accept_ra", "0");
    set("ipv4/ping_group_range", "0 2147483647"); /* ping without privileges */
    set("ipv4/ip_unprivileged_port_start", "0");  /* every port is the container's own */
    return 0;
}

int sysctl_set_network(void *unused)
{
    set("ipv4/ip_forward", "1");
    set_common();
    set_both("ipv6", "accept_ra", "0");
    set_both("ipv6", "forwarding", "1");
    return 0;
}
