/* The part of the store that all back ends share: which one an address means, that failures stick, and that a writer
 * whose time is over can't commit. */

#include "contrib/directory/store.h"

#include "contrib/directory/schema.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct store_backend *const BACKENDS[] = { &STORE_SQLITE, &STORE_POSTGRESQL };

const struct store_backend *store_backend_of(const char *url)
{
    for (size_t i = 0; i < sizeof BACKENDS / sizeof *BACKENDS; i++) {
        size_t length = strlen(BACKENDS[i]->scheme);
        if (strncmp(url, BACKENDS[i]->scheme, length) == 0 && url[length])
            return BACKENDS[i];
    }
    return NULL;
}

int store_open(const char *url, enum store_access access, struct store **ret_store, struct reason *reason)
{
    const struct store_backend *backend = store_backend_of(url);
    struct store *store;

    if (!backend)
        return reason_refuse(reason, "store", "must be sqlite:PATH or postgresql://…");
    int error = backend->open(url, access, &store, reason);
    if (error)
        return error;
    error = schema_bring_up(store, access < STORE_READ, reason);
    if (error)
        store_close(store);
    else
        *ret_store = store;
    return error;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    free(store->hashes);
    store->backend->close(store);
}

struct store_value store_value_text(const char *text)
{
    if (!text)
        return (struct store_value){ .kind = STORE_NULL };
    return (struct store_value){ .kind = STORE_TEXT, .data = text, .size = strlen(text) };
}

void store_select_values(struct store *store, struct store_rows *ret_rows, const char *sql,
                         const struct store_value *values, size_t count)
{
    *ret_rows = (struct store_rows){ .store = store };
    if (store->error < 0)
        return;
    int error = store->backend->select(store, sql, values, count, &ret_rows->cursor);
    if (error < 0)
        store->error = error;
}

bool store_next(struct store_rows *rows)
{
    rows->at_row = false;
    if (!rows->cursor || rows->store->error < 0)
        return false;
    int found = rows->store->backend->next(rows->store, rows->cursor);
    if (found < 0)
        rows->store->error = found;
    rows->at_row = found > 0;
    return rows->at_row;
}

void store_run_values(struct store *store, const char *sql, const struct store_value *values, size_t count)
{
    if (store->error >= 0)
        store->error = store->backend->run(store, sql, values, count);
}

int64_t store_integer(const struct store_rows *rows, int column)
{
    return rows->at_row ? rows->store->backend->integer(rows->cursor, column) : 0;
}

const char *store_text(const struct store_rows *rows, int column)
{
    const char *text = rows->at_row ? rows->store->backend->text(rows->cursor, column) : NULL;
    return text ? text : "";
}

const void *store_bytes(const struct store_rows *rows, int column, size_t *ret_size)
{
    *ret_size = 0;
    return rows->at_row ? rows->store->backend->bytes(rows->cursor, column, ret_size) : NULL;
}

bool store_is_null(const struct store_rows *rows, int column)
{
    return !rows->at_row || rows->store->backend->is_null(rows->cursor, column);
}

void store_done(struct store_rows *rows)
{
    if (rows->cursor)
        rows->store->backend->done(rows->store, rows->cursor);
    *rows = (struct store_rows){ .store = rows->store };
}

/* ---- Transactions */

static void transact(struct store *store, enum store_step step)
{
    if (store->error >= 0)
        store->error = store->backend->transact(store, step);
}

/* Where others could raise the epoch meanwhile its row is held until the transaction ends. */
static void check_office(struct store *store)
{
    const char *sql = store->backend->shared
                          ? "UPDATE meta SET value = $1 WHERE name = 'epoch' AND value = $1 RETURNING value"
                          : "SELECT value FROM meta WHERE name = 'epoch' AND value = $1";
    cleanup_rows struct store_rows rows;
    char epoch[24];

    snprintf(epoch, sizeof epoch, "%" PRId64, store->epoch);
    store_select(store, &rows, sql, VALUE_TEXT(epoch));
    if (!store_next(&rows) && store->error >= 0)
        store->error = log_fail(-ESTALE, "store: another directoryd became the log's writer after epoch %s", epoch);
}

void store_seal(struct store *store)
{
    atomic_store(&store->sealed, true);
}

void store_snapshot(struct store *store)
{
    transact(store, STORE_SNAPSHOT);
}

int store_commit_ahead(struct store *store)
{
    transact(store, STORE_COMMIT);
    return store->error;
}

int store_sync(struct store *store)
{
    return store->backend->sync ? store->backend->sync(store) : 0;
}

int store_commit(struct store *store)
{
    if (store_commit_ahead(store) >= 0)
        store->error = store_sync(store);
    return store->error;
}

void store_rollback(struct store *store)
{
    store->backend->transact(store, STORE_ROLLBACK);
    free(store->hashes); /* it may have some that were never committed */
    store->hashes = NULL;
    store->error = 0;
}

/* 0 and the new epoch, or the session's error, rolled back. */
static int raise_epoch(struct store *store)
{
    struct store_rows rows;

    transact(store, STORE_BEGIN);
    store_select_values(store, &rows,
                        "UPDATE meta SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE name = 'epoch'"
                        " RETURNING CAST(value AS BIGINT)",
                        NULL, 0);
    int64_t epoch = store_next(&rows) ? store_integer(&rows, 0) : 0;
    store_done(&rows);
    if (epoch == 0 && store->error >= 0)
        store->error = log_fail(-EUCLEAN, "store: it has no epoch");
    int error = store_commit(store);
    if (error < 0)
        store_rollback(store);
    else
        store->epoch = epoch;
    return error;
}

int store_take_office(struct store *store)
{
    store->epoch = 0;
    int error = raise_epoch(store);
    store->office_due = error == -ENOSPC && !store->backend->shared;
    return store->office_due ? 0 : error;
}

static void take_office_now(struct store *store)
{
    int error = raise_epoch(store);

    store->office_due = error < 0;
    store->error = error;
}

void store_begin(struct store *store)
{
    if (store->error >= 0 && atomic_load(&store->sealed))
        store->error = -EUCLEAN;
    if (store->error >= 0 && store->office_due)
        take_office_now(store);
    transact(store, STORE_BEGIN);
    if (store->epoch)
        check_office(store);
}

int store_clear(struct store *store)
{
    int error = store->error;
    store->error = 0;
    return error;
}

bool store_is_lost(const struct store *store)
{
    return store->backend->is_lost && store->backend->is_lost((struct store *)store);
}

int store_descriptor(struct store *store)
{
    return store->backend->descriptor ? store->backend->descriptor(store) : -1;
}

bool store_take_notifications(struct store *store)
{
    return store->backend->take_notifications && store->backend->take_notifications(store);
}
