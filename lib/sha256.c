/* On libsodium. Like key_verify.c it is a file of its own: directoryd brings another (contrib/directory/sha256.c). */

#include "lib/sha256.h"

#include <sodium.h>

void sha256_parts(const struct sha256_part *parts, size_t count, uint8_t ret_hash[static SHA256_BYTES])
{
    crypto_hash_sha256_state state;

    crypto_hash_sha256_init(&state);
    for (size_t i = 0; i < count; i++)
        crypto_hash_sha256_update(&state, parts[i].bytes, parts[i].size);
    crypto_hash_sha256_final(&state, ret_hash);
}

void sha256(const void *bytes, size_t size, uint8_t ret_hash[static SHA256_BYTES])
{
    crypto_hash_sha256(ret_hash, bytes, size);
}
