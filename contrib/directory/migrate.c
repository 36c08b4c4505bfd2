/* `directoryd migrate`: a log from one store into another, of any back end. Every entry is taken in again, as `verify`
 * does, so that the copy is what the log gives, whatever the old tables held. It goes in transactions of CHUNK entries;
 * one that was cut short goes on where it stopped. Until the last transaction the new store is no log's: no directoryd
 * serves it. */

#include "contrib/directory/commands.h"
#include "contrib/directory/compare.h"
#include "contrib/directory/meta.h"
#include "contrib/directory/replay.h"
#include "contrib/directory/tlog.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
#define CHUNK 2000 /* entries in one transaction, and in memory at once */

static const char USAGE[] =
    "usage: directoryd migrate FROM TO\n"
    "\n"
    "Copies the log of the store FROM into the empty store TO (sqlite:PATH, postgresql://…), taking in every entry\n"
    "again. No directoryd may use either of them. When it is cut short, the same command goes on.\n";

struct migration {
    struct store *from, *to;
    struct note_verifier verifier;
    char log[NOTE_VKEY_BYTES];
    struct checkpoint head; /* of FROM */
};

static int open_from(const char *url, struct migration *migration, struct reason *reason)
{
    int error = store_open(url, STORE_WRITE, &migration->from, reason);

    if (!error && !meta_read(migration->from, "log", migration->log, sizeof migration->log))
        error = reason_refuse(reason, NULL, "the store is no log's");
    if (!error)
        error = note_verifier_parse(migration->log, &migration->verifier, reason);
    if (!error)
        error = tlog_check(migration->from, TLOG_ALL, &migration->head, reason);
    return error ? reason_prefix(reason, "FROM") : 0;
}

/* Empty, or what an earlier run of this migration left. */
static int open_to(const char *url, struct migration *migration, struct reason *reason)
{
    char found[NOTE_VKEY_BYTES];
    int error = store_open(url, STORE_WRITE, &migration->to, reason);

    if (error)
        return reason_prefix(reason, "TO");
    if (meta_read(migration->to, "log", found, sizeof found))
        return reason_refuse(reason, "TO", "holds the log %s; give an empty store", found);
    if (!meta_read(migration->to, "migration", found, sizeof found)) {
        if (!tlog_is_empty(migration->to))
            return reason_refuse(reason, "TO", "holds entries; give an empty store");
        meta_write(migration->to, "migration", migration->log);
        return migration->to->error;
    }
    if (strcmp(found, migration->log) != 0)
        return reason_refuse(reason, "TO", "is being filled with the log %s; give an empty store", found);
    return 0;
}

static uint64_t count_entries(struct store *store)
{
    cleanup_rows struct store_rows rows;

    store_select_values(store, &rows, "SELECT coalesce(max(idx) + 1, 0) FROM entries", NULL, 0);
    return store_next(&rows) ? (uint64_t)store_integer(&rows, 0) : 0;
}

static int copy_chunk(struct migration *migration, uint64_t *next, struct reason *reason)
{
    cleanup_rows struct store_rows rows;
    int result = 0;
    size_t size;

    store_select(migration->from, &rows, "SELECT idx, envelope FROM entries WHERE idx >= $1 ORDER BY idx LIMIT $2",
                 VALUE_INTEGER(*next), VALUE_INTEGER(CHUNK));
    while (!result && store_next(&rows)) {
        const char *envelope = store_bytes(&rows, 1, &size);
        result = replay_entry(migration->to, (*next)++, envelope ? envelope : "", size, reason);
    }
    return result ? result : migration->from->error;
}

static int copy_entries(struct migration *migration, struct reason *reason)
{
    uint64_t next = count_entries(migration->to);

    if (next > 0)
        log_info("going on after %" PRIu64 " entries", next);
    while (next < migration->head.size) {
        uint64_t before = next;
        store_begin(migration->to);
        int result = copy_chunk(migration, &next, reason);
        if (!result && next == before)
            result = reason_refuse(reason, "FROM", "entry %" PRIu64 " is missing", next);
        if (result)
            return result;
        if (store_commit(migration->to) < 0)
            return migration->to->error;
        log_info("%" PRIu64 " of %" PRIu64 " entries", next, migration->head.size);
    }
    return migration->to->error;
}

/* What isn't of the log. */
static void copy_presence(struct migration *migration)
{
    char last[ID_TEXT_BYTES] = "";
    size_t size;

    for (bool more = true; more && migration->to->error >= 0;) {
        cleanup_rows struct store_rows rows;
        store_select(migration->from, &rows,
                     "SELECT node, last_seen, created, cru, mru, sru, hru, nonces FROM presence WHERE node > $1"
                     " ORDER BY node LIMIT $2",
                     VALUE_TEXT(last), VALUE_INTEGER(CHUNK));
        more = false;
        while (store_next(&rows)) {
            more = true;
            snprintf(last, sizeof last, "%s", store_text(&rows, 0));
            const void *nonces = store_bytes(&rows, 7, &size);
            store_run(migration->to,
                      "INSERT INTO presence (node, last_seen, created, cru, mru, sru, hru, nonces)"
                      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                      VALUE_TEXT(last), VALUE_INTEGER(store_integer(&rows, 1)), VALUE_INTEGER(store_integer(&rows, 2)),
                      VALUE_INTEGER(store_integer(&rows, 3)), VALUE_INTEGER(store_integer(&rows, 4)),
                      VALUE_INTEGER(store_integer(&rows, 5)), VALUE_INTEGER(store_integer(&rows, 6)),
                      VALUE_BYTES(nonces, size));
        }
    }
}

/* The last transaction: only when the root is the one that was signed is the new store the log's. */
static int finish(struct migration *migration, struct reason *reason)
{
    struct store *to = migration->to;
    struct checkpoint found;
    char note[NOTE_BYTES_MAX + 1], epoch[24];

    store_begin(to);
    int error = tlog_write_ahead(to, migration->head.size, &found);
    if (error < 0)
        return error;
    if (memcmp(&found.root, &migration->head.root, sizeof found.root) != 0)
        return reason_refuse(reason, "TO",
                             "its entries don't give the root that was signed; remove it, and begin anew");
    meta_write(to, "log", migration->log);
    if (meta_read(migration->from, "checkpoint", note, sizeof note))
        meta_write(to, "checkpoint", note);
    if (meta_read(migration->from, "epoch", epoch, sizeof epoch))
        meta_write(to, "epoch", epoch);
    copy_presence(migration);
    store_run(to, "DELETE FROM meta WHERE name = $1", VALUE_TEXT("migration"));
    return store_commit(to);
}

static int migrate(const char *from, const char *to, struct migration *migration, struct reason *reason)
{
    int error = open_from(from, migration, reason);

    if (!error)
        error = open_to(to, migration, reason);
    if (!error)
        error = copy_entries(migration, reason);
    if (!error)
        error = finish(migration, reason);
    return error ? error : migration->from->error;
}

/* The copy is what the log gives. That the old tables were as well is worth knowing. */
static void compare_with_old(struct migration *migration)
{
    struct reason reason = { "" };

    if (compare_stores(migration->from, migration->to, &reason))
        log_warning("FROM's tables weren't what its log gives, the copy's are: %s", reason.text);
}

int migrate_run(int argc, char **argv)
{
    struct migration migration = { 0 };
    struct reason reason = { "" };

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(USAGE, stdout);
        return EXIT_SUCCESS;
    }
    if (argc != 3 || !store_backend_of(argv[1]) || !store_backend_of(argv[2])) {
        fputs(USAGE, stderr);
        return EXIT_USAGE;
    }
    int error = migrate(argv[1], argv[2], &migration, &reason);
    if (!error)
        compare_with_old(&migration);
    if (migration.to && error)
        store_rollback(migration.to);
    store_close(migration.to);
    store_close(migration.from);
    if (error) {
        log_error("not migrated: %s", reason.text[0] ? reason.text : strerror(-error));
        return EXIT_FAILURE;
    }
    printf("the log %s of %" PRIu64 " entries is in %s\n", migration.log, migration.head.size,
           store_backend_of(argv[2])->shared ? "the database" : argv[2]);
    return EXIT_SUCCESS;
}
