/* key_verify for directoryd, by the policy of lib/README.md, on lib25519: checking signatures is most of what a
 * statement costs it, and libsodium takes half as long again. The linker takes this one, and leaves lib/key_verify.c in
 * its archive.
 *
 * lib25519_sign_open compares R with S·B - k·A byte by byte, k reduced modulo L (its doc/api.md; RFC 8032, 5.1.7,
 * without the cofactor). So an R that isn't in its one encoding never fits; the rest of the policy is looked at before.
 */

#include "lib/cleanup.h"
#include "lib/key.h"

#include <lib25519.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define POINT_BYTES 32

/* Little endian: L, the order of the base point, and p, the field's (RFC 8032, 5.1). */
static const uint8_t ORDER[POINT_BYTES] = { 0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
                                            0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10 };
static const uint8_t FIELD[POINT_BYTES] = { 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f };

/* The y of the eight points whose order divides 8: 1, -1, 0, and the two of order 8. */
static const uint8_t SMALL_ORDER[][POINT_BYTES] = {
    { 0x01 },
    { 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f },
    { 0x00 },
    { 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
      0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05 },
    { 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
      0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a },
};

static bool is_less(const uint8_t number[static POINT_BYTES], const uint8_t limit[static POINT_BYTES])
{
    for (size_t i = POINT_BYTES; i-- > 0;) {
        if (number[i] != limit[i])
            return number[i] < limit[i];
    }
    return false;
}

/* y without the sign of x, which is the highest bit. */
static void read_y(const uint8_t point[static POINT_BYTES], uint8_t ret_y[static POINT_BYTES])
{
    memcpy(ret_y, point, POINT_BYTES);
    ret_y[POINT_BYTES - 1] &= 0x7f;
}

static bool is_small_order(const uint8_t y[static POINT_BYTES])
{
    for (size_t i = 0; i < sizeof SMALL_ORDER / sizeof *SMALL_ORDER; i++) {
        if (memcmp(y, SMALL_ORDER[i], POINT_BYTES) == 0)
            return true;
    }
    return false;
}

static bool is_acceptable(const uint8_t public[static KEY_PUBLIC_BYTES],
                          const uint8_t signature[static KEY_SIGNATURE_BYTES])
{
    uint8_t key_y[POINT_BYTES], r_y[POINT_BYTES];

    read_y(public, key_y);
    read_y(signature, r_y);
    return is_less(signature + POINT_BYTES, ORDER) && is_less(key_y, FIELD) && !is_small_order(key_y) &&
           !is_small_order(r_y);
}

int key_verify(const uint8_t public[static KEY_PUBLIC_BYTES], const void *message, size_t size,
               const uint8_t signature[static KEY_SIGNATURE_BYTES])
{
    size_t signed_size = KEY_SIGNATURE_BYTES + size;
    long long opened_size;

    if (!is_acceptable(public, signature))
        return 0;
    cleanup_free uint8_t *signed_message = malloc(2 * signed_size); /* and, behind it, what is opened */
    if (!signed_message)
        return crypto_sign_verify_detached(signature, message, size, public) == 0; /* needs no memory */
    memcpy(signed_message, signature, KEY_SIGNATURE_BYTES);
    memcpy(signed_message + KEY_SIGNATURE_BYTES, message, size);
    return lib25519_sign_open(signed_message + signed_size, &opened_size, signed_message, (long long)signed_size,
                              public) == 0;
}
