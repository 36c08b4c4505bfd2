/* Verifier keys and checkpoints: the examples of C2SP and of Go's note package, our own against PyNaCl, and every byte
 * of one changed. */

#include "lib/checkpoint.h"
#include "lib/cleanup.h"
#include "lib/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NAME "example.com/log"
#define VKEY NAME "+cc714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
#define ROOT "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw="
#define BODY NAME "\n7\n" ROOT "\n"
#define SIGNATURE "zHFGcO9HYpHdFjV/uW129Cl9Joi4PVxF5dkubXVEDA0WVHb8TyNHhu6ZCBKc3HnZgf0TR/bdZcYnlr/ajVxDMT22lw0="
#define LINE "\xe2\x80\x94 " NAME " " SIGNATURE "\n"
#define CHECKPOINT BODY "\n" LINE
#define OTHER_LINE "\xe2\x80\x94 witness.example/w1 AAAAAAAA\n"

static struct key *make_key(void)
{
    uint8_t seed[KEY_SEED_BYTES];
    struct key *key;

    assert_true(decode_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, sizeof seed));
    assert_int_equal(key_from_seed(seed, &key), 0);
    return key;
}

static struct note_verifier make_verifier(void)
{
    struct note_verifier verifier;

    assert_int_equal(note_verifier_parse(VKEY, &verifier, NULL), 0);
    return verifier;
}

/* A verifier key, a text and its signature with the key's hash in front. */
static void verifies_the_examples_of_others(void **state)
{
    static const struct {
        const char *vkey, *name, *text, *signature;
    } cases[] = {
        { "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW", "PeterNeumann",
          "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n",
          "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=" },
        { "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "example.com/foo",
          "This is an example message.\n",
          "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=" },
    };
    char again[NOTE_VKEY_BYTES];
    size_t size;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct note_verifier verifier, made;
        assert_int_equal(note_verifier_parse(cases[i].vkey, &verifier, NULL), 0);
        assert_string_equal(verifier.name, cases[i].name);
        note_verifier_format(&verifier, again);
        assert_string_equal(again, cases[i].vkey);
        assert_int_equal(note_verifier_make(cases[i].name, verifier.public, &made, NULL), 0);
        assert_int_equal(made.hash, verifier.hash);
        cleanup_free uint8_t *signature = decode_base64(cases[i].signature, &size);
        assert_int_equal(size, 4 + KEY_SIGNATURE_BYTES);
        assert_int_equal((uint32_t)signature[0] << 24 | signature[1] << 16 | signature[2] << 8 | signature[3],
                         verifier.hash);
        assert_int_equal(key_verify(verifier.public, cases[i].text, strlen(cases[i].text), signature + 4), 1);
    }
}

static void refuses_what_is_not_a_verifier_key(void **state)
{
    static const char *const bad[] = {
        "",
        "+",
        "++",
        NAME,
        NAME "+cc714670",
        NAME "+cc714670+",
        "+cc714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        NAME "+cc714671+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        NAME "+CC714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        NAME "+c714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        NAME "+0cc714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        NAME "x+cc714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        NAME " +cc714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        NAME "+cc714670+AtdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea", /* algorithm 2 */
        NAME "+cc714670+BddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
        NAME "+cc714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1E=",
        NAME "+cc714670+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea\n",
        NAME "+cc714670+AddamAGCsQq31Uv-08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
    };
    struct note_verifier verifier;
    struct reason reason;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(note_verifier_parse(bad[i], &verifier, &reason), REFUSED);
}

static void bounds_names(void **state)
{
    static const char *const bad[] = { "", "a b", "a\tb", "a\nb", "a+b", "a\xc2\xa0", "\x7f" };
    struct note_verifier verifier, again;
    char name[NOTE_NAME_MAX + 2], text[NOTE_VKEY_BYTES];
    uint8_t public[KEY_PUBLIC_BYTES] = { 0 };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(note_verifier_make(bad[i], public, &verifier, NULL), REFUSED);
    memset(name, 'n', sizeof name);
    name[NOTE_NAME_MAX + 1] = '\0';
    assert_int_equal(note_verifier_make(name, public, &verifier, NULL), REFUSED);
    name[NOTE_NAME_MAX] = '\0';
    assert_int_equal(note_verifier_make(name, public, &verifier, NULL), 0);
    note_verifier_format(&verifier, text);
    assert_int_equal(note_verifier_parse(text, &again, NULL), 0);
    assert_string_equal(again.name, name);
}

static void signs_a_checkpoint_to_the_byte(void **state)
{
    struct note_verifier verifier = make_verifier();
    struct checkpoint checkpoint = { .size = 7 }, opened;
    struct key *key = make_key();
    size_t size;
    cleanup_free uint8_t *root = decode_base64(ROOT, &size);
    struct reason reason;

    memcpy(checkpoint.root.bytes, root, MERKLE_HASH_BYTES);
    cleanup_free char *note = checkpoint_sign(&checkpoint, &verifier, key);
    assert_string_equal(note, CHECKPOINT);
    assert_int_equal(checkpoint_open(note, &verifier, &opened, &reason), 0);
    assert_int_equal(opened.size, 7);
    assert_memory_equal(opened.root.bytes, root, MERKLE_HASH_BYTES);
    key_free(key);
}

static void carries_every_size(void **state)
{
    static const uint64_t sizes[] = { 0, 1, 9, 10, 4294967296, 9007199254740991 };
    struct note_verifier verifier = make_verifier();
    struct key *key = make_key();

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct checkpoint checkpoint = { .size = sizes[i] }, opened;
        cleanup_free char *note = checkpoint_sign(&checkpoint, &verifier, key);
        assert_int_equal(checkpoint_open(note, &verifier, &opened, NULL), 0);
        assert_int_equal(opened.size, sizes[i]);
    }
    key_free(key);
}

static void passes_over_the_signatures_of_others(void **state)
{
    static const char *const good[] = {
        BODY "\n" OTHER_LINE LINE,
        BODY "\n" LINE OTHER_LINE,
        BODY "\n" OTHER_LINE LINE OTHER_LINE,
        BODY "\n\xe2\x80\x94 " NAME " AAAAAAAAAAAA\n" LINE, /* our name, another key's hash */
        BODY "\n\xe2\x80\x94 other zHFGcAAA\n" LINE,        /* another name, our hash */
        BODY "\n" LINE LINE,
        BODY "\n\xe2\x80\x94 t\xc3\xa9moin AAAAAAAA\n" LINE, /* a name beyond ASCII */
    };
    struct note_verifier verifier = make_verifier();
    struct checkpoint checkpoint;
    struct reason reason;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(checkpoint_open(good[i], &verifier, &checkpoint, &reason), 0);
}

static void refuses_what_is_not_a_checkpoint_of_this_log(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        { "", "checkpoint: isn't a signed note" },
        { "\n", "checkpoint: isn't a signed note" },
        { "\n\n", "checkpoint: isn't signed by " NAME },
        { BODY, "checkpoint: isn't a signed note" },
        { BODY "\n", "checkpoint: isn't signed by " NAME },
        { BODY "\n" OTHER_LINE, "checkpoint: isn't signed by " NAME },
        { BODY LINE, "checkpoint: isn't a signed note" },
        { BODY "\n\xe2\x80\x94 " NAME " " SIGNATURE, "checkpoint: must end with a newline" },
        { BODY "\n" LINE "x\n", "checkpoint: has a malformed signature line" },
        { BODY "\n- " NAME " " SIGNATURE "\n", "checkpoint: has a malformed signature line" },
        { BODY "\n" LINE "\xe2\x80\x94 x !\n", "checkpoint: has a malformed signature line" },
        { BODY "\n" LINE "\xe2\x80\x94 x AAAA\n", "checkpoint: has a malformed signature line" },
        { BODY "\n" LINE "\xe2\x80\x94  AAAAAAAA\n", "checkpoint: has a malformed signature line" },
        { BODY "\n" LINE "\xe2\x80\x94 a+b AAAAAAAA\n", "checkpoint: has a malformed signature line" },
        { BODY "\n" LINE "\n", "checkpoint: isn't signed by " NAME },
        { BODY "\n\xe2\x80\x94 " NAME " zHFGcAAA\n" LINE, "checkpoint: has a signature of " NAME " that isn't good" },
        { NAME "\n8\n" ROOT "\n\n" LINE, "checkpoint: has a signature of " NAME " that isn't good" },
        { NAME "\r\n7\n" ROOT "\n\n" LINE, "checkpoint: isn't a signed note" },
        { BODY "\n\xe2\x80\x94 \xc3 AAAAAAAA\n" LINE, "checkpoint: isn't a signed note" }, /* not UTF-8 */
    };
    struct note_verifier verifier = make_verifier();
    struct checkpoint checkpoint;
    struct reason reason;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(checkpoint_open(cases[i].text, &verifier, &checkpoint, &reason), REFUSED);
        assert_string_equal(reason.text, cases[i].reason);
    }
}

/* Signs any text as a note, so that what the body may be is tried behind a good signature. */
static char *sign_text(const char *text)
{
    struct note_verifier verifier = make_verifier();
    struct key *key = make_key();
    uint8_t signature[4 + KEY_SIGNATURE_BYTES] = { 0xcc, 0x71, 0x46, 0x70 };
    char *note;

    key_sign(key, text, strlen(text), signature + 4);
    cleanup_free char *encoded = encode_base64(signature, sizeof signature);
    assert_true(asprintf(&note, "%s\n\xe2\x80\x94 %s %s\n", text, verifier.name, encoded) > 0);
    key_free(key);
    return note;
}

static void refuses_a_signed_body_that_is_malformed(void **state)
{
    static const char *const bad[] = {
        "hello\n",
        "\n",
        NAME "\n",
        NAME "\n7\n",
        NAME "x\n7\n" ROOT "\n",
        "\n7\n" ROOT "\n",
        NAME "\n\n" ROOT "\n",
        NAME "\n07\n" ROOT "\n",
        NAME "\n+7\n" ROOT "\n",
        NAME "\n-7\n" ROOT "\n",
        NAME "\n 7\n" ROOT "\n",
        NAME "\n7 \n" ROOT "\n",
        NAME "\n0x7\n" ROOT "\n",
        NAME "\n9007199254740992\n" ROOT "\n",
        NAME "\n99999999999999999999\n" ROOT "\n",
        NAME "\n7\nAAAA\n",
        NAME "\n7\n\n",
        NAME "\n7\n3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw\n",
        NAME "\n7\n" ROOT " \n",
        NAME "\n7\n" ROOT "\n\n",
        NAME "\n7\n" ROOT "\nan extension line\n\nanother\n",
    };
    struct note_verifier verifier = make_verifier();
    struct checkpoint checkpoint;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cleanup_free char *note = sign_text(bad[i]);
        assert_int_equal(checkpoint_open(note, &verifier, &checkpoint, NULL), REFUSED);
    }
    cleanup_free char *extended = sign_text(BODY "an extension line\nanother\n");
    assert_int_equal(checkpoint_open(extended, &verifier, &checkpoint, NULL), 0);
    assert_int_equal(checkpoint.size, 7);
}

/* At least 16 have to be taken (c2sp.org/signed-note), among them ones as long as ML-DSA-44's. */
static void takes_many_and_long_signatures(void **state)
{
    struct note_verifier verifier = make_verifier(), witness;
    struct checkpoint checkpoint;
    static const uint8_t long_signature[2428], key[KEY_PUBLIC_BYTES];
    char text[NOTE_BYTES_MAX] = CHECKPOINT;

    assert_int_equal(note_witness_make("w", key, &witness, NULL), 0);
    cleanup_free char *line = note_signature_line(&witness, long_signature, sizeof long_signature);
    for (int i = 0; i < 16; i++)
        strcat(text, line);
    assert_int_equal(checkpoint_open(text, &verifier, &checkpoint, NULL), 0);
}

static void refuses_every_flipped_bit(void **state)
{
    struct note_verifier verifier = make_verifier();
    struct checkpoint checkpoint;
    char text[] = CHECKPOINT;

    for (size_t bit = 0; bit < 8 * strlen(CHECKPOINT); bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(checkpoint_open(text, &verifier, &checkpoint, NULL), REFUSED);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(checkpoint_open(text, &verifier, &checkpoint, NULL), 0);
}

static void refuses_another_logs_key(void **state)
{
    struct note_verifier verifier;
    struct checkpoint checkpoint;
    struct key *key;

    assert_int_equal(key_generate(&key), 0);
    assert_int_equal(note_verifier_make(NAME, key_public(key), &verifier, NULL), 0);
    assert_int_equal(checkpoint_open(CHECKPOINT, &verifier, &checkpoint, NULL), REFUSED);
    key_free(key);
}

static void bounds_a_checkpoints_size(void **state)
{
    struct note_verifier verifier = make_verifier();
    struct checkpoint checkpoint;
    struct reason reason;
    char text[NOTE_BYTES_MAX + 2];

    memset(text, 'x', sizeof text);
    text[NOTE_BYTES_MAX + 1] = '\0';
    assert_int_equal(checkpoint_open(text, &verifier, &checkpoint, &reason), REFUSED);
    assert_string_equal(reason.text, "checkpoint: must have at most 65536 bytes");
}

static void proofs_pass_through_json(void **state)
{
    struct merkle_proof proof = { .count = MERKLE_PROOF_MAX }, again;
    struct reason reason;

    for (size_t i = 0; i < proof.count; i++)
        memset(proof.hashes[i].bytes, (int)i, MERKLE_HASH_BYTES);
    cleanup_json cJSON *array = merkle_proof_to_json(&proof);
    assert_int_equal(merkle_proof_from_json(array, "proof", &again, &reason), 0);
    assert_int_equal(again.count, proof.count);
    assert_memory_equal(again.hashes, proof.hashes, sizeof proof.hashes);
    cJSON_AddItemToArray(array, cJSON_CreateString(ROOT));
    assert_int_equal(merkle_proof_from_json(array, "proof", &again, &reason), REFUSED);
    assert_string_equal(reason.text, "proof: must have at most 64 hashes");
}

static void refuses_what_is_not_a_proof(void **state)
{
    static const char *const bad[] = { "{}", "\"\"", "null", "[1]", "[\"\"]", "[\"AAAA\"]", "[null]", "[[]]" };
    struct merkle_proof proof = { .count = 3 };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cleanup_json cJSON *value = cJSON_Parse(bad[i]);
        assert_int_equal(merkle_proof_from_json(value, "proof", &proof, NULL), REFUSED);
    }
    assert_int_equal(merkle_proof_from_json(NULL, "proof", &proof, NULL), REFUSED);
    assert_int_equal(proof.count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_the_examples_of_others),
        cmocka_unit_test(refuses_what_is_not_a_verifier_key),
        cmocka_unit_test(bounds_names),
        cmocka_unit_test(signs_a_checkpoint_to_the_byte),
        cmocka_unit_test(carries_every_size),
        cmocka_unit_test(passes_over_the_signatures_of_others),
        cmocka_unit_test(refuses_what_is_not_a_checkpoint_of_this_log),
        cmocka_unit_test(refuses_a_signed_body_that_is_malformed),
        cmocka_unit_test(takes_many_and_long_signatures),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(refuses_another_logs_key),
        cmocka_unit_test(bounds_a_checkpoints_size),
        cmocka_unit_test(proofs_pass_through_json),
        cmocka_unit_test(refuses_what_is_not_a_proof),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
