/* Keys: RFC 8032's vectors, strict verification, derived keys against an independent implementation, and key files. */

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>

/* RFC 8032 §7.1: tests 1, 2, 3 and SHA(abc). */
static const struct {
    const char *seed, *public, *message, *signature;
} VECTORS[] = {
    { "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
    { "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
    { "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
    { "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
      "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
      "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
      "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704" },
};

static struct key *key_of(const char *seed_hex)
{
    uint8_t seed[KEY_SEED_BYTES];
    struct key *key;

    assert_true(decode_hex(seed_hex, seed, sizeof seed));
    assert_int_equal(key_from_seed(seed, &key), 0);
    return key;
}

static void signs_and_verifies_by_rfc_8032(void **state)
{
    for (size_t i = 0; i < sizeof VECTORS / sizeof *VECTORS; i++) {
        struct key *key = key_of(VECTORS[i].seed);
        uint8_t message[64], signature[KEY_SIGNATURE_BYTES];
        size_t size = strlen(VECTORS[i].message) / 2;
        char hex[2 * KEY_SIGNATURE_BYTES + 1];
        assert_true(decode_hex(VECTORS[i].message, message, size));
        encode_hex(key_public(key), KEY_PUBLIC_BYTES, hex);
        assert_string_equal(hex, VECTORS[i].public);
        key_sign(key, message, size, signature);
        encode_hex(signature, sizeof signature, hex);
        assert_string_equal(hex, VECTORS[i].signature);
        assert_int_equal(key_verify(key_public(key), message, size, signature), 1);
        key_free(key);
    }
}

static void refuses_every_flipped_bit(void **state)
{
    struct key *key = key_of(VECTORS[2].seed);
    uint8_t message[2] = { 0xaf, 0x82 }, public[KEY_PUBLIC_BYTES], signature[KEY_SIGNATURE_BYTES];

    memcpy(public, key_public(key), sizeof public);
    key_sign(key, message, sizeof message, signature);
    for (size_t bit = 0; bit < 8 * sizeof signature; bit++) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(key_verify(public, message, sizeof message, signature), 0);
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof public; bit++) {
        public[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(key_verify(public, message, sizeof message, signature), 0);
        public[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t bit = 0; bit < 8 * sizeof message; bit++) {
        message[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(key_verify(public, message, sizeof message, signature), 0);
        message[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(key_verify(public, message, 1, signature), 0);
    assert_int_equal(key_verify(public, message, sizeof message, signature), 1);
    key_free(key);
}

/* S + L is another encoding of S: whoever takes it lets a stranger make a second valid signature (RFC 8032 §5.1.7). */
static void refuses_a_scalar_that_is_not_reduced(void **state)
{
    static const char order[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    struct key *key = key_of(VECTORS[0].seed);
    uint8_t signature[KEY_SIGNATURE_BYTES], l[32];
    unsigned carry = 0;

    assert_true(decode_hex(order, l, sizeof l));
    key_sign(key, "", 0, signature);
    for (size_t i = 0; i < sizeof l; i++) {
        carry += signature[32 + i] + (unsigned)l[i];
        signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(key_verify(key_public(key), "", 0, signature), 0);
    key_free(key);
}

/* With the neutral element as key and R, S = 0 fits every message. */
static void refuses_keys_of_small_order(void **state)
{
    static const char *const small[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    };
    uint8_t public[KEY_PUBLIC_BYTES], signature[KEY_SIGNATURE_BYTES] = { 1 }, x[32];

    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        assert_true(decode_hex(small[i], public, sizeof public));
        assert_int_equal(key_verify(public, "any", 3, signature), 0);
        assert_int_equal(key_public_as_x25519(public, x), 1);
    }
}

static void assert_hex(const uint8_t bytes[static 32], const char *wanted)
{
    char hex[65];

    encode_hex(bytes, 32, hex);
    assert_string_equal(hex, wanted);
}

/* The wanted values come from Python's hashlib.blake2b (salt 1, person = context) and PyNaCl. */
static void derives_x25519_keys(void **state)
{
    struct key *key = key_of(VECTORS[0].seed);
    uint8_t public[32], secret[32];

    key_derive_x25519(key, "zos-seal", public, secret);
    assert_hex(secret, "ea170f27c1c61199b63472d09eb7a067bab5c85f8c306cb5dd547582d23f5e57");
    assert_hex(public, "963b09c03c44c16baf7b9f91cd86b05fdcacdbc28bddb529ad3b3f56ac6a2955");
    key_derive_x25519(key, "zos-wgrd", public, secret);
    assert_hex(secret, "a4759b310d5d97baf19d03a34565867d34c03ab567f5631a0e3ef35ba1f2a917");
    assert_hex(public, "79b25d78ad0200efa460cec23a22e1473be51cce9a746a76d8e1c52851b0ab45");
    key_as_x25519(key, public, secret);
    assert_hex(secret, "307c83864f2833cb427a2ef1c00a013cfdff2768d980c0a3a520f006904de94f");
    assert_hex(public, "d85e07ec22b0ad881537c2f44d662d1a143cf830c57aca4305d85c7a90f6b62e");
    memset(public, 0, sizeof public);
    assert_int_equal(key_public_as_x25519(key_public(key), public), 0);
    assert_hex(public, "d85e07ec22b0ad881537c2f44d662d1a143cf830c57aca4305d85c7a90f6b62e");
    key_free(key);
}

static void opens_what_was_sealed_to_its_id(void **state)
{
    uint8_t sealed_to[32], public[32], secret[32], box[crypto_box_SEALBYTES + 5], opened[5];
    struct key *key;

    assert_int_equal(key_generate(&key), 0);
    assert_int_equal(key_public_as_x25519(key_public(key), sealed_to), 0);
    assert_int_equal(crypto_box_seal(box, (const uint8_t *)"hello", 5, sealed_to), 0);
    key_as_x25519(key, public, secret);
    assert_int_equal(crypto_box_seal_open(opened, box, sizeof box, public, secret), 0);
    assert_memory_equal(opened, "hello", 5);
    key_free(key);
}

/* ---- Files */

static int make_folder(void **state)
{
    static char folder[] = "/tmp/test_key.XXXXXX";

    strcpy(folder, "/tmp/test_key.XXXXXX");
    *state = mkdtemp(folder);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    return file_remove_tree(*state);
}

static size_t count_files(const char *folder)
{
    DIR *stream = opendir(folder);
    size_t count = 0;

    assert_non_null(stream);
    for (struct dirent *entry = readdir(stream); entry; entry = readdir(stream))
        count += entry->d_name[0] != '.';
    closedir(stream);
    return count;
}

static void makes_a_key_file_once(void **state)
{
    char path[160], folder[128];
    struct key *key = NULL, *again = NULL;
    struct stat status;

    snprintf(folder, sizeof folder, "%s/a/b", (const char *)*state);
    snprintf(path, sizeof path, "%s/key", folder);
    assert_int_equal(key_load(path, 0, &key), -ENOENT);
    assert_null(key);
    assert_int_equal(key_load(path, 1, &key), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_size, 65);
    assert_int_equal(stat(folder, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0700);
    assert_int_equal(count_files(folder), 1);
    assert_int_equal(key_load(path, 1, &again), 0);
    assert_string_equal(key_id(again), key_id(key));
    key_free(again);
    key_free(key);
}

static void never_replaces_a_key_file(void **state)
{
    char path[128];
    struct key *first, *second, *read;

    snprintf(path, sizeof path, "%s/key", (const char *)*state);
    assert_int_equal(key_generate(&first), 0);
    assert_int_equal(key_generate(&second), 0);
    assert_string_not_equal(key_id(first), key_id(second));
    assert_int_equal(key_save(first, path), 0);
    assert_int_equal(key_save(second, path), -EEXIST);
    assert_int_equal(count_files(*state), 1);
    assert_int_equal(key_load(path, 0, &read), 0);
    assert_string_equal(key_id(read), key_id(first));
    key_free(first);
    key_free(second);
    key_free(read);
}

static void reads_the_seed_as_64_digits_and_a_newline(void **state)
{
    char path[128], text[128];
    struct key *key, *wanted = key_of(VECTORS[0].seed);

    snprintf(path, sizeof path, "%s/key", (const char *)*state);
    snprintf(text, sizeof text, "%s\n", VECTORS[0].seed);
    assert_int_equal(file_write(path, text, strlen(text), 0600), 0);
    assert_int_equal(key_load(path, 0, &key), 0);
    assert_string_equal(key_id(key), key_id(wanted));
    assert_string_equal(key_id(key), "FVen3X669xLzsi6N2V91DoiyzHzg1uAgqiT8jZ9nS96Z");
    key_free(key);
    key_free(wanted);
}

static void refuses_a_file_that_holds_something_else(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "9D61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f6\n",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f600\n",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n\n",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f6g\n",
    };
    char path[128];
    struct key *key = NULL;

    snprintf(path, sizeof path, "%s/key", (const char *)*state);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(file_write(path, bad[i], strlen(bad[i]), 0600), 0);
        assert_int_equal(key_load(path, 1, &key), -EINVAL); /* and isn't made anew */
        assert_null(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_verifies_by_rfc_8032),
        cmocka_unit_test(refuses_every_flipped_bit),
        cmocka_unit_test(refuses_a_scalar_that_is_not_reduced),
        cmocka_unit_test(refuses_keys_of_small_order),
        cmocka_unit_test(derives_x25519_keys),
        cmocka_unit_test(opens_what_was_sealed_to_its_id),
        cmocka_unit_test_setup_teardown(makes_a_key_file_once, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(never_replaces_a_key_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(reads_the_seed_as_64_digits_and_a_newline, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(refuses_a_file_that_holds_something_else, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
