#pragma once

/* The log hashed anew: its entries in their order, piece by piece, and beside them the stored hashes of all complete
 * subtrees, which have to be the same. What is in the log never changes, so that no transaction is needed around the
 * pieces; memory is that of a piece's hashes, and with PostgreSQL of its entries. */

#include "contrib/directory/store.h"

#include "lib/merkle.h"

#define REHASH_LEVELS 64

struct rehash {
    uint64_t count;                         /* entries before which all is hashed */
    struct merkle_hash left[REHASH_LEVELS]; /* where `count` has bit n: of the complete subtree of level n there */
    bool fits;                              /* the stored hashes were the entries' so far */
};

/* Begins at entry `from`; what is left of it is taken as `read` has it. 0, or the reader's error. */
int rehash_begin(struct rehash *ret_rehash, merkle_read *read, void *context, uint64_t from);
/* The next entries, some hundred, none from `end` on; fewer when one is missing. 0, or the session's error, and
 * `rehash` is as before. */
int rehash_piece(struct rehash *rehash, struct store *store, uint64_t end);
void rehash_root(const struct rehash *rehash, struct merkle_hash *ret_root);
