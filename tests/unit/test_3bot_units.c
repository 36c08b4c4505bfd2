/* Sizes, durations and numbers as people write them. */

#include "contrib/3bot/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void a_size_is_a_number_and_a_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes;
    } table[] = {
        { "0", 0 },
        { "4096", 4096 },
        { "4096B", 4096 },
        { "1KiB", 1024 },
        { "512MiB", 536870912 },
        { "512 MiB", 536870912 },
        { "1GiB", 1073741824 },
        { "1.5GiB", 1610612736 },
        { "0.125KiB", 128 },
        { "2TiB", 2199023255552 },
        { "1PiB", 1125899906842624 },
        { "10kB", 10000 },
        { "10KB", 10000 },
        { "10GB", 10000000000 },
        { "0.001kB", 1 },
        { "9007199254740991", 9007199254740991 },
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        int64_t bytes = -1;
        struct reason reason = { 0 };
        assert_int_equal(units_parse_size(table[i].text, &bytes, &reason), 0);
        assert_int_equal(bytes, table[i].bytes);
    }
}

static void what_is_no_size_is_refused_with_its_rule(void **state)
{
    static const struct {
        const char *text, *rule;
    } table[] = {
        { "", "must be a size" },
        { "GiB", "must be a size" },
        { "-1", "must be a size" },
        { " 1", "must be a size" },
        { "1.", "must be a size" },
        { "1.2345GiB", "must be a size" },
        { "1G", "unknown unit \"G\"" },
        { "1gib", "unknown unit" },
        { "1GiB ", "unknown unit" },
        { "1e3", "unknown unit" },
        { "0x10", "unknown unit" },
        { "1,5GiB", "unknown unit" },
        { "0.5B", "whole number" },
        { "0.3KiB", "whole number" },
        { "8PiB", "2^53-1" },
        { "9007199254740991KiB", "2^53-1" },
        { "9007199254740992", "must be a size" },
        { "99999999999999999999", "must be a size" },
    };

    for (size_t i = 0; i < COUNT(table); i++) {
        int64_t bytes = 7;
        struct reason reason = { 0 };
        assert_int_equal(units_parse_size(table[i].text, &bytes, &reason), REFUSED);
        assert_non_null(strstr(reason.text, table[i].rule));
        assert_int_equal(bytes, 7);
    }
}

static void a_duration_goes_from_the_larger_unit_to_the_smaller(void **state)
{
    static const struct {
        const char *text;
        int64_t seconds;
    } table[] = { { "1s", 1 },       { "90s", 90 },    { "30m", 1800 },   { "1h", 3600 },
                  { "1h30m", 5400 }, { "7d", 604800 }, { "2w", 1209600 }, { "1w2d3h4m5s", 788645 } };

    for (size_t i = 0; i < COUNT(table); i++) {
        int64_t seconds = -1;
        assert_int_equal(units_parse_duration(table[i].text, &seconds, NULL), 0);
        assert_int_equal(seconds, table[i].seconds);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    static const char *const table[] = { "",     "1",    "h",    "1 h", "1h 30m", "30m1h", "1h1h",
                                         "-1h",  "1.5h", "soon", "1y",  "0s",     "1M",    "99999999999999999999s",
                                         "5300w" };

    for (size_t i = 0; i < COUNT(table); i++) {
        int64_t seconds = 7;
        struct reason reason = { 0 };
        assert_int_equal(units_parse_duration(table[i], &seconds, &reason), REFUSED);
        assert_true(reason.text[0]);
        assert_int_equal(seconds, 7);
    }
}

static void a_number_is_digits_within_bounds(void **state)
{
    int64_t value = 0;
    struct reason reason = { 0 };

    assert_int_equal(units_parse_integer("12", 1, 100, &value, &reason), 0);
    assert_int_equal(value, 12);
    assert_int_equal(units_parse_integer("0", 1, 100, &value, &reason), REFUSED);
    assert_string_equal(reason.text, "must be a number from 1 to 100");
    assert_int_equal(units_parse_integer("101", 1, 100, &value, NULL), REFUSED);
    assert_int_equal(units_parse_integer("1x", 1, 100, &value, NULL), REFUSED);
    assert_int_equal(units_parse_integer("", 0, 100, &value, NULL), REFUSED);
    assert_int_equal(value, 12);
}

static void bytes_are_shown_in_the_unit_that_fits(void **state)
{
    static const struct {
        int64_t bytes;
        const char *text;
    } table[] = { { 0, "0 B" },
                  { 1023, "1023 B" },
                  { 1024, "1 KiB" },
                  { 1536, "1.5 KiB" },
                  { 2047, "1.9 KiB" },
                  { 1073741824, "1 GiB" },
                  { 1073741823, "1023.9 MiB" },
                  { 9007199254740991, "7.9 PiB" } };
    char text[UNITS_TEXT_BYTES];

    for (size_t i = 0; i < COUNT(table); i++)
        assert_string_equal(units_format_size(table[i].bytes, text), table[i].text);
}

static void seconds_are_shown_by_their_two_largest_parts(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } table[] = { { 0, "0s" },        { 59, "59s" },       { 60, "1m" },       { 61, "1m 1s" }, { 3600, "1h" },
                  { 5400, "1h 30m" }, { 3599, "59m 59s" }, { 90061, "1d 1h" }, { 86405, "1d" }, { 2592000, "4w 2d" } };
    char text[UNITS_TEXT_BYTES];

    for (size_t i = 0; i < COUNT(table); i++)
        assert_string_equal(units_format_duration(table[i].seconds, text), table[i].text);
}

static void thousandths_and_times_are_shown(void **state)
{
    char text[UNITS_TEXT_BYTES];

    assert_string_equal(units_format_milli(2000, text), "2");
    assert_string_equal(units_format_milli(250, text), "0.25");
    assert_string_equal(units_format_milli(1005, text), "1.00");
    assert_string_equal(units_format_time(0, text), "1970-01-01 00:00:00Z");
    assert_string_equal(units_format_time(1767268800, text), "2026-01-01 12:00:00Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_is_a_number_and_a_unit),
        cmocka_unit_test(what_is_no_size_is_refused_with_its_rule),
        cmocka_unit_test(a_duration_goes_from_the_larger_unit_to_the_smaller),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(a_number_is_digits_within_bounds),
        cmocka_unit_test(bytes_are_shown_in_the_unit_that_fits),
        cmocka_unit_test(seconds_are_shown_by_their_two_largest_parts),
        cmocka_unit_test(thousandths_and_times_are_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
