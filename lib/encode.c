/* Bytes as text. Base58 is the schoolbook change of base, on 32 bytes only. */

#include "lib/encode.h"

#include "lib/cleanup.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const char BASE58_DIGITS[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/* The number is divided by 58^5 at a time, the most that leaves the remainder's next word within 64 bits: ten
 * divisions, each of five digits. */
void encode_id(const uint8_t bytes[static ID_BYTES], char ret_text[static ID_TEXT_BYTES])
{
    char digits[50], *first = digits + sizeof digits; /* at most 44, and zeros before them */
    uint32_t words[ID_BYTES / 4];
    size_t zeros = 0, top = 0;

    for (size_t i = 0; i < ID_BYTES / 4; i++)
        words[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 | (uint32_t)bytes[4 * i + 2] << 8 |
                   bytes[4 * i + 3];
    while (top < ID_BYTES / 4) {
        uint64_t rest = 0;
        for (size_t i = top; i < ID_BYTES / 4; i++) {
            rest = rest << 32 | words[i];
            words[i] = (uint32_t)(rest / 656356768);
            rest %= 656356768;
        }
        for (int i = 0; i < 5; i++, rest /= 58)
            *--first = BASE58_DIGITS[rest % 58];
        while (top < ID_BYTES / 4 && words[top] == 0)
            top++;
    }
    while (first < digits + sizeof digits && *first == '1')
        first++;
    while (zeros < ID_BYTES && bytes[zeros] == 0)
        zeros++; /* each is one digit '1' */
    memset(ret_text, '1', zeros);
    memcpy(ret_text + zeros, first, (size_t)(digits + sizeof digits - first));
    ret_text[zeros + (size_t)(digits + sizeof digits - first)] = '\0';
}

/* The value of each character, and one more: 0 isn't a digit. */
static const uint8_t BASE58_VALUES[128] = {
    ['1'] = 1,  ['2'] = 2,  ['3'] = 3,  ['4'] = 4,  ['5'] = 5,  ['6'] = 6,  ['7'] = 7,  ['8'] = 8,  ['9'] = 9,
    ['A'] = 10, ['B'] = 11, ['C'] = 12, ['D'] = 13, ['E'] = 14, ['F'] = 15, ['G'] = 16, ['H'] = 17, ['J'] = 18,
    ['K'] = 19, ['L'] = 20, ['M'] = 21, ['N'] = 22, ['P'] = 23, ['Q'] = 24, ['R'] = 25, ['S'] = 26, ['T'] = 27,
    ['U'] = 28, ['V'] = 29, ['W'] = 30, ['X'] = 31, ['Y'] = 32, ['Z'] = 33, ['a'] = 34, ['b'] = 35, ['c'] = 36,
    ['d'] = 37, ['e'] = 38, ['f'] = 39, ['g'] = 40, ['h'] = 41, ['i'] = 42, ['j'] = 43, ['k'] = 44, ['m'] = 45,
    ['n'] = 46, ['o'] = 47, ['p'] = 48, ['q'] = 49, ['r'] = 50, ['s'] = 51, ['t'] = 52, ['u'] = 53, ['v'] = 54,
    ['w'] = 55, ['x'] = 56, ['y'] = 57, ['z'] = 58,
};

/* words = words × 58 + digit; false when it doesn't fit. */
static bool shift_in(uint32_t words[static ID_BYTES / 4], unsigned digit)
{
    uint64_t carry = digit;

    for (size_t i = ID_BYTES / 4; i-- > 0;) {
        carry += words[i] * UINT64_C(58);
        words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return carry == 0;
}

/* A number has one form without leading '1's, so that a text is canonical when it has as many of them as the bytes have
 * leading zeros. */
bool decode_id(const char *text, uint8_t ret_bytes[static ID_BYTES])
{
    uint32_t words[ID_BYTES / 4] = { 0 };
    uint8_t bytes[ID_BYTES];
    size_t ones = strspn(text, "1"), zeros = 0;

    if (strnlen(text, ID_TEXT_BYTES) >= ID_TEXT_BYTES)
        return false;
    for (const char *at = text; *at; at++) {
        unsigned value = (uint8_t)*at < 128 ? BASE58_VALUES[(uint8_t)*at] : 0;
        if (value == 0 || !shift_in(words, value - 1))
            return false;
    }
    for (size_t i = 0; i < ID_BYTES; i++)
        bytes[i] = (uint8_t)(words[i / 4] >> (24 - 8 * (i % 4)));
    while (zeros < ID_BYTES && bytes[zeros] == 0)
        zeros++;
    if (ones != zeros)
        return false;
    memcpy(ret_bytes, bytes, ID_BYTES);
    return true;
}

/* ---- Base64 (base64.c), and that for URLs: the same text without its padding, and with two other characters. */

char *encode_base64(const void *bytes, size_t size)
{
    char *text = malloc(BASE64_TEXT_BYTES(size));

    if (text)
        write_base64(bytes, size, text);
    return text;
}

static void replace(char *text, const char *from, const char *to)
{
    for (size_t i = 0; text[i]; i++) {
        if (text[i] == from[0] || text[i] == from[1])
            text[i] = text[i] == from[0] ? to[0] : to[1];
    }
}

char *encode_base64_url(const void *bytes, size_t size)
{
    char *text = encode_base64(bytes, size);

    if (!text)
        return NULL;
    text[strcspn(text, "=")] = '\0';
    replace(text, "+/", "-_");
    return text;
}

void *decode_base64_url(const char *text, size_t *ret_size)
{
    cleanup_free char *padded = NULL;

    if (text[strcspn(text, "+/=")] || asprintf(&padded, "%s%.*s", text, (int)(-strlen(text) % 4), "===") < 0)
        return NULL;
    replace(padded, "-_", "+/");
    return decode_base64(padded, ret_size);
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
