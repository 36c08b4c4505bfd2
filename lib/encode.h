#pragma once

/* Bytes as text: base58 (Bitcoin's alphabet, the form of ids), base64 (RFC 4648) and lower-case hexadecimal. Decoders
 * are strict: one text for one value, no white space, no other padding. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_TEXT_BYTES 45 /* base58 of 32 bytes: at most 44 digits, and the NUL */
#define ID_BYTES 32
#define HASH_TEXT_BYTES 65 /* 64 hexadecimal digits, and the NUL */

/* Writes the base58 text of 32 bytes. */
void encode_id(const uint8_t bytes[static ID_BYTES], char ret_text[static ID_TEXT_BYTES]);
/* true and 32 bytes when `text` is the canonical base58 of exactly 32 bytes. */
bool decode_id(const char *text, uint8_t ret_bytes[static ID_BYTES]);

/* The base64 text (with padding; `_url`: URL alphabet without padding, RFC 4648 §5), the caller's, free(); NULL when
 * memory is out. */
char *encode_base64(const void *bytes, size_t size);
char *encode_base64_url(const void *bytes, size_t size);
/* Writes the text with padding, BASE64_TEXT_BYTES(size) with its NUL, and returns its length. */
#define BASE64_TEXT_BYTES(size) (((size) + 2) / 3 * 4 + 1)
size_t write_base64(const void *bytes, size_t size, char *ret_text);
/* Decodes all of `text`. The bytes are the caller's, free(), and have a NUL behind them that isn't counted. NULL when
 * the text isn't canonical or memory is out. */
void *decode_base64(const char *text, size_t *ret_size);
void *decode_base64_url(const char *text, size_t *ret_size);

/* Writes 2 × `size` digits and a NUL. */
void encode_hex(const void *bytes, size_t size, char *ret_text);
/* true when `text` is exactly 2 × `size` lower-case digits. */
bool decode_hex(const char *text, void *ret_bytes, size_t size);

/* The bytes of the code point that `at` begins with, at most `left`: 1 to 4; 0 when it isn't valid UTF-8 (RFC 3629 §4:
 * no overlong form, no surrogate, at most U+10FFFF). `left` is at least 1. */
size_t utf8_length(const void *at, size_t left);
