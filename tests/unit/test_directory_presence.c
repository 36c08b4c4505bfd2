/* Heartbeats: taken in once, in order, and remembered over a restart. */

#include "contrib/directory/presence.h"

#include "lib/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char folder[] = "/tmp/test_presence_XXXXXX";
static struct store *store;

static int set_up(void **state)
{
    struct reason reason;
    char url[128];

    if (!mkdtemp(folder))
        return -1;
    snprintf(url, sizeof url, "sqlite:%s/store", folder);
    return store_open(url, STORE_WRITE, &store, &reason);
}

static int tear_down(void **state)
{
    store_close(store);
    return file_remove_tree(folder);
}

/* What the directory says to a heartbeat of `node` made at `created` whose nonce is 16 times `nonce`. */
static int beat(struct presence *presence, const char *node, int64_t created, uint8_t nonce)
{
    struct statement heartbeat = { .kind = STATEMENT_HEARTBEAT, .created = created };
    struct reason reason;
    uint8_t bytes[16];

    memset(bytes, nonce, sizeof bytes);
    char *text = encode_base64(bytes, sizeof bytes);
    snprintf(heartbeat.signer_id, sizeof heartbeat.signer_id, "%s", node);
    heartbeat.payload = cJSON_CreateObject();
    cJSON_AddStringToObject(heartbeat.payload, "nonce", text);
    cJSON_AddItemToObject(heartbeat.payload, "used", resources_to_json((struct resources){ created, 2, 3, 4 }));
    int status = presence_beat(presence, store, &heartbeat, 5000 + created, &reason);
    statement_close(&heartbeat);
    free(text);
    return status;
}

static void a_heartbeat_is_taken_in_once_and_never_after_a_newer_one(void **state)
{
    struct presence *presence;

    assert_int_equal(!(presence = presence_new()), 0);
    assert_int_equal(beat(presence, "a", 100, 1), 0);
    assert_int_equal(beat(presence, "a", 100, 1), 409);
    assert_int_equal(beat(presence, "a", 100, 2), 0); /* another one within the second */
    assert_int_equal(beat(presence, "a", 100, 1), 409);
    assert_int_equal(beat(presence, "a", 99, 3), 409);
    assert_int_equal(beat(presence, "a", 101, 1), 0);
    assert_int_equal(beat(presence, "b", 50, 1), 0);
    for (uint8_t nonce = 2; nonce <= 8; nonce++)
        assert_int_equal(beat(presence, "a", 101, nonce), 0);
    assert_int_equal(beat(presence, "a", 101, 9), 409); /* too many to tell apart */
    presence_free(presence);
}

static int64_t last_seen(struct presence *presence, const char *node)
{
    struct seen seen;

    return presence_find(presence, store, node, &seen) ? seen.last_seen_s : 0;
}

static void write_down_at(int64_t now, struct presence *presence, size_t max, size_t expected, bool in_table)
{
    size_t count;
    struct seen *seen = presence_take_changed(presence, max, &count);

    assert_int_equal(count, expected);
    if (in_table)
        presence_write(store, seen, count, now);
    presence_written(presence, seen, count, in_table);
    assert_int_equal(store->error, 0);
}

static void write_down(struct presence *presence, size_t max, size_t expected, bool in_table)
{
    write_down_at(5400, presence, max, expected, in_table);
}

static void what_was_written_is_there_after_a_restart(void **state)
{
    struct presence *presence = presence_new();
    struct seen seen;

    assert_int_equal(last_seen(presence, "a"), 0);
    beat(presence, "a", 100, 1);
    beat(presence, "a", 200, 1);
    presence_touch(store, "b", 77);
    write_down(presence, 10, 1, true);
    assert_null(presence_recent(presence, "a")); /* nothing of it stays in memory */
    write_down(presence, 10, 0, true);
    presence_free(presence);

    presence = presence_new();
    assert_int_equal(last_seen(presence, "a"), 5200);
    assert_true(presence_find(presence, store, "a", &seen));
    assert_int_equal(seen.used.cru_milli, 200);
    assert_int_equal(last_seen(presence, "b"), 77);
    assert_int_equal(beat(presence, "a", 199, 1), 409);
    assert_int_equal(beat(presence, "a", 200, 1), 409); /* the very one, after a restart or at another directoryd */
    assert_int_equal(beat(presence, "a", 200, 2), 0);
    presence_free(presence);
}

static void what_cant_be_written_is_written_later(void **state)
{
    struct presence *presence = presence_new();

    beat(presence, "c", 300, 1);
    beat(presence, "d", 300, 1);
    beat(presence, "e", 300, 1);
    write_down(presence, 2, 2, false);
    assert_int_equal(presence_changed(presence), 3);
    size_t count;
    struct seen *seen = presence_take_changed(presence, 10, &count);
    assert_int_equal(count, 3);
    beat(presence, "d", 301, 1); /* while they are being written */
    presence_write(store, seen, count, 5400);
    presence_written(presence, seen, count, true);
    assert_null(presence_recent(presence, "c"));
    assert_int_equal(presence_changed(presence), 1);
    assert_int_equal(last_seen(presence, "d"), 5301);
    write_down(presence, 10, 1, true);
    assert_int_equal(last_seen(presence, "d"), 5301);
    presence_free(presence);
}

/* The clock was an hour ahead (now is 5000 + created): what was noted then, in memory or in the table, locks nobody
 * out. */
static void a_clock_that_goes_back_locks_nobody_out(void **state)
{
    struct presence *presence = presence_new();

    assert_int_equal(beat(presence, "f", 4000, 1), 0);
    assert_int_equal(beat(presence, "f", 400, 1), 0);
    assert_int_equal(last_seen(presence, "f"), 5400);
    assert_int_equal(beat(presence, "f", 399, 2), 409); /* and is strict again */

    assert_int_equal(beat(presence, "f", 4000, 3), 0);
    write_down_at(9000, presence, 10, 1, true);
    assert_int_equal(last_seen(presence, "f"), 9000);
    assert_int_equal(beat(presence, "f", 401, 1), 0);
    write_down_at(5402, presence, 10, 1, true);
    assert_null(presence_recent(presence, "f"));
    assert_int_equal(last_seen(presence, "f"), 5401);

    assert_int_equal(beat(presence, "f", 4000, 4), 0);
    write_down_at(9000, presence, 10, 1, true);
    presence_touch(store, "f", 5402); /* it registers before it reports */
    assert_int_equal(beat(presence, "f", 402, 1), 0);
    write_down_at(5402, presence, 10, 1, true);
    assert_int_equal(beat(presence, "f", 403, 1), 0);
    presence_free(presence);
}

/* Another directoryd heard the node later, and wrote first. */
static void what_is_older_replaces_nothing_in_the_table(void **state)
{
    struct presence *here = presence_new(), *there = presence_new();

    assert_int_equal(beat(here, "g", 500, 1), 0);
    assert_int_equal(beat(there, "g", 510, 1), 0);
    write_down_at(5512, there, 10, 1, true);
    write_down_at(5515, here, 10, 1, true);
    assert_int_equal(last_seen(here, "g"), 5510);
    presence_free(here);
    presence_free(there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heartbeat_is_taken_in_once_and_never_after_a_newer_one),
        cmocka_unit_test(what_was_written_is_there_after_a_restart),
        cmocka_unit_test(what_cant_be_written_is_written_later),
        cmocka_unit_test(a_clock_that_goes_back_locks_nobody_out),
        cmocka_unit_test(what_is_older_replaces_nothing_in_the_table),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
