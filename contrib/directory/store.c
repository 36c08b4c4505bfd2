/* The part of the store that all back ends share: which one an address means, and that failures stick. */

#include "contrib/directory/store.h"

#include <errno.h>
#include <string.h>

static const struct store_backend *const BACKENDS[] = { &STORE_SQLITE };

static const struct store_backend *find_backend(const char *url)
{
    for (size_t i = 0; i < sizeof BACKENDS / sizeof *BACKENDS; i++) {
        size_t length = strlen(BACKENDS[i]->scheme);
        if (strncmp(url, BACKENDS[i]->scheme, length) == 0 && url[length])
            return BACKENDS[i];
    }
    return NULL;
}

bool store_is_address(const char *url)
{
    return find_backend(url) != NULL;
}

int store_open(const char *url, enum store_access access, struct store **ret_store, struct reason *reason)
{
    const struct store_backend *backend = find_backend(url);

    if (!backend)
        return reason_refuse(reason, "store", "must be sqlite:PATH");
    return backend->open(url + strlen(backend->scheme), access, ret_store, reason);
}

void store_close(struct store *store)
{
    if (store)
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
    cleanup_rows struct store_rows rows;

    store_select_values(store, &rows, sql, values, count);
    while (store_next(&rows))
        ;
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

void store_begin(struct store *store)
{
    store_run_values(store, store->backend->begin, NULL, 0);
}

int store_commit(struct store *store)
{
    store_run_values(store, "COMMIT", NULL, 0);
    return store->error;
}

void store_rollback(struct store *store)
{
    store->error = 0;
    if (store->backend->in_transaction(store)) /* a failed COMMIT may have ended it */
        store_run_values(store, "ROLLBACK", NULL, 0);
    store->error = 0;
}

int store_clear(struct store *store)
{
    int error = store->error;
    store->error = 0;
    return error;
}
