/* SQLite as the store: one file in WAL mode, which a commit is written to ahead (store_wal.h) and synced by
 * sqlite_sync, so that a transaction that was committed survives a power loss. Statements are prepared once per session
 * and kept by their text. PATH.lock is held with flock(2) by the one writer: two sequencers on one log would fork it.
 */

#include "contrib/directory/schema.h"
#include "contrib/directory/store_tidy.h"
#include "contrib/directory/store_wal.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define HINTS 256            /* four times as many as there are texts */
#define CACHE_STATEMENTS 128 /* about twice as many as directoryd has; the filters of lists make the rest */
#define BUSY_MS 10000        /* only a back-up tool can hold the lock for long */

struct cached {
    uint32_t hash;
    char *sql;
    sqlite3_stmt *statement;
};

struct sqlite_store {
    struct store base;
    sqlite3 *database;
    int lock, wal; /* -1: not open */
    char *wal_path;
    struct tidy *tidy; /* the writer's */
    bool unsettled;    /* the WAL has what isn't built on (settle) */
    struct cached cache[CACHE_STATEMENTS];
    uint8_t hints[HINTS]; /* by the address of a text, which is mostly a literal: where it was found last */
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
    int error = to_errno(code);

    if (error == -EUCLEAN)
        log_error("the store is damaged: stop directoryd, and restore the store from a back-up or a mirror");
    if (error == -ENOSPC && self->tidy)
        store_tidy_wake(self->tidy); /* the WAL may be most of what fills the disk */
    return log_fail(error, "store: %.60s: %s", what, sqlite3_errmsg(self->database));
}

/* FNV-1a: comparing every text would cost as much as what it prepares for. */
static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619;
    return hash;
}

_Static_assert(CACHE_STATEMENTS <= UINT8_MAX + 1, "a hint is a byte");

static bool serves(const struct cached *slot, const char *sql)
{
    return strcmp(slot->sql, sql) == 0 && !sqlite3_stmt_busy(slot->statement);
}

/* A kept statement for this text that is at rest; or NULL, and the text's hash. */
static sqlite3_stmt *find_prepared(struct sqlite_store *self, const char *sql, uint32_t *ret_hash)
{
    uint8_t *hint = &self->hints[((uintptr_t)sql >> 3) % HINTS];

    if (*hint < self->cached && serves(&self->cache[*hint], sql))
        return self->cache[*hint].statement;
    *ret_hash = hash_text(sql);
    for (size_t i = 0; i < self->cached; i++) {
        if (self->cache[i].hash == *ret_hash && serves(&self->cache[i], sql)) {
            *hint = (uint8_t)i;
            return self->cache[i].statement;
        }
    }
    return NULL;
}

/* A prepared statement for this text: a kept one, or a new one, which takes the place of an old one. */
static int prepare(struct sqlite_store *self, const char *sql, sqlite3_stmt **ret_statement)
{
    uint32_t hash = 0;
    sqlite3_stmt *statement = find_prepared(self, sql, &hash);
    struct cached *slot;

    if (statement) {
        *ret_statement = statement;
        return 0;
    }
    int code = sqlite3_prepare_v3(self->database, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL);
    if (code != SQLITE_OK)
        return fail(self, code, sql);
    *ret_statement = statement;
    char *copy = strdup(sql);
    if (!copy)
        return sqlite3_finalize(statement), -ENOMEM;
    if (self->cached < CACHE_STATEMENTS) {
        self->cache[self->cached++] = (struct cached){ hash, copy, statement };
        return 0;
    }
    do
        slot = &self->cache[self->evict++ % CACHE_STATEMENTS];
    while (sqlite3_stmt_busy(slot->statement)); /* far fewer are open at once than are kept */
    sqlite3_finalize(slot->statement);
    free(slot->sql);
    *slot = (struct cached){ hash, copy, statement };
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

    store_tidy_stop(self->tidy);
    for (size_t i = 0; i < self->cached; i++) {
        sqlite3_finalize(self->cache[i].statement);
        free(self->cache[i].sql);
    }
    sqlite3_close(self->database);
    if (self->lock >= 0)
        close(self->lock);
    if (self->wal >= 0)
        close(self->wal);
    free(self->wal_path);
    free(self);
}

static int sqlite_run(struct store *store, const char *sql, const struct store_value *values, size_t count)
{
    void *cursor;
    int error = sqlite_select(store, sql, values, count, &cursor);

    if (error < 0)
        return error;
    do
        error = sqlite_next(store, cursor);
    while (error > 0);
    sqlite_done(store, cursor);
    return error;
}

/* What a process left in the WAL whose sync failed isn't built on: it is written into the file and synced again. On a
 * full disk that has to wait, and so do transactions that write; but not for somebody who reads what was before, as a
 * back-up does for minutes. */
static int settle(struct sqlite_store *self)
{
    int code = sqlite3_wal_checkpoint_v2(self->database, NULL, SQLITE_CHECKPOINT_FULL, NULL, NULL);

    if (code == SQLITE_BUSY)
        code = SQLITE_OK;
    self->unsettled = code != SQLITE_OK;
    return code;
}

static int sqlite_transact(struct store *store, enum store_step step)
{
    static const char *const steps[] = {
        [STORE_BEGIN] = "BEGIN IMMEDIATE",
        [STORE_SNAPSHOT] = "BEGIN",
        [STORE_COMMIT] = "COMMIT",
        [STORE_ROLLBACK] = "ROLLBACK",
    };

    struct sqlite_store *self = (struct sqlite_store *)store;

    if (step == STORE_ROLLBACK && sqlite3_get_autocommit(self->database))
        return 0; /* there is none: a failed COMMIT may have ended it */
    if (step == STORE_BEGIN && self->unsettled && settle(self) != SQLITE_OK)
        return log_fail(to_errno(sqlite3_errcode(self->database)), "store: %s", sqlite3_errmsg(self->database));
    if (step == STORE_BEGIN)
        store_tidy_finish(self->tidy);
    return sqlite_run(store, steps[step], NULL, 0);
}

/* The WAL is there from the first transaction until the last session ends. SQLite synced its folder when it made it. */
static int sqlite_sync(struct store *store)
{
    struct sqlite_store *self = (struct sqlite_store *)store;

    if (self->wal < 0)
        self->wal = open(self->wal_path, O_RDONLY | O_CLOEXEC);
    if (self->wal < 0 || fdatasync(self->wal) < 0)
        return log_fail(-errno, "store: sync %s", self->wal_path);
    return 0;
}

static int sqlite_version(struct store *store, int64_t *ret_version)
{
    void *cursor;
    int error = sqlite_select(store, "PRAGMA user_version", NULL, 0, &cursor);

    if (error < 0)
        return error;
    error = sqlite_next(store, cursor);
    *ret_version = error > 0 ? sqlite_integer(cursor, 0) : 0;
    sqlite_done(store, cursor);
    return error < 0 ? error : 0;
}

static int take_lock(struct sqlite_store *self, const char *path, struct reason *reason)
{
    char name[4096];

    if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
        return reason_refuse(reason, "store", "the path is too long");
    self->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock < 0)
        return reason_refuse(reason, "store", "can't open %s: %s", name, strerror(errno));
    if (flock(self->lock, LOCK_EX | LOCK_NB) < 0) {
        reason_refuse(reason, "store", "another directoryd serves %s; stop it first", path);
        return STORE_HELD;
    }
    return 0;
}

static int refuse_to_use(sqlite3 *database, const char *path, int error, struct reason *reason)
{
    int cause = sqlite3_system_errno(database);

    return reason_refuse(reason, "store", "can't use %s: %s%s%s%s", path, sqlite3_errmsg(database), cause ? ": " : "",
                         cause ? strerror(cause) : "",
                         error == -EUCLEAN ? "; restore the store from a back-up or a mirror" : "");
}

static int open_database(struct sqlite_store *self, const char *path, enum store_access access, struct reason *reason)
{
    int flags = SQLITE_OPEN_NOMUTEX |
                (access == STORE_WRITE ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READWRITE);
    int code = sqlite3_open_v2(path, &self->database, flags, access < STORE_READ ? store_wal_vfs() : NULL);

    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(self->database, BUSY_MS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(self->database,
                            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                            "PRAGMA cell_size_check = ON",
                            NULL, NULL, NULL);
    if (code == SQLITE_OK &&
        access != STORE_SCAN) /* a large one: what an id is looked up by lies anywhere in an index */
        code = sqlite3_exec(self->database, "PRAGMA cache_size = -65536", NULL, NULL, NULL);
    if (code == SQLITE_OK && access == STORE_WRITE)
        code = settle(self);
    if (code == SQLITE_FULL) {
        log_warning("store: the disk is full: what is there is served, and nothing is written until there is room");
        code = SQLITE_OK;
    }
    if (code == SQLITE_OK && access >= STORE_READ)
        code = sqlite3_exec(self->database, "PRAGMA query_only = ON", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return refuse_to_use(self->database, path, to_errno(code), reason);
    return 0;
}

static int sqlite_open(const char *url, enum store_access access, struct store **ret_store, struct reason *reason)
{
    const char *path = url + strlen(STORE_SQLITE.scheme);
    struct sqlite_store *self = calloc(1, sizeof *self);

    /* Nobody reads what it counts, and each malloc would take a lock. Of effect before SQLite's first use only. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    if (!self)
        return -ENOMEM;
    *self = (struct sqlite_store){ .base.backend = &STORE_SQLITE, .lock = -1, .wal = -1 };
    if (asprintf(&self->wal_path, "%s-wal", path) < 0)
        return free(self), -ENOMEM;
    int error = access == STORE_WRITE ? take_lock(self, path, reason) : 0;
    if (!error)
        error = open_database(self, path, access, reason);
    if (error) {
        sqlite_close(&self->base);
        return error;
    }
    if (access == STORE_WRITE)
        self->tidy = store_tidy_start(self->database, path);
    *ret_store = &self->base;
    return 0;
}

const struct store_backend STORE_SQLITE = {
    .scheme = "sqlite:",
    .schema = SCHEMA_SQLITE,
    .open = sqlite_open,
    .close = sqlite_close,
    .transact = sqlite_transact,
    .sync = sqlite_sync,
    .run = sqlite_run,
    .select = sqlite_select,
    .next = sqlite_next,
    .integer = sqlite_integer,
    .text = sqlite_text,
    .bytes = sqlite_bytes,
    .is_null = sqlite_is_null,
    .done = sqlite_done,
    .version = sqlite_version,
    .set_version = "PRAGMA user_version = ",
};
