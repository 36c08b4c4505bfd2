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
    int status = presence_beat(presence, &heartbeat, 5000 + created, &reason);
    statement_close(&heartbeat);
    free(text);
    return status;
}

static void a_heartbeat_is_taken_in_once_and_never_after_a_newer_one(void **state)
{
    struct presence *presence;

    assert_int_equal(presence_open(store, &presence), 0);
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

static void what_was_written_is_there_after_a_restart(void **state)
{
    struct presence *presence;
    size_t count;

    assert_int_equal(presence_open(store, &presence), 0);
    assert_null(presence_find(presence, "a"));
    beat(presence, "a", 100, 1);
    beat(presence, "a", 200, 1);
    presence_touch(presence, "b", 77);
    struct seen *seen = presence_take_changed(presence, &count);
    assert_int_equal(count, 2);
    presence_write(store, seen, count);
    free(seen);
    assert_null(presence_take_changed(presence, &count));
    assert_int_equal(count, 0);
    presence_free(presence);
    assert_int_equal(store->error, 0);

    assert_int_equal(presence_open(store, &presence), 0);
    assert_int_equal(presence_find(presence, "a")->last_seen_s, 5200);
    assert_int_equal(presence_find(presence, "a")->used.cru_milli, 200);
    assert_int_equal(presence_find(presence, "b")->last_seen_s, 77);
    assert_int_equal(beat(presence, "a", 199, 1), 409);
    presence_free(presence);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heartbeat_is_taken_in_once_and_never_after_a_newer_one),
        cmocka_unit_test(what_was_written_is_there_after_a_restart),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
