/* `directoryd verify`: a whole log taken in again, entry by entry, into a temporary store, and that held against the
 * one in question. Memory stays small whatever the size; the disk of $TMPDIR holds a second copy for as long.
 *
 * A store may be in use meanwhile: it is seen as it was when this began. */

#include "contrib/directory/commands.h"
#include "contrib/directory/compare.h"
#include "contrib/directory/follow.h"
#include "contrib/directory/mirror_options.h"
#include "contrib/directory/replay.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/http.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK 2000 /* entries in one read, and in one transaction */
#define PROGRESS_S 1

struct verification {
    const struct mirror_options *options;
    struct store *subject; /* NULL: a URL */
    struct store *truth;
    char folder[4096];
    struct follower follower;
    struct remote remote;
    time_t told;
};

/* ---- What is said */

static void tell_progress(void *context, uint64_t size, uint64_t of)
{
    struct verification *verification = context;
    time_t now = time(NULL);

    if (!isatty(STDERR_FILENO) || (now - verification->told < PROGRESS_S && size < of))
        return;
    verification->told = now;
    fprintf(stderr, "\r%" PRIu64 " of %" PRIu64 " entries%s", size, of, size == of ? "\n" : "");
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
}

/* ---- The temporary store */

static int open_truth(struct verification *verification, struct reason *reason)
{
    const char *base = getenv("TMPDIR");
    char address[4096 + 32];

    snprintf(verification->folder, sizeof verification->folder, "%.4000s/directoryd-verify-XXXXXX",
             base && *base ? base : "/tmp");
    if (!mkdtemp(verification->folder)) {
        int error = errno;
        verification->folder[0] = '\0';
        return reason_refuse(reason, "TMPDIR", "no folder can be made there: %s", strerror(error));
    }
    snprintf(address, sizeof address, "sqlite:%s/replay.sqlite", verification->folder);
    return store_open(address, STORE_WRITE, &verification->truth, reason);
}

static void close_all(struct verification *verification)
{
    follower_close(&verification->follower);
    if (verification->subject)
        store_rollback(verification->subject);
    store_close(verification->subject);
    store_close(verification->truth);
    free(verification->remote.ca_pem);
    if (verification->folder[0])
        file_remove_tree(verification->folder);
}

/* ---- A store */

/* Size and root that were written down before they were signed. */
static int read_head(struct store *store, struct checkpoint *ret_head, struct reason *reason)
{
    cleanup_rows struct store_rows rows;
    char root[HASH_TEXT_BYTES];

    store_select_values(store, &rows, "SELECT value FROM meta WHERE name = 'head'", NULL, 0);
    if (!store_next(&rows))
        return store->error < 0 ? store->error
                                : reason_refuse(reason, NULL, "the store doesn't say where the log ends");
    if (sscanf(store_text(&rows, 0), "%" SCNu64 " %64s", &ret_head->size, root) != 2 ||
        !decode_hex(root, ret_head->root.bytes, sizeof ret_head->root.bytes))
        return reason_refuse(reason, NULL, "where the log ends is written down as nonsense: %s", store_text(&rows, 0));
    return 0;
}

/* Entries from `from` on, at most CHUNK, within a transaction of the replay. */
static int replay_chunk(struct verification *verification, uint64_t from, uint64_t to, struct reason *reason)
{
    cleanup_rows struct store_rows rows;
    uint64_t index = from;
    size_t size;
    int result = 0;

    store_select(verification->subject, &rows,
                 "SELECT idx, envelope FROM entries WHERE idx >= $1 AND idx < $2 ORDER BY idx", VALUE_INTEGER(from),
                 VALUE_INTEGER(to));
    for (; !result && store_next(&rows); index++) {
        if ((uint64_t)store_integer(&rows, 0) != index)
            return reason_refuse(reason, NULL, "entry %" PRIu64 " is missing", index);
        const char *envelope = store_bytes(&rows, 1, &size);
        result = replay_entry(verification->truth, index, envelope ? envelope : "", size, reason);
    }
    if (verification->subject->error < 0)
        return verification->subject->error;
    return result || index == to ? result : reason_refuse(reason, NULL, "entry %" PRIu64 " is missing", index);
}

static int replay_to(struct verification *verification, uint64_t from, const struct checkpoint *head,
                     struct reason *reason)
{
    struct store *truth = verification->truth;
    struct checkpoint now = { 0 };
    int result = 0;

    do {
        uint64_t to = head->size - from > CHUNK ? from + CHUNK : head->size;
        store_begin(truth);
        result = replay_chunk(verification, from, to, reason);
        if (!result)
            result = tlog_write_ahead(truth, to, &now);
        if (!result)
            result = store_commit(truth);
        from = to;
        tell_progress(verification, from, head->size);
    } while (!result && from < head->size);
    if (!result && memcmp(&now.root, &head->root, sizeof now.root) != 0)
        return reason_refuse(reason, NULL, "the entries don't give the root that was written before it was signed");
    return result;
}

/* The published checkpoint, when the store has one: a mirror's, or of several directoryds over one database. */
static int check_note(struct verification *verification, const struct note_verifier *verifier,
                      const struct checkpoint *head, struct reason *reason)
{
    cleanup_rows struct store_rows rows;
    struct checkpoint signed_head;
    struct merkle_proof proof = { 0 };

    store_select_values(verification->subject, &rows, "SELECT value FROM meta WHERE name = 'checkpoint'", NULL, 0);
    if (!store_next(&rows))
        return verification->subject->error;
    if (checkpoint_open(store_text(&rows, 0), verifier, &signed_head, reason))
        return REFUSED;
    if (signed_head.size > 0 && signed_head.size < head->size &&
        tlog_prove_consistency(verification->truth, signed_head.size, head->size, &proof) < 0)
        return -EIO;
    if (!merkle_verify_consistency(signed_head.size, head->size, &proof, &signed_head.root, &head->root))
        return reason_refuse(reason, NULL, "the log doesn't extend the signed checkpoint of %" PRIu64 " entries",
                             signed_head.size);
    say("checkpoint   the signed one of %" PRIu64 " entries is of this log", signed_head.size);
    return 0;
}

static int read_verifier(struct verification *verification, struct note_verifier *ret_verifier, struct reason *reason)
{
    cleanup_rows struct store_rows rows;
    const struct mirror_options *options = verification->options;

    store_select_values(verification->subject, &rows, "SELECT value FROM meta WHERE name = 'log'", NULL, 0);
    if (!store_next(&rows))
        return verification->subject->error < 0 ? verification->subject->error
                                                : reason_refuse(reason, NULL, "the store is no log's");
    if (note_verifier_parse(store_text(&rows, 0), ret_verifier, reason))
        return REFUSED;
    if (options->has_verifier && memcmp(&options->verifier, ret_verifier, sizeof *ret_verifier) != 0)
        return reason_refuse(reason, NULL, "the store is of log %s, not of the one given", store_text(&rows, 0));
    say("log          %s", store_text(&rows, 0));
    return 0;
}

static int verify_store(struct verification *verification, struct reason *reason)
{
    struct note_verifier verifier;
    struct checkpoint head;
    int result = store_open(verification->options->store, STORE_READ, &verification->subject, reason);

    if (!result)
        result = open_truth(verification, reason);
    if (!result)
        store_snapshot(verification->subject);
    if (!result)
        result = read_verifier(verification, &verifier, reason);
    if (!result)
        result = read_head(verification->subject, &head, reason);
    if (!result)
        result = replay_to(verification, 0, &head, reason);
    if (result)
        return result;
    say("entries      %" PRIu64 ", none missing; they give the root that was written before it was signed", head.size);
    say("statements   each is signed by whom it names, of its kind's form, and allowed by the rules at its place");
    result = check_note(verification, &verifier, &head, reason);
    if (!result)
        result = compare_stores(verification->subject, verification->truth, reason);
    if (!result)
        say("tables       stored tree hashes and views are what a replay of the log gives, row by row");
    return result;
}

/* ---- A URL */

static int compare_tile(struct verification *verification, int level, uint64_t index, uint64_t size,
                        struct reason *reason)
{
    cleanup_free uint8_t *theirs = NULL;
    struct tile tile;
    size_t their_size, our_size;

    if (remote_tile(&verification->remote, level, index, size, &theirs, &their_size, &tile, reason))
        return REFUSED;
    cleanup_free uint8_t *ours = tlog_tile(verification->truth, &tile, &our_size);
    if (!ours)
        return -EIO;
    /* A full one may have come in place of a partial one. */
    if (their_size < our_size || memcmp(theirs, ours, our_size) != 0)
        return reason_refuse(reason, NULL, "tile %" PRIu64 " of level %d isn't what the entries give", index, level);
    return 0;
}

static int compare_tiles(struct verification *verification, uint64_t size, struct reason *reason)
{
    int result = 0;

    for (int level = 0; level <= TILE_LEVEL_MAX && size >> (8 * level); level++) {
        uint64_t hashes = size >> (8 * level);
        for (uint64_t index = 0; !result && index < (hashes + TILE_WIDTH - 1) / TILE_WIDTH; index++)
            result = compare_tile(verification, level, index, size, reason);
    }
    return result;
}

static int verify_url(struct verification *verification, struct reason *reason)
{
    const struct mirror_options *options = verification->options;
    struct tlog_head next;
    bool waited;
    int result = http_open() < 0 ? -EIO : open_truth(verification, reason);

    if (!result && options->ca && file_read(options->ca, JSON_SIZE_MAX, &verification->remote.ca_pem, NULL) < 0)
        result = reason_refuse(reason, "--ca", "%s can't be read", options->ca);
    snprintf(verification->remote.url, sizeof verification->remote.url, "%.1023s", options->url);
    verification->follower = (struct follower){ .store = verification->truth,
                                                .remote = &verification->remote,
                                                .verifier = &options->verifier,
                                                .progress = tell_progress,
                                                .context = verification };
    if (!result)
        result = follower_open(&verification->follower, reason);
    if (!result)
        result = remote_checkpoint(&verification->remote, &options->verifier, 0, 0, &next, &waited, reason);
    if (result)
        return result;
    say("checkpoint   signed by %s, %" PRIu64 " entries", options->verifier.name, next.checkpoint.size);
    result = cosignature_check(next.note, &options->witnesses, reason);
    if (!result && options->witnesses.quorum)
        say("witnesses    at least %u of %zu cosigned it", options->witnesses.quorum, options->witnesses.count);
    uint64_t size = next.checkpoint.size;
    if (!result)
        result = follower_take(&verification->follower, &next, reason);
    tlog_head_close(&next);
    if (!result)
        result = compare_tiles(verification, size, reason);
    if (result)
        return result;
    say("entries      %" PRIu64 ", none missing; they give the root of the checkpoint, and all tiles", size);
    say("statements   each is signed by whom it names, of its kind's form, and allowed by the rules at its place");
    return 0;
}

/* ---- */

int verify_run(int argc, char **argv)
{
    struct mirror_options options;
    static struct verification verification;
    struct reason reason = { 0 };
    int exit_code = verify_options_read(argc, argv, &options);

    if (exit_code)
        return exit_code - 1;
    verification.options = &options;
    int result = options.store ? verify_store(&verification, &reason) : verify_url(&verification, &reason);
    close_all(&verification);
    if (result < 0 && !reason.text[0])
        reason_refuse(&reason, NULL, "%s", strerror(-result));
    if (result) {
        say("NOT VERIFIED %s", reason.text);
        return EXIT_FAILURE;
    }
    say("not checked  when each was submitted: only `created` is logged, so that rules of time are held against it, "
        "within");
    say("             10 minutes%s", options.store ? "" : "; the views that the other side serves");
    say("verified");
    return EXIT_SUCCESS;
}
