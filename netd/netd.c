/* The cycle. Everything that happens (a link, a lease, a setting, a request) ends in netd_reconcile, which doesn't care
 * what it was: it looks at all there is and does what is missing. */

#include "netd/netd.h"

#include "lib/file.h"
#include "lib/log.h"
#include "lib/settings.h"
#include "netd/apply.h"
#include "netd/netlink.h"
#include "netd/sysctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_MS 5
#define RETRY_MS 5000
#define PROBLEM_MS 4000
#define HURRY_MS 15000 /* by then it has asked three times: RFC 2131 §4.1 has 4 s, 8 s, 16 s between */
#define SETTINGS_FOLDER "/run/zos"

static const struct uplink_lease *known_lease(const struct netd *netd, const char *link)
{
    for (size_t i = 0; i < netd->leases_count; i++)
        if (strcmp(netd->leases[i].name, link) == 0)
            return &netd->leases[i];
    return NULL;
}

/* A link's lease as it is now. One that can't be read (dhcpcd truncates the file before it writes it anew) stays what
 * it was: it counts only while the link has its address. */
static bool read_lease(const struct netd *netd, const struct link *link, struct uplink_lease *ret_lease)
{
    struct reason reason;
    struct uplink_lease lease = { .since_ms = uv_now(netd->daemon.loop) };
    const struct uplink_lease *known = known_lease(netd, link->name);
    memcpy(lease.name, link->name, sizeof(lease.name));
    if (!dhcp_read_lease(link->name, &lease.lease, &reason)) {
        if (reason.text[0])
            log_warning("%s: %s", link->name, reason.text);
        if (known)
            *ret_lease = *known;
        return known != NULL;
    }
    if (known && lease_equal(&known->lease, &lease.lease))
        lease.since_ms = known->since_ms;
    *ret_lease = lease;
    return true;
}

static void read_leases(struct netd *netd)
{
    struct uplink_lease leases[NETD_LEASES_MAX] = { 0 };
    size_t count = 0;
    for (size_t i = 0; i < netd->seen.links_count && count < NETD_LEASES_MAX; i++)
        if (netd->seen.links[i].physical && read_lease(netd, &netd->seen.links[i], &leases[count]))
            count++;
    memcpy(netd->leases, leases, sizeof(leases));
    netd->leases_count = count;
}

int netd_observe(struct netd *netd)
{
    struct link_snapshot seen;
    int result = link_observe(netd->rtnl_fd, &seen);
    if (result < 0)
        return result;
    link_snapshot_close(&netd->seen);
    netd->seen = seen;
    read_leases(netd);
    return 0;
}

/* A problem is told when it lasts: on the way to a lease there is one at every step. */
static void log_problem(struct netd *netd, const struct plan *before)
{
    uint64_t now_ms = uv_now(netd->daemon.loop);
    if (strcmp(before->problem, netd->plan.problem) != 0) {
        netd->problem_since_ms = now_ms;
        netd->problem_told = false;
    }
    if (netd->plan.problem[0] && !netd->problem_told && now_ms - netd->problem_since_ms >= PROBLEM_MS) {
        log_warning("%s", netd->plan.problem);
        netd->problem_told = true;
    }
}

/* Says what changed, once. */
static void log_changes(const struct plan *before, const struct plan *now)
{
    char address[PREFIX_TEXT_BYTES], gateway[PREFIX_TEXT_BYTES];
    if (!now->has_uplink) {
        if (before->has_uplink)
            log_info("no uplink");
        return;
    }
    if (before->has_uplink && before->uplink.index == now->uplink.index &&
        prefix_equal(&before->uplink.address, &now->uplink.address))
        return;
    prefix_format(&now->uplink.address, address);
    prefix_format_address(&now->uplink.gateway, gateway);
    log_info("uplink %s: address %s, gateway %s, %zu DNS servers", now->uplink.name, address, gateway,
             now->uplink.dns_count);
}

/* dhcpcd asks ever more rarely, up to once a minute; begun anew, it asks at once. */
static void hurry_dhcp(struct netd *netd)
{
    uint64_t now_ms = uv_now(netd->daemon.loop);
    if (!netd->plan.has_uplink && uplink_waits_for_lease(&netd->seen, &netd->config) &&
        now_ms - netd->dhcp.started_ms >= HURRY_MS)
        dhcp_restart(&netd->dhcp);
}

void netd_reconcile(struct netd *netd)
{
    uint16_t ports[FIREWALL_PORTS_MAX];
    struct plan before = netd->plan;
    if (netd_observe(netd) < 0)
        return;
    struct plan_input input = {
        .seen = &netd->seen,
        .leases = netd->leases,
        .leases_count = netd->leases_count,
        .config = &netd->config,
        .ports = ports,
        .ports_count = overlay_open_ports(&netd->overlays, ports),
        .firewall = netd->firewall_stands ? &netd->firewall : NULL,
        .resolv = netd->resolv_written ? netd->resolv : NULL,
        .dhcp = netd->dhcp.config[0] ? netd->dhcp.config : NULL,
    };
    plan_make(&input, &netd->plan);
    log_problem(netd, &before);
    log_changes(&before, &netd->plan);
    for (size_t i = 0; i < netd->plan.actions_count; i++)
        if (apply_action(netd, &netd->plan.actions[i]) < 0 && netd->plan.actions[i].kind == PLAN_FIREWALL) {
            snprintf(netd->plan.problem, sizeof(netd->plan.problem), "the firewall can't be put in force");
            netd->plan.problem_step = NULL;
            return;
        }
    hurry_dhcp(netd);
}

static void on_settled(uv_timer_t *timer)
{
    netd_reconcile(timer->data);
}

void netd_reconcile_soon(struct netd *netd)
{
    if (!uv_is_active((uv_handle_t *)&netd->settle))
        uv_timer_start(&netd->settle, on_settled, SETTLE_MS, 0);
}

static void on_watch(uv_poll_t *watch, int status, int events)
{
    struct netd *netd = watch->data;
    if (status < 0) /* notifications were lost (ENOBUFS), and libuv has stopped looking */
        uv_poll_start(watch, UV_READABLE, on_watch);
    if (netlink_drain(netd->watch_fd) > 0)
        netd_reconcile_soon(netd);
}

static void on_lease_file(uv_fs_event_t *event, const char *name, int events, int status)
{
    netd_reconcile_soon(event->data);
}

static void read_settings(struct netd *netd)
{
    struct settings settings;
    struct reason reason = { 0 };
    netd->config_problem[0] = 0;
    if (settings_read("", &settings, &reason) < 0)
        return;
    if (reason.text[0])
        log_warning("settings: %s", reason.text);
    if (config_parse(settings.network, &netd->config, &reason)) {
        log_warning("settings passed over: %s", reason.text);
        snprintf(netd->config_problem, sizeof(netd->config_problem), "wrong setting %.200s", reason.text);
    }
    settings_close(&settings);
}

static void on_settings_file(uv_fs_event_t *event, const char *name, int events, int status)
{
    struct netd *netd = event->data;
    if (name && strcmp(name, strrchr(SETTINGS_BOOT_MEDIUM, '/') + 1) != 0)
        return;
    read_settings(netd);
    netd_reconcile_soon(netd);
}

/* A folder that can't be watched costs speed alone: the retry timer looks too. */
static void watch_folder(struct netd *netd, uv_fs_event_t *event, uv_fs_event_cb callback, const char *path)
{
    uv_fs_event_init(netd->daemon.loop, event);
    event->data = netd;
    file_make_folders(path, 0755);
    int result = uv_fs_event_start(event, callback, path, 0);
    if (result < 0)
        log_warning("%s: can't be watched: %s", path, strerror(-result));
}

static int open_sockets(struct netd *netd)
{
    netd->rtnl_fd = netlink_open(NETLINK_ROUTE);
    netd->nft_fd = netd->rtnl_fd < 0 ? netd->rtnl_fd : netlink_open(NETLINK_NETFILTER);
    netd->watch_fd = netd->nft_fd < 0 ? netd->nft_fd : link_watch();
    return netd->watch_fd < 0 ? netd->watch_fd : 0;
}

int netd_open(struct netd *netd)
{
    uv_loop_t *loop = netd->daemon.loop;
    int result = open_sockets(netd);
    if (result == 0)
        result = dhcp_open(&netd->dhcp, loop);
    if (result == 0)
        result = uv_poll_init(loop, &netd->watch, netd->watch_fd);
    if (result < 0)
        return log_fail(result, "start watching the links");
    sysctl_set_node();
    read_settings(netd);
    overlay_load(&netd->overlays);
    netd->watch.data = netd->settle.data = netd->retry.data = netd;
    uv_timer_init(loop, &netd->settle);
    uv_timer_init(loop, &netd->retry);
    uv_timer_start(&netd->retry, on_settled, RETRY_MS, RETRY_MS);
    watch_folder(netd, &netd->leases_watch, on_lease_file, DHCP_LEASE_FOLDER);
    watch_folder(netd, &netd->settings_watch, on_settings_file, SETTINGS_FOLDER);
    return uv_poll_start(&netd->watch, UV_READABLE, on_watch);
}
