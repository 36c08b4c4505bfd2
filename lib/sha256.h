#pragma once

/* SHA-256 (FIPS 180-4) of bytes that lie in several places. */

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32

struct sha256_part {
    const void *bytes;
    size_t size;
};

void sha256_parts(const struct sha256_part *parts, size_t count, uint8_t ret_hash[static SHA256_BYTES]);
/* Of one place. */
void sha256(const void *bytes, size_t size, uint8_t ret_hash[static SHA256_BYTES]);
