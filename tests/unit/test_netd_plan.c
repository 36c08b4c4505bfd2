/* What netd does, as tables: from what is seen and wanted to actions, uplink and problem. */

#include "netd/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* A world that a test builds up. */
struct world {
    struct link links[8];
    struct link_address addresses[8];
    struct link_route routes[8];
    struct uplink_lease leases[4];
    struct config config;
    struct link_snapshot seen;
    struct plan_input input;
    struct plan plan;
};

static struct link *add_link(struct world *world, const char *name, bool up, bool carrier)
{
    struct link *link = &world->links[world->seen.links_count++];
    *link = (struct link){ .index = (int)world->seen.links_count, .up = up, .carrier = carrier, .physical = true };
    strcpy(link->name, name);
    link->mac[5] = (uint8_t)link->index;
    return link;
}

static void add_address(struct world *world, int index, const char *text)
{
    struct link_address *address = &world->addresses[world->seen.addresses_count++];
    address->index = index;
    assert_true(prefix_parse(text, &address->prefix));
}

static void add_route(struct world *world, int index, const char *gateway, uint32_t metric)
{
    struct link_route *route = &world->routes[world->seen.routes_count++];
    *route = (struct link_route){ .index = index, .metric = metric };
    assert_true(prefix_parse_address(gateway, &route->gateway));
    route->family = route->gateway.family;
}

static void add_lease(struct world *world, const char *name, const char *address, const char *dns)
{
    struct uplink_lease *lease = &world->leases[world->input.leases_count++];
    *lease = (struct uplink_lease){ .since_ms = 7 };
    strcpy(lease->name, name);
    assert_true(prefix_parse(address, &lease->lease.address));
    if (dns)
        assert_true(prefix_parse_address(dns, &lease->lease.dns[lease->lease.dns_count++]));
}

static struct world new_world(void)
{
    return (struct world){ 0 };
}

static const struct plan *plan(struct world *world)
{
    world->seen.links = world->links;
    world->seen.addresses = world->addresses;
    world->seen.routes = world->routes;
    world->input.seen = &world->seen;
    world->input.leases = world->leases;
    world->input.config = &world->config;
    plan_make(&world->input, &world->plan);
    return &world->plan;
}

/* A node with one link, leased, as far as QEMU's user networking gives it. */
static struct world online(void)
{
    struct world world = new_world();
    add_link(&world, "eth0", true, true);
    add_address(&world, 1, "fe80::1/64");
    add_address(&world, 1, "10.0.2.15/24");
    add_route(&world, 1, "10.0.2.2", 1002);
    add_lease(&world, "eth0", "10.0.2.15/24", "10.0.2.3");
    return world;
}

/* Makes what the last plan wanted to be what is. */
static void carry_out(struct world *world)
{
    static struct firewall firewall;
    static char resolv[PLAN_RESOLV_BYTES], dhcp[PLAN_DHCP_BYTES];
    firewall = world->plan.firewall;
    strcpy(resolv, world->plan.resolv);
    strcpy(dhcp, world->plan.dhcp);
    world->input.firewall = &firewall;
    world->input.resolv = resolv;
    world->input.dhcp = dhcp;
}

static bool has_action(const struct plan *made, enum plan_kind kind, int index)
{
    for (size_t i = 0; i < made->actions_count; i++)
        if (made->actions[i].kind == kind && made->actions[i].index == index)
            return true;
    return false;
}

static void the_firewall_comes_before_everything_else(void **state)
{
    struct world world = new_world();
    add_link(&world, "eth0", false, false);
    const struct plan *made = plan(&world);
    assert_int_equal(made->actions[0].kind, PLAN_FIREWALL);
    assert_int_equal(made->actions[1].kind, PLAN_LINK_UP);
    assert_true(has_action(made, PLAN_DHCP, 0));
}

static void nothing_is_left_to_do_once_it_is_done(void **state)
{
    struct world world = online();
    assert_true(plan(&world)->actions_count > 0);
    carry_out(&world);
    assert_int_equal(plan(&world)->actions_count, 0);
    assert_string_equal(world.plan.problem, "");
}

/* The way out ends at that step, with these words. */
static void ends_at(struct world *world, const char *step, const char *problem)
{
    plan(world);
    assert_string_equal(world->plan.problem, problem);
    assert_string_equal(world->plan.problem_step, step);
}

static void each_missing_step_is_named(void **state)
{
    struct world world = new_world();
    ends_at(&world, "link", "no network interface");
    struct link *link = add_link(&world, "eth0", false, false);
    ends_at(&world, "link", "eth0 doesn't come up");
    link->up = true;
    ends_at(&world, "link", "no carrier on eth0: is the cable plugged in?");
    add_link(&world, "eth1", true, false);
    ends_at(&world, "link", "no carrier on eth0, eth1: is the cable plugged in?");
    link->carrier = true;
    add_address(&world, 1, "fe80::1/64");
    ends_at(&world, "lease", "no DHCP answer on eth0");
    add_address(&world, 1, "169.254.3.4/16");
    ends_at(&world, "lease", "no DHCP answer on eth0");
    add_address(&world, 1, "10.0.2.15/24");
    ends_at(&world, "route", "no default route by eth0");
    add_route(&world, 1, "10.0.2.2", 1002);
    ends_at(&world, "DNS", "no DNS server is known on eth0");
    add_lease(&world, "eth0", "10.0.2.15/24", "10.0.2.3");
    assert_string_equal(plan(&world)->problem, "");
    assert_null(world.plan.problem_step);
}

static void the_uplink_is_the_route_of_the_lowest_metric_with_carrier(void **state)
{
    struct world world = online();
    add_link(&world, "eth1", true, true);
    add_address(&world, 2, "192.168.1.5/24");
    add_route(&world, 2, "192.168.1.1", 1001);
    assert_string_equal(plan(&world)->uplink.name, "eth1");
    world.links[1].carrier = false;
    assert_string_equal(plan(&world)->uplink.name, "eth0");
    assert_string_equal(world.plan.resolv, "nameserver 10.0.2.3\n");
    assert_int_equal(world.plan.uplink.lease_since_ms, 7);
}

static void ipv4_is_preferred_and_ipv6_alone_is_an_uplink(void **state)
{
    struct world world = new_world();
    add_link(&world, "eth0", true, true);
    add_address(&world, 1, "2001:db8::5/64");
    add_route(&world, 1, "fe80::1", 100);
    assert_int_equal(plan(&world)->uplink.address.family, AF_INET6);
    add_address(&world, 1, "10.0.2.15/24");
    add_route(&world, 1, "10.0.2.2", 1002);
    assert_int_equal(plan(&world)->uplink.address.family, AF_INET);
}

static void a_lease_of_another_address_gives_no_dns(void **state)
{
    struct world world = online();
    assert_true(prefix_parse("10.0.2.77/24", &world.leases[0].lease.address));
    assert_int_equal(plan(&world)->uplink.dns_count, 0);
}

static void a_link_with_settings_is_not_leased(void **state)
{
    struct world world = new_world();
    struct config_static *fixed = &world.config.statics[world.config.statics_count++];
    add_link(&world, "eth0", true, true);
    memcpy(fixed->mac, world.links[0].mac, 6);
    prefix_parse("192.0.2.5/24", &fixed->address);
    prefix_parse_address("192.0.2.1", &fixed->gateway);
    prefix_parse_address("192.0.2.53", &fixed->dns[fixed->dns_count++]);
    const struct plan *made = plan(&world);
    assert_true(has_action(made, PLAN_ADD_ADDRESS, 1));
    assert_true(has_action(made, PLAN_ADD_ROUTE, 1));
    assert_non_null(strstr(made->dhcp, " eth0\n"));
    add_address(&world, 1, "192.0.2.5/24");
    add_route(&world, 1, "192.0.2.1", 100);
    made = plan(&world);
    assert_false(has_action(made, PLAN_ADD_ADDRESS, 1));
    assert_false(has_action(made, PLAN_ADD_ROUTE, 1));
    assert_string_equal(made->resolv, "nameserver 192.0.2.53\n");
    assert_string_equal(made->problem, "");
}

static void settings_that_come_after_a_lease_win(void **state)
{
    struct world world = online();
    struct config_static *fixed = &world.config.statics[world.config.statics_count++];
    memcpy(fixed->mac, world.links[0].mac, 6);
    prefix_parse("10.0.2.200/24", &fixed->address);
    const struct plan *made = plan(&world);
    assert_true(has_action(made, PLAN_ADD_ADDRESS, 1));
    assert_true(has_action(made, PLAN_DROP_ADDRESS, 1));
    world.seen.addresses_count = 1; /* the link-local one stays */
    add_address(&world, 1, "10.0.2.200/24");
    assert_false(has_action(plan(&world), PLAN_DROP_ADDRESS, 1));
}

static void a_virtual_link_is_left_alone(void **state)
{
    struct world world = new_world();
    add_link(&world, "docker0", false, false)->physical = false;
    assert_false(has_action(plan(&world), PLAN_LINK_UP, 1));
    assert_string_equal(world.plan.problem, "no network interface");
}

static struct link *add_bridge(struct world *world)
{
    struct link *bridge = add_link(world, PLAN_BRIDGE, true, true);
    bridge->physical = false;
    return bridge;
}

static void containers_dns_goes_to_the_uplinks_servers(void **state)
{
    struct world world = online();
    add_bridge(&world);
    add_address(&world, 2, "10.88.0.1/16");
    const struct firewall *firewall = &plan(&world)->firewall;
    struct prefix server, first, second;
    prefix_parse_address("10.0.2.3", &server);
    prefix_parse_address("10.88.0.1", &first);
    prefix_parse_address("10.88.0.2", &second);
    assert_true(prefix_equal(&firewall->dns[0], &server) && prefix_equal(&firewall->dns[1], &server));
    assert_true(prefix_equal(&firewall->dns_local[0], &first) && prefix_equal(&firewall->dns_local[1], &second));
    assert_string_equal(firewall->uplink, "eth0");
    assert_int_equal(firewall->lans_count, 1);
}

static void a_new_bridge_gets_a_subnet_that_the_node_has_no_part_in(void **state)
{
    struct world world = online();
    struct prefix nat;
    plan(&world);
    assert_true(plan_choose_nat(&world.seen, &nat));
    assert_int_equal(nat.bytes[1], 88);
    add_address(&world, 1, "10.88.200.1/24");
    assert_true(plan_choose_nat(&world.seen, &nat));
    assert_int_equal(nat.bytes[0], 172);
    add_address(&world, 1, "10.1.1.1/8");
    add_address(&world, 1, "172.16.1.1/12");
    add_address(&world, 1, "100.64.1.1/10");
    assert_false(plan_choose_nat(&world.seen, &nat));
}

static void a_bridge_that_clashes_goes_when_nobody_is_on_it(void **state)
{
    struct world world = online();
    add_bridge(&world);
    add_address(&world, 2, "10.88.0.1/16");
    assert_false(has_action(plan(&world), PLAN_DROP_BRIDGE, 2));
    add_address(&world, 1, "10.88.5.5/24");
    assert_true(has_action(plan(&world), PLAN_DROP_BRIDGE, 2));
    struct link *port = add_link(&world, "zv1", true, true);
    port->physical = false;
    port->master = 2;
    assert_false(has_action(plan(&world), PLAN_DROP_BRIDGE, 2));
    assert_string_equal(world.plan.problem, "the containers' network 10.88.0.0/16 clashes with the node's own");
}

static void an_open_port_changes_the_firewall(void **state)
{
    static const uint16_t PORTS[] = { 51820 };
    struct world world = online();
    plan(&world);
    carry_out(&world);
    world.input.ports = PORTS;
    world.input.ports_count = 1;
    assert_true(has_action(plan(&world), PLAN_FIREWALL, 0));
    assert_int_equal(world.plan.actions_count, 1);
}

static void losing_the_uplink_takes_its_dns_away(void **state)
{
    struct world world = online();
    add_bridge(&world);
    add_address(&world, 2, "10.88.0.1/16");
    plan(&world);
    carry_out(&world);
    world.links[0].carrier = false;
    assert_true(has_action(plan(&world), PLAN_RESOLV, 0));
    assert_true(has_action(&world.plan, PLAN_FIREWALL, 0));
    assert_string_equal(world.plan.resolv, "");
    assert_false(world.plan.has_uplink);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_firewall_comes_before_everything_else),
        cmocka_unit_test(nothing_is_left_to_do_once_it_is_done),
        cmocka_unit_test(each_missing_step_is_named),
        cmocka_unit_test(the_uplink_is_the_route_of_the_lowest_metric_with_carrier),
        cmocka_unit_test(ipv4_is_preferred_and_ipv6_alone_is_an_uplink),
        cmocka_unit_test(a_lease_of_another_address_gives_no_dns),
        cmocka_unit_test(a_link_with_settings_is_not_leased),
        cmocka_unit_test(settings_that_come_after_a_lease_win),
        cmocka_unit_test(a_virtual_link_is_left_alone),
        cmocka_unit_test(containers_dns_goes_to_the_uplinks_servers),
        cmocka_unit_test(a_new_bridge_gets_a_subnet_that_the_node_has_no_part_in),
        cmocka_unit_test(a_bridge_that_clashes_goes_when_nobody_is_on_it),
        cmocka_unit_test(an_open_port_changes_the_firewall),
        cmocka_unit_test(losing_the_uplink_takes_its_dns_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
