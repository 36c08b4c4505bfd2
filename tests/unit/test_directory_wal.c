/* SQLite's write-ahead log as the store writes it: gathered, synced apart, copied by a thread while the writer goes on.
 */

#include "contrib/directory/store.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define BLOB_BYTES 60000
#define COMMITS 2600        /* some 150 MB: the WAL begins anew at 64 MB */
#define WAL_BYTES_MAX 150e6 /* and may have grown meanwhile: on a busy machine the thread takes its time */

static char folder[] = "/tmp/test_wal_XXXXXX";
static char url[128], wal[128];

static struct store *open_store(enum store_access access)
{
    struct reason reason = { "" };
    struct store *store = NULL;

    if (store_open(url, access, &store, &reason))
        fail_msg("%s", reason.text);
    return store;
}

static void insert(struct store *store, int64_t index, const void *bytes, size_t size)
{
    store_run(store, "INSERT INTO hashes (level, idx, hash) VALUES (9, $1, $2)", VALUE_INTEGER(index),
              VALUE_BYTES(bytes, size));
}

static int64_t count(struct store *store)
{
    cleanup_rows struct store_rows rows;

    store_select_values(store, &rows, "SELECT count(*) FROM hashes WHERE level = 9", NULL, 0);
    return store_next(&rows) ? store_integer(&rows, 0) : -1;
}

static int make_folder(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    snprintf(url, sizeof url, "sqlite:%s/s", folder);
    snprintf(wal, sizeof wal, "%s/s-wal", folder);
    return 0;
}

static int remove_folder(void **state)
{
    char command[64];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void what_is_committed_ahead_is_seen_by_others(void **state)
{
    struct store *writer = open_store(STORE_WRITE), *reader = open_store(STORE_READ);

    assert_true(store_syncs_apart(writer));
    for (int64_t i = 0; i < 50; i++) {
        store_begin(writer);
        insert(writer, i, "x", 1);
        assert_int_equal(count(reader), i);
        assert_int_equal(store_commit_ahead(writer), 0);
        assert_int_equal(count(reader), i + 1);
        if (i % 3 == 0)
            assert_int_equal(store_sync(writer), 0);
    }
    store_close(reader);
    store_close(writer);
}

static void a_transaction_that_is_larger_than_what_is_gathered_is_whole(void **state)
{
    struct store *writer = open_store(STORE_WRITE), *reader = open_store(STORE_READ);
    char *blob = calloc(1, BLOB_BYTES);

    store_begin(writer);
    for (int64_t i = 10000; i < 11900; i++) { /* 110 MB: more than the session's cache, so some is written early */
        memset(blob, (int)i, BLOB_BYTES);
        insert(writer, i, blob, BLOB_BYTES);
    }
    assert_int_equal(count(reader), 120);
    store_rollback(writer);
    assert_int_equal(count(writer), 120);
    store_begin(writer);
    for (int64_t i = 10000; i < 11900; i++) {
        memset(blob, (int)i, BLOB_BYTES);
        insert(writer, i, blob, BLOB_BYTES);
    }
    assert_int_equal(store_commit(writer), 0);
    for (int64_t i = 10000; i < 11900; i += 97) {
        cleanup_rows struct store_rows rows;
        size_t size;
        store_select(reader, &rows, "SELECT hash FROM hashes WHERE level = 9 AND idx = $1", VALUE_INTEGER(i));
        assert_true(store_next(&rows));
        const uint8_t *bytes = store_bytes(&rows, 0, &size);
        assert_int_equal(size, BLOB_BYTES);
        assert_int_equal(bytes[0], (uint8_t)i);
        assert_int_equal(bytes[BLOB_BYTES - 1], (uint8_t)i);
    }
    store_begin(writer);
    store_run(writer, "DELETE FROM hashes WHERE idx >= $1", VALUE_INTEGER(10000));
    assert_int_equal(store_commit(writer), 0);
    free(blob);
    store_close(reader);
    store_close(writer);
}

/* A process that dies has handed all on to the kernel. */
static void a_process_killed_after_committing_ahead_leaves_all(void **state)
{
    pid_t child = fork();

    if (child == 0) {
        struct store *store = open_store(STORE_WRITE);
        for (int64_t i = 50; i < 100; i++) {
            store_begin(store);
            insert(store, i, "y", 1);
            if (store_commit_ahead(store) < 0)
                _exit(1);
        }
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    struct store *store = open_store(STORE_WRITE);
    assert_int_equal(count(store), 100);
    store_close(store);
}

static void the_wal_begins_anew_while_the_writer_goes_on(void **state)
{
    struct store *writer = open_store(STORE_WRITE), *reader = open_store(STORE_READ);
    char *blob = calloc(1, BLOB_BYTES);
    struct stat status;

    for (int64_t i = 0; i < COMMITS; i++) {
        store_begin(writer);
        store_run(writer, "DELETE FROM hashes WHERE level = 9 AND idx = $1", VALUE_INTEGER(1000 + i - 20));
        insert(writer, 1000 + i, blob, BLOB_BYTES);
        assert_int_equal(store_commit(writer), 0);
        if (i % 100 == 0)
            assert_int_equal(count(reader), i < 20 ? 100 + i + 1 : 120);
    }
    assert_int_equal(stat(wal, &status), 0);
    assert_true(status.st_size > 60e6); /* it was written full */
    assert_true(status.st_size < WAL_BYTES_MAX);
    store_close(reader);
    store_close(writer);
    assert_int_equal(stat(wal, &status), -1);
    writer = open_store(STORE_WRITE);
    assert_int_equal(count(writer), 120);
    store_close(writer);
    free(blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_ahead_is_seen_by_others),
        cmocka_unit_test(a_process_killed_after_committing_ahead_leaves_all),
        cmocka_unit_test(the_wal_begins_anew_while_the_writer_goes_on),
        cmocka_unit_test(a_transaction_that_is_larger_than_what_is_gathered_is_whole),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
