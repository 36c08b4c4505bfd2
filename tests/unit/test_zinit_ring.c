/* The ring of a service's last lines. */

#include "zinit/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char text[RING_LINE_BYTES_MAX + 1];

static void add(struct ring *ring, uint64_t order, const char *line)
{
    assert_int_equal(ring_add(ring, (struct ring_line){ .order = order, .level = 6, .size = strlen(line) }, line), 0);
}

static void lines_come_back_in_order(void **state)
{
    struct ring ring;
    struct ring_line line;
    size_t cursor = 0;

    ring_open(&ring, 65536);
    assert_false(ring_next(&ring, &cursor, &line, text));
    add(&ring, 1, "one");
    add(&ring, 2, "");
    add(&ring, 3, "three");
    assert_true(ring_next(&ring, &cursor, &line, text));
    assert_string_equal(text, "one");
    assert_int_equal(line.order, 1);
    assert_true(ring_next(&ring, &cursor, &line, text));
    assert_string_equal(text, "");
    assert_true(ring_next(&ring, &cursor, &line, text));
    assert_string_equal(text, "three");
    assert_false(ring_next(&ring, &cursor, &line, text));
    ring_close(&ring);
}

static void it_grows_to_its_limit_and_then_forgets_the_oldest(void **state)
{
    struct ring ring;
    struct ring_line line;

    ring_open(&ring, 8000);
    for (unsigned i = 0; i < 5000; i++) {
        char each[64];
        unsigned expected = 0, count = 0;
        snprintf(each, sizeof each, "line %u %.*s", i, (int)(i % 40), "........................................");
        add(&ring, i, each);
        assert_true(ring.capacity <= 8000 && ring.used <= ring.capacity);
        if (i % 97)
            continue;
        for (size_t cursor = 0; ring_next(&ring, &cursor, &line, text); count++) {
            unsigned number;
            assert_int_equal(sscanf(text, "line %u", &number), 1);
            assert_int_equal(number, line.order);
            if (count > 0)
                assert_int_equal(number, expected);
            expected = number + 1;
        }
        assert_int_equal(expected, i + 1);
        assert_true(count > (i < 50 ? i : 50));
    }
    ring_close(&ring);
}

static void a_line_that_is_too_long_is_cut(void **state)
{
    static char huge[2 * RING_LINE_BYTES_MAX];
    struct ring ring;
    struct ring_line line;
    size_t cursor = 0;

    memset(huge, 'x', sizeof huge - 1);
    ring_open(&ring, 1); /* still holds one longest line */
    add(&ring, 1, huge);
    add(&ring, 2, huge);
    assert_true(ring_next(&ring, &cursor, &line, text));
    assert_int_equal(line.order, 2);
    assert_int_equal(strlen(text), RING_LINE_BYTES_MAX);
    assert_false(ring_next(&ring, &cursor, &line, text));
    ring_close(&ring);
}

static void lines_may_be_bounded_too(void **state)
{
    struct ring ring;
    struct ring_line line;
    size_t cursor = 0;

    ring_open(&ring, 65536);
    for (unsigned i = 1; i <= 100; i++) {
        add(&ring, i, "line");
        ring_keep_lines(&ring, 10);
    }
    assert_int_equal(ring.lines, 10);
    for (unsigned i = 91; i <= 100; i++) {
        assert_true(ring_next(&ring, &cursor, &line, NULL));
        assert_int_equal(line.order, i);
    }
    assert_false(ring_next(&ring, &cursor, &line, NULL));
    ring_keep_lines(&ring, 0);
    assert_int_equal(ring.used, 0);
    ring_close(&ring);
}

static void a_line_is_passed_on_once_or_forgotten_before(void **state)
{
    struct ring ring;
    struct ring_line line;
    size_t cursor;

    ring_open(&ring, 8000);
    add(&ring, 1, "one");
    add(&ring, 2, "two");
    cursor = ring_fresh(&ring);
    assert_int_equal(cursor, 0);
    assert_true(ring_next(&ring, &cursor, &line, text));
    ring_passed_on(&ring, cursor);
    add(&ring, 3, "three");
    for (unsigned i = 2; i <= 3; i++) {
        cursor = ring_fresh(&ring);
        assert_true(ring_next(&ring, &cursor, &line, text));
        assert_int_equal(line.order, i);
        ring_passed_on(&ring, cursor);
    }
    assert_int_equal(ring_fresh(&ring), ring.used);
    for (unsigned i = 4; i <= 5000; i++)
        add(&ring, i, "a line that drives the others out");
    assert_int_equal(ring_fresh(&ring), 0);
    ring_close(&ring);
}

static void what_a_line_says_of_itself_is_kept(void **state)
{
    const struct ring_line longest = { INT64_C(253402300799999), UINT64_MAX, 7, RING_LINE_BYTES_MAX };
    static char huge[RING_LINE_BYTES_MAX];
    struct ring ring;
    struct ring_line line;
    size_t cursor = 0;

    memset(huge, 'x', sizeof huge);
    ring_open(&ring, 65536);
    ring_add(&ring, longest, huge);
    assert_true(ring_next(&ring, &cursor, &line, text));
    assert_int_equal(line.time_ms, longest.time_ms);
    assert_int_equal(line.order, longest.order);
    assert_int_equal(line.level, longest.level);
    assert_int_equal(line.size, longest.size);
    ring_close(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_back_in_order),
        cmocka_unit_test(it_grows_to_its_limit_and_then_forgets_the_oldest),
        cmocka_unit_test(a_line_that_is_too_long_is_cut),
        cmocka_unit_test(lines_may_be_bounded_too),
        cmocka_unit_test(a_line_is_passed_on_once_or_forgotten_before),
        cmocka_unit_test(what_a_line_says_of_itself_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
