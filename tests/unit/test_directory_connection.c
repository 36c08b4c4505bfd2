/* Connections: each phase has its time, and the one that is idle longest makes room. */

#include "contrib/directory/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT 5

struct bed {
    struct connections connections;
    struct connection *each[COUNT];
    int ours[COUNT], theirs[COUNT];
};

static void begin(struct bed *bed, size_t max)
{
    connections_init(&bed->connections, max);
    for (int i = 0; i < COUNT; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        bed->ours[i] = pair[0];
        bed->theirs[i] = pair[1];
        bed->each[i] = connections_add(&bed->connections, pair[0], NULL, (uint64_t)i * 1000);
        assert_non_null(bed->each[i]);
    }
}

static void end(struct bed *bed)
{
    for (int i = 0; i < COUNT; i++) {
        connections_remove(&bed->connections, bed->each[i]);
        close(bed->ours[i]);
        close(bed->theirs[i]);
    }
    assert_int_equal(connections_count(&bed->connections), 0);
}

static bool is_cut(const struct bed *bed, int i)
{
    char byte;

    return read(bed->theirs[i], &byte, 1) == 0;
}

static void who_says_nothing_is_cut_off_when_his_time_is_over(void **state)
{
    struct bed bed;

    begin(&bed, 0);
    connections_expire(&bed.connections, 29999);
    assert_false(is_cut(&bed, 0));
    connections_expire(&bed.connections, 31000); /* 30 s after the first two came */
    assert_true(is_cut(&bed, 0) && is_cut(&bed, 1));
    assert_false(is_cut(&bed, 2));
    assert_int_equal(bed.connections.late[CONNECTION_QUIET], 2);
    connections_expire(&bed.connections, 31001);
    assert_int_equal(bed.connections.late[CONNECTION_QUIET], 2);
    end(&bed);
}

static void a_phase_begins_anew_and_work_has_no_time(void **state)
{
    struct bed bed;

    begin(&bed, 0);
    connections_enter(&bed.connections, bed.each[0], CONNECTION_RECEIVING, 25000);
    connections_enter(&bed.connections, bed.each[1], CONNECTION_WORKING, 25000);
    connections_enter(&bed.connections, bed.each[2], CONNECTION_SENDING, 25000);
    connections_expire(&bed.connections, 44999);
    assert_false(is_cut(&bed, 0) || is_cut(&bed, 1) || is_cut(&bed, 2));
    connections_expire(&bed.connections, 45000);
    assert_true(is_cut(&bed, 0));
    connections_expire(&bed.connections, 10000000);
    assert_false(is_cut(&bed, 1));
    assert_true(is_cut(&bed, 2));
    connections_enter(&bed.connections, bed.each[1], CONNECTION_QUIET, 10000000);
    connections_expire(&bed.connections, 10029999);
    assert_false(is_cut(&bed, 1));
    end(&bed);
}

static void who_was_cut_off_stays_so_whatever_he_enters(void **state)
{
    struct bed bed;

    begin(&bed, 0);
    connections_hush(&bed.connections);
    connections_enter(&bed.connections, bed.each[0], CONNECTION_SENDING, 5000);
    connections_expire(&bed.connections, 10000000);
    assert_int_equal(bed.connections.late[CONNECTION_SENDING], 0);
    assert_int_equal(bed.connections.counts[CONNECTION_SENDING], 1);
    end(&bed);
}

static void the_one_that_is_idle_longest_makes_room(void **state)
{
    struct bed bed;

    begin(&bed, 3); /* the fourth and the fifth had no room */
    assert_true(is_cut(&bed, 0) && is_cut(&bed, 1));
    assert_false(is_cut(&bed, 2) || is_cut(&bed, 3) || is_cut(&bed, 4));
    assert_int_equal(bed.connections.displaced, 2);
    end(&bed);
}

static void nobody_with_a_request_makes_room(void **state)
{
    struct bed bed;
    int pair[2];

    begin(&bed, COUNT);
    for (int i = 0; i < COUNT; i++)
        connections_enter(&bed.connections, bed.each[i], i == 3 ? CONNECTION_RECEIVING : CONNECTION_WORKING, 5000);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct connection *first = connections_add(&bed.connections, pair[0], NULL, 6000);
    assert_true(is_cut(&bed, 3)); /* he only began one */
    connections_enter(&bed.connections, first, CONNECTION_WORKING, 6000);
    struct connection *second = connections_add(&bed.connections, pair[1], NULL, 6000);
    assert_int_equal(bed.connections.displaced, 1);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(is_cut(&bed, i), i == 3);
    connections_remove(&bed.connections, first);
    connections_remove(&bed.connections, second);
    close(pair[0]);
    close(pair[1]);
    end(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_says_nothing_is_cut_off_when_his_time_is_over),
        cmocka_unit_test(a_phase_begins_anew_and_work_has_no_time),
        cmocka_unit_test(who_was_cut_off_stays_so_whatever_he_enters),
        cmocka_unit_test(the_one_that_is_idle_longest_makes_room),
        cmocka_unit_test(nobody_with_a_request_makes_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
