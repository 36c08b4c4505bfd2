/* SQLite as the store: one file in WAL mode with synchronous=FULL, so that a transaction that was committed survives a
 * power loss (sqlite.org/pragma.html#pragma_synchronous). Statements are prepared once per session and kept by their
 * text. PATH.lock is held with flock(2) by the one writer: two sequencers on one log would fork it. */

#include "contrib/directory/store.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define CACHE_STATEMENTS 128 /* about twice as many as directoryd has; the filters of lists make the rest */
#define BUSY_MS 10000        /* only a back-up tool can hold the lock for long */
#define SCHEMA_VERSION 1

static const char SCHEMA[] =
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    /* The log: the entries and the hashes of all complete subtrees. `node` is set for what that node's feed holds. */
    "CREATE TABLE entries (idx INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, signer TEXT NOT NULL,"
    " node TEXT, envelope BLOB NOT NULL);"
    "CREATE INDEX entries_feed ON entries (node, idx) WHERE node IS NOT NULL;"
    "CREATE TABLE hashes (level INTEGER, idx INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, idx)) WITHOUT ROWID;"
    /* The views: what a replay of the log gives. */
    "CREATE TABLE bots (id TEXT PRIMARY KEY, idx INTEGER NOT NULL, name TEXT NOT NULL UNIQUE, description TEXT NOT "
    "NULL,"
    " created INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE farms (farm INTEGER PRIMARY KEY, id TEXT NOT NULL, idx INTEGER NOT NULL, bot TEXT NOT NULL,"
    " name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, location TEXT NOT NULL, country TEXT, created INTEGER NOT "
    "NULL);"
    "CREATE INDEX farms_bot ON farms (bot);"
    "CREATE TABLE nodes (id TEXT PRIMARY KEY, idx INTEGER NOT NULL, statement TEXT NOT NULL, farm INTEGER NOT NULL,"
    " created INTEGER NOT NULL, hostname TEXT NOT NULL, os_version TEXT NOT NULL, wireguard_key TEXT NOT NULL,"
    " sealing_key TEXT NOT NULL, cru INTEGER NOT NULL, mru INTEGER NOT NULL, sru INTEGER NOT NULL, hru INTEGER NOT "
    "NULL,"
    " disks TEXT NOT NULL, machine TEXT NOT NULL, interfaces TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX nodes_farm ON nodes (farm, id);"
    "CREATE TABLE invites (id TEXT PRIMARY KEY, uses INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE invite_uses (invite TEXT, node TEXT, PRIMARY KEY (invite, node)) WITHOUT ROWID;"
    "CREATE TABLE contracts (idx INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, bot TEXT NOT NULL, node TEXT NOT NULL,"
    " created INTEGER NOT NULL, expires INTEGER NOT NULL, cru INTEGER NOT NULL, mru INTEGER NOT NULL, sru INTEGER NOT "
    "NULL,"
    " hru INTEGER NOT NULL, private INTEGER NOT NULL, state TEXT NOT NULL, result TEXT, cancelled INTEGER NOT NULL);"
    "CREATE INDEX contracts_bot ON contracts (bot, idx);"
    "CREATE INDEX contracts_node ON contracts (node, idx);"
    "CREATE INDEX contracts_live ON contracts (node, expires) WHERE cancelled = 0 AND state <> 'stopped';"
    /* What heartbeats said: not of the log, written now and then. */
    "CREATE TABLE presence (node TEXT PRIMARY KEY, last_seen INTEGER NOT NULL, created INTEGER NOT NULL,"
    " cru INTEGER NOT NULL, mru INTEGER NOT NULL, sru INTEGER NOT NULL, hru INTEGER NOT NULL) WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

struct cached {
    char *sql;
    sqlite3_stmt *statement;
};

struct sqlite_store {
    struct store base;
    sqlite3 *database;
    int lock;
    struct cached cache[CACHE_STATEMENTS];
    size_t cached, evict;
};

static int to_errno(int code)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CONSTRAINT:
        return -EEXIST;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EUCLEAN;
    case SQLITE_READONLY:
        return -EROFS;
    default:
        return -EIO;
    }
}

static int fail(struct sqlite_store *self, int code, const char *what)
{
    return log_fail(to_errno(code), "store: %.60s: %s", what, sqlite3_errmsg(self->database));
}

/* A prepared statement for this text: a kept one that is at rest, or a new one, which takes the place of an old one. */
static int prepare(struct sqlite_store *self, const char *sql, sqlite3_stmt **ret_statement)
{
    sqlite3_stmt *statement = NULL;
    struct cached *slot;

    for (size_t i = 0; i < self->cached; i++) {
        slot = &self->cache[i];
        if (strcmp(slot->sql, sql) == 0 && !sqlite3_stmt_busy(slot->statement)) {
            *ret_statement = slot->statement;
            return 0;
        }
    }
    int code = sqlite3_prepare_v3(self->database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (code != SQLITE_OK)
        return fail(self, code, sql);
    *ret_statement = statement;
    char *copy = strdup(sql);
    if (!copy)
        return sqlite3_finalize(statement), -ENOMEM;
    if (self->cached < CACHE_STATEMENTS) {
        self->cache[self->cached++] = (struct cached){ copy, statement };
        return 0;
    }
    do
        slot = &self->cache[self->evict++ % CACHE_STATEMENTS];
    while (sqlite3_stmt_busy(slot->statement)); /* far fewer are open at once than are kept */
    sqlite3_finalize(slot->statement);
    free(slot->sql);
    *slot = (struct cached){ copy, statement };
    return 0;
}

static int bind(sqlite3_stmt *statement, int position, const struct store_value *value)
{
    switch (value->kind) {
    case STORE_INTEGER:
        return sqlite3_bind_int64(statement, position, value->integer);
    case STORE_TEXT:
        return sqlite3_bind_text(statement, position, value->data, (int)value->size, SQLITE_STATIC);
    case STORE_BYTES:
        return sqlite3_bind_blob(statement, position, value->size ? value->data : "", (int)value->size, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(statement, position);
    }
}

static int sqlite_select(struct store *store, const char *sql, const struct store_value *values, size_t count,
                         void **ret_cursor)
{
    struct sqlite_store *self = (struct sqlite_store *)store;
    sqlite3_stmt *statement = NULL;
    int error = prepare(self, sql, &statement);

    if (error < 0)
        return error;
    for (size_t i = 0; i < count; i++) {
        int code = bind(statement, (int)i + 1, &values[i]);
        if (code != SQLITE_OK)
            return fail(self, code, sql);
    }
    *ret_cursor = statement;
    return 0;
}

static int sqlite_next(struct store *store, void *cursor)
{
    int code = sqlite3_step(cursor);

    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : fail((struct sqlite_store *)store, code, sqlite3_sql(cursor));
}

static int64_t sqlite_integer(void *cursor, int column)
{
    return sqlite3_column_int64(cursor, column);
}

static const char *sqlite_text(void *cursor, int column)
{
    return (const char *)sqlite3_column_text(cursor, column);
}

static const void *sqlite_bytes(void *cursor, int column, size_t *ret_size)
{
    const void *bytes = sqlite3_column_blob(cursor, column);
    *ret_size = (size_t)sqlite3_column_bytes(cursor, column);
    return bytes;
}

static bool sqlite_is_null(void *cursor, int column)
{
    return sqlite3_column_type(cursor, column) == SQLITE_NULL;
}

static void sqlite_done(struct store *store, void *cursor)
{
    sqlite3_reset(cursor);
    sqlite3_clear_bindings(cursor);
}

static void sqlite_close(struct store *store)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    for (size_t i = 0; i < self->cached; i++) {
        sqlite3_finalize(self->cache[i].statement);
        free(self->cache[i].sql);
    }
    sqlite3_close(self->database);
    if (self->lock >= 0)
        close(self->lock);
    free(self);
}

static bool sqlite_in_transaction(struct store *store)
{
    return !sqlite3_get_autocommit(((struct sqlite_store *)store)->database);
}

static int take_lock(struct sqlite_store *self, const char *path, struct reason *reason)
{
    char name[4096];

    if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
        return reason_refuse(reason, "store", "the path is too long");
    self->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock < 0)
        return reason_refuse(reason, "store", "can't open %s: %s", name, strerror(errno));
    if (flock(self->lock, LOCK_EX | LOCK_NB) < 0)
        return reason_refuse(reason, "store", "another directoryd serves %s; stop it first", path);
    return 0;
}

static int read_version(struct sqlite_store *self, int *ret_version)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(self->database, "PRAGMA user_version", -1, &statement, NULL);

    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        *ret_version = sqlite3_column_int(statement, 0);
        sqlite3_finalize(statement);
    }
    return code == SQLITE_ROW ? SQLITE_OK : code;
}

static int make_schema(struct sqlite_store *self)
{
    int version = 0;
    int code = sqlite3_exec(self->database, "BEGIN IMMEDIATE", NULL, NULL, NULL);

    if (code == SQLITE_OK)
        code = read_version(self, &version);
    if (code == SQLITE_OK && version == 0)
        code = sqlite3_exec(self->database, SCHEMA, NULL, NULL, NULL);
    return code == SQLITE_OK ? sqlite3_exec(self->database, "COMMIT", NULL, NULL, NULL) : code;
}

static int open_database(struct sqlite_store *self, const char *path, enum store_access access, struct reason *reason)
{
    int flags = SQLITE_OPEN_NOMUTEX |
                (access == STORE_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE);
    int version = 0, code = sqlite3_open_v2(path, &self->database, flags, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(self->database, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(self->database,
                            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "PRAGMA cell_size_check = ON; PRAGMA cache_size = -16384",
                            NULL, NULL, NULL);
    if (code == SQLITE_OK && access == STORE_WRITE)
        code = make_schema(self);
    else if (code == SQLITE_OK)
        code = sqlite3_exec(self->database, "PRAGMA query_only = ON", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = read_version(self, &version);
    if (code != SQLITE_OK)
        return reason_refuse(reason, "store", "can't use %s: %s", path, sqlite3_errmsg(self->database));
    if (version != SCHEMA_VERSION)
        return reason_refuse(reason, "store",
                             "%s has schema version %d, this directoryd knows %d; use the directoryd "
                             "that made it",
                             path, version, SCHEMA_VERSION);
    return 0;
}

static int sqlite_open(const char *path, enum store_access access, struct store **ret_store, struct reason *reason)
{
    struct sqlite_store *self = calloc(1, sizeof *self);

    if (!self)
        return -ENOMEM;
    *self = (struct sqlite_store){ .base.backend = &STORE_SQLITE, .lock = -1 };
    int error = access == STORE_WRITE ? take_lock(self, path, reason) : 0;
    if (!error)
        error = open_database(self, path, access, reason);
    if (error) {
        sqlite_close(&self->base);
        return error;
    }
    *ret_store = &self->base;
    return 0;
}

const struct store_backend STORE_SQLITE = {
    .scheme = "sqlite:",
    .begin = "BEGIN IMMEDIATE",
    .open = sqlite_open,
    .close = sqlite_close,
    .in_transaction = sqlite_in_transaction,
    .select = sqlite_select,
    .next = sqlite_next,
    .integer = sqlite_integer,
    .text = sqlite_text,
    .bytes = sqlite_bytes,
    .is_null = sqlite_is_null,
    .done = sqlite_done,
};
