#pragma once

/* The verifiable log over the store: entries, the hashes of all complete subtrees (so that a proof is O(log n) reads),
 * and the head: how far a checkpoint vouches for it.
 *
 * Order of things at a commit: entries, hashes, views and the new size and root (the write-ahead of what will be
 * signed) are one durable transaction; only then is the checkpoint signed. So no checkpoint was ever signed that the
 * store, after a power loss at any point, doesn't extend. Ed25519 is deterministic: signing the same head again gives
 * the same bytes. */

#include "contrib/directory/store.h"
#include "contrib/directory/tile.h"

#include "lib/checkpoint.h"
#include "lib/statement.h"

/* Who signs: the log's key, and its verifier's form. */
struct tlog_signer {
    struct key *key;
    struct note_verifier verifier;
};

struct tlog_head {
    struct checkpoint checkpoint;
    char *note; /* signed; free() */
};

struct tlog_entry {
    const char *id;
    const char *kind;
    const char *signer;
    const char *feed_node; /* whose feed it is in, or NULL */
    const void *envelope;
    size_t envelope_size;
    struct merkle_hash leaf;
};

/* Reads where the log ends and signs it again, after checking that the store is this signer's and that the root
 * recomputed from every entry is the one that was written before signing. A new store gets the signer's name. 0,
 * REFUSED with what to do, or negative errno. */
int tlog_open(struct store *store, const struct tlog_signer *signer, struct tlog_head *ret_head, struct reason *reason);

/* Adds an entry as number `index`, within a transaction. Failures stick to the store. */
void tlog_append(struct store *store, uint64_t index, const struct tlog_entry *entry);
/* Computes the root of the first `size` entries and writes both down as what will be signed; within the transaction. 0,
 * or negative errno. */
int tlog_write_ahead(struct store *store, uint64_t size, struct checkpoint *ret_checkpoint);

/* Proofs from the stored hashes. 0, or negative errno. */
int tlog_prove_inclusion(struct store *store, uint64_t index, uint64_t size, struct merkle_proof *ret_proof);
int tlog_prove_consistency(struct store *store, uint64_t from, uint64_t to, struct merkle_proof *ret_proof);

/* The bytes of a tile or bundle, all of which is within the log; the caller's, free(). NULL when the store or memory
 * fails. */
void *tlog_tile(struct store *store, const struct tile *tile, size_t *ret_size);

void tlog_head_close(struct tlog_head *head);
