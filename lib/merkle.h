#pragma once

/* The Merkle tree of RFC 6962 §2.1 (RFC 9162 §2.1 has the verifying algorithms): leaf = SHA-256(0x00 | entry),
 * node = SHA-256(0x01 | left | right). Both sides of it: proofs are made from stored hashes of complete subtrees, and
 * checked from nothing but hashes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MERKLE_HASH_BYTES 32
#define MERKLE_PROOF_MAX 64 /* hashes in a proof of a tree of up to 2^63 leaves, consistency proofs included */

struct merkle_hash {
    uint8_t bytes[MERKLE_HASH_BYTES];
};

struct merkle_proof {
    struct merkle_hash hashes[MERKLE_PROOF_MAX];
    size_t count;
};

void merkle_leaf(const void *entry, size_t size, struct merkle_hash *ret_hash);
void merkle_node(const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret_hash);
/* The root of the empty tree: SHA-256 of nothing. */
void merkle_empty(struct merkle_hash *ret_hash);

/* RFC 9162 §2.1.3.2 and §2.1.4.2. Anything out of range is false. Consistency from size 0 asks for an empty proof. */
bool merkle_verify_inclusion(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
                             const struct merkle_proof *proof, const struct merkle_hash *root);
bool merkle_verify_consistency(uint64_t from, uint64_t to, const struct merkle_proof *proof,
                               const struct merkle_hash *from_root, const struct merkle_hash *to_root);

/* Gives the hash of the complete subtree of 2^level leaves that begins at leaf index × 2^level. 0 or negative errno. */
typedef int merkle_read(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash);

/* Computed from O(log size) reads each. 0, the reader's error, or -EINVAL when out of range. */
int merkle_root(merkle_read *read, void *context, uint64_t size, struct merkle_hash *ret_root);
int merkle_prove_inclusion(merkle_read *read, void *context, uint64_t index, uint64_t size,
                           struct merkle_proof *ret_proof);
int merkle_prove_consistency(merkle_read *read, void *context, uint64_t from, uint64_t to,
                             struct merkle_proof *ret_proof);
