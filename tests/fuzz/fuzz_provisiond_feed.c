/* A feed answer as a node reads it: {"entries":[…],"checkpoint":"<note>","consistency":[…],"next":…}. A true one, of
 * the kept corpus, is signed by RFC 8032's first key and extends the checkpoint of 2 entries that was kept. Whatever
 * else is taken must be under that one signed root, entry by entry. */

#include "lib/cleanup.h"
#include "provisiond/verify.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct note_verifier verifier;
static struct key *node;
static struct checkpoint kept;
static uint8_t sealing_public[32], sealing_secret[32];

/* The first two leaves of the corpus: SHA-256(0x00 | "first") and likewise "second". */
static void set_up(void)
{
    static const char seed_hex[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    static const uint8_t node_seed[KEY_SEED_BYTES] = { 1 };
    uint8_t seed[KEY_SEED_BYTES];
    struct merkle_hash first, second;
    struct key *key;

    if (!decode_hex(seed_hex, seed, sizeof seed) || key_from_seed(seed, &key) < 0 ||
        note_verifier_make("example.com/log", key_public(key), &verifier, NULL) != 0 ||
        key_from_seed(node_seed, &node) < 0)
        abort();
    key_free(key);
    key_derive_x25519(node, "zos-seal", sealing_public, sealing_secret);
    merkle_leaf("first", 5, &first);
    merkle_leaf("second", 6, &second);
    kept.size = 2;
    merkle_node(&first, &second, &kept.root);
}

static void try_entry(const cJSON *entry, const struct checkpoint *checkpoint)
{
    struct verify_context context = { .capacity = { INT32_MAX, INT64_MAX >> 12, INT64_MAX >> 12, INT64_MAX >> 12 },
                                      .now = 1700000000,
                                      .reader = { key_id(node), sealing_public, sealing_secret } };
    struct verdict verdict;

    if (verify_entry(entry, checkpoint, &context, &verdict) < 0)
        abort();
    if (verdict.kind != VERDICT_CONTRACT && verdict.kind != VERDICT_CANCEL && !verdict.reason.text[0])
        abort();
    if (verdict.kind != VERDICT_UNPROVEN && (verdict.index < 0 || (uint64_t)verdict.index >= checkpoint->size))
        abort();
    verdict_close(&verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct cosignature_policy nobody;
    cleanup_json cJSON *answer = NULL;
    const cJSON *entry;
    struct checkpoint checkpoint;
    struct reason reason = { 0 };

    if (!node)
        set_up();
    if (json_parse((const char *)data, size, 1 << 20, &answer, &reason) != 0)
        return 0;
    for (int i = 0; i < 2; i++) { /* with a checkpoint that was kept, and as a new node */
        reason.text[0] = '\0';
        int r = verify_checkpoint(answer, &verifier, &nobody, i ? NULL : &kept, &checkpoint, &reason);
        if (r < 0 || (r > 0 && !reason.text[0]))
            abort();
        if (r)
            continue;
        cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(answer, "entries"))
            try_entry(entry, &checkpoint);
    }
    return 0;
}
