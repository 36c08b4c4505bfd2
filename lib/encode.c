/* Bytes as text. Base64 is libsodium's, which takes constant time and refuses what isn't canonical (wrong padding,
 * bits left over), but for one case that is caught here; base58 is the schoolbook change of base, on 32 bytes only. */

#include "lib/encode.h"

#include "lib/cleanup.h"

#include <sodium.h>
#include <string.h>

static const char BASE58_DIGITS[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

void encode_id(const uint8_t bytes[static ID_BYTES], char ret_text[static ID_TEXT_BYTES])
{
    uint8_t digits[ID_TEXT_BYTES - 1] = { 0 }; /* the least significant first */
    size_t count = 0, zeros = 0;

    for (size_t i = 0; i < ID_BYTES; i++) {
        unsigned carry = bytes[i];
        for (size_t j = 0; j < count || carry; j++) {
            carry += (unsigned)digits[j] << 8;
            digits[j] = (uint8_t)(carry % 58);
            carry /= 58;
            if (j == count)
                count++;
        }
    }
    while (zeros < ID_BYTES && bytes[zeros] == 0)
        zeros++; /* each is one digit '1' */
    memset(ret_text, '1', zeros);
    for (size_t i = 0; i < count; i++)
        ret_text[zeros + i] = BASE58_DIGITS[digits[count - 1 - i]];
    ret_text[zeros + count] = '\0';
}

/* bytes = bytes × 58 + digit; false when it doesn't fit. */
static bool shift_in(uint8_t bytes[static ID_BYTES], unsigned digit)
{
    unsigned carry = digit;

    for (size_t i = ID_BYTES; i-- > 0;) {
        carry += bytes[i] * 58u;
        bytes[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return carry == 0;
}

bool decode_id(const char *text, uint8_t ret_bytes[static ID_BYTES])
{
    uint8_t bytes[ID_BYTES] = { 0 };
    char again[ID_TEXT_BYTES];

    if (strnlen(text, ID_TEXT_BYTES) >= ID_TEXT_BYTES)
        return false;
    for (const char *at = text; *at; at++) {
        const char *digit = strchr(BASE58_DIGITS, *at);
        if (!digit || !shift_in(bytes, (unsigned)(digit - BASE58_DIGITS)))
            return false;
    }
    encode_id(bytes, again); /* the number of leading '1's must be that of leading zero bytes */
    if (strcmp(again, text) != 0)
        return false;
    memcpy(ret_bytes, bytes, ID_BYTES);
    return true;
}

static char *encode(const void *bytes, size_t size, int variant)
{
    size_t text_size = sodium_base64_encoded_len(size, variant);
    char *text = malloc(text_size);

    return text ? sodium_bin2base64(text, text_size, bytes, size, variant) : NULL;
}

/* libsodium (1.0.18 at least) compares characters as sign-extended ints and so takes any byte beyond ASCII for '/'. */
static bool is_ascii(const char *text)
{
    unsigned char all = 0;

    for (; *text; text++)
        all |= (unsigned char)*text;
    return all < 0x80;
}

static void *decode(const char *text, size_t *ret_size, int variant)
{
    size_t text_size = strlen(text), size_max = text_size / 4 * 3 + 3, size;
    uint8_t *bytes = is_ascii(text) ? malloc(size_max + 1) : NULL;

    if (!bytes)
        return NULL;
    if (sodium_base642bin(bytes, size_max, text, text_size, NULL, &size, NULL, variant) < 0) {
        free(bytes);
        return NULL;
    }
    bytes[size] = '\0';
    *ret_size = size;
    return bytes;
}

char *encode_base64(const void *bytes, size_t size)
{
    return encode(bytes, size, sodium_base64_VARIANT_ORIGINAL);
}

char *encode_base64_url(const void *bytes, size_t size)
{
    return encode(bytes, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void *decode_base64(const char *text, size_t *ret_size)
{
    return decode(text, ret_size, sodium_base64_VARIANT_ORIGINAL);
}

void *decode_base64_url(const char *text, size_t *ret_size)
{
    return decode(text, ret_size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

void encode_hex(const void *bytes, size_t size, char *ret_text)
{
    sodium_bin2hex(ret_text, 2 * size + 1, bytes, size);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool decode_hex(const char *text, void *ret_bytes, size_t size)
{
    uint8_t *bytes = ret_bytes;

    if (strnlen(text, 2 * size + 1) != 2 * size)
        return false;
    for (size_t i = 0; i < 2 * size; i++) {
        if (hex_value(text[i]) < 0)
            return false;
    }
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)((unsigned)hex_value(text[2 * i]) << 4 | (unsigned)hex_value(text[2 * i + 1]));
    return true;
}

/* ---- UTF-8 */

size_t utf8_length(const void *at, size_t left)
{
    const unsigned char *byte = at;
    unsigned char low = 0x80, high = 0xbf;
    size_t length = byte[0] < 0xe0 ? 2 : byte[0] < 0xf0 ? 3 : 4;

    if (byte[0] < 0x80)
        return 1;
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || left < length)
        return 0;
    if (byte[0] == 0xe0)
        low = 0xa0;
    else if (byte[0] == 0xed)
        high = 0x9f;
    else if (byte[0] == 0xf0)
        low = 0x90;
    else if (byte[0] == 0xf4)
        high = 0x8f;
    if (byte[1] < low || byte[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if (byte[i] < 0x80 || byte[i] > 0xbf)
            return 0;
    }
    return length;
}
