/* The Merkle tree: the reference vectors of Certificate Transparency, then every proof of every small tree, made and
 * checked, and every one changed and refused. */

#include "lib/encode.h"
#include "lib/merkle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#define SIZE_MAX_TESTED 70

static struct merkle_hash LEAVES[SIZE_MAX_TESTED];
static struct merkle_hash ROOTS[SIZE_MAX_TESTED + 1];
static unsigned reads;

static struct merkle_hash hash_of(const char *hex)
{
    struct merkle_hash hash;

    assert_true(decode_hex(hex, hash.bytes, sizeof hash.bytes));
    return hash;
}

/* Complete subtrees, computed from the leaves by the definition. */
static int read_subtree(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash)
{
    struct merkle_hash left, right;
    uint64_t size = context ? *(const uint64_t *)context : SIZE_MAX_TESTED;

    reads++;
    assert_true(((index + 1) << level) <= size); /* nobody asks for what isn't there */
    if (level == 0) {
        *ret_hash = LEAVES[index];
        return 0;
    }
    assert_int_equal(read_subtree(context, level - 1, 2 * index, &left), 0);
    assert_int_equal(read_subtree(context, level - 1, 2 * index + 1, &right), 0);
    merkle_node(&left, &right, ret_hash);
    return 0;
}

/* MTH(D[begin:end]) of RFC 6962 §2.1, word for word. */
static struct merkle_hash defined_root(uint64_t begin, uint64_t end)
{
    struct merkle_hash left, right, hash;
    uint64_t k = 1;

    if (end - begin == 1)
        return LEAVES[begin];
    while (2 * k < end - begin)
        k *= 2;
    left = defined_root(begin, begin + k);
    right = defined_root(begin + k, end);
    merkle_node(&left, &right, &hash);
    return hash;
}

static int make_tree(void **state)
{
    for (uint8_t i = 0; i < SIZE_MAX_TESTED; i++)
        merkle_leaf(&i, 1, &LEAVES[i]);
    merkle_empty(&ROOTS[0]);
    for (uint64_t size = 1; size <= SIZE_MAX_TESTED; size++)
        ROOTS[size] = defined_root(0, size);
    return 0;
}

/* The eight entries and their roots that the reference implementation of RFC 6962 is tested with. */
static int make_reference_tree(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } entries[] = {
        { "", 0 },
        { "\x00", 1 },
        { "\x10", 1 },
        { "\x20\x21", 2 },
        { "\x30\x31", 2 },
        { "\x40\x41\x42\x43", 4 },
        { "\x50\x51\x52\x53\x54\x55\x56\x57", 8 },
        { "\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f", 16 },
    };

    for (size_t i = 0; i < 8; i++)
        merkle_leaf(entries[i].bytes, entries[i].size, &LEAVES[i]);
    return 0;
}

static const char *const REFERENCE_ROOTS[] = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void has_the_reference_roots(void **state)
{
    uint64_t size;

    for (size = 0; size <= 8; size++) {
        struct merkle_hash root, wanted = hash_of(REFERENCE_ROOTS[size]);
        assert_int_equal(merkle_root(read_subtree, &size, size, &root), 0);
        assert_memory_equal(root.bytes, wanted.bytes, MERKLE_HASH_BYTES);
    }
}

static void assert_proof(const struct merkle_proof *proof, const char *const *wanted)
{
    size_t count = 0;

    for (; wanted[count]; count++) {
        struct merkle_hash hash = hash_of(wanted[count]);
        assert_true(count < proof->count);
        assert_memory_equal(proof->hashes[count].bytes, hash.bytes, MERKLE_HASH_BYTES);
    }
    assert_int_equal(proof->count, count);
}

static void makes_the_reference_inclusion_proofs(void **state)
{
    static const struct {
        uint64_t index, size;
        const char *hashes[4];
    } cases[] = {
        { 0, 1, { NULL } },
        { 0,
          8,
          { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4" } },
        { 5,
          8,
          { "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
        { 2, 3, { "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125" } },
        { 1,
          5,
          { "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b" } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t index = cases[i].index, size = cases[i].size;
        struct merkle_hash root = hash_of(REFERENCE_ROOTS[size]);
        struct merkle_proof proof;
        assert_int_equal(merkle_prove_inclusion(read_subtree, &size, index, size, &proof), 0);
        assert_proof(&proof, cases[i].hashes);
        assert_true(merkle_verify_inclusion(&LEAVES[index], index, size, &proof, &root));
    }
}

static void makes_the_reference_consistency_proofs(void **state)
{
    static const struct {
        uint64_t from, to;
        const char *hashes[4];
    } cases[] = {
        { 1, 1, { NULL } },
        { 1,
          8,
          { "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4" } },
        { 6,
          8,
          { "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
        { 2,
          5,
          { "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b" } },
        { 6,
          7,
          { "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7" } },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t from = cases[i].from, to = cases[i].to;
        struct merkle_hash from_root = hash_of(REFERENCE_ROOTS[from]), to_root = hash_of(REFERENCE_ROOTS[to]);
        struct merkle_proof proof;
        assert_int_equal(merkle_prove_consistency(read_subtree, &to, from, to, &proof), 0);
        assert_proof(&proof, cases[i].hashes);
        assert_true(merkle_verify_consistency(from, to, &proof, &from_root, &to_root));
    }
}

static void roots_are_as_defined(void **state)
{
    for (uint64_t size = 0; size <= SIZE_MAX_TESTED; size++) {
        struct merkle_hash root;
        assert_int_equal(merkle_root(read_subtree, &size, size, &root), 0);
        assert_memory_equal(root.bytes, ROOTS[size].bytes, MERKLE_HASH_BYTES);
    }
}

/* One proof: good as it is, and with no hash changed, dropped or added, for no other leaf, index, size or root. */
static void try_inclusion(uint64_t index, uint64_t size)
{
    struct merkle_proof proof, bad;
    struct merkle_hash wrong = LEAVES[index];

    assert_int_equal(merkle_prove_inclusion(read_subtree, &size, index, size, &proof), 0);
    assert_true(merkle_verify_inclusion(&LEAVES[index], index, size, &proof, &ROOTS[size]));
    for (size_t i = 0; i < proof.count; i++) {
        bad = proof;
        bad.hashes[i].bytes[(index + i) % MERKLE_HASH_BYTES] ^= (uint8_t)(1 << i % 8);
        assert_false(merkle_verify_inclusion(&LEAVES[index], index, size, &bad, &ROOTS[size]));
    }
    bad = proof;
    bad.hashes[bad.count++] = ROOTS[size];
    assert_false(merkle_verify_inclusion(&LEAVES[index], index, size, &bad, &ROOTS[size]));
    bad = proof;
    if (bad.count-- > 0)
        assert_false(merkle_verify_inclusion(&LEAVES[index], index, size, &bad, &ROOTS[size]));
    wrong.bytes[0] ^= 1;
    assert_false(merkle_verify_inclusion(&wrong, index, size, &proof, &ROOTS[size]));
    for (uint64_t other = 0; other <= SIZE_MAX_TESTED; other++) {
        if (other != index)
            assert_false(merkle_verify_inclusion(&LEAVES[index], other, size, &proof, &ROOTS[size]));
        if (other != size)
            assert_false(merkle_verify_inclusion(&LEAVES[index], index, size, &proof, &ROOTS[other]));
    }
}

static void proves_the_inclusion_of_every_leaf(void **state)
{
    for (uint64_t size = 1; size <= SIZE_MAX_TESTED; size++) {
        for (uint64_t index = 0; index < size; index++)
            try_inclusion(index, size);
    }
}

static void try_consistency(uint64_t from, uint64_t to)
{
    struct merkle_proof proof, bad;

    assert_int_equal(merkle_prove_consistency(read_subtree, &to, from, to, &proof), 0);
    assert_true(merkle_verify_consistency(from, to, &proof, &ROOTS[from], &ROOTS[to]));
    for (size_t i = 0; i < proof.count; i++) {
        bad = proof;
        bad.hashes[i].bytes[(from + i) % MERKLE_HASH_BYTES] ^= (uint8_t)(1 << i % 8);
        assert_false(merkle_verify_consistency(from, to, &bad, &ROOTS[from], &ROOTS[to]));
    }
    bad = proof;
    bad.hashes[bad.count++] = ROOTS[to];
    assert_false(merkle_verify_consistency(from, to, &bad, &ROOTS[from], &ROOTS[to]));
    bad = proof;
    if (bad.count-- > 0)
        assert_false(merkle_verify_consistency(from, to, &bad, &ROOTS[from], &ROOTS[to]));
    if (from == 0)
        return; /* the empty tree is a prefix of everything */
    for (uint64_t other = 1; other <= SIZE_MAX_TESTED; other++) {
        if (other != from)
            assert_false(merkle_verify_consistency(from, to, &proof, &ROOTS[other], &ROOTS[to]));
        if (other != to)
            assert_false(merkle_verify_consistency(from, to, &proof, &ROOTS[from], &ROOTS[other]));
    }
}

static void proves_the_consistency_of_every_two_trees(void **state)
{
    for (uint64_t to = 0; to <= SIZE_MAX_TESTED; to++) {
        for (uint64_t from = 0; from <= to; from++)
            try_consistency(from, to);
    }
}

static void refuses_what_is_out_of_range(void **state)
{
    struct merkle_proof proof = { .count = 0 };

    assert_int_equal(merkle_prove_inclusion(read_subtree, NULL, 0, 0, &proof), -EINVAL);
    assert_int_equal(merkle_prove_inclusion(read_subtree, NULL, 5, 5, &proof), -EINVAL);
    assert_int_equal(merkle_prove_consistency(read_subtree, NULL, 6, 5, &proof), -EINVAL);
    assert_false(merkle_verify_inclusion(&LEAVES[0], 0, 0, &proof, &ROOTS[0]));
    assert_false(merkle_verify_inclusion(&LEAVES[0], 1, 1, &proof, &ROOTS[1]));
    assert_false(merkle_verify_inclusion(&LEAVES[0], UINT64_MAX, UINT64_MAX, &proof, &ROOTS[1]));
    assert_false(merkle_verify_consistency(2, 1, &proof, &ROOTS[2], &ROOTS[1]));
    assert_false(merkle_verify_consistency(1, UINT64_MAX, &proof, &ROOTS[1], &ROOTS[1]));
    proof.count = MERKLE_PROOF_MAX + 1;
    assert_false(merkle_verify_inclusion(&LEAVES[0], 0, 1, &proof, &ROOTS[1]));
    assert_false(merkle_verify_consistency(1, 2, &proof, &ROOTS[1], &ROOTS[2]));
}

/* Counts what is read of a tree of any size, whose hashes don't matter. */
static int read_nothing(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash)
{
    reads++;
    *ret_hash = LEAVES[(level + index) % SIZE_MAX_TESTED];
    return 0;
}

static void a_proof_of_a_huge_tree_takes_few_reads(void **state)
{
    const uint64_t sizes[] = { UINT64_C(1) << 63, (UINT64_C(1) << 63) - 1, (UINT64_C(1) << 62) + 1 };
    struct merkle_proof proof;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint64_t size = sizes[i];
        reads = 0;
        assert_int_equal(merkle_prove_inclusion(read_nothing, NULL, size / 3, size, &proof), 0);
        assert_true(proof.count <= MERKLE_PROOF_MAX && reads <= 128);
        reads = 0;
        assert_int_equal(merkle_prove_consistency(read_nothing, NULL, size / 3, size, &proof), 0);
        assert_true(proof.count <= MERKLE_PROOF_MAX && reads <= 128);
        assert_int_equal(merkle_prove_consistency(read_nothing, NULL, size - 1, size, &proof), 0);
        assert_true(proof.count <= MERKLE_PROOF_MAX);
    }
}

static int fail_to_read(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash)
{
    return -EIO;
}

static void passes_the_readers_error_on(void **state)
{
    struct merkle_proof proof = { .count = 7 };
    struct merkle_hash root;

    assert_int_equal(merkle_root(fail_to_read, NULL, 3, &root), -EIO);
    assert_int_equal(merkle_prove_inclusion(fail_to_read, NULL, 1, 3, &proof), -EIO);
    assert_int_equal(merkle_prove_consistency(fail_to_read, NULL, 1, 3, &proof), -EIO);
    assert_int_equal(proof.count, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(has_the_reference_roots, make_reference_tree),
        cmocka_unit_test_setup(makes_the_reference_inclusion_proofs, make_reference_tree),
        cmocka_unit_test_setup(makes_the_reference_consistency_proofs, make_reference_tree),
        cmocka_unit_test_setup(roots_are_as_defined, make_tree),
        cmocka_unit_test(proves_the_inclusion_of_every_leaf),
        cmocka_unit_test(proves_the_consistency_of_every_two_trees),
        cmocka_unit_test(refuses_what_is_out_of_range),
        cmocka_unit_test(a_proof_of_a_huge_tree_takes_few_reads),
        cmocka_unit_test(passes_the_readers_error_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
