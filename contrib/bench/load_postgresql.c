/* One INSERT a record, prepared, each its own transaction: what a program does that keeps statements in a database. */

#include "contrib/bench/load.h"

#include "lib/log.h"

#include <libpq-fe.h>
#include <stdlib.h>

static void fail(PGconn *connection)
{
    log_error("postgresql: %s", PQerrorMessage(connection));
    exit(EXIT_FAILURE);
}

static void must(PGconn *connection, PGresult *result, ExecStatusType wanted)
{
    if (PQresultStatus(result) != wanted)
        fail(connection);
    PQclear(result);
}

static void *postgresql_open(const char *target, int *ret_fd)
{
    PGconn *connection = PQconnectdb(target);

    if (PQstatus(connection) != CONNECTION_OK)
        fail(connection);
    must(connection, PQexec(connection, "SET client_min_messages = warning"), PGRES_COMMAND_OK);
    must(connection,
         PQprepare(connection, "put", "INSERT INTO bench (envelope) VALUES ($1)", 1, (const Oid[]){ 17 /* bytea */ }),
         PGRES_COMMAND_OK);
    *ret_fd = PQsocket(connection);
    return connection;
}

static void postgresql_send(void *connection, const struct record *record)
{
    if (!PQsendQueryPrepared(connection, "put", 1, &record->bytes, (const int[]){ (int)record->size },
                             (const int[]){ 1 }, 1) ||
        PQflush(connection) != 0)
        fail(connection);
}

static int postgresql_receive(void *connection)
{
    PGresult *result;

    if (!PQconsumeInput(connection))
        fail(connection);
    while (!PQisBusy(connection)) {
        result = PQgetResult(connection);
        if (!result)
            return 1;
        must(connection, result, PGRES_COMMAND_OK);
    }
    return 0;
}

const struct load_peer LOAD_POSTGRESQL = { "postgresql", postgresql_open, postgresql_send, postgresql_receive };
