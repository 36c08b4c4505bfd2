#pragma once

/* Proofs from the stored hashes, held against the root that was signed before they leave: a damaged store gives
 * nothing, rather than something wrong. Each costs a few dozen hashes. */

#include "contrib/directory/tlog.h"

/* All: 0, or negative errno; -EUCLEAN, logged with what to do, when the store doesn't fit `head`, of which sizes are
 * at most that. Errors stick to the store. */

/* That these bytes are entry `index` of `head`. */
int proven_entry(struct store *store, const struct checkpoint *head, uint64_t index, const void *envelope, size_t size,
                 struct merkle_proof *ret_proof);
/* That the entry whose leaf is stored is number `index` of the first `size`. */
int proven_inclusion(struct store *store, const struct checkpoint *head, uint64_t index, uint64_t size,
                     struct merkle_proof *ret_proof);
int proven_consistency(struct store *store, const struct checkpoint *head, uint64_t from, uint64_t to,
                       struct merkle_proof *ret_proof);
