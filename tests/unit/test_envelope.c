/* Envelopes: DSSE's vector, the form to the letter, and every bit of one changed. */

#include "lib/cleanup.h"
#include "lib/envelope.h"
#include "lib/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#define TYPE "http://example.com/HelloWorld"
#define ID "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z"
#define PAYLOAD "aGVsbG8gd29ybGQ="
#define SIGNATURE "4DHX3Zn4qpBKvEj7maE8O9u9bjXEnPLLnyXVUJ2PXJR8DSLcL3QDpFvfJOj3pB/SPHsl6Jg4boxsMb6KvuYABw=="
#define SIGNATURES "\"signatures\":[{\"keyid\":\"" ID "\",\"sig\":\"" SIGNATURE "\"}]"
#define ENVELOPE "{\"payloadType\":\"" TYPE "\",\"payload\":\"" PAYLOAD "\"," SIGNATURES "}"

/* DSSE's protocol.md signs "DSSEv1 29 http://example.com/HelloWorld 11 hello world". Its vector is ECDSA; this is the
 * same PAE under RFC 8032's first key, signed with PyNaCl, and its SHA-256. */
static const char WANTED_ID[] = "217751fac2c4f14edb2c9297fbc34abcb016ba88e74757e875ec4ac16fb6b6a1";

static struct key *make_key(void)
{
    uint8_t seed[KEY_SEED_BYTES];
    struct key *key;

    assert_true(decode_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, sizeof seed));
    assert_int_equal(key_from_seed(seed, &key), 0);
    return key;
}

static void signs_the_vector_of_dsse(void **state)
{
    struct key *key = make_key();
    char id[HASH_TEXT_BYTES], *bytes;

    assert_int_equal(envelope_sign(TYPE, "hello world", 11, key, &bytes, id), 0);
    assert_string_equal(bytes, ENVELOPE);
    assert_string_equal(id, WANTED_ID);
    free(bytes);
    key_free(key);
}

static void reads_and_verifies_it(void **state)
{
    struct envelope envelope;
    struct reason reason;

    assert_int_equal(envelope_parse(ENVELOPE, strlen(ENVELOPE), &envelope, &reason), 0);
    assert_string_equal(envelope.type, TYPE);
    assert_int_equal(envelope.payload_size, 11);
    assert_string_equal(envelope.payload, "hello world");
    assert_string_equal(envelope.signer_id, ID);
    assert_string_equal(envelope.id, WANTED_ID);
    assert_int_equal(envelope_verify(&envelope, &reason), 0);
    envelope_close(&envelope);
    envelope_close(&envelope);
    envelope_close(NULL);
}

static void the_order_of_keys_and_white_space_do_not_matter(void **state)
{
    static const char text[] = " { " SIGNATURES " , \"payload\" : \"" PAYLOAD "\", \"payloadType\":\"" TYPE "\" } ";
    cleanup_json cJSON *object = NULL;
    struct envelope envelope;
    struct reason reason;

    assert_int_equal(json_parse(text, strlen(text), JSON_SIZE_MAX, &object, &reason), 0);
    assert_int_equal(envelope_from_json(object, &envelope, &reason), 0);
    assert_string_equal(envelope.id, WANTED_ID);
    assert_int_equal(envelope_verify(&envelope, &reason), 0);
    envelope_close(&envelope);
}

static void refuses_what_is_not_an_envelope(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        { "", "byte 0: a value is missing" },
        { "[]", "must be an object" },
        { "{}", "payloadType: is missing" },
        { "{\"payloadType\":\"\",\"payload\":\"\"," SIGNATURES "}", "payloadType: must have at least 1 bytes" },
        { "{\"payload\":\"\"," SIGNATURES "}", "payloadType: is missing" },
        { "{\"payloadType\":\"a\"," SIGNATURES "}", "payload: is missing" },
        { "{\"payloadType\":\"a\",\"payload\":\"\"}", "signatures: is missing" },
        { "{\"payloadType\":\"a\",\"payload\":\"aGVsbG8gd29ybGQ\"," SIGNATURES "}",
          "payload: must be base64 with padding" },
        { "{\"payloadType\":\"a\",\"payload\":\"-_-_\"," SIGNATURES "}", "payload: must be base64 with padding" },
        { "{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[]}", "signatures: must have exactly 1 items" },
        { "{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[{},{}]}", "signatures: must have exactly 1 items" },
        { "{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[{\"sig\":\"" SIGNATURE "\"}]}",
          "signatures[0].keyid: is missing" },
        { "{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[{\"keyid\":\"\",\"sig\":\"" SIGNATURE "\"}]}",
          "signatures[0].keyid: must be an id: base58 of 32 bytes" },
        { "{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[{\"keyid\":\"" ID "\",\"sig\":\"AAAA\"}]}",
          "signatures[0].sig: must have exactly 64 bytes in base64" },
        { "{\"payloadType\":\"a\",\"payload\":\"\",\"signatures\":[{\"keyid\":\"" ID "\",\"sig\":\"" SIGNATURE
          "\",\"x\":1}]}",
          "signatures[0].x: unknown key" },
        { "{\"payloadType\":\"a\",\"payload\":\"\"," SIGNATURES ",\"x\":1}", "x: unknown key" },
        { "{\"payloadType\":\"a\",\"payloadType\":\"a\",\"payload\":\"\"," SIGNATURES "}",
          "byte 19: a key stands twice in one object" },
    };
    struct envelope envelope;
    struct reason reason;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(envelope_parse(cases[i].text, strlen(cases[i].text), &envelope, &reason), REFUSED);
        assert_string_equal(reason.text, cases[i].reason);
    }
}

/* Whatever one bit of an envelope is changed: it isn't read, or isn't verified. */
static void refuses_every_flipped_bit(void **state)
{
    char text[] = ENVELOPE;
    size_t size = strlen(text), read = 0;

    for (size_t bit = 0; bit < 8 * size; bit++) {
        struct envelope envelope;
        text[bit / 8] ^= (char)(1 << bit % 8);
        if (envelope_parse(text, size, &envelope, NULL) == 0) {
            read++;
            assert_int_equal(envelope_verify(&envelope, NULL), REFUSED);
            envelope_close(&envelope);
        }
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(read > 500);
}

static void says_whose_signature_it_is_not(void **state)
{
    struct envelope envelope;
    struct reason reason;

    assert_int_equal(envelope_parse(ENVELOPE, strlen(ENVELOPE), &envelope, &reason), 0);
    envelope.payload[0] = 'H';
    assert_int_equal(envelope_verify(&envelope, &reason), REFUSED);
    assert_string_equal(reason.text, "signatures[0].sig: isn't the signature of " ID);
    envelope_close(&envelope);
}

/* The lengths in the PAE keep type and payload apart. */
static void what_moves_between_type_and_payload_is_seen(void **state)
{
    struct key *key = make_key();
    char *bytes, *other, id[HASH_TEXT_BYTES], other_id[HASH_TEXT_BYTES];

    assert_int_equal(envelope_sign("a", "1 b", 3, key, &bytes, id), 0);
    assert_int_equal(envelope_sign("a 1", "b", 1, key, &other, other_id), 0);
    assert_string_not_equal(id, other_id);
    free(bytes);
    free(other);
    key_free(key);
}

static void bounds_its_size(void **state)
{
    struct key *key = make_key();
    size_t low = 1, high = ENVELOPE_BYTES_MAX;
    char *payload = calloc(1, ENVELOPE_BYTES_MAX + 2), *bytes = NULL;
    struct envelope envelope;
    struct reason reason;

    while (low + 1 < high) { /* the largest that fits */
        size_t middle = (low + high) / 2;
        int r = envelope_sign("a", payload, middle, key, &bytes, NULL);
        assert_true(r == 0 || r == -EMSGSIZE);
        if (r == 0)
            free(steal_pointer(bytes));
        *(r == 0 ? &low : &high) = middle;
    }
    assert_true(low > 48000 && low < 49152);
    assert_int_equal(envelope_sign("a", payload, low, key, &bytes, NULL), 0);
    assert_true(strlen(bytes) > ENVELOPE_BYTES_MAX - 4 && strlen(bytes) <= ENVELOPE_BYTES_MAX);
    assert_int_equal(envelope_parse(bytes, strlen(bytes), &envelope, &reason), 0);
    assert_int_equal(envelope_verify(&envelope, &reason), 0);
    envelope_close(&envelope);
    free(bytes);
    memset(payload, ' ', ENVELOPE_BYTES_MAX + 1);
    assert_int_equal(envelope_parse(payload, ENVELOPE_BYTES_MAX + 1, &envelope, &reason), REFUSED);
    assert_string_equal(reason.text, "has 65536 bytes, must have at most 65535");
    free(payload);
    key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_the_vector_of_dsse),
        cmocka_unit_test(reads_and_verifies_it),
        cmocka_unit_test(the_order_of_keys_and_white_space_do_not_matter),
        cmocka_unit_test(refuses_what_is_not_an_envelope),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(says_whose_signature_it_is_not),
        cmocka_unit_test(what_moves_between_type_and_payload_is_seen),
        cmocka_unit_test(bounds_its_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
