#pragma once

/* The store behind the log and the views: a thin layer over one SQL session, so that every query of directoryd is
 * written once (parameters as $1, $2 … in the order of their first use, which SQLite and PostgreSQL both understand)
 * and a back end is only a `struct store_backend`. There are two:
 *
 *   sqlite:PATH         one file, one directoryd
 *   postgresql://…      libpq's connection URI; any number of directoryd over one database
 *
 * What both understand alike is narrow: a select is read to its end or bounded by LIMIT (a back end may hold all its
 * rows in memory), texts compare byte by byte, integers are 64 bits wide.
 *
 * Failures stick: after the first, `store->error` is set, logged once, and every further call does nothing and finds no
 * rows until store_rollback or store_clear. So callers run a whole transaction and look at the end. When the connection
 * is gone (store_is_lost), only closing the session and opening another helps.
 *
 * A session is used by one thread at a time. */

#include "lib/reason.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_access {
    STORE_WRITE,  /* the log's one writer, kept by a lock; makes what isn't there, brings an older schema up to date */
    STORE_SHARED, /* PostgreSQL: makes and updates likewise, and writes what isn't of the log; without the lock */
    STORE_READ,
    STORE_SCAN, /* to read each row once: keeps few pages in memory */
};

/* Condition of store_open beside REFUSED: another has the lock; the reason says so. */
enum { STORE_HELD = 2 };

enum store_kind { STORE_NULL, STORE_INTEGER, STORE_TEXT, STORE_BYTES };

/* A parameter. Bytes and texts stay the caller's, until store_done (store_run: until it returns). */
struct store_value {
    enum store_kind kind;
    int64_t integer;
    const void *data;
    size_t size;
};

struct store {
    const struct store_backend *backend;
    int error;          /* 0, or the negative errno of the first failure */
    int64_t epoch;      /* of the writer that took office (store_take_office); 0: none */
    bool office_due;    /* it is to be taken yet: the disk was full */
    void *hashes;       /* tlog.c's cache of tree hashes, free()d with the session */
    atomic_bool sealed; /* store_seal */
};

/* The rows that a query finds; store_done in every case. */
struct store_rows {
    struct store *store;
    void *cursor;
    bool at_row;
};

enum store_step { STORE_BEGIN, STORE_SNAPSHOT, STORE_COMMIT, STORE_ROLLBACK };

struct store_backend {
    const char *scheme; /* "sqlite:" */
    bool shared;        /* more than one directoryd may use it at once */
    int schema;         /* which column of schema.c's steps it understands */
    int (*open)(const char *url, enum store_access access, struct store **ret_store, struct reason *reason);
    void (*close)(struct store *store);
    /* A commit is 0 only when it is durable, or will be by `sync`. A rollback is for every state, one without a
     * transaction too. */
    int (*transact)(struct store *store, enum store_step step);
    /* Makes durable what was committed before the call, from any thread. NULL: a commit is durable by itself. */
    int (*sync)(struct store *store);
    /* Runs what gives no rows; within a transaction a failure may show only at a later call, at the latest at the
     * commit. */
    int (*run)(struct store *store, const char *sql, const struct store_value *values, size_t count);
    int (*select)(struct store *store, const char *sql, const struct store_value *values, size_t count,
                  void **ret_cursor);
    int (*next)(struct store *store, void *cursor); /* 1: at a row, 0: none left, or negative errno */
    int64_t (*integer)(void *cursor, int column);
    const char *(*text)(void *cursor, int column);
    const void *(*bytes)(void *cursor, int column, size_t *ret_size);
    bool (*is_null)(void *cursor, int column);
    void (*done)(struct store *store, void *cursor);
    int (*version)(struct store *store, int64_t *ret_version); /* of the schema; 0: a new store */
    const char *set_version;                                   /* SQL before the number */
    const char *schema_lock;                                   /* SQL that keeps others from changing it, or NULL */
    /* The following may be NULL: a file's session is never lost, and nobody else notifies it. */
    bool (*is_lost)(struct store *store);
    int (*descriptor)(struct store *store);
    bool (*take_notifications)(struct store *store);
};

extern const struct store_backend STORE_SQLITE, STORE_POSTGRESQL;

/* The back end that an address means, or NULL. */
const struct store_backend *store_backend_of(const char *url);
/* Opens a store whose schema is this program's, or, unless to read, brings it there. 0 (store_close), REFUSED with what
 * to do about it, STORE_HELD, or negative errno, logged. */
int store_open(const char *url, enum store_access access, struct store **ret_store, struct reason *reason);
/* NULL is passed over. */
void store_close(struct store *store);

/* The writer takes office: the store's epoch is raised by one, durably, and from now on every transaction of this
 * session holds the epoch's row and fails (-ESTALE) once another has raised it. So of two that both believe to be the
 * one writer, only the last can commit. 0 or the session's error, rolled back. A full disk is no error where a file's
 * lock says who is the one writer: then what is there can be served, and each store_begin tries again. */
int store_take_office(struct store *store);

/* A transaction. store_commit returns only when it is durable: 0, or the session's error (then the caller rolls back).
 * After -ENOTCONN or -ETIMEDOUT it isn't known whether it was committed. */
void store_begin(struct store *store);
/* A transaction that only reads, and sees the store as it is at its first read; ended by store_rollback. */
void store_snapshot(struct store *store);
int store_commit(struct store *store);
/* The same in two steps, where the back end has them (store_syncs_apart): once it is committed ahead other sessions see
 * it and the next transaction may begin, but only store_sync makes it durable, in any thread, for all that was
 * committed before it was called. 0 or negative errno: after that nobody knows what the disk has, and what was read
 * back may be memory's (fsync(2), "EIO"). Then the process ends, and the next one begins with what is there. */
int store_commit_ahead(struct store *store);
int store_sync(struct store *store);
static inline bool store_syncs_apart(const struct store *store)
{
    return store->backend->sync != NULL;
}
void store_rollback(struct store *store);
/* Nothing more is written by this session, whose store was found to be damaged: from now on store_begin fails with
 * -EUCLEAN. From any thread. */
void store_seal(struct store *store);
/* Forgets the error of a session that only reads; returns what it was. */
int store_clear(struct store *store);
/* The connection is gone. */
bool store_is_lost(const struct store *store);

/* For what others tell: a descriptor that is readable when there may be a notification (-1: never), and whether one
 * came since the last call. Notifications are sent with SQL, NOTIFY, and received after LISTEN. */
int store_descriptor(struct store *store);
bool store_take_notifications(struct store *store);

void store_select_values(struct store *store, struct store_rows *ret_rows, const char *sql,
                         const struct store_value *values, size_t count);
void store_run_values(struct store *store, const char *sql, const struct store_value *values, size_t count);

/* true when there is another row. */
bool store_next(struct store_rows *rows);
/* Of the present row, columns from 0; texts and bytes live until the next call of store_next or store_done. SQL's null
 * reads as 0, "" and no bytes. */
int64_t store_integer(const struct store_rows *rows, int column);
const char *store_text(const struct store_rows *rows, int column);
const void *store_bytes(const struct store_rows *rows, int column, size_t *ret_size);
bool store_is_null(const struct store_rows *rows, int column);
void store_done(struct store_rows *rows);

#define cleanup_rows __attribute__((cleanup(store_done)))

#define VALUE_INTEGER(number) ((struct store_value){ .kind = STORE_INTEGER, .integer = (int64_t)(number) })
#define VALUE_TEXT(string) (store_value_text(string)) /* NULL stands for SQL's null */
#define VALUE_BYTES(start, length) ((struct store_value){ .kind = STORE_BYTES, .data = (start), .size = (length) })
struct store_value store_value_text(const char *text);

#define STORE_VALUES(...) ((const struct store_value[]){ __VA_ARGS__ })
#define STORE_COUNT(...) (sizeof(STORE_VALUES(__VA_ARGS__)) / sizeof(struct store_value))
/* store_select(store, &rows, "SELECT … $1", VALUE_TEXT(id)); store_run likewise for what gives no rows. */
#define store_select(store, ret_rows, sql, ...)                                                                        \
    store_select_values(store, ret_rows, sql, STORE_VALUES(__VA_ARGS__), STORE_COUNT(__VA_ARGS__))
#define store_run(store, sql, ...) store_run_values(store, sql, STORE_VALUES(__VA_ARGS__), STORE_COUNT(__VA_ARGS__))
