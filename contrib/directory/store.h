#pragma once

/* The store behind the log and the views: a thin layer over one SQL session, so that every query of directoryd is
 * written once (parameters as $1, $2 … in the order of their first use, which SQLite and PostgreSQL both understand)
 * and a back end is only a `struct store_backend`. SQLite is the one there is.
 *
 * Failures stick: after the first, `store->error` is set, logged once, and every further call does nothing and finds no
 * rows until store_rollback or store_clear. So callers run a whole transaction and look at the end.
 *
 * A session is used by one thread at a time. The writer's session is the sequencer's, the reader's is the loop's. */

#include "lib/reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum store_access {
    STORE_WRITE, /* makes the store and its tables when they aren't there; there is one at a time, kept by a lock */
    STORE_READ,
};

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
    int error; /* 0, or the negative errno of the first failure */
};

/* The rows that a query finds; store_done in every case. */
struct store_rows {
    struct store *store;
    void *cursor;
    bool at_row;
};

struct store_backend {
    const char *scheme; /* "sqlite:" */
    const char *begin;  /* how a transaction that will write begins */
    int (*open)(const char *address, enum store_access access, struct store **ret_store, struct reason *reason);
    void (*close)(struct store *store);
    bool (*in_transaction)(struct store *store);
    int (*select)(struct store *store, const char *sql, const struct store_value *values, size_t count,
                  void **ret_cursor);
    int (*next)(struct store *store, void *cursor); /* 1: at a row, 0: none left, or negative errno */
    int64_t (*integer)(void *cursor, int column);
    const char *(*text)(void *cursor, int column);
    const void *(*bytes)(void *cursor, int column, size_t *ret_size);
    bool (*is_null)(void *cursor, int column);
    void (*done)(struct store *store, void *cursor);
};

extern const struct store_backend STORE_SQLITE;

/* true when the address is of a kind that there is: "sqlite:PATH". */
bool store_is_address(const char *url);
/* Opens "sqlite:PATH". 0 (store_close), REFUSED with what to do about it, or negative errno, logged. */
int store_open(const char *url, enum store_access access, struct store **ret_store, struct reason *reason);
void store_close(struct store *store);

/* A transaction. store_commit returns only when it is durable: 0, or the session's error (then the caller rolls back).
 */
void store_begin(struct store *store);
int store_commit(struct store *store);
void store_rollback(struct store *store);
/* Forgets the error of a session that only reads; returns what it was. */
int store_clear(struct store *store);

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
