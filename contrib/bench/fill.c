/* Fills a directory's store off-line, quickly: `fill URL KEY SIZE PATHS` brings an empty store to SIZE statements (a
 * bot, its farm, a node for each twenty statements, and deployments over all nodes, every other of which came to its
 * end). All goes through directoryd's own rules, tables and log (commit.h), in large commits; what is left out is
 * HTTP, and checking signatures that were made a moment ago. PATHS gets what can be asked for then, as records for
 * load: some statements, nodes and contracts. */

#include "contrib/bench/grid.h"
#include "contrib/bench/records.h"

#include "contrib/directory/commit.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define GROUP 2000    /* statements a commit */
#define NODE_EVERY 20 /* statements for each node */
#define PATH_EVERY 50 /* deployments for each path */

struct fill {
    struct commit commit;
    struct tlog_signer signer;
    struct submission *last;
    size_t pending;
    uint64_t size, wanted;
    FILE *paths;
};

static void must(bool good, const char *what)
{
    if (!good) {
        log_error("fill: %s", what);
        exit(EXIT_FAILURE);
    }
}

static void read_statement(struct envelope *envelope, struct statement *ret_statement)
{
    struct statement statement = { 0 };
    struct reason reason = { 0 };

    while (strncmp(envelope->type + strlen("application/vnd.zos."), statement_kind_name(statement.kind),
                   strlen(statement_kind_name(statement.kind))) != 0)
        statement.kind++;
    must(json_parse(envelope->payload, envelope->payload_size, ENVELOPE_BYTES_MAX, &statement.payload, &reason) == 0,
         "a payload isn't JSON");
    memcpy(statement.id, envelope->id, sizeof statement.id);
    memcpy(statement.signer, envelope->signer, sizeof statement.signer);
    memcpy(statement.signer_id, envelope->signer_id, sizeof statement.signer_id);
    statement.created = json_integer(statement.payload, "created");
    envelope_close(envelope);
    *ret_statement = statement;
}

static void run_commit(struct fill *fill)
{
    struct submission *next;

    commit_apply(&fill->commit);
    must(fill->commit.error >= 0, "a commit failed");
    commit_settle(&fill->commit);
    for (struct submission *submission = fill->commit.first; submission; submission = next) {
        next = submission->next;
        must(submission->status == 201, submission->reason.text);
        statement_close(&submission->statement);
        statement_close(&submission->invite);
        free(submission->answer);
        free(submission->owned);
        free(submission);
    }
    free(fill->commit.head.note);
    fill->commit.head.note = NULL;
    fill->commit.first = fill->last = NULL;
    fill->size += fill->pending;
    fill->pending = 0;
    log_info("%" PRIu64 " of %" PRIu64, fill->size, fill->wanted);
}

static void add(struct fill *fill, char *bytes)
{
    static struct request answered_to_nobody;
    struct submission *submission = calloc(1, sizeof *submission);
    struct envelope envelope;
    struct reason reason = { 0 };

    must(submission != NULL, "out of memory");
    submission->request = &answered_to_nobody;
    submission->body = submission->owned = bytes;
    submission->body_size = strlen(bytes);
    must(envelope_parse(bytes, submission->body_size, &envelope, &reason) == 0, "not an envelope");
    read_statement(&envelope, &submission->statement);
    if (submission->statement.kind == STATEMENT_NODE) {
        const cJSON *invite = json_member(submission->statement.payload, "invite");
        must(envelope_from_json(invite, &envelope, &reason) == 0, "not an invite");
        read_statement(&envelope, &submission->invite);
    }
    merkle_leaf(bytes, submission->body_size, &submission->leaf);
    if (fill->last)
        fill->last->next = submission;
    else
        fill->commit.first = submission;
    fill->last = submission;
    if (++fill->pending == GROUP)
        run_commit(fill);
}

static void add_path(struct fill *fill, const char *before, const char *id, const char *behind)
{
    char path[160];

    snprintf(path, sizeof path, "%s%s%s", before, id, behind);
    records_write(fill->paths, path);
}

static void add_deployment(struct fill *fill, const struct key *bot, unsigned number, unsigned nodes)
{
    struct key *node = grid_key(GRID_NODE, number % nodes);
    char id[HASH_TEXT_BYTES];

    add(fill, grid_contract(bot, node, id));
    add(fill, grid_result(node, id, "running"));
    if (number % 2) {
        add(fill, grid_cancel(bot, id));
        add(fill, grid_result(node, id, "stopped"));
    }
    if (number % PATH_EVERY == 0) {
        add_path(fill, "/v1/statements/", id, "");
        add_path(fill, "/v1/contracts/", id, "");
        add_path(fill, "/v1/nodes/", key_id(node), "");
        add_path(fill, "/v1/nodes/", key_id(node), "/feed");
    }
    key_free(node);
}

static void fill_all(struct fill *fill)
{
    unsigned nodes = 1 + (unsigned)(fill->wanted / NODE_EVERY);
    struct key *bot = grid_key(GRID_BOT, 0);

    must(nodes > 0, "too large a SIZE");
    add(fill, grid_bot(0));
    add(fill, grid_farm());
    for (unsigned number = 0; number < nodes; number++)
        add(fill, grid_node(number));
    for (unsigned number = 0; fill->size + fill->pending < fill->wanted; number++)
        add_deployment(fill, bot, number, nodes);
    if (fill->pending)
        run_commit(fill);
    key_free(bot);
}

int main(int argc, char **argv)
{
    struct fill fill = { 0 };
    struct reason reason = { 0 };
    struct store *store;

    log_open("fill");
    must(argc == 5 && sodium_init() >= 0, "usage: fill URL KEY SIZE PATHS");
    fill.wanted = strtoull(argv[3], NULL, 10);
    fill.paths = fopen(argv[4], "we");
    must(fill.paths && key_load(argv[2], 1, &fill.signer.key) == 0, "no key, or no place for the paths");
    must(note_verifier_make("zos-directory", key_public(fill.signer.key), &fill.signer.verifier, &reason) == 0,
         reason.text);
    must(store_open(argv[1], STORE_WRITE, &store, &reason) == 0, reason.text);
    must(tlog_open(store, &fill.signer, TLOG_ALL, &fill.commit.head, &reason) == 0, reason.text);
    must(fill.commit.head.checkpoint.size == 0, "the store isn't empty");
    free(fill.commit.head.note);
    fill.commit.head.note = NULL;
    fill.commit.store = store;
    fill.commit.signer = &fill.signer;
    fill_all(&fill);
    store_close(store);
    return fclose(fill.paths) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
