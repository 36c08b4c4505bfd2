/* The log and the tables over the store: proofs against hashes computed here, transactions that end half-way, processes
 * that are killed between the write and the commit. All of it over SQLite, then over a PostgreSQL of its own
 * (contrib/run/postgresql.py); where that can't run, the test counts as skipped. */

#include "contrib/directory/schema.h"
#include "contrib/directory/state.h"
#include "contrib/directory/tlog.h"

#include "tests/unit/postgresql.h"

#include "lib/file.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ENTRIES 600

#define RELEASE_MS 5000 /* until PostgreSQL notices that a process is dead */

static char folder[] = "/tmp/test_directory_XXXXXX";
static char sqlite_url[128], postgresql_url[128];
static const char *url;
static struct tlog_signer signer;

static struct store *open_store(enum store_access access)
{
    struct reason reason = { "" };
    struct store *store = NULL;
    int error;

    for (int waited = 0; (error = store_open(url, access, &store, &reason)) == STORE_HELD && waited < RELEASE_MS;
         waited += 20)
        usleep(20000);
    if (error)
        fail_msg("%s", reason.text);
    return store;
}

static struct checkpoint open_log(struct store *store)
{
    struct reason reason = { "" };
    struct tlog_head head;

    if (tlog_open(store, &signer, TLOG_ALL, &head, &reason))
        fail_msg("%s", reason.text);
    struct checkpoint checkpoint = head.checkpoint;
    tlog_head_close(&head);
    return checkpoint;
}

static size_t make_entry(uint64_t index, char text[static 64], struct tlog_entry *ret_entry,
                         char id[static HASH_TEXT_BYTES])
{
    size_t size = (size_t)snprintf(text, 64, "entry %" PRIu64, index);

    snprintf(id, HASH_TEXT_BYTES, "%064" PRIx64, index);
    *ret_entry = (struct tlog_entry){ .id = id,
                                      .kind = "bot",
                                      .signer = "s",
                                      .feed_node = index % 3 ? NULL : "n",
                                      .envelope = text,
                                      .envelope_size = size };
    merkle_leaf(text, size, &ret_entry->leaf);
    return size;
}

/* Appends from `from` to `to` in one transaction; leaves it open. */
static struct checkpoint append(struct store *store, uint64_t from, uint64_t to)
{
    struct checkpoint checkpoint = { 0 };

    store_begin(store);
    for (uint64_t i = from; i < to; i++) {
        char text[64], id[HASH_TEXT_BYTES];
        struct tlog_entry entry;
        make_entry(i, text, &entry, id);
        tlog_append(store, i, &entry);
    }
    assert_int_equal(tlog_write_ahead(store, to, &checkpoint), 0);
    return checkpoint;
}

static void an_empty_log_has_the_empty_root(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct checkpoint checkpoint = open_log(store);
    struct merkle_hash empty;

    merkle_empty(&empty);
    assert_int_equal(checkpoint.size, 0);
    assert_memory_equal(&checkpoint.root, &empty, sizeof empty);
    store_close(store);
}

static void what_isnt_committed_is_gone(void **state)
{
    struct store *store = open_store(STORE_WRITE);

    append(store, 0, 10);
    store_rollback(store);
    assert_int_equal(open_log(store).size, 0);
    store_close(store);
}

static void a_process_killed_before_the_commit_leaves_nothing(void **state)
{
    pid_t child = fork();

    if (child == 0) {
        struct store *store = open_store(STORE_WRITE);
        append(store, 0, 300);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct store *store = open_store(STORE_WRITE);
    assert_int_equal(open_log(store).size, 0);
    store_close(store);
}

static void a_process_killed_after_the_commit_leaves_all(void **state)
{
    pid_t child = fork();

    if (child == 0) {
        struct store *store = open_store(STORE_WRITE);
        for (uint64_t i = 0; i < ENTRIES; i += 100) {
            append(store, i, i + 100);
            if (store_commit(store) < 0)
                _exit(1);
        }
        append(store, ENTRIES, ENTRIES + 7);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct store *store = open_store(STORE_WRITE);
    assert_int_equal(open_log(store).size, ENTRIES);
    store_close(store);
}

static void every_proof_of_the_reopened_log_holds(void **state)
{
    struct store *store = open_store(STORE_READ);
    struct checkpoint now = { .size = ENTRIES };
    struct merkle_proof proof;

    assert_int_equal(store->error, 0);
    struct store *writer = open_store(STORE_WRITE);
    now = open_log(writer);
    store_close(writer);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        char text[64], id[HASH_TEXT_BYTES];
        struct tlog_entry entry;
        make_entry(i, text, &entry, id);
        assert_int_equal(tlog_prove_inclusion(store, i, now.size, &proof), 0);
        assert_true(merkle_verify_inclusion(&entry.leaf, i, now.size, &proof, &now.root));
    }
    assert_int_equal(tlog_prove_consistency(store, 300, now.size, &proof), 0);
    store_close(store);
}

static void tiles_and_bundles_hold_what_was_appended(void **state)
{
    struct store *store = open_store(STORE_READ);
    struct tile tile = { .level = 0, .index = 2, .width = ENTRIES - 512 };
    struct tile bundle = { .level = TILE_ENTRIES, .index = 1, .width = 256 };
    struct tile missing = { .level = 0, .index = 2, .width = 256 };
    char text[64], id[HASH_TEXT_BYTES];
    struct tlog_entry entry;
    size_t size;

    make_entry(513, text, &entry, id);
    uint8_t *bytes = tlog_tile(store, &tile, &size);
    assert_int_equal(size, 32 * tile.width);
    assert_memory_equal(bytes + 32, &entry.leaf, 32);
    free(bytes);
    bytes = tlog_tile(store, &bundle, &size);
    assert_memory_equal(bytes, "\0\011entry 256\0\011entry 257", 22);
    free(bytes);
    assert_null(tlog_tile(store, &missing, &size));
    store_close(store);
}

static void there_is_one_writer(void **state)
{
    struct store *store = open_store(STORE_WRITE), *second = NULL;
    struct reason reason;

    assert_int_equal(store_open(url, STORE_WRITE, &second, &reason), STORE_HELD);
    assert_non_null(strstr(reason.text, "another directoryd"));
    store_close(store);
}

/* The lock can be lost without notice (a partition): then the epoch tells them apart. */
static void a_writer_whose_time_is_over_commits_nothing(void **state)
{
    struct store *old = open_store(STORE_WRITE), *new = open_store(STORE_SHARED);

    assert_int_equal(open_log(old).size, ENTRIES);
    append(old, ENTRIES, ENTRIES + 1);
    store_rollback(old);
    assert_int_equal(open_log(new).size, ENTRIES);
    assert_true(new->epoch > old->epoch);
    store_begin(old);
    assert_int_equal(old->error, -ESTALE);
    store_run(old, "INSERT INTO meta (name, value) VALUES ($1, $2)", VALUE_TEXT("stale"), VALUE_TEXT(""));
    assert_int_equal(store_commit(old), -ESTALE);
    store_rollback(old);
    store_begin(new);
    assert_int_equal(store_commit(new), 0);
    store_close(old);
    store_close(new);
}

static void a_statement_that_ends_in_nothing_known_finds_nothing(void **state)
{
    struct store *store = open_store(STORE_READ);
    struct state_place place;

    assert_false(state_find(store, "\xff\xc0\x80", &place));
    assert_false(state_find(store, "caf\xc3\xa9", &place));
    assert_int_equal(store->error, 0);
    store_close(store);
}

static void failures_stick_until_the_rollback(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    cleanup_rows struct store_rows rows;

    store_begin(store);
    store_run_values(store, "INSERT INTO meta (name, value) VALUES ('x', NULL)", NULL, 0);
    store_select(store, &rows, "SELECT count(*) FROM entries WHERE idx > $1", VALUE_INTEGER(0));
    assert_true(store->error < 0);
    assert_false(store_next(&rows));
    assert_true(store_commit(store) < 0);
    store_rollback(store);
    assert_int_equal(open_log(store).size, ENTRIES);
    store_run_values(store, "SELECT nonsense", NULL, 0);
    assert_true(store_clear(store) < 0);
    assert_int_equal(open_log(store).size, ENTRIES);
    store_close(store);
}

static void a_schema_of_the_future_is_refused(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct reason reason = { "" };
    int64_t version = 0;
    char set[64];

    assert_int_equal(store->backend->version(store, &version), 0);
    assert_int_equal(version, SCHEMA_VERSION);
    snprintf(set, sizeof set, "%s%d", store->backend->set_version, SCHEMA_VERSION + 1);
    store_run_values(store, set, NULL, 0);
    store_close(store);
    for (enum store_access access = STORE_WRITE; access <= STORE_READ; access++) {
        assert_int_equal(store_open(url, access, &store, &reason), REFUSED);
        assert_non_null(strstr(reason.text, "use the directoryd that wrote it"));
    }
    /* Back again, past this program's own door. */
    const struct store_backend *backend = store_backend_of(url);
    assert_int_equal(backend->open(url, STORE_SHARED, &store, &reason), 0);
    snprintf(set, sizeof set, "%s%d", backend->set_version, SCHEMA_VERSION);
    store_run_values(store, set, NULL, 0);
    assert_int_equal(store->error, 0);
    store_close(store);
}

static void an_altered_entry_or_hash_is_noticed(void **state)
{
    static const char *const damage[][2] = {
        { "UPDATE entries SET envelope = hash FROM hashes WHERE entries.idx = 300 AND hashes.level = 0 AND hashes.idx "
          "= 3",
          NULL },
        { "UPDATE entries SET idx = 9999 WHERE idx = 599", "UPDATE entries SET idx = 599 WHERE idx = 9999" },
        { "UPDATE hashes SET idx = 9999 WHERE level = 2 AND idx = 3",
          "UPDATE hashes SET idx = 3 WHERE level = 2 AND idx = 9999" },
        { "INSERT INTO hashes SELECT 1, 999999, hash FROM hashes WHERE level = 1 AND idx = 9",
          "DELETE FROM hashes WHERE level = 1 AND idx = 999999" },
        { "UPDATE meta SET name = 'gone' WHERE name = 'head'", "UPDATE meta SET name = 'head' WHERE name = 'gone'" },
        { "UPDATE meta SET value = '7 x' WHERE name = 'head'", NULL },
    };
    struct store *store = open_store(STORE_WRITE);
    struct checkpoint head;

    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
        struct reason reason = { "" };
        struct tlog_head none;
        store_run_values(store, damage[i][0], NULL, 0);
        assert_int_equal(store->error, 0);
        assert_int_equal(tlog_open(store, &signer, TLOG_ALL, &none, &reason), REFUSED);
        assert_non_null(strstr(reason.text, "restore"));
        if (damage[i][1])
            store_run_values(store, damage[i][1], NULL, 0);
        else
            store_run(store, "UPDATE entries SET envelope = $1 WHERE idx = 300", VALUE_BYTES("entry 300", 9));
        store_rollback(store); /* drops the hashes that the session keeps */
        assert_int_equal(tlog_write_ahead(store, ENTRIES, &head), 0);
        assert_int_equal(open_log(store).size, ENTRIES);
    }
    store_close(store);
}

/* What a take-over looks at: it is quick, and finds what a crash could leave. */
static void the_end_of_the_log_is_checked_too(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct reason reason = { "" };
    struct checkpoint head;

    assert_int_equal(tlog_check(store, TLOG_END, &head, &reason), 0);
    assert_int_equal(head.size, ENTRIES);
    store_run_values(store, "UPDATE entries SET idx = 9999 WHERE idx = 599", NULL, 0);
    assert_int_equal(tlog_check(store, TLOG_END, &head, &reason), REFUSED);
    store_run_values(store, "UPDATE entries SET idx = 599 WHERE idx = 9999", NULL, 0);
    store_run(store, "UPDATE entries SET envelope = $1 WHERE idx = 580", VALUE_BYTES("x", 1));
    assert_int_equal(tlog_check(store, TLOG_END, &head, &reason), REFUSED);
    store_run(store, "UPDATE entries SET envelope = $1 WHERE idx = 580", VALUE_BYTES("entry 580", 9));
    assert_int_equal(tlog_check(store, TLOG_END, &head, &reason), 0);
    store_close(store);
}

/* What tlog_check_piece makes of the log from entry `from` on, up to `head`. */
static int check_from(struct store *store, uint64_t from, const struct checkpoint *head, struct reason *reason)
{
    struct rehash rehash;
    int result;

    assert_int_equal(rehash_begin(&rehash, tlog_read_hash, store, from), 0);
    do
        result = tlog_check_piece(store, head, &rehash, reason);
    while (result == TLOG_MORE);
    return result;
}

static void a_check_in_pieces_begins_anywhere_and_ends_at_a_head(void **state)
{
    static const uint64_t froms[] = { 0, 1, 2, 7, 63, 255, 256, 257, 300, 511, 512, 599, ENTRIES };
    struct store *writer = open_store(STORE_WRITE), *store = open_store(STORE_SCAN);
    struct reason reason = { "" };
    struct checkpoint head;

    for (size_t i = 0; i < sizeof froms / sizeof *froms; i++) {
        for (head.size = froms[i]; head.size <= ENTRIES; head.size += 43) {
            assert_int_equal(merkle_root(tlog_read_hash, store, head.size, &head.root), 0);
            assert_int_equal(check_from(store, froms[i], &head, &reason), 0);
            head.root.bytes[0] ^= 1;
            assert_int_equal(check_from(store, froms[i], &head, &reason), REFUSED);
        }
    }
    head.size = 300;
    assert_int_equal(merkle_root(tlog_read_hash, store, head.size, &head.root), 0);
    store_run_values(writer, "DELETE FROM entries WHERE idx = 290", NULL, 0);
    assert_int_equal(writer->error, 0);
    assert_int_equal(check_from(store, 0, &head, &reason), REFUSED);
    char text[64], id[HASH_TEXT_BYTES];
    struct tlog_entry entry;
    make_entry(290, text, &entry, id);
    store_run(writer,
              "INSERT INTO entries (idx, id, kind, signer, node, envelope) VALUES (290, $1, 'bot', 's', NULL, $2)",
              VALUE_TEXT(id), VALUE_BYTES(text, entry.envelope_size));
    store_run_values(writer, "UPDATE hashes SET idx = 9999 WHERE level = 2 AND idx = 70", NULL, 0);
    assert_int_equal(writer->error, 0);
    assert_int_equal(check_from(store, 0, &head, &reason), REFUSED);
    assert_non_null(strstr(reason.text, "don't fit"));
    store_run_values(writer, "UPDATE hashes SET idx = 70 WHERE level = 2 AND idx = 9999", NULL, 0);
    assert_int_equal(writer->error, 0);
    assert_int_equal(check_from(store, 0, &head, &reason), 0);
    store_close(store);
    store_close(writer);
}

static void a_sealed_writer_writes_nothing_more(void **state)
{
    struct store *store = open_store(STORE_WRITE);
    struct checkpoint head;

    store_seal(store);
    for (int i = 0; i < 2; i++) {
        store_begin(store);
        assert_int_equal(store->error, -EUCLEAN);
        assert_int_equal(store_commit(store), -EUCLEAN);
        store_rollback(store);
    }
    assert_int_equal(tlog_check(store, TLOG_END, &head, &(struct reason){ "" }), 0);
    store_close(store);
    assert_int_equal((store = open_store(STORE_WRITE))->error, 0);
    assert_int_equal(open_log(store).size, ENTRIES);
    store_close(store);
}

static void apply(struct store *store, uint64_t index, enum statement_kind kind, const char *signer_id, const char *id,
                  const char *payload, const struct statement *invite)
{
    struct statement statement = { .kind = kind, .created = 7, .payload = cJSON_Parse(payload) };

    assert_non_null(statement.payload);
    snprintf(statement.signer_id, sizeof statement.signer_id, "%s", signer_id);
    snprintf(statement.id, sizeof statement.id, "%s", id);
    state_apply(store, index, &statement, invite);
    statement_close(&statement);
}

#define NODE                                                                                                           \
    "{\"farm\":1,\"hostname\":\"h\",\"os_version\":\"1\",\"wireguard_key\":\"\",\"sealing_key\":\"\",\"resources\":"   \
    "{\"cru_milli\":10,\"mru_bytes\":20,\"sru_bytes\":30,\"hru_bytes\":40},\"disks\":[],\"machine\":{},"               \
    "\"interfaces\":[]}"
#define CONTRACT(expires)                                                                                              \
    "{\"node\":\"node\",\"expires\":" #expires ",\"private\":{},\"reserves\":{\"cru_milli\":1,\"mru_bytes\":2,"        \
    "\"sru_bytes\":3,\"hru_bytes\":4}}"

static int64_t count_rows(struct store *store, const char *sql)
{
    cleanup_rows struct store_rows rows;

    store_select_values(store, &rows, sql, NULL, 0);
    return store_next(&rows) ? store_integer(&rows, 0) : -1;
}

static void the_tables_follow_the_entries(void **state)
{
    struct state_totals totals;
    struct store *store = open_store(STORE_WRITE);
    struct statement invite = { .kind = STATEMENT_INVITE, .id = "invite" };
    struct statement contract = { .kind = STATEMENT_CONTRACT,
                                  .signer_id = "bot",
                                  .payload = cJSON_Parse(CONTRACT(100)) };
    struct statement other = { .kind = STATEMENT_NODE, .signer_id = "other", .payload = cJSON_Parse(NODE) };
    struct rules_view view;

    store_begin(store);
    apply(store, 1, STATEMENT_BOT, "bot", "b", "{\"name\":\"a\",\"description\":\"\"}", NULL);
    apply(store, 2, STATEMENT_FARM, "bot", "f", "{\"name\":\"f\",\"description\":\"\"}", NULL);
    apply(store, 3, STATEMENT_NODE, "node", "n", NODE, &invite);
    apply(store, 4, STATEMENT_NODE, "node", "m", NODE, &invite);
    apply(store, 5, STATEMENT_CONTRACT, "bot", "c1", CONTRACT(100), NULL);
    apply(store, 6, STATEMENT_CONTRACT, "bot", "c2", CONTRACT(50), NULL);
    apply(store, 7, STATEMENT_CONTRACT, "bot", "c3", CONTRACT(100), NULL);
    apply(store, 8, STATEMENT_CONTRACT, "bot", "c4", CONTRACT(100), NULL);
    apply(store, 9, STATEMENT_CANCEL, "bot", "x", "{\"contract\":\"c3\"}", NULL);
    apply(store, 10, STATEMENT_RESULT, "node", "r", "{\"contract\":\"c4\",\"state\":\"stopped\"}", NULL);
    assert_int_equal(store->error, 0);
    assert_int_equal(state_reserved(store, "node", 10).mru_bytes, 4);
    assert_int_equal(state_reserved(store, "node", 50).mru_bytes, 2); /* c2 has expired, c3 is cancelled, c4 stopped */
    state_look(store, &(struct rules_input){ &contract, NULL, 50 }, &view);
    assert_true(view.signer_known && view.node_known);
    assert_int_equal(view.node_resources.hru_bytes, 40);
    assert_int_equal(view.node_reserved.hru_bytes, 4);
    state_look(store, &(struct rules_input){ &other, &invite, 50 }, &view);
    assert_true(view.farm_known && !view.signer_known && !view.invite_used_by_us);
    assert_int_equal(view.invite_uses, 1);
    assert_string_equal(view.farm_bot, "bot");
    state_read_totals(store, 10, &totals);
    assert_int_equal(totals.bots, 1);
    assert_int_equal(totals.farms, 1);
    assert_int_equal(totals.nodes, 1); /* registered twice, counted once */
    assert_int_equal(totals.resources.hru_bytes, 40);
    assert_int_equal(totals.contracts, 4);
    assert_int_equal(totals.contracts_live, 2);
    assert_int_equal(totals.reserved.mru_bytes, 4);
    state_read_totals(store, 50, &totals);
    assert_int_equal(totals.contracts_live, 1);
    apply(store, 11, STATEMENT_CANCEL, "bot", "y", "{\"contract\":\"c1\"}", NULL);
    apply(store, 12, STATEMENT_RESULT, "node", "s", "{\"contract\":\"c1\",\"state\":\"stopped\"}", NULL);
    apply(store, 13, STATEMENT_CANCEL, "bot", "z", "{\"contract\":\"c2\"}", NULL);
    state_read_totals(store, 10, &totals);
    assert_int_equal(totals.contracts_live, 0);
    assert_int_equal(count_rows(store, "SELECT count(*) FROM totals WHERE slot >= 0"), 0);
    store_rollback(store);
    assert_false(state_has_node(store, "node"));
    cJSON_Delete(contract.payload);
    cJSON_Delete(other.payload);
    store_close(store);
}

/* ---- Over both */

static int run_over(const char *name, const char *address)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_log_has_the_empty_root),
        cmocka_unit_test(what_isnt_committed_is_gone),
        cmocka_unit_test(a_process_killed_before_the_commit_leaves_nothing),
        cmocka_unit_test(a_process_killed_after_the_commit_leaves_all),
        cmocka_unit_test(every_proof_of_the_reopened_log_holds),
        cmocka_unit_test(tiles_and_bundles_hold_what_was_appended),
        cmocka_unit_test(there_is_one_writer),
        cmocka_unit_test(a_writer_whose_time_is_over_commits_nothing),
        cmocka_unit_test(a_statement_that_ends_in_nothing_known_finds_nothing),
        cmocka_unit_test(failures_stick_until_the_rollback),
        cmocka_unit_test(a_schema_of_the_future_is_refused),
        cmocka_unit_test(an_altered_entry_or_hash_is_noticed),
        cmocka_unit_test(the_end_of_the_log_is_checked_too),
        cmocka_unit_test(a_check_in_pieces_begins_anywhere_and_ends_at_a_head),
        cmocka_unit_test(a_sealed_writer_writes_nothing_more),
        cmocka_unit_test(the_tables_follow_the_entries),
    };

    url = address;
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    struct reason reason;
    int failed, helper;

    if (sodium_init() < 0 || !mkdtemp(folder) || key_generate(&signer.key) ||
        note_verifier_make("test", key_public(signer.key), &signer.verifier, &reason))
        return 1;
    snprintf(sqlite_url, sizeof sqlite_url, "sqlite:%s/store", folder);
    failed = run_over("sqlite", sqlite_url);
    struct postgresql postgresql = postgresql_start(postgresql_url, sizeof postgresql_url);
    if (postgresql_url[0])
        failed += run_over("postgresql", postgresql_url);
    helper = postgresql_stop(postgresql);
    key_free(signer.key);
    file_remove_tree(folder);
    if (failed)
        return 1;
    return helper; /* 77 when it can't run here, and it has said why */
}
