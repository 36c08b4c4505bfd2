/* Leases as a DHCP server may send them, well-meant or not. */

#include "netd/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { OPTIONS = 240, ROOM = 1024 };

struct message {
    uint8_t bytes[ROOM];
    size_t size;
};

/* A reply that leases 10.0.2.15, without options. */
static struct message reply(void)
{
    struct message message = { .size = OPTIONS };
    message.bytes[0] = 2;
    memcpy(message.bytes + 16, "\x0a\x00\x02\x0f", 4);
    memcpy(message.bytes + 236, "\x63\x82\x53\x63", 4);
    return message;
}

static void add(struct message *message, const void *bytes, size_t size)
{
    memcpy(message->bytes + message->size, bytes, size);
    message->size += size;
}
#define ADD(message, text) add(message, text, sizeof(text) - 1)

static int parse(const struct message *message, struct lease *ret_lease, struct reason *reason)
{
    /* A copy of exactly its size, so that the sanitizer sees a read past the end. */
    uint8_t *copy = test_malloc(message->size ? message->size : 1);
    memcpy(copy, message->bytes, message->size);
    int result = lease_parse(copy, message->size, ret_lease, reason);
    test_free(copy);
    return result;
}

static void assert_address(const struct prefix *prefix, const char *text)
{
    char own[PREFIX_TEXT_BYTES];
    prefix_format(prefix, own);
    assert_string_equal(own, text);
}

static void a_plain_lease_is_read(void **state)
{
    struct message message = reply();
    struct lease lease;
    ADD(&message,
        "\x35\x01\x05\x01\x04\xff\xff\xff\x00\x03\x04\x0a\x00\x02\x02\x06\x08\x0a\x00\x02\x03\x08\x08\x08\x08");
    ADD(&message, "\x33\x04\x00\x01\x51\x80\xff\x00\x00");
    assert_int_equal(parse(&message, &lease, NULL), 0);
    assert_address(&lease.address, "10.0.2.15/24");
    assert_address(&lease.gateway, "10.0.2.2/32");
    assert_int_equal(lease.dns_count, 2);
    assert_address(&lease.dns[0], "10.0.2.3/32");
    assert_address(&lease.dns[1], "8.8.8.8/32");
    assert_int_equal(lease.lease_s, 86400);
}

static void a_lease_without_options_is_an_address_alone(void **state)
{
    struct message message = reply();
    struct lease lease;
    assert_int_equal(parse(&message, &lease, NULL), 0);
    assert_address(&lease.address, "10.0.2.15/32");
    assert_int_equal(lease.gateway.family, 0);
    assert_int_equal(lease.dns_count, 0);
}

static void an_option_that_comes_twice_is_one_long_option(void **state)
{
    struct message message = reply();
    struct lease lease;
    ADD(&message, "\x06\x02\x0a\x00\x06\x02\x02\x03\xff");
    assert_int_equal(parse(&message, &lease, NULL), 0);
    assert_int_equal(lease.dns_count, 1);
    assert_address(&lease.dns[0], "10.0.2.3/32");
}

static void options_go_on_in_file_and_sname_when_told(void **state)
{
    struct message message = reply();
    struct lease lease;
    ADD(&message, "\x34\x01\x03\xff");
    memcpy(message.bytes + 108, "\x06\x04\x0a\x00\x02\x03\xff", 7);
    memcpy(message.bytes + 44, "\x03\x04\x0a\x00\x02\x02\xff", 7);
    assert_int_equal(parse(&message, &lease, NULL), 0);
    assert_address(&lease.dns[0], "10.0.2.3/32");
    assert_address(&lease.gateway, "10.0.2.2/32");
}

static void file_and_sname_hold_no_options_otherwise(void **state)
{
    struct message message = reply();
    struct lease lease;
    memset(message.bytes + 44, 6, 64 + 128);
    assert_int_equal(parse(&message, &lease, NULL), 0);
    assert_int_equal(lease.dns_count, 0);
}

static void addresses_that_no_host_has_are_left_out(void **state)
{
    struct message message = reply();
    struct lease lease;
    ADD(&message, "\x06\x14\x7f\x00\x00\x01\x00\x00\x00\x00\xe0\x00\x00\x01\xff\xff\xff\xff\x0a\x00\x02\x03");
    ADD(&message, "\x03\x08\x7f\x00\x00\x01\x0a\x00\x02\x02\xff");
    assert_int_equal(parse(&message, &lease, NULL), 0);
    assert_int_equal(lease.dns_count, 1);
    assert_address(&lease.dns[0], "10.0.2.3/32");
    assert_address(&lease.gateway, "10.0.2.2/32");
}

static void at_most_three_dns_servers_are_taken(void **state)
{
    struct message message = reply();
    struct lease lease;
    ADD(&message, "\x06\xfc");
    for (int i = 0; i < 63; i++)
        ADD(&message, "\x0a\x00\x02\x03");
    ADD(&message, "\xff");
    assert_int_equal(parse(&message, &lease, NULL), 0);
    assert_int_equal(lease.dns_count, LEASE_DNS_MAX);
}

static void a_leased_address_that_no_host_has_is_refused(void **state)
{
    static const char ADDRESSES[][5] = { "\x00\x00\x00\x00", "\x7f\x00\x00\x01", "\xe0\x00\x00\x01",
                                         "\xff\xff\xff\xff" };
    for (size_t i = 0; i < sizeof(ADDRESSES) / sizeof(ADDRESSES[0]); i++) {
        struct message message = reply();
        struct lease lease;
        struct reason reason;
        memcpy(message.bytes + 16, ADDRESSES[i], 4);
        assert_int_equal(parse(&message, &lease, &reason), REFUSED);
        assert_string_equal(reason.text, "lease: the address isn't one that a host may have");
    }
}

static void a_mask_with_holes_counts_as_none(void **state)
{
    struct message message = reply();
    struct lease lease;
    ADD(&message, "\x01\x04\xff\x00\xff\x00\xff");
    assert_int_equal(parse(&message, &lease, NULL), 0);
    assert_int_equal(lease.address.length, 32);
    message = reply();
    ADD(&message, "\x01\x04\x00\x00\x00\x00\xff");
    assert_int_equal(parse(&message, &lease, NULL), 0);
    assert_int_equal(lease.address.length, 0);
}

static void an_option_over_the_end_is_refused(void **state)
{
    struct message message = reply();
    struct lease lease;
    struct reason reason;
    ADD(&message, "\x06\x08\x0a\x00\x02\x03");
    assert_int_equal(parse(&message, &lease, &reason), REFUSED);
    assert_string_equal(reason.text, "lease: option 6 runs over the end of its field");
    message = reply();
    ADD(&message, "\x06");
    assert_int_equal(parse(&message, &lease, &reason), REFUSED);
}

static void what_is_no_reply_is_refused(void **state)
{
    struct message message = reply();
    struct lease lease;
    message.bytes[0] = 1;
    assert_int_equal(parse(&message, &lease, NULL), REFUSED);
    message = reply();
    message.bytes[236] = 0;
    assert_int_equal(parse(&message, &lease, NULL), REFUSED);
    message = reply();
    for (message.size = 0; message.size < OPTIONS; message.size++)
        assert_int_equal(parse(&message, &lease, NULL), REFUSED);
}

static void every_cut_and_every_changed_byte_is_survived(void **state)
{
    struct message whole = reply();
    struct lease lease;
    ADD(&whole,
        "\x34\x01\x03\x01\x04\xff\xff\xff\x00\x03\x04\x0a\x00\x02\x02\x06\x08\x0a\x00\x02\x03\x08\x08\x08\x08\xff");
    for (size_t at = 0; at < whole.size; at++) {
        struct message message = whole;
        message.size = at;
        parse(&message, &lease, NULL);
        for (unsigned value = 0; value < 256; value += 3) {
            message = whole;
            message.bytes[at] = (uint8_t)value;
            parse(&message, &lease, NULL);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_lease_is_read),
        cmocka_unit_test(a_lease_without_options_is_an_address_alone),
        cmocka_unit_test(an_option_that_comes_twice_is_one_long_option),
        cmocka_unit_test(options_go_on_in_file_and_sname_when_told),
        cmocka_unit_test(file_and_sname_hold_no_options_otherwise),
        cmocka_unit_test(addresses_that_no_host_has_are_left_out),
        cmocka_unit_test(at_most_three_dns_servers_are_taken),
        cmocka_unit_test(a_leased_address_that_no_host_has_is_refused),
        cmocka_unit_test(a_mask_with_holes_counts_as_none),
        cmocka_unit_test(an_option_over_the_end_is_refused),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(every_cut_and_every_changed_byte_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
