/* From what is and what is wanted to actions. Order matters: the firewall stands before any link is up; links are up
 * before they are leased or given addresses; names are resolved last. */

#include "netd/plan.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* /16 networks that are rarely in use, tried in this order. */
static const uint8_t NAT_CANDIDATES[][2] = { { 10, 88 },   { 172, 29 }, { 10, 213 },
                                             { 100, 101 }, { 172, 26 }, { 10, 149 } };

/* dhcpcd.conf(5). No hook scripts; no wait for conflicts (ARP), for a random start, or for a link-local address;
 * nothing taken from a server but address, router and DNS: no routes, names or MTU. Addresses stay when dhcpcd is
 * restarted. */
static const char DHCP_CONFIG[] = "script \"\"\n"
                                  "duid ll\n"
                                  "clientid \"\"\n"
                                  "slaac hwaddr\n"
                                  "persistent\n"
                                  "noarp\n"
                                  "noipv4ll\n"
                                  "nodelay\n"
                                  "nodev\n"
                                  "timeout 0\n"
                                  "reboot 2\n"
                                  "option subnet_mask, routers, domain_name_servers\n"
                                  "nooption static_routes, classless_static_routes, ms_classless_static_routes\n"
                                  "nooption interface_mtu, host_name, domain_name, domain_search, ntp_servers\n"
                                  "denyinterfaces zos* zv* wg* br* dummy* bond* tap* tun*";

static void add(struct plan *plan, enum plan_kind kind, int index, const struct prefix *address)
{
    if (plan->actions_count == PLAN_ACTIONS_MAX)
        return;
    struct plan_action *action = &plan->actions[plan->actions_count++];
    *action = (struct plan_action){ .kind = kind, .index = index };
    if (address)
        action->address = *address;
}

/* Appends to text of bounded size; what doesn't fit is left out whole. */
__attribute__((format(printf, 3, 4))) static void append(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    int more = vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
    if (more < 0 || (size_t)more >= size - used)
        text[used] = 0;
}

bool plan_find_nat(const struct link_snapshot *seen, struct prefix *ret_nat)
{
    const struct link *bridge = link_by_name(seen, PLAN_BRIDGE);
    for (size_t i = 0; bridge && i < seen->addresses_count; i++)
        if (seen->addresses[i].index == bridge->index && seen->addresses[i].prefix.family == AF_INET) {
            *ret_nat = prefix_network(&seen->addresses[i].prefix);
            return true;
        }
    return false;
}

/* An address of a link of the node's own, other than the NAT bridge, whose subnet overlaps. */
static bool clashes(const struct link_snapshot *seen, const struct prefix *nat)
{
    const struct link *bridge = link_by_name(seen, PLAN_BRIDGE);
    for (size_t i = 0; i < seen->addresses_count; i++) {
        const struct link_address *address = &seen->addresses[i];
        if (!(bridge && address->index == bridge->index) && prefix_overlaps(&address->prefix, nat))
            return true;
    }
    for (size_t i = 0; i < seen->routes_count; i++)
        if (seen->routes[i].gateway.family && prefix_overlaps(&seen->routes[i].gateway, nat))
            return true;
    return false;
}

bool plan_choose_nat(const struct link_snapshot *seen, struct prefix *ret_nat)
{
    for (size_t i = 0; i < sizeof(NAT_CANDIDATES) / sizeof(NAT_CANDIDATES[0]); i++) {
        uint8_t bytes[4] = { NAT_CANDIDATES[i][0], NAT_CANDIDATES[i][1] };
        struct prefix nat = prefix_make(AF_INET, bytes, 16);
        if (!clashes(seen, &nat)) {
            *ret_nat = nat;
            return true;
        }
    }
    return false;
}

struct prefix plan_nat_address(const struct prefix *nat, unsigned number)
{
    struct prefix address = prefix_network(nat);
    address.bytes[3] = (uint8_t)(1 + number);
    return address;
}

static void plan_firewall_nat(const struct plan_input *input, const struct plan *plan, struct firewall *firewall)
{
    size_t count = 0;
    const struct prefix *servers[FIREWALL_DNS_MAX] = { 0 };
    if (!plan_find_nat(input->seen, &firewall->nat))
        return;
    for (size_t i = 0; plan->has_uplink && i < plan->uplink.dns_count && count < FIREWALL_DNS_MAX; i++)
        if (plan->uplink.dns[i].family == AF_INET)
            servers[count++] = &plan->uplink.dns[i];
    for (size_t i = 0; count > 0 && i < FIREWALL_DNS_MAX; i++) { /* a container is always offered two */
        firewall->dns[i] = *servers[i % count];
        firewall->dns_local[i] = plan_nat_address(&firewall->nat, (unsigned)i);
        firewall->dns_local[i].length = 32;
    }
}

static void plan_firewall(const struct plan_input *input, struct plan *plan)
{
    struct firewall *firewall = &plan->firewall;
    strcpy(firewall->bridge, PLAN_BRIDGE);
    if (plan->has_uplink)
        memcpy(firewall->uplink, plan->uplink.name, sizeof(firewall->uplink));
    plan_firewall_nat(input, plan, firewall);
    for (size_t i = 0; i < input->seen->addresses_count && firewall->lans_count < FIREWALL_LANS_MAX; i++) {
        const struct link_address *address = &input->seen->addresses[i];
        const struct link *link = link_by_index(input->seen, address->index);
        if (link && link->physical && address->prefix.family == AF_INET)
            firewall->lans[firewall->lans_count++] = prefix_network(&address->prefix);
    }
    for (size_t i = 0; i < input->ports_count && i < FIREWALL_PORTS_MAX; i++)
        firewall->ports[firewall->ports_count++] = input->ports[i];
    if (!input->firewall || !firewall_equal(input->firewall, firewall))
        add(plan, PLAN_FIREWALL, 0, NULL);
}

static bool has_address(const struct link_snapshot *seen, int index, const struct prefix *address)
{
    for (size_t i = 0; i < seen->addresses_count; i++)
        if (seen->addresses[i].index == index && prefix_equal(&seen->addresses[i].prefix, address))
            return true;
    return false;
}

static bool has_route(const struct link_snapshot *seen, int index, const struct prefix *gateway)
{
    for (size_t i = 0; i < seen->routes_count; i++)
        if (seen->routes[i].index == index && prefix_equal(&seen->routes[i].gateway, gateway))
            return true;
    return false;
}

/* Settings may come after a lease: the boot medium is read while the link is already up. The routes of an address go
 * with it. */
static void drop_other_addresses(const struct plan_input *input, struct plan *plan, const struct link *link,
                                 const struct config_static *fixed)
{
    for (size_t i = 0; i < input->seen->addresses_count; i++) {
        const struct link_address *address = &input->seen->addresses[i];
        if (address->index == link->index && address->prefix.family == fixed->address.family &&
            uplink_is_global(&address->prefix) && !prefix_equal(&address->prefix, &fixed->address))
            add(plan, PLAN_DROP_ADDRESS, link->index, &address->prefix);
    }
}

/* A default route by a gateway needs a link that is up; the kernel drops the route when the link goes down. */
static void plan_static(const struct plan_input *input, struct plan *plan, const struct link *link,
                        const struct config_static *fixed)
{
    if (!has_address(input->seen, link->index, &fixed->address))
        add(plan, PLAN_ADD_ADDRESS, link->index, &fixed->address);
    drop_other_addresses(input, plan, link, fixed);
    if (fixed->gateway.family && link->carrier && !has_route(input->seen, link->index, &fixed->gateway))
        add(plan, PLAN_ADD_ROUTE, link->index, &fixed->gateway);
}

static void plan_links(const struct plan_input *input, struct plan *plan)
{
    for (size_t i = 0; i < input->seen->links_count; i++) {
        const struct link *link = &input->seen->links[i];
        const struct config_static *fixed = link->physical ? config_for(input->config, link) : NULL;
        if ((link->physical || strcmp(link->name, "lo") == 0) && !link->up)
            add(plan, PLAN_LINK_UP, link->index, NULL);
        if (fixed)
            plan_static(input, plan, link, fixed);
    }
}

static void plan_dhcp(const struct plan_input *input, struct plan *plan)
{
    append(plan->dhcp, sizeof(plan->dhcp), "%s", DHCP_CONFIG);
    for (size_t i = 0; i < input->seen->links_count; i++) {
        const struct link *link = &input->seen->links[i];
        if (link->physical && config_for(input->config, link))
            append(plan->dhcp, sizeof(plan->dhcp), " %s", link->name);
    }
    append(plan->dhcp, sizeof(plan->dhcp), "\n");
    if (!input->dhcp || strcmp(input->dhcp, plan->dhcp) != 0)
        add(plan, PLAN_DHCP, 0, NULL);
}

static bool bridge_has_ports(const struct link_snapshot *seen, int bridge)
{
    for (size_t i = 0; i < seen->links_count; i++)
        if (seen->links[i].master == bridge)
            return true;
    return false;
}

static void plan_bridge(const struct plan_input *input, struct plan *plan)
{
    char text[PREFIX_TEXT_BYTES];
    struct prefix nat;
    const struct link *bridge = link_by_name(input->seen, PLAN_BRIDGE);
    if (!bridge || !plan_find_nat(input->seen, &nat) || !clashes(input->seen, &nat))
        return;
    prefix_format(&nat, text);
    if (!bridge_has_ports(input->seen, bridge->index))
        add(plan, PLAN_DROP_BRIDGE, bridge->index, NULL);
    else if (!plan->problem[0])
        snprintf(plan->problem, sizeof(plan->problem), "the containers' network %s clashes with the node's own", text);
}

static void plan_resolv(const struct plan_input *input, struct plan *plan)
{
    char address[PREFIX_TEXT_BYTES];
    for (size_t i = 0; plan->has_uplink && i < plan->uplink.dns_count; i++) {
        prefix_format_address(&plan->uplink.dns[i], address);
        append(plan->resolv, sizeof(plan->resolv), "nameserver %s\n", address);
    }
    if (!input->resolv || strcmp(input->resolv, plan->resolv) != 0)
        add(plan, PLAN_RESOLV, 0, NULL);
}

void plan_make(const struct plan_input *input, struct plan *ret_plan)
{
    struct plan *plan = ret_plan;
    *plan = (struct plan){ 0 };
    plan->has_uplink = uplink_choose(input->seen, input->leases, input->leases_count, input->config, &plan->uplink);
    plan->problem_step = uplink_find_problem(input->seen, plan->has_uplink ? &plan->uplink : NULL, plan->problem);
    plan_firewall(input, plan);
    plan_links(input, plan);
    plan_dhcp(input, plan);
    plan_bridge(input, plan);
    plan_resolv(input, plan);
}
