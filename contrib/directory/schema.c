/* Each step is written once, with the words that differ between the back ends as macro parameters: INT, TEXT and BYTES
 * are column types, KEYED ends a table whose rows lie in the order of its primary key. */

#include "contrib/directory/schema.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* ---- Version 1. The log: `entries` (`node`: whose feed has it), and `hashes` of all complete subtrees. The views,
 * which are what a replay of the log gives: from `bots` to `contracts`. `presence`, what heartbeats said, isn't of the
 * log. */

#define LOG_1(INT, TEXT, BYTES, KEYED)                                                                                 \
    "CREATE TABLE meta (name " TEXT " PRIMARY KEY, value " TEXT " NOT NULL)" KEYED ";"                                 \
    "CREATE TABLE entries (idx " INT " PRIMARY KEY, id " TEXT " NOT NULL UNIQUE, kind " TEXT " NOT NULL,"              \
    " signer " TEXT " NOT NULL, node " TEXT ", envelope " BYTES " NOT NULL);"                                          \
    "CREATE INDEX entries_feed ON entries (node, idx) WHERE node IS NOT NULL;"                                         \
    "CREATE TABLE hashes (level " INT ", idx " INT ", hash " BYTES " NOT NULL, PRIMARY KEY (level, idx))" KEYED ";"

#define PRINCIPALS_1(INT, TEXT, BYTES, KEYED)                                                                          \
    "CREATE TABLE bots (id " TEXT " PRIMARY KEY, idx " INT " NOT NULL, name " TEXT " NOT NULL UNIQUE,"                 \
    " description " TEXT " NOT NULL, created " INT " NOT NULL)" KEYED ";"                                              \
    "CREATE TABLE farms (farm " INT " PRIMARY KEY, id " TEXT " NOT NULL, idx " INT " NOT NULL, bot " TEXT " NOT NULL," \
    " name " TEXT " NOT NULL UNIQUE, description " TEXT " NOT NULL, location " TEXT " NOT NULL, country " TEXT ","     \
    " created " INT " NOT NULL);"                                                                                      \
    "CREATE INDEX farms_bot ON farms (bot);"                                                                           \
    "CREATE TABLE nodes (id " TEXT " PRIMARY KEY, idx " INT " NOT NULL, statement " TEXT " NOT NULL,"                  \
    " farm " INT " NOT NULL, created " INT " NOT NULL, hostname " TEXT " NOT NULL, os_version " TEXT " NOT NULL,"      \
    " wireguard_key " TEXT " NOT NULL, sealing_key " TEXT " NOT NULL, cru " INT " NOT NULL, mru " INT " NOT NULL,"     \
    " sru " INT " NOT NULL, hru " INT " NOT NULL, disks " TEXT " NOT NULL, machine " TEXT " NOT NULL,"                 \
    " interfaces " TEXT " NOT NULL)" KEYED ";"                                                                         \
    "CREATE INDEX nodes_farm ON nodes (farm, id);"

#define CONTRACTS_1(INT, TEXT, BYTES, KEYED)                                                                           \
    "CREATE TABLE invites (id " TEXT " PRIMARY KEY, uses " INT " NOT NULL)" KEYED ";"                                  \
    "CREATE TABLE invite_uses (invite " TEXT ", node " TEXT ", PRIMARY KEY (invite, node))" KEYED ";"                  \
    "CREATE TABLE contracts (idx " INT " PRIMARY KEY, id " TEXT " NOT NULL UNIQUE, bot " TEXT " NOT NULL,"             \
    " node " TEXT " NOT NULL, created " INT " NOT NULL, expires " INT " NOT NULL, cru " INT " NOT NULL,"               \
    " mru " INT " NOT NULL, sru " INT " NOT NULL, hru " INT " NOT NULL, private " INT " NOT NULL,"                     \
    " state " TEXT " NOT NULL, result " TEXT ", cancelled " INT " NOT NULL);"                                          \
    "CREATE INDEX contracts_bot ON contracts (bot, idx);"                                                              \
    "CREATE INDEX contracts_node ON contracts (node, idx);"                                                            \
    "CREATE INDEX contracts_live ON contracts (node, expires) WHERE cancelled = 0 AND state <> 'stopped';"

/* What heartbeats said, written now and then: not of the log. */
#define PRESENCE_1(INT, TEXT, BYTES, KEYED)                                                                            \
    "CREATE TABLE presence (node " TEXT " PRIMARY KEY, last_seen " INT " NOT NULL, created " INT " NOT NULL,"          \
    " cru " INT " NOT NULL, mru " INT " NOT NULL, sru " INT " NOT NULL, hru " INT " NOT NULL)" KEYED ";"

#define TABLES_1(INT, TEXT, BYTES, KEYED)                                                                              \
    LOG_1(INT, TEXT, BYTES, KEYED)                                                                                     \
    PRINCIPALS_1(INT, TEXT, BYTES, KEYED) CONTRACTS_1(INT, TEXT, BYTES, KEYED) PRESENCE_1(INT, TEXT, BYTES, KEYED)

/* ---- Version 2: the writer's epoch, sums that are kept rather than counted, and indexes for every filter.
 *
 * totals: how many, and what they hold, by `slot`: -1 nodes, -2 bots, -3 contracts, and from 0 on the contracts that
 * are neither cancelled nor stopped, by the hour in which they expire (state.h). Each sum is two numbers, sum = high ×
 * 2^32 + low: a few nodes that claim 2^53 bytes each would overflow one. */

#define SUM(column)                                                                                                    \
    "coalesce(sum(" column " >> 32), 0), coalesce(sum(" column " & 4294967295), 0)" /* only read by the steps */
#define SUMS SUM("cru") ", " SUM("mru") ", " SUM("sru") ", " SUM("hru")
#define NO_SUMS "0, 0, 0, 0, 0, 0, 0, 0"
#define HOUR "CASE WHEN expires / 3600 > 1048576 THEN 1048576 ELSE expires / 3600 END"

#define TABLES_2(INT, TEXT, BYTES, KEYED)                                                                              \
    "INSERT INTO meta (name, value) VALUES ('epoch', '0');"                                                            \
    "CREATE TABLE totals (slot " INT " PRIMARY KEY, count " INT " NOT NULL, cru_high " INT " NOT NULL,"                \
    " cru_low " INT " NOT NULL, mru_high " INT " NOT NULL, mru_low " INT " NOT NULL, sru_high " INT " NOT NULL,"       \
    " sru_low " INT " NOT NULL, hru_high " INT " NOT NULL, hru_low " INT " NOT NULL)" KEYED ";"                        \
    "INSERT INTO totals SELECT -1, count(*), " SUMS " FROM nodes;"                                                     \
    "INSERT INTO totals SELECT -2, count(*), " NO_SUMS " FROM bots;"                                                   \
    "INSERT INTO totals SELECT -3, count(*), " NO_SUMS " FROM contracts;"                                              \
    "INSERT INTO totals SELECT " HOUR ", count(*), " SUMS " FROM contracts WHERE cancelled = 0 AND state <> 'stopped'" \
    " GROUP BY 1;"                                                                                                     \
    "ALTER TABLE nodes ADD COLUMN country " TEXT ";"                                                                   \
    "UPDATE nodes SET country = (SELECT country FROM farms WHERE farms.farm = nodes.farm);"                            \
    "CREATE INDEX nodes_country ON nodes (country, id);"                                                               \
    "CREATE INDEX farms_country ON farms (country, farm);"                                                             \
    "CREATE INDEX contracts_state ON contracts (state, idx);"                                                          \
    "CREATE INDEX contracts_ending ON contracts (expires) WHERE cancelled = 0 AND state <> 'stopped';"                 \
    "ALTER TABLE presence ADD COLUMN nonces " BYTES ";"                                                                \
    "CREATE INDEX presence_seen ON presence (last_seen);"

/* Between the directoryds of one database (office.h): what isn't worth a disk write, since it is sent again. */
#define EXCHANGE_2                                                                                                     \
    "CREATE UNLOGGED TABLE queue (ticket BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, front TEXT NOT NULL,"        \
    " number BIGINT NOT NULL, envelope BYTEA NOT NULL);"                                                               \
    "CREATE UNLOGGED TABLE answers (front TEXT NOT NULL, number BIGINT NOT NULL, status BIGINT NOT NULL,"              \
    " idx BIGINT NOT NULL, reason TEXT NOT NULL, written BIGINT NOT NULL, PRIMARY KEY (front, number));"

/* ---- Version 3: a contract's `live_until` is when it expires, and null once it is cancelled or stopped. So an index
 * has all that a sum over a node's live contracts needs, and nothing that changes while a contract lives. */

#define TABLES_3(INT, TEXT, BYTES, KEYED)                                                                              \
    "ALTER TABLE contracts ADD COLUMN live_until " INT ";"                                                             \
    "UPDATE contracts SET live_until = expires WHERE cancelled = 0 AND state <> 'stopped';"                            \
    "DROP INDEX contracts_live;"                                                                                       \
    "DROP INDEX contracts_ending;"                                                                                     \
    "CREATE INDEX contracts_live ON contracts (node, live_until, cru, mru, sru, hru) WHERE live_until IS NOT NULL;"    \
    "CREATE INDEX contracts_ending ON contracts (live_until) WHERE live_until IS NOT NULL;"

#define FOR_SQLITE(tables) tables("INTEGER", "TEXT", "BLOB", " WITHOUT ROWID")
#define FOR_POSTGRESQL(tables) tables("BIGINT", "TEXT COLLATE \"C\"", "BYTEA", "")

static const char *const STEPS[SCHEMA_VERSION][SCHEMA_DIALECTS] = {
    { FOR_SQLITE(TABLES_1), FOR_POSTGRESQL(TABLES_1) },
    { FOR_SQLITE(TABLES_2), FOR_POSTGRESQL(TABLES_2) EXCHANGE_2 },
    { FOR_SQLITE(TABLES_3), FOR_POSTGRESQL(TABLES_3) },
};

#define LOG(name, columns, count, keys)                                                                                \
    {                                                                                                                  \
        name, columns, count, keys, false                                                                              \
    }
#define VIEW(name, columns, count, keys)                                                                               \
    {                                                                                                                  \
        name, columns, count, keys, true                                                                               \
    }

const struct schema_table SCHEMA_TABLES[] = {
    LOG("entries", "idx, id, kind, signer, node, envelope", 6, 1),
    LOG("hashes", "level, idx, hash", 3, 2),
    VIEW("bots", "id, idx, name, description, created", 5, 1),
    VIEW("farms", "farm, id, idx, bot, name, description, location, country, created", 9, 1),
    VIEW("nodes",
         "id, idx, statement, farm, created, hostname, os_version, wireguard_key, sealing_key, cru, mru, sru, hru,"
         " disks, machine, interfaces, country",
         17, 1),
    VIEW("invites", "id, uses", 2, 1),
    VIEW("invite_uses", "invite, node", 2, 2),
    VIEW("contracts",
         "idx, id, bot, node, created, expires, cru, mru, sru, hru, private, state, result, cancelled, live_until", 15,
         1),
    VIEW("totals", "slot, count, cru_high, cru_low, mru_high, mru_low, sru_high, sru_low, hru_high, hru_low", 10, 1),
    LOG("presence", "node, last_seen, created, cru, mru, sru, hru, nonces", 8, 1),
};
const size_t SCHEMA_TABLES_COUNT = sizeof SCHEMA_TABLES / sizeof *SCHEMA_TABLES;

/* Statement by statement; none has a semicolon within. */
static void run_script(struct store *store, const char *script)
{
    char statement[2048];

    for (size_t length; *script; script += length + 1) {
        length = strcspn(script, ";");
        snprintf(statement, sizeof statement, "%.*s", (int)length, script);
        store_run_values(store, statement, NULL, 0);
    }
}

static int64_t read_version(struct store *store)
{
    int64_t version = 0;

    if (store->error >= 0)
        store->error = store->backend->version(store, &version);
    return version;
}

static void run_steps(struct store *store)
{
    char set[128];

    store_begin(store);
    if (store->backend->schema_lock)
        store_run_values(store, store->backend->schema_lock, NULL, 0);
    for (int64_t version = read_version(store); version < SCHEMA_VERSION && store->error >= 0; version++)
        run_script(store, STEPS[version][store->backend->schema]);
    snprintf(set, sizeof set, "%s%d", store->backend->set_version, SCHEMA_VERSION);
    store_run_values(store, set, NULL, 0);
    store_commit(store);
}

int schema_bring_up(struct store *store, bool may_change, struct reason *reason)
{
    int64_t version = read_version(store);

    if (version < SCHEMA_VERSION && may_change && store->error >= 0) {
        run_steps(store);
        if (store->error >= 0)
            version = SCHEMA_VERSION;
    }
    if (store->error < 0)
        return reason_refuse(reason, "store", "its tables can't be read or made: %s", strerror(-store->error));
    if (version > SCHEMA_VERSION)
        return reason_refuse(reason, "store",
                             "has schema version %" PRId64
                             ", and this directoryd knows up to %d; use the directoryd that"
                             " wrote it, or a newer one",
                             version, SCHEMA_VERSION);
    if (version < SCHEMA_VERSION)
        return reason_refuse(reason, "store",
                             "has schema version %" PRId64
                             ", older than this directoryd's %d; start a directoryd over it,"
                             " which brings it up to date",
                             version, SCHEMA_VERSION);
    return 0;
}
