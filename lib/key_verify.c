/* Checking a signature, on libsodium. It is a file of its own so that a program can bring another key_verify, of the
 * same policy, in its place: directoryd does, since it does little else (contrib/directory/signature.c). */

#include "lib/key.h"

#include <sodium.h>

int key_verify(const uint8_t public[static KEY_PUBLIC_BYTES], const void *message, size_t size,
               const uint8_t signature[static KEY_SIGNATURE_BYTES])
{
    return crypto_sign_verify_detached(signature, message, size, public) == 0;
}
