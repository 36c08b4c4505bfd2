/* The Merkle tree of RFC 6962. A tree of n leaves is, from left to right, one complete subtree for each bit set in n,
 * the largest first; all that is computed here comes from the hashes of such complete subtrees.
 *
 *         root          size 7 = 4 + 2 + 1
 *        /    \
 *      (4)    n         (4), (2), (1) are read; n and the root are folded from the right
 *            / \
 *          (2) (1)
 */

#include "lib/merkle.h"

#include "lib/sha256.h"

#include <errno.h>
#include <string.h>

#define MERKLE_SIZE_MAX (UINT64_C(1) << 63)

void merkle_leaf(const void *entry, size_t size, struct merkle_hash *ret_hash)
{
    const struct sha256_part parts[] = { { "\0", 1 }, { entry, size } };

    sha256_parts(parts, 2, ret_hash->bytes);
}

void merkle_node(const struct merkle_hash *left, const struct merkle_hash *right, struct merkle_hash *ret_hash)
{
    const struct sha256_part parts[] = { { "\1", 1 }, { left, sizeof *left }, { right, sizeof *right } };

    sha256_parts(parts, 3, ret_hash->bytes);
}

void merkle_empty(struct merkle_hash *ret_hash)
{
    sha256("", 0, ret_hash->bytes);
}

static bool equal(const struct merkle_hash *a, const struct merkle_hash *b)
{
    return memcmp(a->bytes, b->bytes, MERKLE_HASH_BYTES) == 0;
}

/* ---- Checking: RFC 9162 §2.1.3.2 and §2.1.4.2, with its names fn, sn, r, fr, sr. */

bool merkle_verify_inclusion(const struct merkle_hash *leaf, uint64_t index, uint64_t size,
                             const struct merkle_proof *proof, const struct merkle_hash *root)
{
    uint64_t fn = index, sn = size - 1;
    struct merkle_hash r = *leaf;

    if (index >= size || size > MERKLE_SIZE_MAX || proof->count > MERKLE_PROOF_MAX)
        return false;
    for (size_t i = 0; i < proof->count; i++) {
        if (sn == 0)
            return false;
        if ((fn & 1) || fn == sn) {
            merkle_node(&proof->hashes[i], &r, &r);
            for (; !(fn & 1) && fn != 0; fn >>= 1)
                sn >>= 1;
        } else
            merkle_node(&r, &proof->hashes[i], &r);
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && equal(&r, root);
}

static bool is_power_of_two(uint64_t n)
{
    return (n & (n - 1)) == 0;
}

/* For 0 < from < to and at least one hash. */
static bool verify_path(uint64_t from, uint64_t to, const struct merkle_proof *proof,
                        const struct merkle_hash *from_root, const struct merkle_hash *to_root)
{
    uint64_t fn = from - 1, sn = to - 1;
    size_t next = is_power_of_two(from) ? 0 : 1; /* a complete tree is the first hash itself, and isn't sent */
    struct merkle_hash fr = next ? proof->hashes[0] : *from_root, sr = fr;

    for (; fn & 1; fn >>= 1)
        sn >>= 1;
    for (; next < proof->count; next++) {
        const struct merkle_hash *c = &proof->hashes[next];
        if (sn == 0)
            return false;
        if ((fn & 1) || fn == sn) {
            merkle_node(c, &fr, &fr);
            merkle_node(c, &sr, &sr);
            for (; !(fn & 1) && fn != 0; fn >>= 1)
                sn >>= 1;
        } else
            merkle_node(&sr, c, &sr);
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && equal(&fr, from_root) && equal(&sr, to_root);
}

bool merkle_verify_consistency(uint64_t from, uint64_t to, const struct merkle_proof *proof,
                               const struct merkle_hash *from_root, const struct merkle_hash *to_root)
{
    if (from > to || to > MERKLE_SIZE_MAX || proof->count > MERKLE_PROOF_MAX)
        return false;
    if (from == 0)
        return proof->count == 0;
    if (from == to)
        return proof->count == 0 && equal(from_root, to_root);
    return proof->count > 0 && verify_path(from, to, proof, from_root, to_root);
}

/* ---- Making */

static unsigned log2_floor(uint64_t n)
{
    return 63 - (unsigned)__builtin_clzll(n);
}

/* The largest power of two that is less than n, for n ≥ 2. */
static uint64_t split(uint64_t n)
{
    return UINT64_C(1) << log2_floor(n - 1);
}

/* The root over the `size` ≥ 1 leaves from `begin` on, which is a multiple of every power of two up to size. */
static int range_root(merkle_read *read, void *context, uint64_t begin, uint64_t size, struct merkle_hash *ret_root)
{
    struct merkle_hash parts[64];
    size_t count = 0;

    while (size > 0) {
        unsigned level = log2_floor(size);
        int r = read(context, level, begin >> level, &parts[count++]);
        if (r < 0)
            return r;
        begin += UINT64_C(1) << level;
        size -= UINT64_C(1) << level;
    }
    for (; count > 1; count--)
        merkle_node(&parts[count - 2], &parts[count - 1], &parts[count - 2]);
    *ret_root = parts[0];
    return 0;
}

int merkle_root(merkle_read *read, void *context, uint64_t size, struct merkle_hash *ret_root)
{
    if (size > MERKLE_SIZE_MAX)
        return -EINVAL;
    if (size > 0)
        return range_root(read, context, 0, size, ret_root);
    merkle_empty(ret_root);
    return 0;
}

static int append(merkle_read *read, void *context, uint64_t begin, uint64_t size, struct merkle_proof *proof)
{
    int r = range_root(read, context, begin, size, &proof->hashes[proof->count]);

    if (r == 0)
        proof->count++;
    return r;
}

/* What is gathered going down the tree is sent going up. */
static void reverse(struct merkle_proof *proof)
{
    for (size_t i = 0, j = proof->count; i + 1 < j; i++) {
        struct merkle_hash hash = proof->hashes[i];
        proof->hashes[i] = proof->hashes[--j];
        proof->hashes[j] = hash;
    }
}

/* PATH(m, D[n]) of RFC 6962 §2.1.1, as a loop. */
int merkle_prove_inclusion(merkle_read *read, void *context, uint64_t index, uint64_t size,
                           struct merkle_proof *ret_proof)
{
    struct merkle_proof proof = { .count = 0 };
    uint64_t begin = 0;
    int r = 0;

    if (index >= size || size > MERKLE_SIZE_MAX)
        return -EINVAL;
    while (size > 1 && r == 0) {
        uint64_t k = split(size);
        if (index - begin < k) {
            r = append(read, context, begin + k, size - k, &proof);
            size = k;
        } else {
            r = append(read, context, begin, k, &proof);
            begin += k;
            size -= k;
        }
    }
    if (r < 0)
        return r;
    reverse(&proof);
    *ret_proof = proof;
    return 0;
}

/* SUBPROOF(m, D[n], b) of RFC 6962 §2.1.2, as a loop; b is `begin == 0`: the right edge of the old tree was not left.
 */
int merkle_prove_consistency(merkle_read *read, void *context, uint64_t from, uint64_t to,
                             struct merkle_proof *ret_proof)
{
    struct merkle_proof proof = { .count = 0 };
    uint64_t begin = 0;
    int r = 0;

    if (from > to || to > MERKLE_SIZE_MAX)
        return -EINVAL;
    if (from == 0)
        to = 0; /* nothing to prove */
    while (from < to && r == 0) {
        uint64_t k = split(to);
        if (from <= k) {
            r = append(read, context, begin + k, to - k, &proof);
            to = k;
        } else {
            r = append(read, context, begin, k, &proof);
            begin += k;
            from -= k;
            to -= k;
        }
    }
    if (r == 0 && begin != 0)
        r = append(read, context, begin, to, &proof);
    if (r < 0)
        return r;
    reverse(&proof);
    *ret_proof = proof;
    return 0;
}
