/* Base64 is libsodium's, which takes constant time and refuses what isn't canonical (wrong padding, bits left over),
 * but for one case that is caught here. It is a file of its own since directoryd, where nothing secret is base64,
 * brings another (contrib/directory/base64.c). */

#include "lib/encode.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

size_t write_base64(const void *bytes, size_t size, char *ret_text)
{
    sodium_bin2base64(ret_text, BASE64_TEXT_BYTES(size), bytes, size, sodium_base64_VARIANT_ORIGINAL);
    return BASE64_TEXT_BYTES(size) - 1;
}

/* libsodium (1.0.18 at least) compares characters as sign-extended ints and so takes any byte beyond ASCII for '/'. */
static bool is_ascii(const char *text)
{
    unsigned char all = 0;

    for (; *text; text++)
        all |= (unsigned char)*text;
    return all < 0x80;
}

void *decode_base64(const char *text, size_t *ret_size)
{
    size_t text_size = strlen(text), size_max = text_size / 4 * 3 + 3, size;
    uint8_t *bytes = is_ascii(text) ? malloc(size_max + 1) : NULL;

    if (!bytes)
        return NULL;
    if (sodium_base642bin(bytes, size_max, text, text_size, NULL, &size, NULL, sodium_base64_VARIANT_ORIGINAL) < 0) {
        free(bytes);
        return NULL;
    }
    bytes[size] = '\0';
    *ret_size = size;
    return bytes;
}
