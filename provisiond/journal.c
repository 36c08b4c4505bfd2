/* The journal on SQLite. One connection, used by the loop alone. Statements are prepared for each use: a node writes a
 * few rows a minute. SQLite's errors become -EIO (-ENOSPC, -EROFS where it tells), and are logged here with SQLite's
 * words. */

#include "provisiond/journal.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

struct journal {
    sqlite3 *database;
};

static const char *const SCHEMA[JOURNAL_SCHEMA] = {
    "CREATE TABLE kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE contract (id TEXT PRIMARY KEY, log_index INTEGER NOT NULL, envelope BLOB NOT NULL, state TEXT NOT "
    "NULL,"
    "  message TEXT NOT NULL, ending INTEGER NOT NULL, refused INTEGER NOT NULL,"
    " over INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX contract_live ON contract (log_index) WHERE over = 0;"
    "CREATE TABLE result (number INTEGER PRIMARY KEY AUTOINCREMENT, payload TEXT NOT NULL, envelope TEXT,"
    "  signed_at INTEGER NOT NULL DEFAULT 0);",
};

static int fail(struct journal *journal, const char *what)
{
    int code = journal->database ? sqlite3_errcode(journal->database) : SQLITE_NOMEM;
    int error = code == SQLITE_FULL       ? -ENOSPC
                : code == SQLITE_READONLY ? -EROFS
                : code == SQLITE_NOMEM    ? -ENOMEM
                                          : -EIO;

    log_error("journal: %s: %s", what, journal->database ? sqlite3_errmsg(journal->database) : "out of memory");
    return error;
}

static int run(struct journal *journal, const char *sql)
{
    return sqlite3_exec(journal->database, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(journal, sql);
}

/* Prepares, and binds by `format`, a letter for each parameter: t text (NULL is SQL's NULL), i int64_t. NULL on
 * failure, logged. */
static sqlite3_stmt *prepare(struct journal *journal, const char *sql, const char *format, ...)
{
    sqlite3_stmt *statement = NULL;
    va_list arguments;
    int r = sqlite3_prepare_v2(journal->database, sql, -1, &statement, NULL);

    va_start(arguments, format);
    for (int i = 1; r == SQLITE_OK && format[i - 1]; i++)
        r = format[i - 1] == 't'
                ? sqlite3_bind_text(statement, i, va_arg(arguments, const char *), -1, SQLITE_TRANSIENT)
                : sqlite3_bind_int64(statement, i, va_arg(arguments, int64_t));
    va_end(arguments);
    if (r == SQLITE_OK)
        return statement;
    fail(journal, sql);
    sqlite3_finalize(statement);
    return NULL;
}

/* Runs a statement that gives no rows. */
static int finish(struct journal *journal, sqlite3_stmt *statement, const char *what)
{
    int r = statement ? sqlite3_step(statement) : SQLITE_ERROR;

    if (statement && r != SQLITE_DONE)
        fail(journal, what);
    sqlite3_finalize(statement);
    return r == SQLITE_DONE ? 0 : r == SQLITE_FULL ? -ENOSPC : -EIO;
}

static int bring_forward(struct journal *journal)
{
    sqlite3_stmt *statement = prepare(journal, "PRAGMA user_version", "");
    int version = statement && sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int(statement, 0) : -1;
    char sql[64];
    int r = version < 0 ? -EIO : 0;

    sqlite3_finalize(statement);
    if (version > JOURNAL_SCHEMA) {
        log_error("journal: its schema is %d, newer than the %d of this program", version, JOURNAL_SCHEMA);
        return -EPROTO;
    }
    for (; r == 0 && version < JOURNAL_SCHEMA; version++) {
        snprintf(sql, sizeof sql, "PRAGMA user_version = %d", version + 1);
        r = journal_begin(journal);
        if (r == 0 && ((r = run(journal, SCHEMA[version])) < 0 || (r = run(journal, sql)) < 0))
            journal_rollback(journal);
        else if (r == 0)
            r = journal_commit(journal);
    }
    return r;
}

int journal_open(const char *path, struct journal **ret_journal)
{
    struct journal *journal = calloc(1, sizeof *journal);
    int r = 0;

    if (!journal)
        return log_fail(-ENOMEM, "journal %s", path);
    if (sqlite3_open_v2(path, &journal->database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK)
        r = fail(journal, path);
    if (r == 0)
        r = run(journal, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                         "PRAGMA trusted_schema = OFF;");
    if (r == 0)
        r = bring_forward(journal);
    if (r < 0) {
        journal_close(journal);
        return r;
    }
    *ret_journal = journal;
    return 0;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    sqlite3_close(journal->database);
    free(journal);
}

int journal_copy(struct journal *journal, const char *path)
{
    return finish(journal, prepare(journal, "VACUUM INTO ?", "t", path), path);
}

int journal_begin(struct journal *journal)
{
    return run(journal, "BEGIN IMMEDIATE");
}

int journal_commit(struct journal *journal)
{
    int r = run(journal, "COMMIT");

    if (r < 0)
        journal_rollback(journal);
    return r;
}

void journal_rollback(struct journal *journal)
{
    if (!sqlite3_get_autocommit(journal->database))
        run(journal, "ROLLBACK");
}

int journal_get(struct journal *journal, const char *name, char **ret_value)
{
    sqlite3_stmt *statement = prepare(journal, "SELECT value FROM kept WHERE name = ?", "t", name);
    int r = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    char *value = NULL;

    if (r == SQLITE_ROW) {
        value = strdup((const char *)sqlite3_column_text(statement, 0));
        r = value ? SQLITE_DONE : SQLITE_NOMEM;
    }
    sqlite3_finalize(statement);
    if (r != SQLITE_DONE)
        return fail(journal, name);
    *ret_value = value;
    return 0;
}

int journal_set(struct journal *journal, const char *name, const char *value)
{
    return finish(journal, prepare(journal, "INSERT OR REPLACE INTO kept VALUES (?, ?)", "tt", name, value), name);
}

int journal_add_contract(struct journal *journal, const struct journal_contract *contract)
{
    sqlite3_stmt *statement;

    if (journal_has(journal, contract->id))
        return -EEXIST;
    statement = prepare(journal,
                        "INSERT INTO contract (id, log_index, state, message, ending, refused, over, envelope)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        "tittiii", contract->id, contract->index, contract->state, contract->message,
                        (int64_t)contract->ending, (int64_t)contract->refused, (int64_t)contract->over);
    if (statement && sqlite3_bind_blob(statement, 8, contract->envelope, (int)contract->envelope_size,
                                       SQLITE_TRANSIENT) != SQLITE_OK) {
        sqlite3_finalize(statement);
        return fail(journal, "contract");
    }
    return finish(journal, statement, "contract");
}

int journal_set_state(struct journal *journal, const char *id, const char *state, const char *message)
{
    return finish(
        journal, prepare(journal, "UPDATE contract SET state = ?, message = ? WHERE id = ?", "ttt", state, message, id),
        "state");
}

int journal_set_ending(struct journal *journal, const char *id)
{
    return finish(journal, prepare(journal, "UPDATE contract SET ending = 1 WHERE id = ?", "t", id), "ending");
}

int journal_set_over(struct journal *journal, const char *id)
{
    return finish(journal, prepare(journal, "UPDATE contract SET ending = 1, over = 1 WHERE id = ?", "t", id), "over");
}

static bool gives_row(sqlite3_stmt *statement)
{
    bool gives = statement && sqlite3_step(statement) == SQLITE_ROW;

    sqlite3_finalize(statement);
    return gives;
}

bool journal_has(struct journal *journal, const char *id)
{
    return gives_row(prepare(journal, "SELECT 1 FROM contract WHERE id = ?", "t", id));
}

bool journal_is_over(struct journal *journal, const char *id)
{
    return gives_row(prepare(journal, "SELECT 1 FROM contract WHERE id = ? AND over = 1", "t", id));
}

int journal_each(struct journal *journal, int (*each)(void *context, const struct journal_contract *contract),
                 void *context)
{
    sqlite3_stmt *statement = prepare(journal,
                                      "SELECT id, log_index, envelope, state, message, ending, refused FROM contract"
                                      " WHERE over = 0 ORDER BY log_index",
                                      "");
    int step = SQLITE_ERROR, r = 0;

    while (statement && r == 0 && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct journal_contract contract = { .index = sqlite3_column_int64(statement, 1),
                                             .envelope = sqlite3_column_blob(statement, 2),
                                             .envelope_size = (size_t)sqlite3_column_bytes(statement, 2),
                                             .state = (const char *)sqlite3_column_text(statement, 3),
                                             .message = (const char *)sqlite3_column_text(statement, 4),
                                             .ending = sqlite3_column_int(statement, 5),
                                             .refused = sqlite3_column_int(statement, 6) };
        snprintf(contract.id, sizeof contract.id, "%s", (const char *)sqlite3_column_text(statement, 0));
        r = each(context, &contract);
    }
    if (r == 0 && step != SQLITE_DONE)
        r = fail(journal, "read contracts");
    sqlite3_finalize(statement);
    return r;
}

int journal_add_result(struct journal *journal, const char *payload)
{
    return finish(journal, prepare(journal, "INSERT INTO result (payload) VALUES (?)", "t", payload), "result");
}

static char *copy_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text ? strdup(text) : NULL;
}

int journal_first_result(struct journal *journal, struct journal_result *ret_result)
{
    sqlite3_stmt *statement =
        prepare(journal, "SELECT number, payload, envelope, signed_at FROM result ORDER BY number LIMIT 1", "");
    int r = statement ? sqlite3_step(statement) : SQLITE_ERROR;
    struct journal_result result = { 0 };

    if (r == SQLITE_ROW) {
        result = (struct journal_result){ .number = sqlite3_column_int64(statement, 0),
                                          .payload = copy_text(statement, 1),
                                          .envelope = copy_text(statement, 2),
                                          .signed_at = sqlite3_column_int64(statement, 3) };
        r = result.payload ? SQLITE_DONE : SQLITE_NOMEM;
    }
    sqlite3_finalize(statement);
    if (r != SQLITE_DONE) {
        journal_result_close(&result);
        return fail(journal, "read results");
    }
    *ret_result = result;
    return 0;
}

void journal_result_close(struct journal_result *result)
{
    if (!result)
        return;
    free(steal_pointer(result->payload));
    free(steal_pointer(result->envelope));
}

int journal_set_signed(struct journal *journal, int64_t number, const char *envelope, int64_t signed_at)
{
    return finish(journal,
                  prepare(journal, "UPDATE result SET envelope = ?, signed_at = ? WHERE number = ?", "tii", envelope,
                          signed_at, number),
                  "result");
}

int journal_remove_result(struct journal *journal, int64_t number)
{
    return finish(journal, prepare(journal, "DELETE FROM result WHERE number = ?", "i", number), "result");
}
