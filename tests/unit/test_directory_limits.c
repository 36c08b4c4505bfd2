/* Rates in a bounded memory, and whom a request is counted to. */

#include "contrib/directory/address.h"
#include "contrib/directory/limiter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#define SECOND UINT64_C(1000000)
#define START (1000 * SECOND)

static unsigned take_many(struct limiter *limiter, const char *key, unsigned count, uint64_t now_us)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < count; i++)
        taken += limiter_take(limiter, key, strlen(key), now_us) == 0;
    return taken;
}

static void a_key_has_its_burst_and_then_its_rate(void **state)
{
    struct limiter *limiter = limiter_new(60, 10);

    assert_int_equal(take_many(limiter, "a", 100, START), 10);
    assert_int_equal(take_many(limiter, "b", 100, START), 10);
    assert_int_equal(take_many(limiter, "a", 100, START + SECOND - 1), 0);
    assert_int_equal(take_many(limiter, "a", 100, START + SECOND), 1);
    assert_int_equal(take_many(limiter, "a", 100, START + 5 * SECOND), 4);
    assert_int_equal(take_many(limiter, "a", 100, START + 500 * SECOND), 10);
    limiter_free(limiter);
}

static void who_is_refused_learns_when_to_come_again(void **state)
{
    struct limiter *limiter = limiter_new(6, 1);

    assert_int_equal(limiter_take(limiter, "a", 1, START), 0);
    unsigned wait_s = limiter_take(limiter, "a", 1, START);
    assert_int_equal(wait_s, 10);
    assert_int_equal(limiter_take(limiter, "a", 1, START + 9 * SECOND + 1), 1);
    assert_int_equal(limiter_take(limiter, "a", 1, START + wait_s * SECOND), 0);
    limiter_free(limiter);
}

static void asking_in_vain_costs_nothing(void **state)
{
    struct limiter *limiter = limiter_new(60, 1);

    assert_int_equal(take_many(limiter, "a", 1000, START), 1);
    assert_int_equal(take_many(limiter, "a", 1000, START + SECOND), 1);
    limiter_free(limiter);
}

static void a_million_other_keys_dont_refill_a_bucket_that_is_used(void **state)
{
    struct limiter *limiter = limiter_new(600, 60);
    char other[32];

    assert_int_equal(take_many(limiter, "a", 1000, START), 600);
    for (unsigned i = 0; i < 1000000; i++) {
        snprintf(other, sizeof other, "other %u", i);
        assert_int_equal(limiter_take(limiter, other, strlen(other), START), 0);
    }
    assert_int_equal(take_many(limiter, "a", 1000, START), 0);
    limiter_free(limiter);
}

/* ---- Addresses */

static struct address parse(const char *text)
{
    struct address address;

    assert_true(address_parse(text, &address));
    return address;
}

static void texts_are_addresses_or_not(void **state)
{
    static const char *const bad[] = { "", "1.2.3", "1.2.3.4.5", "1.2.3.256", "::1]", "localhost", "1:2", " 1.2.3.4" };
    struct address address;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(address_parse(bad[i], &address));
    assert_memory_equal(parse("1.2.3.4").bytes, parse("::ffff:1.2.3.4").bytes, 16);
}

static void loopback_is_told_from_the_rest(void **state)
{
    struct address yes[] = { parse("127.0.0.1"), parse("127.9.9.9"), parse("::1"), parse("::ffff:127.0.0.1") };
    struct address no[] = { parse("128.0.0.1"), parse("::2"), parse("::"), parse("fe80::1"), parse("7f00::1") };

    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        assert_true(address_is_loopback(&yes[i]));
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        assert_false(address_is_loopback(&no[i]));
}

static void a_network_is_an_ipv4_address_or_a_64(void **state)
{
    struct address a = parse("2001:db8:1:2:3:4:5:6"), b = parse("2001:db8:1:2::"), c = parse("192.0.2.1");
    struct address network = address_network(&a);

    assert_memory_equal(network.bytes, b.bytes, 16);
    network = address_network(&c);
    assert_memory_equal(network.bytes, c.bytes, 16);
}

static void only_a_named_proxy_is_believed(void **state)
{
    static const struct {
        const char *peer, *forwarded, *client;
    } cases[] = {
        { "198.51.100.9", "203.0.113.1", "198.51.100.9" },
        { "127.0.0.1", "", "127.0.0.1" },
        { "127.0.0.1", "203.0.113.1", "203.0.113.1" },
        { "127.0.0.1", "10.0.0.1, 203.0.113.1", "203.0.113.1" },
        { "127.0.0.1", "203.0.113.1,10.0.0.1", "203.0.113.1" },
        { "127.0.0.1", "6.6.6.6, 203.0.113.1 , 10.0.0.1, 127.0.0.1", "203.0.113.1" },
        { "127.0.0.1", ",,203.0.113.1:4711", "203.0.113.1" },
        { "127.0.0.1", "[2001:db8::1]:443", "2001:db8::1" },
        { "127.0.0.1", "2001:db8::1", "2001:db8::1" },
        { "127.0.0.1", "203.0.113.1, unknown", "127.0.0.1" },
        { "127.0.0.1", "203.0.113.1,", "127.0.0.1" },
        { "10.0.0.1", "10.0.0.1, 127.0.0.1", "10.0.0.1" },
    };
    struct address_proxies proxies = { .addresses = { parse("127.0.0.1"), parse("10.0.0.1") }, .count = 2 };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct address peer = parse(cases[i].peer), wanted = parse(cases[i].client);
        struct address client = address_client(&peer, cases[i].forwarded, &proxies);
        if (memcmp(&client, &wanted, sizeof client) != 0)
            fail_msg("%s from %s", cases[i].forwarded, cases[i].peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_its_burst_and_then_its_rate),
        cmocka_unit_test(who_is_refused_learns_when_to_come_again),
        cmocka_unit_test(asking_in_vain_costs_nothing),
        cmocka_unit_test(a_million_other_keys_dont_refill_a_bucket_that_is_used),
        cmocka_unit_test(texts_are_addresses_or_not),
        cmocka_unit_test(loopback_is_told_from_the_rest),
        cmocka_unit_test(a_network_is_an_ipv4_address_or_a_64),
        cmocka_unit_test(only_a_named_proxy_is_believed),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
