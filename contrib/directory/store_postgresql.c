/* PostgreSQL as the store, through libpq's pipeline mode: what gives no rows is sent without waiting for its result,
 * and a select, the end of a transaction, or whatever is outside of one, waits for all that was sent before. Every wait
 * has an end (WAIT_…): then the connection counts as lost, whatever became of the transaction.
 *
 * The one writer holds an advisory lock of its session, so the server gives it back when the process, or the machine it
 * ran on, is gone; a session that the server hasn't heard of for IDLE_S is ended. A commit is only taken as durable
 * when the server says so without a warning: one that was cut short while it waited for its synchronous standby warns.
 */

#include "contrib/directory/schema.h"

#include "lib/encode.h"
#include "lib/log.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATEMENTS_MAX 192  /* prepared in a session: about three times as many as directoryd has */
#define PARAMETERS_MAX 32   /* of one statement */
#define WAIT_READ_MS 2000   /* the loop stands still meanwhile */
#define WAIT_SHARED_MS 5000 /* … for these, only a thread of the pool */
#define WAIT_WRITE_MS 20000
#define WRITER_LOCK "7813590147" /* the advisory locks: any numbers, the same in every directoryd */
#define SCHEMA_LOCK "7813590148"
#define BYTES_OID 17 /* pg_type.dat: bytea, int8, int2, int4, bool */
#define INT8_OID 20
#define INT2_OID 21
#define INT4_OID 23
#define BOOL_OID 16

struct postgresql_store {
    struct store base;
    PGconn *connection;
    int wait_ms;
    int queued; /* commands whose results weren't read yet */
    bool in_transaction, lost, warned;
    char *statements[STATEMENTS_MAX]; /* by number: prepared as "s<number>" */
    int count;
};

struct cursor {
    PGresult *result;
    int row;
    char number[24]; /* an integer that was asked for as text */
};

/* ---- Failures */

/* The classes of errcodes.txt (PostgreSQL's documentation, appendix A) that somebody tells apart. */
static int to_errno(const char *state)
{
    static const struct {
        const char *prefix;
        int error;
    } known[] = {
        { "53100", -ENOSPC }, { "53200", -ENOMEM }, { "53", -EAGAIN },   { "23", -EEXIST },
        { "08", -ENOTCONN },  { "57P", -ENOTCONN }, { "25006", -EROFS }, { "XX00", -EUCLEAN },
        { "25P", -ENOTCONN }, { "57", -ETIMEDOUT }, { "40", -EAGAIN },   { "55", -EAGAIN },
    };

    for (size_t i = 0; state && i < sizeof known / sizeof *known; i++) {
        if (strncmp(state, known[i].prefix, strlen(known[i].prefix)) == 0)
            return known[i].error;
    }
    return -EIO;
}

static int fail(struct postgresql_store *self, int error, const char *message)
{
    if (PQstatus(self->connection) == CONNECTION_BAD)
        error = -ENOTCONN;
    /* A server that became a standby takes no writes any more: another one does. */
    if (error == -ENOTCONN || error == -EROFS || error == -ETIMEDOUT)
        self->lost = true;
    return log_fail(error, "store: PostgreSQL: %.*s", (int)strcspn(message, "\n"), message);
}

static int fail_connection(struct postgresql_store *self)
{
    const char *message = PQerrorMessage(self->connection);

    return fail(self, -ENOTCONN, *message ? message : "the connection is gone");
}

static void on_notice(void *context, const PGresult *result)
{
    struct postgresql_store *self = context;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

    if (severity && strcmp(severity, "WARNING") == 0) {
        self->warned = true;
        log_warning("store: PostgreSQL warns: %s", text ? text : "");
    }
}

/* ---- Results */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The next result, NULL between those of two commands. */
static int read_result(struct postgresql_store *self, PGresult **ret_result)
{
    int64_t end = now_ms() + self->wait_ms;

    if (self->lost)
        return -ENOTCONN;
    if (PQflush(self->connection) < 0)
        return fail_connection(self);
    while (PQisBusy(self->connection)) {
        struct pollfd wait = { .fd = PQsocket(self->connection), .events = POLLIN };
        int64_t left = end - now_ms();
        if (left <= 0 || poll(&wait, 1, (int)left) == 0)
            return fail(self, -ETIMEDOUT, "it doesn't answer in time");
        if (!PQconsumeInput(self->connection))
            return fail_connection(self);
    }
    *ret_result = PQgetResult(self->connection);
    return 0;
}

/* Reads one command's result. When its transaction failed before, nothing is logged again. */
static int read_command(struct postgresql_store *self, PGresult **ret_result)
{
    PGresult *result = NULL, *end = NULL;
    int error = read_result(self, &result);

    if (!error && !result)
        error = fail_connection(self);
    if (!error && PQresultStatus(result) != PGRES_PIPELINE_SYNC)
        error = read_result(self, &end);
    PQclear(end);
    ExecStatusType status = result ? PQresultStatus(result) : PGRES_FATAL_ERROR;
    if (!error && status == PGRES_PIPELINE_ABORTED)
        error = -ECANCELED;
    else if (!error && status == PGRES_FATAL_ERROR)
        error = fail(self, to_errno(PQresultErrorField(result, PG_DIAG_SQLSTATE)), PQresultErrorMessage(result));
    if (error || !ret_result)
        PQclear(result);
    else
        *ret_result = result;
    return error;
}

/* Reads the results of all that was sent; *ret_result: of the command that `behind` more follow. The first failure
 * counts. */
static int finish(struct postgresql_store *self, int behind, PGresult **ret_result)
{
    PGresult *kept = NULL;
    int error = 0;

    while (self->queued > 0 && !self->lost) {
        bool wanted = --self->queued == behind && ret_result && !error;
        int result = read_command(self, wanted ? &kept : NULL);
        error = error ? error : result;
    }
    if (self->lost && !error)
        error = -ENOTCONN;
    if (error)
        PQclear(kept);
    else if (ret_result)
        *ret_result = kept;
    return error;
}

/* Ends what was sent, so that the server recovers from a failure among it. */
static int synchronize(struct postgresql_store *self)
{
    if (self->lost)
        return -ENOTCONN;
    if (!PQpipelineSync(self->connection))
        return fail_connection(self);
    self->queued++;
    return 0;
}

/* ---- Sending */

static int prepare(struct postgresql_store *self, const char *sql, int *ret_number)
{
    char name[16];
    int i;

    for (i = 0; i < self->count && strcmp(self->statements[i], sql) != 0; i++)
        ;
    *ret_number = i;
    if (i < self->count)
        return 0;
    if (i == STATEMENTS_MAX) {
        *ret_number = -1;
        return 0;
    }
    char *copy = strdup(sql);
    if (!copy)
        return -ENOMEM;
    snprintf(name, sizeof name, "s%d", i);
    if (!PQsendPrepare(self->connection, name, sql, 0, NULL)) {
        free(copy);
        return fail_connection(self);
    }
    self->queued++;
    self->statements[self->count++] = copy;
    return 0;
}

struct arguments {
    const char *values[PARAMETERS_MAX];
    int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];
    char numbers[PARAMETERS_MAX][24];
};

static bool is_utf8(const char *text, size_t size)
{
    size_t at = 0, step = 1;

    for (; at < size && step; at += step)
        step = (text[at] & 0x80) ? utf8_length(text + at, size - at) : 1;
    return step != 0;
}

/* Integers go as text, so that the server may take them as any type. A text that isn't UTF-8 equals no stored one: it
 * goes as null, where the server would refuse the whole statement. */
static void fill(struct arguments *arguments, const struct store_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct store_value *value = &values[i];
        arguments->values[i] = NULL;
        arguments->formats[i] = value->kind == STORE_BYTES;
        arguments->lengths[i] = (int)value->size;
        if (value->kind == STORE_INTEGER) {
            snprintf(arguments->numbers[i], sizeof arguments->numbers[i], "%lld", (long long)value->integer);
            arguments->values[i] = arguments->numbers[i];
        } else if (value->kind == STORE_BYTES) {
            arguments->values[i] = value->size ? value->data : "";
        } else if (value->kind == STORE_TEXT && is_utf8(value->data, value->size)) {
            arguments->values[i] = value->data;
        }
    }
}

static int send_statement(struct postgresql_store *self, const char *sql, const struct store_value *values,
                          size_t count)
{
    struct arguments arguments;
    char name[16];
    int number, sent;

    if (self->lost)
        return -ENOTCONN;
    int error = prepare(self, sql, &number);
    if (error)
        return error;
    fill(&arguments, values, count);
    snprintf(name, sizeof name, "s%d", number);
    if (number >= 0)
        sent = PQsendQueryPrepared(self->connection, name, (int)count, arguments.values, arguments.lengths,
                                   arguments.formats, 1);
    else
        sent = PQsendQueryParams(self->connection, sql, (int)count, NULL, arguments.values, arguments.lengths,
                                 arguments.formats, 1);
    if (!sent)
        return fail_connection(self);
    self->queued++;
    return 0;
}

/* Drops from the list what a failure kept from being prepared: it would be taken as prepared for ever. */
static void forget_statements(struct postgresql_store *self)
{
    while (self->count > 0)
        free(self->statements[--self->count]);
}

static int deallocate(struct postgresql_store *self)
{
    forget_statements(self);
    if (!PQsendQueryParams(self->connection, "DEALLOCATE ALL", 0, NULL, NULL, NULL, NULL, 0))
        return fail_connection(self);
    self->queued++;
    return synchronize(self);
}

/* After a failure outside a transaction: the session is as new. */
static int recover(struct postgresql_store *self, int error)
{
    if (!error || self->in_transaction || self->lost)
        return error;
    if (synchronize(self) == 0)
        finish(self, 0, NULL);
    if (!self->lost && deallocate(self) == 0)
        finish(self, 0, NULL);
    return error;
}

/* ---- The back end */

static int postgresql_run(struct store *store, const char *sql, const struct store_value *values, size_t count)
{
    struct postgresql_store *self = (struct postgresql_store *)store;
    int error = send_statement(self, sql, values, count);

    if (self->in_transaction)
        return error;
    if (!error)
        error = synchronize(self);
    return recover(self, error ? error : finish(self, 0, NULL));
}

static int postgresql_select(struct store *store, const char *sql, const struct store_value *values, size_t count,
                             void **ret_cursor)
{
    struct postgresql_store *self = (struct postgresql_store *)store;
    struct cursor *cursor = calloc(1, sizeof *cursor);
    int error = cursor ? send_statement(self, sql, values, count) : -ENOMEM;

    if (!error && !self->in_transaction)
        error = synchronize(self);
    else if (!error && !PQsendFlushRequest(self->connection))
        error = fail_connection(self);
    if (!error)
        error = finish(self, !self->in_transaction, &cursor->result);
    if (error) {
        free(cursor);
        return recover(self, error);
    }
    cursor->row = -1;
    *ret_cursor = cursor;
    return 0;
}

static int begin(struct postgresql_store *self, const char *sql)
{
    int error = send_statement(self, sql, NULL, 0);

    self->in_transaction = !error;
    return error;
}

/* "COMMIT" is what the server says when it did: after a failure it rolls back, and says so. */
static int commit(struct postgresql_store *self)
{
    PGresult *result = NULL;
    int error = send_statement(self, "COMMIT", NULL, 0);

    self->warned = false;
    if (!error)
        error = synchronize(self);
    if (!error)
        error = finish(self, 1, &result);
    if (!error && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        error = fail(self, -EIO, "the transaction was rolled back");
    if (!error && self->warned)
        error = fail(self, -ENOTCONN, "the commit may be on one server alone");
    PQclear(result);
    self->in_transaction = error != 0;
    return error;
}

static int rollback(struct postgresql_store *self)
{
    bool there = self->in_transaction;

    self->in_transaction = false;
    if (self->lost || synchronize(self) < 0)
        return -ENOTCONN;
    finish(self, 0, NULL);
    if (there && !self->lost && send_statement(self, "ROLLBACK", NULL, 0) == 0 && synchronize(self) == 0)
        finish(self, 0, NULL);
    if (!self->lost && deallocate(self) == 0)
        finish(self, 0, NULL);
    return self->lost ? -ENOTCONN : 0;
}

static int postgresql_transact(struct store *store, enum store_step step)
{
    struct postgresql_store *self = (struct postgresql_store *)store;

    switch (step) {
    case STORE_BEGIN:
        return begin(self, "BEGIN");
    case STORE_SNAPSHOT:
        return begin(self, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    case STORE_COMMIT:
        return commit(self);
    default:
        return rollback(self);
    }
}

static int postgresql_next(struct store *store, void *cursor)
{
    struct cursor *self = cursor;

    return ++self->row < PQntuples(self->result);
}

static int64_t read_big_endian(const char *bytes, int length)
{
    uint64_t value = length > 0 && (bytes[0] & 0x80) ? UINT64_MAX : 0;

    for (int i = 0; i < length; i++)
        value = value << 8 | (uint8_t)bytes[i];
    return (int64_t)value;
}

static bool is_integer(Oid type)
{
    return type == INT8_OID || type == INT4_OID || type == INT2_OID || type == BOOL_OID;
}

static int64_t postgresql_integer(void *cursor, int column)
{
    struct cursor *self = cursor;
    const char *value = PQgetvalue(self->result, self->row, column);

    if (PQgetisnull(self->result, self->row, column))
        return 0;
    if (is_integer(PQftype(self->result, column)))
        return read_big_endian(value, PQgetlength(self->result, self->row, column));
    return strtoll(value, NULL, 10);
}

static const char *postgresql_text(void *cursor, int column)
{
    struct cursor *self = cursor;

    if (PQgetisnull(self->result, self->row, column))
        return NULL;
    if (!is_integer(PQftype(self->result, column)))
        return PQgetvalue(self->result, self->row, column); /* libpq ends every value with a NUL */
    snprintf(self->number, sizeof self->number, "%lld", (long long)postgresql_integer(cursor, column));
    return self->number;
}

static const void *postgresql_bytes(void *cursor, int column, size_t *ret_size)
{
    struct cursor *self = cursor;

    *ret_size = (size_t)PQgetlength(self->result, self->row, column);
    return PQgetisnull(self->result, self->row, column) ? NULL : PQgetvalue(self->result, self->row, column);
}

static bool postgresql_is_null(void *cursor, int column)
{
    struct cursor *self = cursor;

    return PQgetisnull(self->result, self->row, column);
}

static void postgresql_done(struct store *store, void *cursor)
{
    PQclear(((struct cursor *)cursor)->result);
    free(cursor);
}

static int postgresql_version(struct store *store, int64_t *ret_version)
{
    void *cursor;
    int error = postgresql_select(store, "SELECT version FROM schema_version", NULL, 0, &cursor);

    if (error)
        return error;
    *ret_version = postgresql_next(store, cursor) ? postgresql_integer(cursor, 0) : 0;
    postgresql_done(store, cursor);
    return 0;
}

static bool postgresql_is_lost(struct store *store)
{
    return ((struct postgresql_store *)store)->lost;
}

static int postgresql_descriptor(struct store *store)
{
    return PQsocket(((struct postgresql_store *)store)->connection);
}

static bool postgresql_take_notifications(struct store *store)
{
    struct postgresql_store *self = (struct postgresql_store *)store;
    PGnotify *notification;
    bool any = false;

    if (!self->lost && !PQconsumeInput(self->connection))
        fail_connection(self);
    while ((notification = PQnotifies(self->connection))) {
        any = true;
        PQfreemem(notification);
    }
    return any;
}

/* ---- Opening */

static void postgresql_close(struct store *store)
{
    struct postgresql_store *self = (struct postgresql_store *)store;

    forget_statements(self);
    PQfinish(self->connection);
    free(self);
}

/* What stands before the URI it may change, what stands behind it may not. */
static PGconn *connect_to(const char *url)
{
    const char *const words[] = {
        "connect_timeout",  "target_session_attrs", "tcp_user_timeout", "keepalives_idle", "keepalives_interval",
        "keepalives_count", "application_name",     "dbname",           "client_encoding", NULL
    };
    const char *const values[] = { "3", "read-write", "10000", "5", "2", "3", "directoryd", url, "UTF8", NULL };

    return PQconnectdbParams(words, values, 1);
}

/* Runs a whole script before the session is in pipeline mode. */
static int run_script(struct postgresql_store *self, const char *script, struct reason *reason)
{
    PGresult *result = PQexec(self->connection, script);
    bool good = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;

    PQclear(result);
    if (good)
        return 0;
    const char *message = PQerrorMessage(self->connection);
    return reason_refuse(reason, "store", "PostgreSQL: %.*s", (int)strcspn(message, "\n"), message);
}

/* The settings that what is written here relies on. A session that the server doesn't hear of ends: the lock of a
 * writer that is stopped, or can't be reached, comes free. */
static const char SESSION[] = "SET default_transaction_isolation = 'read committed'; SET bytea_output = 'hex';"
                              "SET jit = off; SET idle_in_transaction_session_timeout = '20s';"
                              "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2;"
                              "SET tcp_keepalives_count = 3; SET tcp_user_timeout = 10000;"
                              "SET client_min_messages = warning";
static const char WRITER[] = "SET synchronous_commit = on; SET idle_session_timeout = '20s'";
static const char SHARED[] = "SET synchronous_commit = off;"
                             "SELECT pg_advisory_lock(" SCHEMA_LOCK ");"
                             "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL);"
                             "INSERT INTO schema_version SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM schema_version);"
                             "SELECT pg_advisory_unlock(" SCHEMA_LOCK ")";
static const char READER[] = "SET default_transaction_read_only = on";

static bool answers_yes(struct postgresql_store *self, const char *sql)
{
    PGresult *result = PQexec(self->connection, sql);
    bool yes = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
               strcmp(PQgetvalue(result, 0, 0), "t") == 0;

    PQclear(result);
    return yes;
}

static int take_lock(struct postgresql_store *self, struct reason *reason)
{
    if (!answers_yes(self, "SELECT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on'"))
        return reason_refuse(reason, "store",
                             "fsync or full_page_writes is off in PostgreSQL: what is acknowledged would not outlive a"
                             " loss of power; turn them on");
    if (answers_yes(self, "SELECT pg_try_advisory_lock(" WRITER_LOCK ")"))
        return 0;
    reason_refuse(reason, "store", "another directoryd is the writer of this database");
    return STORE_HELD;
}

static int begin_session(struct postgresql_store *self, enum store_access access, struct reason *reason)
{
    int error = access == STORE_WRITE ? take_lock(self, reason) : 0;

    if (!error)
        error = run_script(self, SESSION, reason);
    if (!error && access < STORE_READ)
        error = run_script(self, SHARED, reason);
    if (!error && access == STORE_WRITE)
        error = run_script(self, WRITER, reason);
    if (!error && access >= STORE_READ)
        error = run_script(self, READER, reason);
    if (!error && !PQenterPipelineMode(self->connection))
        error = -EIO;
    return error;
}

static int postgresql_open(const char *url, enum store_access access, struct store **ret_store, struct reason *reason)
{
    struct postgresql_store *self = calloc(1, sizeof *self);
    int error;

    if (!self)
        return -ENOMEM;
    self->base.backend = &STORE_POSTGRESQL;
    self->wait_ms = access >= STORE_READ ? WAIT_READ_MS : access == STORE_WRITE ? WAIT_WRITE_MS : WAIT_SHARED_MS;
    self->connection = connect_to(url);
    if (PQstatus(self->connection) == CONNECTION_OK) {
        PQsetNoticeReceiver(self->connection, on_notice, self);
        error = begin_session(self, access, reason);
    } else {
        const char *message = PQerrorMessage(self->connection);
        error =
            reason_refuse(reason, "store", "PostgreSQL can't be reached: %.*s", (int)strcspn(message, "\n"), message);
    }
    if (error)
        postgresql_close(&self->base);
    else
        *ret_store = &self->base;
    return error;
}

const struct store_backend STORE_POSTGRESQL = {
    .scheme = "postgresql://",
    .shared = true,
    .schema = SCHEMA_POSTGRESQL,
    .open = postgresql_open,
    .close = postgresql_close,
    .transact = postgresql_transact,
    .run = postgresql_run,
    .select = postgresql_select,
    .next = postgresql_next,
    .integer = postgresql_integer,
    .text = postgresql_text,
    .bytes = postgresql_bytes,
    .is_null = postgresql_is_null,
    .done = postgresql_done,
    .version = postgresql_version,
    .set_version = "UPDATE schema_version SET version = ",
    .schema_lock = "SELECT pg_advisory_xact_lock(" SCHEMA_LOCK ")",
    .is_lost = postgresql_is_lost,
    .descriptor = postgresql_descriptor,
    .take_notifications = postgresql_take_notifications,
};
