/* The root of a smaller tree isn't kept: it is computed, and believed because it goes over into the signed one. */

#include "contrib/directory/proven.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>

static int damaged(struct store *store, uint64_t index)
{
    log_error("the store is damaged near entry %" PRIu64
              ": what it holds doesn't prove to be in the log. Stop directoryd and restore the store from a back-up or"
              " a mirror",
              index);
    return store->error = -EUCLEAN;
}

static int find_root(struct store *store, const struct checkpoint *head, uint64_t size, struct merkle_hash *ret_root)
{
    struct merkle_proof proof = { 0 };

    if (size == head->size) {
        *ret_root = head->root;
        return 0;
    }
    int error = merkle_root(tlog_read_hash, store, size, ret_root);
    if (!error && size > 0)
        error = tlog_prove_consistency(store, size, head->size, &proof);
    if (error)
        return error;
    return merkle_verify_consistency(size, head->size, &proof, ret_root, &head->root) ? 0 : damaged(store, size);
}

int proven_entry(struct store *store, const struct checkpoint *head, uint64_t index, const void *envelope, size_t size,
                 struct merkle_proof *ret_proof)
{
    struct merkle_hash leaf;
    int error = tlog_prove_inclusion(store, index, head->size, ret_proof);

    merkle_leaf(envelope, size, &leaf);
    if (!error && !merkle_verify_inclusion(&leaf, index, head->size, ret_proof, &head->root))
        error = damaged(store, index);
    return error;
}

int proven_inclusion(struct store *store, const struct checkpoint *head, uint64_t index, uint64_t size,
                     struct merkle_proof *ret_proof)
{
    struct merkle_hash root, leaf;
    int error = find_root(store, head, size, &root);

    if (!error)
        error = tlog_read_hash(store, 0, index, &leaf);
    if (!error)
        error = tlog_prove_inclusion(store, index, size, ret_proof);
    if (!error && !merkle_verify_inclusion(&leaf, index, size, ret_proof, &root))
        error = damaged(store, index);
    return error;
}

int proven_consistency(struct store *store, const struct checkpoint *head, uint64_t from, uint64_t to,
                       struct merkle_proof *ret_proof)
{
    struct merkle_hash from_root, to_root;
    int error = find_root(store, head, from, &from_root);

    *ret_proof = (struct merkle_proof){ 0 };
    if (!error)
        error = find_root(store, head, to, &to_root);
    if (!error && from > 0 && from < to)
        error = tlog_prove_consistency(store, from, to, ret_proof);
    if (!error && !merkle_verify_consistency(from, to, ret_proof, &from_root, &to_root))
        error = damaged(store, from);
    return error;
}
