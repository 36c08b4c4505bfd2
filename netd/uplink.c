/* Chooses the uplink from what is seen. The kernel's tables are the truth; a lease only adds the DNS servers. */

#include "netd/uplink.h"

#include <stdio.h>
#include <string.h>

bool uplink_is_global(const struct prefix *address)
{
    const uint8_t *b = address->bytes;
    if (!prefix_usable(address))
        return false;
    if (address->family == AF_INET)
        return !(b[0] == 169 && b[1] == 254);
    return !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
}

static const struct link_address *address_of(const struct link_snapshot *seen, int index, int family)
{
    for (size_t i = 0; i < seen->addresses_count; i++) {
        const struct link_address *address = &seen->addresses[i];
        if (address->index == index && address->prefix.family == family && uplink_is_global(&address->prefix))
            return address;
    }
    return NULL;
}

static bool is_better(const struct link_route *a, const struct link_route *b)
{
    if (!b || a->family != b->family)
        return !b || a->family == AF_INET;
    return a->metric < b->metric || (a->metric == b->metric && a->index < b->index);
}

static const struct link_route *best_route(const struct link_snapshot *seen)
{
    const struct link_route *best = NULL;
    for (size_t i = 0; i < seen->routes_count; i++) {
        const struct link_route *route = &seen->routes[i];
        const struct link *link = link_by_index(seen, route->index);
        if (link && link->physical && link->carrier && address_of(seen, route->index, route->family) &&
            is_better(route, best))
            best = route;
    }
    return best;
}

static bool has_address(const struct link_snapshot *seen, int index, const struct prefix *address)
{
    for (size_t i = 0; i < seen->addresses_count; i++) {
        const struct prefix *own = &seen->addresses[i].prefix;
        if (seen->addresses[i].index == index && own->family == address->family &&
            memcmp(own->bytes, address->bytes, prefix_size(own)) == 0)
            return true;
    }
    return false;
}

static void set_dns(struct uplink *uplink, const struct prefix *dns, size_t count)
{
    memcpy(uplink->dns, dns, count * sizeof(*dns));
    uplink->dns_count = count;
}

static void add_dns(struct uplink *uplink, const struct link_snapshot *seen, const struct link *link,
                    const struct uplink_lease *leases, size_t leases_count, const struct config *config)
{
    const struct config_static *fixed = config_for(config, link);
    if (fixed) {
        set_dns(uplink, fixed->dns, fixed->dns_count);
        return;
    }
    for (size_t i = 0; i < leases_count; i++)
        if (strcmp(leases[i].name, link->name) == 0 && has_address(seen, link->index, &leases[i].lease.address)) {
            set_dns(uplink, leases[i].lease.dns, leases[i].lease.dns_count);
            uplink->lease_since_ms = leases[i].since_ms;
        }
}

bool uplink_choose(const struct link_snapshot *seen, const struct uplink_lease *leases, size_t leases_count,
                   const struct config *config, struct uplink *ret_uplink)
{
    const struct link_route *route = best_route(seen);
    if (!route)
        return false;
    const struct link *link = link_by_index(seen, route->index);
    struct uplink uplink = { .index = link->index, .gateway = route->gateway };
    memcpy(uplink.name, link->name, sizeof(uplink.name));
    link_format_mac(link, uplink.mac);
    uplink.address = address_of(seen, route->index, route->family)->prefix;
    add_dns(&uplink, seen, link, leases, leases_count, config);
    *ret_uplink = uplink;
    return true;
}

bool uplink_waits_for_lease(const struct link_snapshot *seen, const struct config *config)
{
    for (size_t i = 0; i < seen->links_count; i++) {
        const struct link *link = &seen->links[i];
        if (link->physical && link->carrier && !config_for(config, link) && !address_of(seen, link->index, AF_INET))
            return true;
    }
    return false;
}

/* The steps on the way to an uplink, in the order in which they have to be taken. */
enum step { STEP_PRESENT, STEP_UP, STEP_CARRIER, STEP_ADDRESS };

/* How far a link has come. */
static enum step step_of(const struct link_snapshot *seen, const struct link *link)
{
    if (!link->up)
        return STEP_PRESENT;
    if (!link->carrier)
        return STEP_UP;
    if (!address_of(seen, link->index, AF_INET) && !address_of(seen, link->index, AF_INET6))
        return STEP_CARRIER;
    return STEP_ADDRESS;
}

/* "eth0, eth1" of the links that have come as far as `step`. */
static void list_links(const struct link_snapshot *seen, enum step step, char *ret_text, size_t size)
{
    size_t used = 0;
    ret_text[0] = 0;
    for (size_t i = 0; i < seen->links_count; i++) {
        const struct link *link = &seen->links[i];
        if (!link->physical || step_of(seen, link) != step)
            continue;
        int more = snprintf(ret_text + used, size - used, "%s%s", used ? ", " : "", link->name);
        if (more < 0 || (size_t)more >= size - used)
            return;
        used += (size_t)more;
    }
}

/* How far the physical link has come that came furthest; false: there is none. */
static bool find_furthest(const struct link_snapshot *seen, enum step *ret_step)
{
    bool any = false;
    enum step furthest = STEP_PRESENT;
    for (size_t i = 0; i < seen->links_count; i++)
        if (seen->links[i].physical) {
            enum step step = step_of(seen, &seen->links[i]);
            furthest = step > furthest ? step : furthest;
            any = true;
        }
    *ret_step = furthest;
    return any;
}

const char *uplink_find_problem(const struct link_snapshot *seen, const struct uplink *uplink,
                                char ret_text[static UPLINK_PROBLEM_BYTES])
{
    static const struct {
        const char *name, *before, *after;
    } steps[] = {
        [STEP_PRESENT] = { "link", "", " doesn't come up" },
        [STEP_UP] = { "link", "no carrier on ", ": is the cable plugged in?" },
        [STEP_CARRIER] = { "lease", "no DHCP answer on ", "" },
        [STEP_ADDRESS] = { "route", "no default route by ", "" },
    };
    char names[128];
    enum step step;
    ret_text[0] = 0;
    if (uplink && uplink->dns_count > 0)
        return NULL;
    if (uplink) {
        snprintf(ret_text, UPLINK_PROBLEM_BYTES, "no DNS server is known on %s", uplink->name);
        return "DNS";
    }
    if (!find_furthest(seen, &step)) {
        snprintf(ret_text, UPLINK_PROBLEM_BYTES, "no network interface");
        return "link";
    }
    list_links(seen, step, names, sizeof(names));
    snprintf(ret_text, UPLINK_PROBLEM_BYTES, "%s%s%s", steps[step].before, names, steps[step].after);
    return steps[step].name;
}
