/* A piece is hashed level by level: its leaves, then what their pairs give, and so on, each level held against the
 * stored one with a single query. A pair may begin in the piece before: `left` has what has no right neighbour yet. */

#include "contrib/directory/rehash.h"

#include <string.h>

#define PIECE 512 /* entries: a few milliseconds; up to 32 MB of them, mostly half a megabyte */

int rehash_begin(struct rehash *ret_rehash, merkle_read *read, void *context, uint64_t from)
{
    struct rehash rehash = { .count = from, .fits = true };
    int error = 0;

    for (unsigned level = 0; !error && from >> level; level++) {
        if ((from >> level) & 1)
            error = read(context, level, (from >> level) - 1, &rehash.left[level]);
    }
    if (!error)
        *ret_rehash = rehash;
    return error;
}

/* How many there are from `from` on without a gap. */
static size_t hash_leaves(struct store *store, uint64_t from, uint64_t to, struct merkle_hash hashes[static PIECE])
{
    cleanup_rows struct store_rows rows;
    size_t count = 0, size;

    store_select(store, &rows, "SELECT idx, envelope FROM entries WHERE idx >= $1 AND idx < $2 ORDER BY idx",
                 VALUE_INTEGER(from), VALUE_INTEGER(to));
    while (count < PIECE && store_next(&rows) && (uint64_t)store_integer(&rows, 0) == from + count) {
        const void *entry = store_bytes(&rows, 1, &size);
        merkle_leaf(entry, size, &hashes[count++]);
    }
    return count;
}

static bool are_stored(struct store *store, unsigned level, uint64_t first, const struct merkle_hash *hashes,
                       size_t count)
{
    cleanup_rows struct store_rows rows;
    size_t same = 0, size;

    store_select(store, &rows, "SELECT idx, hash FROM hashes WHERE level = $1 AND idx >= $2 AND idx < $3 ORDER BY idx",
                 VALUE_INTEGER(level), VALUE_INTEGER(first), VALUE_INTEGER(first + count));
    while (same < count && store_next(&rows) && (uint64_t)store_integer(&rows, 0) == first + same) {
        const void *hash = store_bytes(&rows, 1, &size);
        if (size != MERKLE_HASH_BYTES || memcmp(hash, &hashes[same], size) != 0)
            return false;
        same++;
    }
    return same == count;
}

/* From the hashes of a level, in their place, those of the level above; returns how many. */
static size_t climb(struct rehash *rehash, unsigned level, uint64_t first, struct merkle_hash *hashes, size_t count)
{
    size_t above = 0, i = 0;

    if (first & 1)
        merkle_node(&rehash->left[level], &hashes[i++], &hashes[above++]);
    for (; i + 1 < count; i += 2)
        merkle_node(&hashes[i], &hashes[i + 1], &hashes[above++]);
    if (i < count)
        rehash->left[level] = hashes[i];
    return above;
}

int rehash_piece(struct rehash *rehash, struct store *store, uint64_t end)
{
    struct rehash next = *rehash;
    struct merkle_hash hashes[PIECE];
    uint64_t first = rehash->count, to = end - first > PIECE ? first + PIECE : end;
    size_t count = hash_leaves(store, first, to, hashes);

    next.count += count;
    for (unsigned level = 0; count > 0; level++, first >>= 1) {
        next.fits = are_stored(store, level, first, hashes, count) && next.fits;
        count = climb(&next, level, first, hashes, count);
    }
    if (store->error < 0)
        return store->error;
    *rehash = next;
    return 0;
}

/* From the lowest complete subtree up: each is the left neighbour of what is there. */
void rehash_root(const struct rehash *rehash, struct merkle_hash *ret_root)
{
    struct merkle_hash hash;
    bool first = true;

    merkle_empty(&hash);
    for (unsigned level = 0; level < REHASH_LEVELS; level++) {
        if (!((rehash->count >> level) & 1))
            continue;
        if (first)
            hash = rehash->left[level];
        else
            merkle_node(&rehash->left[level], &hash, &hash);
        first = false;
    }
    *ret_root = hash;
}
