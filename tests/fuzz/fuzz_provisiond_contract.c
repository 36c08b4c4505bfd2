/* Any bytes, well signed by a bot and proven to be in the log: the node takes the contract, or refuses it with a
 * reason. What it takes keeps what the plan relies on. Seeds: corpus/provisiond_contract, with NODE for the node's id.
 */

#include "lib/cleanup.h"
#include "provisiond/verify.h"

#include <assert.h>
#include <sodium.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct key *node, *bot;
static uint8_t sealing_public[32], sealing_secret[32];

static void set_up(void)
{
    static const uint8_t SEEDS[2][KEY_SEED_BYTES] = { { 1 }, { 2 } };

    assert(sodium_init() >= 0 && key_from_seed(SEEDS[0], &node) == 0 && key_from_seed(SEEDS[1], &bot) == 0);
    key_derive_x25519(node, "zos-seal", sealing_public, sealing_secret);
}

/* The bytes with the node's id in the first place that says NODE. */
static char *name_node(const uint8_t *bytes, size_t size, size_t *ret_size)
{
    const char *id = key_id(node), *at = memmem(bytes, size, "NODE", 4);
    size_t before = at ? (size_t)(at - (const char *)bytes) : size, used = before;
    char *text = malloc(size + ID_TEXT_BYTES);

    assert(text);
    memcpy(text, bytes, before);
    if (at) {
        memcpy(text + used, id, strlen(id));
        used += strlen(id);
        memcpy(text + used, at + 4, size - before - 4);
        used += size - before - 4;
    }
    *ret_size = used;
    return text;
}

static void check(const struct verdict *verdict)
{
    const cJSON *workload;

    assert(verdict->kind != VERDICT_UNPROVEN);
    if (verdict->kind != VERDICT_CONTRACT) {
        assert(verdict->reason.text[0]);
        return;
    }
    cJSON_ArrayForEach(workload, verdict->contract->workloads)
        assert(json_string(workload, "name") && json_string(workload, "type") && json_member(workload, "data"));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct checkpoint checkpoint = { .size = 1 };
    cleanup_free char *envelope = NULL, *text = NULL;
    cleanup_json cJSON *entry = NULL;
    struct verify_context context = { .capacity = { INT32_MAX, INT64_MAX >> 12, INT64_MAX >> 12, INT64_MAX >> 12 },
                                      .now = 1750000000 };
    struct verdict verdict;

    if (!node)
        set_up();
    context.reader = (struct wanted_reader){ key_id(node), sealing_public, sealing_secret };
    text = name_node(bytes, size, &size);
    if (envelope_sign("application/vnd.zos.contract+json", text, size, bot, &envelope, NULL) != 0)
        return 0;
    merkle_leaf(envelope, strlen(envelope), &checkpoint.root);
    entry = cJSON_CreateObject();
    json_add_integer(entry, "index", 0);
    cJSON_AddStringToObject(entry, "envelope", envelope);
    cJSON_AddArrayToObject(entry, "proof");
    assert(verify_entry(entry, &checkpoint, &context, &verdict) == 0);
    check(&verdict);
    verdict_close(&verdict);
    return 0;
}
