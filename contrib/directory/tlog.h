#pragma once

/* The verifiable log over the store: entries, the hashes of all complete subtrees (so that a proof is O(log n) reads),
 * and the head: how far a checkpoint vouches for it.
 *
 * Order of things at a commit: entries, hashes, views and the new size and root (the write-ahead of what will be
 * signed) are one durable transaction; only then is the checkpoint signed. So no checkpoint was ever signed that the
 * store, after a power loss at any point, doesn't extend. Ed25519 is deterministic: signing the same head again gives
 * the same bytes. */

#include "contrib/directory/rehash.h"
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

/* How much of a log is looked at before it is gone on with. */
enum tlog_check {
    TLOG_ALL, /* every entry is hashed anew, and held against the stored hashes and the root */
    TLOG_END, /* the last 1,000 entries likewise; what is before them is the stored hashes' word: O(log size) */
};

/* Conditions beside REFUSED: of tlog_check_owner, of tlog_check_piece. */
enum { TLOG_NEW = 2, TLOG_MORE = 3 };

/* The writer takes office (store_take_office), checks that the store is this signer's and its log in order, reads where
 * it ends, and signs that again. A new store becomes the signer's. 0, REFUSED with what to do, or negative errno. */
int tlog_open(struct store *store, const struct tlog_signer *signer, enum tlog_check check, struct tlog_head *ret_head,
              struct reason *reason);

/* The parts of it, for those who don't sign. Whose log it is: 0 this verifier's, TLOG_NEW nobody's yet, or REFUSED. */
int tlog_check_owner(struct store *store, const struct note_verifier *verifier, struct reason *reason);
/* Size and root that were written before they were signed, after the check. 0, or REFUSED with what to do. */
int tlog_check(struct store *store, enum tlog_check check, struct checkpoint *ret_checkpoint, struct reason *reason);
/* TLOG_ALL in pieces, beside the writer, up to a head that is known: `rehash` is where it has come to, from
 * rehash_begin on. 0 when all is as it should be, TLOG_MORE, REFUSED with what to do, or negative errno: this piece
 * couldn't be looked at now, and is the next one again. */
int tlog_check_piece(struct store *store, const struct checkpoint *head, struct rehash *rehash, struct reason *reason);
bool tlog_is_empty(struct store *store);
/* The store's first `size` entries are this verifier's log; a transaction of its own. 0 or negative errno. */
int tlog_own(struct store *store, const struct note_verifier *verifier, uint64_t size);

/* Adds an entry as number `index`, within a transaction. Failures stick to the store. */
void tlog_append(struct store *store, uint64_t index, const struct tlog_entry *entry);
/* Whether the stored hashes that the tree grows from still give the root that was signed: before anything is signed
 * over them, within its transaction. 0, or negative errno, logged with what to do. */
int tlog_check_head(struct store *store, const struct checkpoint *checkpoint);
/* Computes the root of the first `size` entries and writes both down as what will be signed; within the transaction. 0,
 * or negative errno. */
int tlog_write_ahead(struct store *store, uint64_t size, struct checkpoint *ret_checkpoint);

/* A merkle_read over the stored hashes; `context` is the store. */
int tlog_read_hash(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash);
/* Proofs from the stored hashes, as they are (proven.h has those that go out). 0, or negative errno. */
int tlog_prove_inclusion(struct store *store, uint64_t index, uint64_t size, struct merkle_proof *ret_proof);
int tlog_prove_consistency(struct store *store, uint64_t from, uint64_t to, struct merkle_proof *ret_proof);

/* The bytes of a tile or bundle, all of which is within the log; the caller's, free(). NULL when the store or memory
 * fails. */
void *tlog_tile(struct store *store, const struct tile *tile, size_t *ret_size);

void tlog_head_close(struct tlog_head *head);
