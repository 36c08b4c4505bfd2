/* From the other side's checkpoint to entries in the store:
 *
 *     held ──(proof from tiles)──▶ checkpoint        it extends what we have, before a single entry is taken
 *       │ chunk: bundles → replay_entry
 *       ▼
 *     held' ─(proof from tiles)──▶ checkpoint        before the chunk is committed: these are the entries that it
 * vouches for
 */

#include "contrib/directory/follow.h"

#include "contrib/directory/meta.h"
#include "contrib/directory/replay.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)8 * 1024 * 1024) /* of entries in one transaction, about */

/* ---- Where the store stands */

static int read_note(struct follower *follower, struct reason *reason)
{
    cleanup_rows struct store_rows rows;
    struct tlog_head head;

    store_select_values(follower->store, &rows, "SELECT value FROM meta WHERE name = 'checkpoint'", NULL, 0);
    if (!store_next(&rows))
        return follower->store->error;
    if (checkpoint_open(store_text(&rows, 0), follower->verifier, &head.checkpoint, reason))
        return reason_prefix(reason, "store");
    head.note = strdup(store_text(&rows, 0));
    follower->head = head;
    return head.note ? 0 : -ENOMEM;
}

int follower_open(struct follower *follower, struct reason *reason)
{
    int error = tlog_check_owner(follower->store, follower->verifier, reason);

    if (error == TLOG_NEW)
        error = tlog_own(follower->store, follower->verifier, 0);
    if (!error)
        error = tlog_check(follower->store, TLOG_END, &follower->held, reason);
    return error ? error : read_note(follower, reason);
}

void follower_close(struct follower *follower)
{
    tlog_head_close(&follower->head);
}

/* ---- A checkpoint of no more than we have */

static int keep_note(struct follower *follower, const char *note)
{
    store_begin(follower->store);
    meta_write(follower->store, "checkpoint", note);
    int error = store_commit(follower->store);
    if (error < 0)
        store_rollback(follower->store);
    return error;
}

static int refuse_fork(const struct follower *follower, const struct tlog_head *next, struct reason *reason)
{
    reason_refuse(reason, NULL,
                  "the log's checkpoint of %" PRIu64 " entries isn't of the same history as the %" PRIu64
                  " entries that are here: it was signed with its key, and no proof leads from one to the other",
                  next->checkpoint.size, follower->held.size);
    return FOLLOW_FORKED;
}

/* It is news when it is larger than what we serve, or of the same size with other signatures: cosignatures come late.
 */
static bool is_news(const struct follower *follower, const struct tlog_head *next)
{
    const struct tlog_head *head = &follower->head;

    if (!head->note || next->checkpoint.size != head->checkpoint.size)
        return !head->note || next->checkpoint.size > head->checkpoint.size;
    return strlen(next->note) > strlen(head->note);
}

static int take_held(struct follower *follower, struct tlog_head *next, struct reason *reason)
{
    const struct checkpoint *held = &follower->held, *now = &next->checkpoint;
    struct merkle_proof proof = { 0 };
    int error = 0;

    if (now->size > 0 && now->size < held->size)
        error = tlog_prove_consistency(follower->store, now->size, held->size, &proof);
    if (error < 0)
        return store_clear(follower->store), error;
    if (!merkle_verify_consistency(now->size, held->size, &proof, &now->root, &held->root))
        return refuse_fork(follower, next, reason);
    if (!is_news(follower, next))
        return 0;
    error = keep_note(follower, next->note);
    if (error < 0)
        return error;
    tlog_head_close(&follower->head);
    follower->head = (struct tlog_head){ *now, steal_pointer(next->note) };
    return 0;
}

/* ---- A checkpoint of more */

/* The log forked only if its tiles prove to be what it signed, with another beginning than ours; else whoever serves
 * them is wrong. */
static int judge_tiles(struct follower *follower, const struct checkpoint *from, const struct tlog_head *next,
                       const struct merkle_proof *proof, struct reason *reason)
{
    const struct checkpoint *to = &next->checkpoint;
    struct merkle_hash root;

    if (remote_root(follower->remote, from->size, to->size, &root, reason))
        return REFUSED;
    if (merkle_verify_consistency(from->size, to->size, proof, &root, &to->root))
        return refuse_fork(follower, next, reason);
    remote_forget(follower->remote);
    return reason_refuse(reason, NULL, "the tiles aren't those of the checkpoint of %" PRIu64 " entries", to->size);
}

/* Whether `from` is the beginning of what the checkpoint vouches for. 0, REFUSED (can't be had), FOLLOW_FORKED. */
static int check_extends(struct follower *follower, const struct checkpoint *from, const struct tlog_head *next,
                         struct reason *reason)
{
    const struct checkpoint *to = &next->checkpoint;
    struct merkle_proof proof;

    if (remote_prove_consistency(follower->remote, from->size, to->size, &proof, reason))
        return REFUSED;
    if (merkle_verify_consistency(from->size, to->size, &proof, &from->root, &to->root))
        return 0;
    return judge_tiles(follower, from, next, &proof, reason);
}

/* The entries of one bundle from `index` on. 0 and how many there were, or as follower_take. */
static int take_bundle(struct follower *follower, uint64_t index, uint64_t size, uint64_t *ret_taken, size_t *ret_bytes,
                       struct reason *reason)
{
    cleanup_free uint8_t *bytes = NULL;
    const char *entry;
    size_t left, size_bytes;
    unsigned count = 0;
    uint64_t number = index / TILE_WIDTH * TILE_WIDTH;

    if (remote_bundle(follower->remote, index, size, &bytes, &left, &count, reason))
        return REFUSED;
    *ret_bytes = left;
    for (const uint8_t *at = bytes; count > 0; count--, number++) {
        if (!tile_next_entry(&at, &left, &entry, &size_bytes))
            return reason_refuse(reason, NULL, "the bundle with entry %" PRIu64 " is cut short", number);
        if (number < index)
            continue;
        int result = replay_entry(follower->store, number, entry, size_bytes, reason);
        if (result)
            return result == REFUSED ? FOLLOW_FORBIDDEN : result;
    }
    *ret_taken = number - index;
    return 0;
}

static int take_bundles(struct follower *follower, uint64_t size, uint64_t *ret_end, struct reason *reason)
{
    uint64_t index = follower->held.size, taken = 0;
    size_t total = 0, bytes = 0;

    while (index < size && total < CHUNK_BYTES) {
        int result = take_bundle(follower, index, size, &taken, &bytes, reason);
        if (result)
            return result;
        index += taken;
        total += bytes;
    }
    *ret_end = index;
    return 0;
}

static int check_chunk(struct follower *follower, const struct checkpoint *now, const struct tlog_head *next,
                       struct reason *reason)
{
    int result = check_extends(follower, now, next, reason);

    if (result == FOLLOW_FORKED)
        return reason_refuse(
            reason, NULL, "the entries up to %" PRIu64 " that were served aren't those of the checkpoint", now->size);
    if (!result && now->size == next->checkpoint.size)
        meta_write(follower->store, "checkpoint", next->note);
    return result;
}

/* One transaction. */
static int take_chunk(struct follower *follower, const struct tlog_head *next, struct reason *reason)
{
    struct store *store = follower->store;
    struct checkpoint now = { 0 };
    uint64_t end = 0;

    store_begin(store);
    int result = take_bundles(follower, next->checkpoint.size, &end, reason);
    if (!result)
        result = tlog_write_ahead(store, end, &now);
    if (!result)
        result = check_chunk(follower, &now, next, reason);
    if (!result)
        result = store_commit(store);
    if (result) {
        store_rollback(store);
        return result;
    }
    follower->held = now;
    return 0;
}

static int take_more(struct follower *follower, struct tlog_head *next, struct reason *reason)
{
    int result = check_extends(follower, &follower->held, next, reason);

    while (!result && follower->held.size < next->checkpoint.size) {
        result = take_chunk(follower, next, reason);
        if (!result && follower->progress)
            follower->progress(follower->context, follower->held.size, next->checkpoint.size);
    }
    if (result)
        return result;
    tlog_head_close(&follower->head);
    follower->head = (struct tlog_head){ next->checkpoint, steal_pointer(next->note) };
    return 0;
}

int follower_take(struct follower *follower, struct tlog_head *next, struct reason *reason)
{
    int result = next->checkpoint.size <= follower->held.size ? take_held(follower, next, reason)
                                                              : take_more(follower, next, reason);

    if (result != FOLLOW_FORKED)
        tlog_head_close(next);
    return result;
}
