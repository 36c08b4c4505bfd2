/* netd's part of the settings. */

#include "netd/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct config *ret_config, struct reason *reason)
{
    cleanup_json cJSON *value = NULL;
    assert_int_equal(json_parse(text, strlen(text), JSON_SIZE_MAX, &value, reason), 0);
    return config_parse(value, ret_config, reason);
}

static void a_static_address_belongs_to_the_link_with_its_mac(void **state)
{
    struct config config;
    struct reason reason;
    struct link link = { .mac = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 } },
                other = { .mac = { 0x52, 0x54, 0, 0x12, 0x34, 0x57 } };
    assert_int_equal(
        parse("{\"static\":[{\"mac\":\"52:54:00:12:34:56\",\"address\":\"192.0.2.5/24\",\"gateway\":\"192.0.2.1\","
              "\"dns\":[\"192.0.2.53\",\"2001:db8::53\"]}]}",
              &config, &reason),
        0);
    const struct config_static *fixed = config_for(&config, &link);
    assert_non_null(fixed);
    assert_null(config_for(&config, &other));
    assert_int_equal(fixed->address.length, 24);
    assert_int_equal(fixed->dns_count, 2);
    assert_int_equal(fixed->gateway.bytes[3], 1);
}

static void nothing_given_is_an_empty_config(void **state)
{
    struct config config = { .statics_count = 3 };
    assert_int_equal(config_parse(NULL, &config, NULL), 0);
    assert_int_equal(config.statics_count, 0);
    assert_int_equal(parse("{}", &config, NULL), 0);
}

static void wrong_settings_are_refused_and_leave_nothing(void **state)
{
    static const char *const TEXTS[] = {
        "{\"statics\":[]}",
        "{\"static\":{}}",
        "{\"static\":[{\"mac\":\"52:54:00:12:34\",\"address\":\"192.0.2.5/24\"}]}",
        "{\"static\":[{\"mac\":\"52:54:00:12:34:5g\",\"address\":\"192.0.2.5/24\"}]}",
        "{\"static\":[{\"mac\":\"52:54:00:12:34:56\",\"address\":\"192.0.2.5\"}]}",
        "{\"static\":[{\"mac\":\"52:54:00:12:34:56\",\"address\":\"127.0.0.5/8\"}]}",
        "{\"static\":[{\"mac\":\"52:54:00:12:34:56\",\"address\":\"192.0.2.5/24\",\"gateway\":\"224.0.0.1\"}]}",
        "{\"static\":[{\"mac\":\"52:54:00:12:34:56\",\"address\":\"192.0.2.5/24\",\"gateway\":\"2001:db8::1\"}]}",
        "{\"static\":[{\"mac\":\"52:54:00:12:34:56\",\"address\":\"192.0.2.5/24\",\"dns\":[\"x\"]}]}",
        "{\"static\":[{\"mac\":\"52:54:00:12:34:56\",\"address\":\"192.0.2.5/24\",\"dns\":[\"1.1.1.1\",\"1.1.1.2\","
        "\"1.1.1.3\",\"1.1.1.4\"]}]}",
    };
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        struct config config;
        struct reason reason = { 0 };
        assert_int_equal(parse(TEXTS[i], &config, &reason), REFUSED);
        assert_true(strncmp(reason.text, "network", 7) == 0);
        assert_int_equal(config.statics_count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_static_address_belongs_to_the_link_with_its_mac),
        cmocka_unit_test(nothing_given_is_an_empty_config),
        cmocka_unit_test(wrong_settings_are_refused_and_leave_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
