/* What network.apply takes, and what it refuses. */

#include "netd/overlay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static struct overlay_network network; /* too large for the stack */

static int parse(const char *text, struct reason *reason)
{
    cleanup_json cJSON *value = NULL;
    assert_int_equal(json_parse(text, strlen(text), JSON_SIZE_MAX, &value, reason), 0);
    return json_check(value, OVERLAY_RULES, "", reason) ? REFUSED : overlay_parse(value, &network, reason);
}

static int parse_with(const char *range, const char *subnet, const char *peer)
{
    char text[1024];
    struct reason reason;
    snprintf(text, sizeof(text),
             "{\"name\":\"a1-net\",\"private_key\":\"" KEY
             "\",\"range\":\"%s\",\"subnet\":\"%s\",\"listen_port\":51820,"
             "\"access\":true,\"peers\":[%s]}",
             range, subnet, peer);
    return parse(text, &reason);
}

#define PEER(endpoint, allowed)                                                                                        \
    "{\"public_key\":\"" KEY "\",\"endpoint\":\"" endpoint "\",\"allowed\":[\"" allowed "\"]}"

static void a_network_is_read_whole(void **state)
{
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("203.0.113.7:51820", "10.20.2.0/24")), 0);
    assert_string_equal(network.name, "a1-net");
    assert_int_equal(network.listen_port, 51820);
    assert_true(network.access);
    assert_int_equal(network.private_key[31], 1);
    assert_int_equal(network.subnet.length, 24);
    assert_int_equal(network.peers_count, 1);
    assert_int_equal(network.peers[0].endpoint_port, 51820);
    assert_int_equal(network.peers[0].endpoint.bytes[3], 7);
    assert_int_equal(network.peers[0].allowed_count, 1);
}

static void port_access_and_peers_may_be_left_out(void **state)
{
    struct reason reason;
    assert_int_equal(parse("{\"name\":\"n\",\"private_key\":\"" KEY
                           "\",\"range\":\"10.20.0.0/16\",\"subnet\":\"10.20.1.0/24\"}",
                           &reason),
                     0);
    assert_int_equal(network.listen_port, 0);
    assert_false(network.access);
    assert_int_equal(parse("{\"name\":\"n\",\"private_key\":\"" KEY
                           "\",\"range\":\"10.20.0.0/16\",\"subnet\":\"10.20.1.0/24\",\"access\":true}",
                           &reason),
                     REFUSED);
}

static void an_ipv6_endpoint_stands_in_brackets(void **state)
{
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("[2001:db8::7]:51820", "10.20.2.0/24")), 0);
    assert_int_equal(network.peers[0].endpoint.family, AF_INET6);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("2001:db8::7:51820", "10.20.2.0/24")), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("[203.0.113.7]:51820", "10.20.2.0/24")), REFUSED);
}

static void wrong_endpoints_are_refused(void **state)
{
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("203.0.113.7", "10.20.2.0/24")), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("203.0.113.7:0", "10.20.2.0/24")), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("203.0.113.7:65536", "10.20.2.0/24")), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("127.0.0.1:51820", "10.20.2.0/24")), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("example.org:51820", "10.20.2.0/24")), REFUSED);
}

static void nothing_reaches_past_the_range(void **state)
{
    assert_int_equal(parse_with("10.20.0.0/16", "10.21.1.0/24", ""), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.0.0.0/8", ""), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("203.0.113.7:1", "0.0.0.0/0")), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/24", PEER("203.0.113.7:1", "10.0.0.0/8")), REFUSED);
    assert_int_equal(parse_with("0.0.0.0/0", "10.20.1.0/24", ""), REFUSED);
    assert_int_equal(parse_with("127.0.0.0/8", "127.1.0.0/16", ""), REFUSED);
}

static void a_network_has_no_host_bits_and_room_for_hosts(void **state)
{
    assert_int_equal(parse_with("10.20.0.1/16", "10.20.1.0/24", ""), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.5/24", ""), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/31", ""), REFUSED);
    assert_int_equal(parse_with("10.20.0.0/16", "10.20.1.0/30", ""), 0);
}

static void the_gateway_is_the_first_address(void **state)
{
    struct prefix subnet, gateway;
    prefix_parse("10.20.1.0/24", &subnet);
    gateway = overlay_gateway(&subnet);
    char text[PREFIX_TEXT_BYTES];
    prefix_format(&gateway, text);
    assert_string_equal(text, "10.20.1.1/24");
}

static void only_networks_with_access_open_their_port(void **state)
{
    static struct overlay_table table = {
        .count = 3, .entries = { { .listen_port = 1 }, { .listen_port = 2, .access = true }, { .listen_port = 3 } }
    };
    uint16_t ports[FIREWALL_PORTS_MAX];
    assert_int_equal(overlay_open_ports(&table, ports), 1);
    assert_int_equal(ports[0], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_is_read_whole),
        cmocka_unit_test(port_access_and_peers_may_be_left_out),
        cmocka_unit_test(an_ipv6_endpoint_stands_in_brackets),
        cmocka_unit_test(wrong_endpoints_are_refused),
        cmocka_unit_test(nothing_reaches_past_the_range),
        cmocka_unit_test(a_network_has_no_host_bits_and_room_for_hosts),
        cmocka_unit_test(the_gateway_is_the_first_address),
        cmocka_unit_test(only_networks_with_access_open_their_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
