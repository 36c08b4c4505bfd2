/* Base64 for directoryd, on nettle: a proof is some twenty hashes in base64, and a statement is decoded before anything
 * else, which took libsodium, in its constant time, longer than all other parsing. Nothing here is secret. The linker
 * takes this file, and leaves lib/base64.c in its archive. */

#include "lib/encode.h"

#include "lib/cleanup.h"

#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>

size_t write_base64(const void *bytes, size_t size, char *ret_text)
{
    size_t length = BASE64_TEXT_BYTES(size) - 1;

    base64_encode_raw(ret_text, size, bytes);
    ret_text[length] = '\0';
    return length;
}

/* nettle passes over white space and doesn't look at bits left over: the one text of the bytes is made again. */
static bool is_text_of(const char *text, size_t length, const uint8_t *bytes, size_t size)
{
    cleanup_free char *again = BASE64_TEXT_BYTES(size) == length + 1 ? encode_base64(bytes, size) : NULL;

    return again && memcmp(again, text, length) == 0;
}

void *decode_base64(const char *text, size_t *ret_size)
{
    size_t length = strlen(text), size = 0;
    uint8_t *bytes = malloc(BASE64_DECODE_LENGTH(length) + 1);
    struct base64_decode_ctx state;

    base64_decode_init(&state);
    if (!bytes || !base64_decode_update(&state, &size, bytes, length, text) || !base64_decode_final(&state) ||
        !is_text_of(text, length, bytes, size)) {
        free(bytes);
        return NULL;
    }
    bytes[size] = '\0';
    *ret_size = size;
    return bytes;
}
