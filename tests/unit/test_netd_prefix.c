/* Addresses and prefixes: what is one, what lies in what. */

#include "netd/prefix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_prefix_is_printed_as_it_was_read(void **state)
{
    static const char *const TEXTS[] = { "192.0.2.5/24",   "0.0.0.0/0", "10.0.0.0/8",
                                         "2001:db8::5/64", "::/0",      "1.2.3.4/32" };
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        struct prefix prefix;
        char text[PREFIX_TEXT_BYTES];
        assert_true(prefix_parse(TEXTS[i], &prefix));
        prefix_format(&prefix, text);
        assert_string_equal(text, TEXTS[i]);
    }
}

static void what_is_no_prefix_is_refused(void **state)
{
    static const char *const TEXTS[] = { "",
                                         "/24",
                                         "10.0.0.0",
                                         "10.0.0.0/",
                                         "10.0.0.0/33",
                                         "10.0.0.0/-1",
                                         "10.0.0/24",
                                         "10.0.0.0/08",
                                         "10.0.0.0/24 ",
                                         "::1/129",
                                         "a.b.c.d/8",
                                         "10.0.0.0/8/8",
                                         "1.2.3.256/8",
                                         "10.0.0.0/+8",
                                         "1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4:5/8" };
    struct prefix prefix;
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++)
        assert_false(prefix_parse(TEXTS[i], &prefix));
}

static bool contains(const char *outer, const char *inner)
{
    struct prefix a, b;
    assert_true(prefix_parse(outer, &a));
    assert_true(prefix_parse(inner, &b));
    return prefix_contains(&a, &b);
}

static void a_prefix_contains_what_begins_with_its_bits(void **state)
{
    assert_true(contains("10.20.0.0/16", "10.20.1.0/24"));
    assert_true(contains("10.20.0.0/16", "10.20.0.0/16"));
    assert_true(contains("0.0.0.0/0", "10.20.0.0/16"));
    assert_true(contains("10.20.0.128/25", "10.20.0.200/32"));
    assert_true(contains("2001:db8::/32", "2001:db8:1::/48"));
    assert_false(contains("10.20.0.0/16", "10.21.0.0/16"));
    assert_false(contains("10.20.1.0/24", "10.20.0.0/16"));
    assert_false(contains("10.20.0.128/25", "10.20.0.100/32"));
    assert_false(contains("0.0.0.0/0", "::/0"));
}

static void prefixes_overlap_when_one_contains_the_other(void **state)
{
    struct prefix wide, narrow, other;
    prefix_parse("10.0.0.0/8", &wide);
    prefix_parse("10.88.0.0/16", &narrow);
    prefix_parse("10.89.3.4/16", &other);
    assert_true(prefix_overlaps(&wide, &narrow));
    assert_true(prefix_overlaps(&narrow, &wide));
    assert_false(prefix_overlaps(&narrow, &other));
}

static void only_addresses_of_hosts_are_usable(void **state)
{
    static const struct {
        const char *text;
        bool usable;
    } CASES[] = { { "192.0.2.1", true },
                  { "10.0.2.3", true },
                  { "0.0.0.0", false },
                  { "0.1.2.3", false },
                  { "127.0.0.1", false },
                  { "224.0.0.1", false },
                  { "255.255.255.255", false },
                  { "240.0.0.1", false },
                  { "::", false },
                  { "::1", false },
                  { "ff02::1", false },
                  { "::ffff:10.0.0.1", false },
                  { "fe80::1", true },
                  { "2001:db8::1", true },
                  { "::2", true } };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct prefix prefix;
        assert_true(prefix_parse_address(CASES[i].text, &prefix));
        assert_int_equal(prefix_usable(&prefix), CASES[i].usable);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prefix_is_printed_as_it_was_read),
        cmocka_unit_test(what_is_no_prefix_is_refused),
        cmocka_unit_test(a_prefix_contains_what_begins_with_its_bits),
        cmocka_unit_test(prefixes_overlap_when_one_contains_the_other),
        cmocka_unit_test(only_addresses_of_hosts_are_usable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
