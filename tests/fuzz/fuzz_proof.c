/* Proofs from anyone, as JSON:
 *
 *     {"index":…,"size":…,"from":…,"proof":["<base64>"…]}
 *
 * A tree of 300 leaves is kept here. A proof that verifies against its true root must be the one that the tree itself
 * makes, for that index and size: there is only one, and any other bytes that pass would be a forgery. */

#include "lib/checkpoint.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <sodium.h>
#include <string.h>

#define LEAVES 300
#define LEVELS 9

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct merkle_hash levels[LEVELS][LEAVES], roots[LEAVES + 1];

static int read_hash(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash)
{
    if (level >= LEVELS || index >= (uint64_t)LEAVES >> level)
        abort();
    *ret_hash = levels[level][index];
    return 0;
}

static void plant(void)
{
    if (sodium_init() < 0)
        abort();
    for (unsigned i = 0; i < LEAVES; i++)
        merkle_leaf(&i, sizeof i, &levels[0][i]);
    for (unsigned level = 1; level < LEVELS; level++)
        for (unsigned i = 0; i < (unsigned)LEAVES >> level; i++)
            merkle_node(&levels[level - 1][2 * i], &levels[level - 1][2 * i + 1], &levels[level][i]);
    for (unsigned size = 0; size <= LEAVES; size++)
        if (merkle_root(read_hash, NULL, size, &roots[size]) != 0)
            abort();
}

static void same(const struct merkle_proof *found, const struct merkle_proof *made)
{
    if (found->count != made->count || memcmp(found->hashes, made->hashes, made->count * sizeof *made->hashes) != 0)
        abort();
}

static void try_inclusion(uint64_t index, uint64_t size, const struct merkle_proof *proof)
{
    struct merkle_proof made;
    /* An index beyond the tree is tried with some leaf: nothing may be proven of it. */
    const struct merkle_hash *leaf = &levels[0][index % LEAVES], *root = &roots[size % (LEAVES + 1)];

    if (!merkle_verify_inclusion(leaf, index, size, proof, root))
        return;
    if (size > LEAVES || merkle_prove_inclusion(read_hash, NULL, index, size, &made) != 0)
        abort();
    same(proof, &made);
}

static void try_consistency(uint64_t from, uint64_t to, const struct merkle_proof *proof)
{
    struct merkle_proof made;
    const struct merkle_hash *from_root = &roots[from % (LEAVES + 1)], *to_root = &roots[to % (LEAVES + 1)];

    if (!merkle_verify_consistency(from, to, proof, from_root, to_root))
        return;
    if (from > to)
        abort();
    if (from == 0 || from == to) { /* of any size: says nothing, and takes no hashes */
        if (proof->count)
            abort();
        return;
    }
    if (to > LEAVES || merkle_prove_consistency(read_hash, NULL, from, to, &made) != 0)
        abort();
    same(proof, &made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool planted;
    cleanup_json cJSON *object = NULL;
    struct merkle_proof proof;
    struct reason reason = { 0 };
    static const struct json_rule RULES[] = {
        { .name = "index", .kind = JSON_INTEGER, .optional = true },
        { .name = "size", .kind = JSON_INTEGER },
        { .name = "from", .kind = JSON_INTEGER, .optional = true },
        { .name = "proof", .kind = JSON_ARRAY },
        { 0 },
    };

    if (!planted)
        plant();
    planted = true;
    if (json_parse((const char *)data, size, JSON_SIZE_MAX, &object, &reason) != 0 ||
        json_check(object, RULES, "", &reason) != 0)
        return 0;
    if (merkle_proof_from_json(json_member(object, "proof"), "proof", &proof, &reason) != 0) {
        if (!reason.text[0])
            abort();
        return 0;
    }
    try_inclusion((uint64_t)json_integer(object, "index"), (uint64_t)json_integer(object, "size"), &proof);
    try_consistency((uint64_t)json_integer(object, "from"), (uint64_t)json_integer(object, "size"), &proof);
    return 0;
}
