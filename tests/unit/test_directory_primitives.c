/* What directoryd has in place of lib's, for speed: signatures (lib25519), SHA-256 and base64 (nettle). Whatever comes,
 * they decide as libsodium does. */

#include "tests/unit/ed25519_vectors.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lib25519.h>
#include <sodium.h>

#define ROUNDS 400
#define MESSAGE_BYTES_MAX 2000

struct signed_message {
    uint8_t public[KEY_PUBLIC_BYTES], signature[KEY_SIGNATURE_BYTES], bytes[MESSAGE_BYTES_MAX];
    size_t size;
};

static void make(struct signed_message *ret_message)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];

    crypto_sign_keypair(ret_message->public, secret);
    ret_message->size = randombytes_uniform(MESSAGE_BYTES_MAX + 1);
    randombytes_buf(ret_message->bytes, ret_message->size);
    crypto_sign_detached(ret_message->signature, NULL, ret_message->bytes, ret_message->size, secret);
}

static int verify(const struct signed_message *message)
{
    int verdict = key_verify(message->public, message->bytes, message->size, message->signature);

    assert_int_equal(
        verdict, crypto_sign_verify_detached(message->signature, message->bytes, message->size, message->public) == 0);
    return verdict;
}

static void each_vector_gets_the_verdict_of_the_policy(void **state)
{
    ed25519_vectors_check("lib25519 " lib25519_version);
}

static void what_was_signed_fits_and_with_any_bit_changed_does_not(void **state)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct signed_message message, changed;
        make(&message);
        assert_true(verify(&message));
        changed = message;
        changed.public[randombytes_uniform(KEY_PUBLIC_BYTES)] ^= (uint8_t)(1 << randombytes_uniform(8));
        assert_false(verify(&changed));
        changed = message;
        changed.signature[randombytes_uniform(KEY_SIGNATURE_BYTES)] ^= (uint8_t)(1 << randombytes_uniform(8));
        assert_false(verify(&changed));
        changed = message;
        if (changed.size > 0) {
            changed.bytes[randombytes_uniform((uint32_t)changed.size)] ^= (uint8_t)(1 << randombytes_uniform(8));
            assert_false(verify(&changed));
        }
    }
}

static void random_bytes_are_decided_as_libsodium_does(void **state)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct signed_message message;
        randombytes_buf(&message, sizeof message);
        message.size = (size_t)round % MESSAGE_BYTES_MAX;
        if (round % 2)
            memset(message.signature + 33, 0, 31); /* an S that isn't refused before the points are looked at */
        assert_false(verify(&message));
    }
}

static void s_is_compared_with_the_order_to_the_last_bit(void **state)
{
    static const uint8_t order[32] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                       0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
    struct signed_message message;
    unsigned carry = 0;

    make(&message);
    for (int i = 0; i < 32; i++) { /* S + L is the same modulo L */
        carry += message.signature[32 + i] + order[i];
        message.signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_false(verify(&message));
    memcpy(message.signature + 32, order, sizeof order);
    assert_false(verify(&message));
}

/* A point of order 8, and its multiples: all eight that have small order. */
static void make_torsion(uint8_t ret_points[8][32])
{
    static const uint8_t order_8[32] = { 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
                                         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
                                         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 };

    memset(ret_points, 0, 32);
    ret_points[0][0] = 1;
    for (int i = 1; i < 8; i++)
        assert_int_equal(crypto_core_ed25519_add(ret_points[i], ret_points[i - 1], order_8), 0);
}

/* a·B + T1 signs with r·B + T2: good where T2 is -k·T1, of all eight. */
static void keys_of_mixed_order_are_decided_as_libsodium_does(void **state)
{
    uint8_t torsion[8][32], a[32], r[32], k[32], wide[64];
    int good = 0;

    make_torsion(torsion);
    for (int round = 0; round < ROUNDS; round++) {
        struct signed_message message = { .size = 8 };
        crypto_hash_sha512_state hash;
        crypto_core_ed25519_scalar_random(a);
        crypto_core_ed25519_scalar_random(r);
        crypto_scalarmult_ed25519_base_noclamp(message.public, a);
        crypto_scalarmult_ed25519_base_noclamp(message.signature, r);
        crypto_core_ed25519_add(message.public, message.public, torsion[round % 8]);
        crypto_core_ed25519_add(message.signature, message.signature, torsion[round / 8 % 8]);
        randombytes_buf(message.bytes, message.size);
        crypto_hash_sha512_init(&hash);
        crypto_hash_sha512_update(&hash, message.signature, 32);
        crypto_hash_sha512_update(&hash, message.public, 32);
        crypto_hash_sha512_update(&hash, message.bytes, message.size);
        crypto_hash_sha512_final(&hash, wide);
        crypto_core_ed25519_scalar_reduce(k, wide);
        crypto_core_ed25519_scalar_mul(k, k, a);
        crypto_core_ed25519_scalar_add(message.signature + 32, r, k);
        good += verify(&message);
    }
    assert_in_range(good, ROUNDS / 32, ROUNDS / 2); /* one in eight */
}

/* In three parts, whose ends lie anywhere in SHA-256's blocks. */
static void hashes_are_those_of_libsodium(void **state)
{
    uint8_t bytes[300], hash[SHA256_BYTES], expected[crypto_hash_sha256_BYTES];

    randombytes_buf(bytes, sizeof bytes);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        size_t first = randombytes_uniform((uint32_t)size + 1),
               second = randombytes_uniform((uint32_t)(size - first) + 1);
        const struct sha256_part parts[] = { { bytes, first },
                                             { bytes + first, second },
                                             { bytes + first + second, size - first - second } };
        crypto_hash_sha256(expected, bytes, size);
        sha256(bytes, size, hash);
        assert_memory_equal(hash, expected, sizeof hash);
        sha256_parts(parts, 3, hash);
        assert_memory_equal(hash, expected, sizeof hash);
    }
}

static void base64_comes_back_as_libsodium_writes_it(void **state)
{
    uint8_t bytes[200];
    char expected[BASE64_TEXT_BYTES(sizeof bytes)];

    for (size_t size = 0; size <= sizeof bytes; size++) {
        size_t again_size;
        randombytes_buf(bytes, size);
        sodium_bin2base64(expected, sizeof expected, bytes, size, sodium_base64_VARIANT_ORIGINAL);
        cleanup_free char *text = encode_base64(bytes, size);
        assert_string_equal(text, expected);
        cleanup_free uint8_t *again = decode_base64(text, &again_size);
        assert_non_null(again);
        assert_int_equal(again_size, size);
        assert_memory_equal(again, bytes, size);
    }
}

static bool libsodium_takes(const char *text)
{
    uint8_t bytes[8];
    size_t size;

    for (const char *at = text; *at; at++) {
        if ((unsigned char)*at >= 0x80) /* of which it takes some for '/' (lib/base64.c) */
            return false;
    }
    return sodium_base642bin(bytes, sizeof bytes, text, strlen(text), NULL, &size, NULL,
                             sodium_base64_VARIANT_ORIGINAL) == 0;
}

/* Every text of up to five of these characters. */
static void what_is_not_canonical_base64_is_refused(void **state)
{
    static const char characters[] = "AQgw/+=-\n \x80\xaf";
    const unsigned base = sizeof characters - 1;
    unsigned texts = 1, taken = 0;

    for (size_t length = 0; length <= 5; length++, texts *= base) {
        for (unsigned i = 0; i < texts; i++) {
            char text[6] = { 0 };
            size_t size;
            for (unsigned j = 0, n = i; j < length; j++, n /= base)
                text[j] = characters[n % base];
            cleanup_free void *bytes = decode_base64(text, &size);
            assert_int_equal(bytes != NULL, libsodium_takes(text));
            taken += bytes != NULL;
        }
    }
    assert_true(taken > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_vector_gets_the_verdict_of_the_policy),
        cmocka_unit_test(what_was_signed_fits_and_with_any_bit_changed_does_not),
        cmocka_unit_test(random_bytes_are_decided_as_libsodium_does),
        cmocka_unit_test(s_is_compared_with_the_order_to_the_last_bit),
        cmocka_unit_test(keys_of_mixed_order_are_decided_as_libsodium_does),
        cmocka_unit_test(hashes_are_those_of_libsodium),
        cmocka_unit_test(base64_comes_back_as_libsodium_writes_it),
        cmocka_unit_test(what_is_not_canonical_base64_is_refused),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
