/* Every lie that a directory, or a bot, can tell a node; and the truth. */

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "provisiond/verify.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1750000000
#define LOG_MAX 64
#define GIB (1ll << 30)

struct log {
    char *entries[LOG_MAX];
    size_t count;
};

static struct key *directory, *bot, *stranger, *node;
static struct note_verifier verifier;
static struct cosignature_policy witnesses; /* none, but where a test says so */
static uint8_t sealing_public[32], sealing_secret[32];
static struct log honest;
static struct wanted *known; /* what the context has as live contracts */
static char seen_id[HASH_TEXT_BYTES];

/* ---- a small directory */

static int read_hash(void *context, unsigned level, uint64_t index, struct merkle_hash *ret_hash)
{
    struct log *log = context;
    struct merkle_hash left, right;

    if (level == 0) {
        merkle_leaf(log->entries[index], strlen(log->entries[index]), ret_hash);
        return 0;
    }
    read_hash(log, level - 1, index * 2, &left);
    read_hash(log, level - 1, index * 2 + 1, &right);
    merkle_node(&left, &right, ret_hash);
    return 0;
}

static int64_t append(struct log *log, const char *entry)
{
    log->entries[log->count] = strdup(entry);
    return (int64_t)log->count++;
}

static void log_clear(struct log *log)
{
    while (log->count)
        free(log->entries[--log->count]);
}

static struct checkpoint head(struct log *log)
{
    struct checkpoint checkpoint = { .size = log->count };

    assert_int_equal(merkle_root(read_hash, log, log->count, &checkpoint.root), 0);
    return checkpoint;
}

static cJSON *entry_of(struct log *log, int64_t index)
{
    struct merkle_proof proof;
    cJSON *entry = cJSON_CreateObject();

    assert_int_equal(merkle_prove_inclusion(read_hash, log, (uint64_t)index, log->count, &proof), 0);
    json_add_integer(entry, "index", index);
    cJSON_AddStringToObject(entry, "envelope", log->entries[index]);
    cJSON_AddItemToObject(entry, "proof", merkle_proof_to_json(&proof));
    return entry;
}

static cJSON *answer_of(struct log *log, uint64_t from, const struct key *key)
{
    struct checkpoint checkpoint = head(log);
    struct merkle_proof proof = { 0 };
    cJSON *answer = cJSON_CreateObject();
    cleanup_free char *note = checkpoint_sign(&checkpoint, &verifier, key);

    if (from > 0 && from <= log->count)
        assert_int_equal(merkle_prove_consistency(read_hash, log, from, log->count, &proof), 0);
    cJSON_AddStringToObject(answer, "checkpoint", note);
    cJSON_AddItemToObject(answer, "consistency", merkle_proof_to_json(&proof));
    return answer;
}

/* ---- contracts */

static cJSON *parse(const char *text)
{
    cJSON *value;

    assert_int_equal(json_parse(text, strlen(text), JSON_SIZE_MAX, &value, NULL), 0);
    return value;
}

static cJSON *contract(void)
{
    cJSON *payload =
        parse("{\"version\":1,\"created\":1750000000,\"expires\":1750003600,\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAA==\","
              "\"reserves\":{\"cru_milli\":100,\"mru_bytes\":0,\"sru_bytes\":1073741824,\"hru_bytes\":0},"
              "\"workloads\":[{\"name\":\"data\",\"type\":\"volume\","
              "\"data\":{\"size_bytes\":1073741824,\"media\":\"ssd\"}}]}");

    cJSON_AddStringToObject(payload, "node", key_id(node));
    return payload;
}

static void set(cJSON *payload, const char *name, cJSON *value)
{
    cJSON_DeleteItemFromObjectCaseSensitive(payload, name);
    cJSON_AddItemToObject(payload, name, value);
}

/* Signs whatever it is, without the rules that statement_sign would hold it against. */
static char *sign(const char *kind, cJSON *payload, const struct key *key)
{
    cleanup_free char *text = json_print(payload);
    char type[64], *envelope;

    snprintf(type, sizeof type, "application/vnd.zos.%s+json", kind);
    assert_int_equal(envelope_sign(type, text, strlen(text), key, &envelope, NULL), 0);
    cJSON_Delete(payload);
    return envelope;
}

static bool seen(void *context, const char *id)
{
    return !strcmp(id, seen_id);
}

static struct verdict judge_entry(cJSON *entry, struct log *log)
{
    struct verify_context context = {
        .reader = { key_id(node), sealing_public, sealing_secret },
        .capacity = { .cru_milli = 2000, .mru_bytes = GIB, .sru_bytes = 3 * GIB },
        .wanted = known,
        .now = NOW,
        .seen = seen,
    };
    struct checkpoint checkpoint = head(log);
    struct verdict verdict;

    assert_int_equal(verify_entry(entry, &checkpoint, &context, &verdict), 0);
    return verdict;
}

/* Logs the envelope, and judges it as the feed would show it. */
static void expect(char *envelope, enum verdict_kind kind, const char *reason)
{
    int64_t index = append(&honest, envelope);
    cleanup_json cJSON *entry = entry_of(&honest, index);
    struct verdict verdict = judge_entry(entry, &honest);

    free(envelope);
    if (verdict.kind != kind || (reason && !strstr(verdict.reason.text, reason)))
        fail_msg("verdict %d, \"%s\"; wanted %d, \"%s\"", (int)verdict.kind, verdict.reason.text, (int)kind, reason);
    assert_int_equal(verdict.contract != NULL, kind == VERDICT_CONTRACT || kind == VERDICT_REFUSED);
    if (kind == VERDICT_REFUSED)
        assert_string_equal(verdict.contract->message.text, verdict.reason.text);
    verdict_close(&verdict);
}

/* ---- entries */

static void a_good_contract_is_accepted(void **state)
{
    expect(sign("contract", contract(), bot), VERDICT_CONTRACT, NULL);
}

static void a_private_contract_is_opened_by_its_node_alone(void **state)
{
    static const uint8_t nonce[CONTRACT_NONCE_BYTES] = { 0 };
    struct contract_reader reader = { key_id(node), sealing_public };
    cJSON *payload = contract(), *workloads = cJSON_DetachItemFromObject(payload, "workloads");

    set(payload, "private", contract_seal(workloads, nonce, sizeof nonce, &reader, 1));
    expect(sign("contract", payload, bot), VERDICT_CONTRACT, NULL);
    reader.id = key_id(stranger);
    payload = contract();
    cJSON_DeleteItemFromObject(payload, "workloads");
    set(payload, "private", contract_seal(workloads, nonce, sizeof nonce, &reader, 1));
    expect(sign("contract", payload, bot), VERDICT_REFUSED, "private");
    cJSON_Delete(workloads);
}

static void an_entry_without_a_valid_inclusion_proof_proves_nothing(void **state)
{
    cleanup_free char *envelope = sign("contract", contract(), bot);
    int64_t index = append(&honest, envelope);
    static const char *const KEYS[] = { "proof", "index", "envelope" };

    for (size_t i = 0; i < 6; i++) {
        cleanup_json cJSON *entry = entry_of(&honest, index);
        struct verdict verdict;
        if (i < 3)
            cJSON_DeleteItemFromObject(entry, KEYS[i]);
        else if (i == 3)
            set(entry, "index", cJSON_CreateNumber((double)index - 1));
        else if (i == 4)
            cJSON_DeleteItemFromArray(cJSON_GetObjectItem(entry, "proof"), 0);
        else
            set(entry, "index", cJSON_CreateNumber(-1));
        verdict = judge_entry(entry, &honest);
        assert_int_equal(verdict.kind, VERDICT_UNPROVEN);
        assert_true(verdict.reason.text[0]);
        verdict_close(&verdict);
    }
}

static void a_tampered_envelope_is_refused_without_a_result(void **state)
{
    cleanup_free char *envelope = sign("contract", contract(), bot);
    cJSON *object = parse(envelope), *payload = contract();
    cleanup_free char *text = NULL, *encoded = NULL;

    set(payload, "expires", cJSON_CreateNumber(NOW + 7200));
    text = json_print(payload);
    encoded = encode_base64(text, strlen(text));
    set(object, "payload", cJSON_CreateString(encoded));
    expect(json_print(object), VERDICT_IGNORED, "bad signature");
    cJSON_Delete(object);
    cJSON_Delete(payload);
}

static void what_is_no_envelope_is_passed_over(void **state)
{
    expect(strdup("{}"), VERDICT_IGNORED, "");
    expect(strdup("not even JSON"), VERDICT_IGNORED, "");
    expect(sign("farm", cJSON_CreateObject(), bot), VERDICT_IGNORED, "payloadType");
    expect(sign("contract", cJSON_CreateString("x"), bot), VERDICT_IGNORED, "node");
}

static void a_contract_for_another_node_is_passed_over(void **state)
{
    cJSON *payload = contract();

    set(payload, "node", cJSON_CreateString(key_id(stranger)));
    expect(sign("contract", payload, bot), VERDICT_IGNORED, "another node");
}

static void times_are_held_against_the_clock(void **state)
{
    cJSON *payload = contract();

    set(payload, "expires", cJSON_CreateNumber(NOW));
    expect(sign("contract", payload, bot), VERDICT_REFUSED, "contract expired");
    payload = contract();
    set(payload, "created", cJSON_CreateNumber(NOW + VERIFY_CLOCK_SKEW_S + 1));
    expect(sign("contract", payload, bot), VERDICT_REFUSED, "future");
    payload = contract();
    set(payload, "created", cJSON_CreateNumber(NOW + VERIFY_CLOCK_SKEW_S));
    expect(sign("contract", payload, bot), VERDICT_CONTRACT, NULL);
    payload = contract();
    set(payload, "expires", cJSON_CreateString("never"));
    expect(sign("contract", payload, bot), VERDICT_REFUSED, "expires");
}

static void a_replay_is_refused_and_no_result_disturbs_the_first(void **state)
{
    cleanup_free char *envelope = sign("contract", contract(), bot);
    struct envelope parsed;

    assert_int_equal(envelope_parse(envelope, strlen(envelope), &parsed, NULL), 0);
    memcpy(seen_id, parsed.id, sizeof seen_id);
    expect(strdup(envelope), VERDICT_IGNORED, "seen before");
    seen_id[0] = '\0';
    known = calloc(1, sizeof *known);
    memcpy(known->id, parsed.id, sizeof known->id);
    expect(strdup(envelope), VERDICT_IGNORED, "seen before");
    wanted_free(steal_pointer(known));
    envelope_close(&parsed);
}

static void a_contract_that_breaks_the_schema_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *name, *value, *reason;
    } CASES[] = {
        { "surprise", "1", "surprise" },
        { "nonce", "\"AA==\"", "nonce" },
        { "reserves", "{\"cru_milli\":1}", "reserves" },
        { "reserves", "{\"cru_milli\":1,\"mru_bytes\":0,\"sru_bytes\":5,\"hru_bytes\":0}", "reserves don't cover" },
        { "workloads",
          "[{\"name\":\"data\",\"type\":\"volume\",\"data\":{\"size_bytes\":1073741824,\"media\":\"tape\"}}]",
          "workloads[0]" },
        { "workloads", "[{\"name\":\"data\",\"type\":\"oracle\",\"data\":{}}]", "workloads[0]" },
        { "version", "2", "version" },
    };

    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        cJSON *payload = contract();
        set(payload, CASES[i].name, parse(CASES[i].value));
        expect(sign("contract", payload, bot), VERDICT_REFUSED, CASES[i].reason);
    }
}

static void what_live_contracts_reserve_is_not_given_twice(void **state)
{
    cJSON *payload = contract();

    known = calloc(1, sizeof *known);
    known->reserves = (struct resources){ .sru_bytes = 2 * GIB };
    expect(sign("contract", contract(), bot), VERDICT_CONTRACT, NULL);
    known->reserves.sru_bytes++;
    expect(sign("contract", contract(), bot), VERDICT_REFUSED, "over capacity");
    known->ending = true;
    expect(sign("contract", contract(), bot), VERDICT_CONTRACT, NULL);
    set(payload, "reserves", parse("{\"cru_milli\":2001,\"mru_bytes\":0,\"sru_bytes\":1073741824,\"hru_bytes\":0}"));
    expect(sign("contract", payload, bot), VERDICT_REFUSED, "cru_milli");
    wanted_free(steal_pointer(known));
}

static cJSON *cancel(const char *id)
{
    cJSON *payload = parse("{\"version\":1,\"created\":1750000000}");

    cJSON_AddStringToObject(payload, "contract", id);
    return payload;
}

static void a_cancel_is_only_the_contracts_bots(void **state)
{
    static const char ID[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    cJSON *odd = cancel(ID);

    known = calloc(1, sizeof *known);
    strcpy(known->id, ID);
    strcpy(known->bot, key_id(bot));
    expect(sign("cancel", cancel(ID), bot), VERDICT_CANCEL, NULL);
    expect(sign("cancel", cancel(ID), stranger), VERDICT_IGNORED, "another bot's");
    expect(sign("cancel", cancel("ff"), bot), VERDICT_IGNORED, "none that lives here");
    expect(sign("cancel", cJSON_CreateObject(), bot), VERDICT_IGNORED, "contract");
    cJSON_AddTrueToObject(odd, "please");
    expect(sign("cancel", odd, bot), VERDICT_IGNORED, "please");
    known->ending = true;
    expect(sign("cancel", cancel(ID), bot), VERDICT_IGNORED, "seen before");
    known->refused = true; /* its bot may want to be rid of it, and to be told so */
    expect(sign("cancel", cancel(ID), bot), VERDICT_CANCEL, NULL);
    wanted_free(steal_pointer(known));
}

/* ---- checkpoints */

static void expect_checkpoint(cJSON *answer, const struct checkpoint *kept, int wanted)
{
    struct checkpoint checkpoint;
    struct reason reason = { 0 };

    assert_int_equal(verify_checkpoint(answer, &verifier, &witnesses, kept, &checkpoint, &reason), wanted);
    assert_int_equal(reason.text[0] != '\0', wanted != 0);
    cJSON_Delete(answer);
}

static void a_checkpoint_must_be_the_directorys(void **state)
{
    cJSON *answer = answer_of(&honest, 0, directory);

    expect_checkpoint(answer, NULL, 0);
    expect_checkpoint(answer_of(&honest, 0, stranger), NULL, REFUSED);
    expect_checkpoint(cJSON_CreateObject(), NULL, REFUSED);
    answer = answer_of(&honest, 0, directory);
    set(answer, "checkpoint", cJSON_CreateString("zos\n1\nAAAA\n"));
    expect_checkpoint(answer, NULL, REFUSED);
}

static void a_checkpoint_must_extend_the_one_that_was_kept(void **state)
{
    struct log log = { 0 }, other = { 0 };
    struct checkpoint kept;
    cJSON *answer;

    for (int i = 0; i < 9; i++) {
        char entry[16];
        snprintf(entry, sizeof entry, "entry %d", i);
        append(&log, entry);
        append(&other, i == 2 ? "another" : entry);
        if (i == 4)
            kept = head(&log);
    }
    expect_checkpoint(answer_of(&log, 5, directory), &kept, 0);
    expect_checkpoint(answer_of(&other, 5, directory), &kept, VERIFY_REWRITTEN);
    expect_checkpoint(answer_of(&log, 4, directory), &kept, VERIFY_REWRITTEN); /* the proof of another size */
    answer = answer_of(&log, 5, directory);
    cJSON_DeleteItemFromObject(answer, "consistency");
    expect_checkpoint(answer, &kept, VERIFY_REWRITTEN);
    while (log.count > 3)
        free(log.entries[--log.count]);
    expect_checkpoint(answer_of(&log, 0, directory), &kept, VERIFY_REWRITTEN); /* shrunk */
    kept = head(&log);
    expect_checkpoint(answer_of(&log, 0, directory), &kept, 0); /* nothing new */
    free(log.entries[1]);
    log.entries[1] = strdup("the same size, other words");
    expect_checkpoint(answer_of(&log, 0, directory), &kept, VERIFY_REWRITTEN);
    log_clear(&log);
    log_clear(&other);
}

/* The answer with the cosignature of `key` as `witness` behind its checkpoint. */
static cJSON *cosigned(cJSON *answer, const struct note_verifier *witness, const struct key *key)
{
    const char *note = cJSON_GetStringValue(cJSON_GetObjectItem(answer, "checkpoint"));
    cleanup_free char *line = cosignature_sign(note, 1750000000, witness, key);
    char *longer;

    assert_true(asprintf(&longer, "%s%s", note, line) > 0);
    set(answer, "checkpoint", cJSON_CreateString(longer));
    free(longer);
    return answer;
}

static void a_node_that_asks_for_witnesses_takes_nothing_without_them(void **state)
{
    struct note_verifier witness[2];
    struct checkpoint kept = { .size = 1 };
    char vkey[NOTE_VKEY_BYTES];

    note_witness_make("w0", key_public(bot), &witness[0], NULL);
    note_witness_make("w1", key_public(stranger), &witness[1], NULL);
    for (int i = 0; i < 2; i++) {
        note_verifier_format(&witness[i], vkey);
        assert_int_equal(cosignature_policy_add(&witnesses, vkey, NULL), 0);
    }
    witnesses.quorum = 2;
    expect_checkpoint(answer_of(&honest, 0, directory), NULL, REFUSED);
    expect_checkpoint(cosigned(answer_of(&honest, 0, directory), &witness[0], bot), NULL, REFUSED);
    expect_checkpoint(cosigned(cosigned(answer_of(&honest, 0, directory), &witness[0], bot), &witness[1], bot), NULL,
                      REFUSED);
    expect_checkpoint(cosigned(cosigned(answer_of(&honest, 0, directory), &witness[0], bot), &witness[1], stranger),
                      NULL, 0);
    /* Two histories are an alarm, with or without them. */
    expect_checkpoint(answer_of(&honest, 1, directory), &kept, VERIFY_REWRITTEN);
    witnesses = (struct cosignature_policy){ 0 };
}

static int set_up(void **state)
{
    if (sodium_init() < 0 || key_generate(&directory) || key_generate(&bot) || key_generate(&stranger) ||
        key_generate(&node))
        return -1;
    key_derive_x25519(node, "zos-seal", sealing_public, sealing_secret);
    append(&honest, "some entry of others");
    append(&honest, "and another");
    return note_verifier_make("zos-test", key_public(directory), &verifier, NULL);
}

static int tear_down(void **state)
{
    log_clear(&honest);
    key_free(directory);
    key_free(bot);
    key_free(stranger);
    key_free(node);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_contract_is_accepted),
        cmocka_unit_test(a_private_contract_is_opened_by_its_node_alone),
        cmocka_unit_test(an_entry_without_a_valid_inclusion_proof_proves_nothing),
        cmocka_unit_test(a_tampered_envelope_is_refused_without_a_result),
        cmocka_unit_test(what_is_no_envelope_is_passed_over),
        cmocka_unit_test(a_contract_for_another_node_is_passed_over),
        cmocka_unit_test(times_are_held_against_the_clock),
        cmocka_unit_test(a_replay_is_refused_and_no_result_disturbs_the_first),
        cmocka_unit_test(a_contract_that_breaks_the_schema_is_refused_with_its_place),
        cmocka_unit_test(what_live_contracts_reserve_is_not_given_twice),
        cmocka_unit_test(a_cancel_is_only_the_contracts_bots),
        cmocka_unit_test(a_checkpoint_must_be_the_directorys),
        cmocka_unit_test(a_checkpoint_must_extend_the_one_that_was_kept),
        cmocka_unit_test(a_node_that_asks_for_witnesses_takes_nothing_without_them),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
