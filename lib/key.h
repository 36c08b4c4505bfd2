#pragma once

/* A principal's Ed25519 key pair (RFC 8032) and what is derived from it. The 32-byte seed is the one secret that a
 * principal has to keep; secrets lie in sodium_malloc'ed memory and are wiped when the key is freed. */

#include "lib/encode.h"

#include <stddef.h>
#include <stdint.h>

#define KEY_SEED_BYTES 32
#define KEY_PUBLIC_BYTES 32
#define KEY_SIGNATURE_BYTES 64

struct key; /* opaque: the secret never lies in a caller's struct */

/* Makes a key pair from random bytes, or from a seed. 0, or -ENOMEM. key_free(ret_key). */
int key_generate(struct key **ret_key);
int key_from_seed(const uint8_t seed[static KEY_SEED_BYTES], struct key **ret_key);
/* Wipes and frees; NULL is fine. */
void key_free(struct key *key);

/* Reads the seed from a file that holds it as 64 hexadecimal digits and a newline, or makes the file (mode 0600,
 * durable, its folder too) when it isn't there and `create` is set. 0, -ENOENT, another negative errno, or -EINVAL when
 * the file holds something else; logged except for -ENOENT. */
int key_load(const char *path, int create, struct key **ret_key);
/* Writes the seed to a new file as above; an existing file is left alone and gives -EEXIST. */
int key_save(const struct key *key, const char *path);

const uint8_t *key_public(const struct key *key); /* KEY_PUBLIC_BYTES */
const char *key_id(const struct key *key);        /* base58 of the public key */

void key_sign(const struct key *key, const void *message, size_t size,
              uint8_t ret_signature[static KEY_SIGNATURE_BYTES]);
/* Whether the signature is the key's of these bytes, by the policy of lib/README.md: small-order keys and R, encodings
 * that aren't canonical, and S from L on are refused. 1 or 0. Here it is libsodium's; a program may bring another. */
int key_verify(const uint8_t public[static KEY_PUBLIC_BYTES], const void *message, size_t size,
               const uint8_t signature[static KEY_SIGNATURE_BYTES]);

/* An X25519 key pair derived from the seed by libsodium's crypto_kdf (subkey 1, context `name`, 8 characters):
 * "zos-seal" for sealing, "zos-wgrd" for WireGuard. `ret_secret` is the caller's to wipe. */
void key_derive_x25519(const struct key *key, const char name[static 8], uint8_t ret_public[static 32],
                       uint8_t ret_secret[static 32]);
/* The key itself as X25519 (libsodium's conversion): what boxes sealed to a bot are opened with. */
void key_as_x25519(const struct key *key, uint8_t ret_public[static 32], uint8_t ret_secret[static 32]);
/* 0, or REFUSED-like 1 when the bytes aren't a valid Ed25519 point. */
int key_public_as_x25519(const uint8_t public[static KEY_PUBLIC_BYTES], uint8_t ret_public[static 32]);
