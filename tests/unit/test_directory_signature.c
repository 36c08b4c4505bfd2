/* directoryd's key_verify, on lib25519: the policy's vectors, and whatever else comes, it decides as libsodium does. */

#include "tests/unit/ed25519_vectors.h"

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
        message.size = (size_t)round;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_vector_gets_the_verdict_of_the_policy),
        cmocka_unit_test(what_was_signed_fits_and_with_any_bit_changed_does_not),
        cmocka_unit_test(random_bytes_are_decided_as_libsodium_does),
        cmocka_unit_test(s_is_compared_with_the_order_to_the_last_bit),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
