/* The strict reading of JSON: one pass of recursive descent over the text (its depth is bounded, so the stack is),
 * which refuses whatever RFC 8259 doesn't allow and what readers disagree about; only then does cJSON build the tree.
 *
 *     bytes ──► check_value ──► keys of each object sorted, neighbours compared ──► cJSON ──► the caller's tree
 *
 * The keys of all open objects lie on one stack. An object sorts its own when it ends, so that a hostile text costs
 * n log n. They are compared as what they mean ("a" and "\u0061" are one key) without copying them. */

#include "lib/json.h"

#include "lib/cleanup.h"
#include "lib/encode.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES_MAX 63 /* cJSON copies a number into 64 bytes and silently cuts a longer one (before 1.7.19) */

struct key_span {
    const char *at, *end; /* between the quotes, in the text */
};

struct scanner {
    const char *start, *at, *end;
    unsigned depth;
    struct key_span *keys; /* of all objects that are open */
    size_t keys_count, keys_size;
    char *shortened; /* the whole text for cJSON, when it has a number that is too long for it */
    struct reason *reason;
};

static int check_value(struct scanner *scanner);

static int refuse(struct scanner *scanner, const char *rule)
{
    char place[32];

    snprintf(place, sizeof place, "byte %zu", (size_t)(scanner->at - scanner->start));
    return reason_refuse(scanner->reason, place, "%s", rule);
}

/* The byte at hand, or -1 at the end: NUL is a byte like any other and is refused wherever it stands. */
static int peek(const struct scanner *scanner)
{
    return scanner->at < scanner->end ? (unsigned char)*scanner->at : -1;
}

static void skip_space(struct scanner *scanner)
{
    for (int c = peek(scanner); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(scanner))
        scanner->at++;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* ---- Strings */

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The value of four hexadecimal digits, or -1. */
static int hex4(const char *at, const char *end)
{
    int value = 0;

    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value((unsigned char)at[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Behind the backslash and the u. */
static int check_unicode_escape(struct scanner *scanner)
{
    int high = hex4(scanner->at, scanner->end), low;

    if (high < 0)
        return refuse(scanner, "\\u must be followed by four hexadecimal digits");
    if (high == 0)
        return refuse(scanner, "a string must not hold \\u0000");
    if (high >= 0xdc00 && high <= 0xdfff)
        return refuse(scanner, "a low surrogate must follow a high one");
    scanner->at += 4;
    if (high < 0xd800 || high > 0xdbff)
        return 0;
    if (scanner->end - scanner->at < 6 || scanner->at[0] != '\\' || scanner->at[1] != 'u')
        return refuse(scanner, "a high surrogate must be followed by a low one");
    low = hex4(scanner->at + 2, scanner->end);
    if (low < 0xdc00 || low > 0xdfff)
        return refuse(scanner, "a high surrogate must be followed by a low one");
    scanner->at += 6;
    return 0;
}

static int check_escape(struct scanner *scanner)
{
    int c;

    scanner->at++;
    c = peek(scanner);
    if (c == 'u') {
        scanner->at++;
        return check_unicode_escape(scanner);
    }
    if (c < 1 || !strchr("\"\\/bfnrt", c))
        return refuse(scanner, "not an escape of JSON");
    scanner->at++;
    return 0;
}

/* One code point beyond ASCII. */
static int check_utf8(struct scanner *scanner)
{
    size_t length = utf8_length(scanner->at, (size_t)(scanner->end - scanner->at));

    if (!length)
        return refuse(scanner, "not valid UTF-8");
    scanner->at += length;
    return 0;
}

/* A string with its quotes; `ret_span` (may be NULL) gets what stands between them. */
static int check_string(struct scanner *scanner, struct key_span *ret_span)
{
    const char *begin = ++scanner->at;
    int refused = 0;

    for (int c = peek(scanner); c != '"'; c = peek(scanner)) {
        if (c < 0)
            return refuse(scanner, "a string has no end");
        if (c < 0x20)
            return refuse(scanner, "a control character in a string must be escaped");
        if (c == '\\')
            refused = check_escape(scanner);
        else if (c >= 0x80)
            refused = check_utf8(scanner);
        else
            scanner->at++;
        if (refused)
            return refused;
    }
    if (ret_span)
        *ret_span = (struct key_span){ .at = begin, .end = scanner->at };
    scanner->at++;
    return 0;
}

/* ---- Keys */

/* Takes one UTF-16 unit's worth of escape, or one byte, off a checked key. Escapes give their code point (surrogates
 * joined), bytes beyond ASCII are decoded, so that both spellings of a character are equal. -1 at the end. */
static int32_t next_character(struct key_span *span)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    unsigned char c;
    int32_t value;

    if (span->at == span->end)
        return -1;
    c = (unsigned char)*span->at++;
    if (c == '\\') {
        c = (unsigned char)*span->at++;
        if (c != 'u')
            return to[strchr(from, c) - from];
        value = hex4(span->at, span->end);
        span->at += 4;
        if (value >= 0xd800 && value <= 0xdbff) {
            value = 0x10000 + ((value - 0xd800) << 10) + (hex4(span->at + 2, span->end) - 0xdc00);
            span->at += 6;
        }
        return value;
    }
    if (c < 0x80)
        return c;
    value = c >= 0xf0 ? c & 0x07 : c >= 0xe0 ? c & 0x0f : c & 0x1f;
    while (span->at < span->end && ((unsigned char)*span->at & 0xc0) == 0x80)
        value = value << 6 | ((unsigned char)*span->at++ & 0x3f);
    return value;
}

static int compare_keys(const void *left, const void *right)
{
    struct key_span a = *(const struct key_span *)left, b = *(const struct key_span *)right;

    for (;;) {
        int32_t from_a = next_character(&a), from_b = next_character(&b);
        if (from_a != from_b)
            return from_a < from_b ? -1 : 1;
        if (from_a < 0)
            return 0;
    }
}

static int push_key(struct scanner *scanner, struct key_span span)
{
    if (scanner->keys_count == scanner->keys_size) {
        size_t size = scanner->keys_size ? scanner->keys_size * 2 : 64;
        struct key_span *keys = reallocarray(scanner->keys, size, sizeof *keys);
        if (!keys)
            return -ENOMEM;
        scanner->keys = keys;
        scanner->keys_size = size;
    }
    scanner->keys[scanner->keys_count++] = span;
    return 0;
}

/* The keys from `first` on are those of the object that ends here; they are taken off the stack. */
static int check_duplicates(struct scanner *scanner, size_t first)
{
    struct key_span *keys = scanner->keys + first;
    size_t count = scanner->keys_count - first;

    scanner->keys_count = first;
    if (count < 2)
        return 0;
    qsort(keys, count, sizeof *keys, compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (compare_keys(&keys[i - 1], &keys[i]) == 0) {
            scanner->at = (keys[i].at > keys[i - 1].at ? keys[i].at : keys[i - 1].at) - 1; /* its quote */
            return refuse(scanner, "a key stands twice in one object");
        }
    }
    return 0;
}

/* ---- Values */

static int check_digits(struct scanner *scanner)
{
    if (!is_digit(peek(scanner)))
        return refuse(scanner, "a digit must stand here");
    while (is_digit(peek(scanner)))
        scanner->at++;
    return 0;
}

static int check_number_grammar(struct scanner *scanner)
{
    int refused = 0;

    if (peek(scanner) == '-')
        scanner->at++;
    if (peek(scanner) == '0')
        scanner->at++;
    else
        refused = check_digits(scanner);
    if (!refused && peek(scanner) == '.') {
        scanner->at++;
        refused = check_digits(scanner);
    }
    if (!refused && (peek(scanner) == 'e' || peek(scanner) == 'E')) {
        scanner->at++;
        if (peek(scanner) == '+' || peek(scanner) == '-')
            scanner->at++;
        refused = check_digits(scanner);
    }
    return refused;
}

/* Writes the number shorter, for cJSON alone, white space in place of what it saves: 17 digits are the same double. */
static int shorten_number(struct scanner *scanner, const char *begin, size_t size, double value)
{
    size_t text_size = (size_t)(scanner->end - scanner->start);
    char digits[NUMBER_BYTES_MAX + 1], *at;
    int used = snprintf(digits, sizeof digits, "%.17g", value);

    if (!scanner->shortened) {
        scanner->shortened = malloc(text_size);
        if (!scanner->shortened)
            return -ENOMEM;
        memcpy(scanner->shortened, scanner->start, text_size);
    }
    at = scanner->shortened + (begin - scanner->start);
    memset(at, ' ', size);
    memcpy(at, digits, (size_t)used);
    return 0;
}

static int check_long_number(struct scanner *scanner, const char *begin, size_t size)
{
    cleanup_free char *copy = strndup(begin, size);
    double value = copy ? strtod(copy, NULL) : 0;

    if (!copy)
        return -ENOMEM;
    return isfinite(value) ? shorten_number(scanner, begin, size, value) : refuse(scanner, "a number is too large");
}

static int check_number(struct scanner *scanner)
{
    char copy[NUMBER_BYTES_MAX + 1];
    const char *begin = scanner->at;
    int refused = check_number_grammar(scanner);
    size_t size = (size_t)(scanner->at - begin);

    if (refused)
        return refused;
    if (is_digit(peek(scanner)))
        return refuse(scanner, "a number must not begin with 0");
    if (size > NUMBER_BYTES_MAX)
        return check_long_number(scanner, begin, size);
    memcpy(copy, begin, size);
    copy[size] = '\0';
    return isfinite(strtod(copy, NULL)) ? 0 : refuse(scanner, "a number is too large");
}

static int check_literal(struct scanner *scanner, const char *literal)
{
    size_t size = strlen(literal);

    if ((size_t)(scanner->end - scanner->at) < size || memcmp(scanner->at, literal, size) != 0)
        return refuse(scanner, "not a JSON value");
    scanner->at += size;
    return 0;
}

/* A key, the colon and the value. */
static int check_member(struct scanner *scanner)
{
    struct key_span span;
    int r;

    if (peek(scanner) != '"')
        return refuse(scanner, "a key in quotes must stand here");
    r = check_string(scanner, &span);
    if (r)
        return r;
    r = push_key(scanner, span);
    if (r)
        return r;
    skip_space(scanner);
    if (peek(scanner) != ':')
        return refuse(scanner, "a colon must follow a key");
    scanner->at++;
    return check_value(scanner);
}

/* What stands in brackets: members or values, with commas between. */
static int check_items(struct scanner *scanner, int closing, int (*check)(struct scanner *))
{
    int r;

    scanner->at++;
    skip_space(scanner);
    if (peek(scanner) == closing) {
        scanner->at++;
        return 0;
    }
    for (;;) {
        skip_space(scanner);
        r = check(scanner);
        if (r)
            return r;
        skip_space(scanner);
        if (peek(scanner) == closing) {
            scanner->at++;
            return 0;
        }
        if (peek(scanner) != ',')
            return refuse(scanner, closing == '}' ? "a comma or } must stand here" : "a comma or ] must stand here");
        scanner->at++;
    }
}

static int check_container(struct scanner *scanner, bool object)
{
    size_t first = scanner->keys_count;
    int r;

    if (scanner->depth == JSON_DEPTH_MAX)
        return refuse(scanner, "nested deeper than 32");
    scanner->depth++;
    r = check_items(scanner, object ? '}' : ']', object ? check_member : check_value);
    scanner->depth--;
    if (!r && object)
        r = check_duplicates(scanner, first);
    return r;
}

static int check_value(struct scanner *scanner)
{
    int c;

    skip_space(scanner);
    c = peek(scanner);
    switch (c) {
    case '{':
        return check_container(scanner, true);
    case '[':
        return check_container(scanner, false);
    case '"':
        return check_string(scanner, NULL);
    case 't':
        return check_literal(scanner, "true");
    case 'f':
        return check_literal(scanner, "false");
    case 'n':
        return check_literal(scanner, "null");
    default:
        if (c == '-' || is_digit(c))
            return check_number(scanner);
        return refuse(scanner, c < 0 ? "a value is missing" : "not a JSON value");
    }
}

static int check_text(struct scanner *scanner)
{
    int r = check_value(scanner);

    if (r)
        return r;
    skip_space(scanner);
    return scanner->at == scanner->end ? 0 : refuse(scanner, "nothing may follow the value");
}

int json_parse(const char *text, size_t size, size_t size_max, cJSON **ret_value, struct reason *reason)
{
    struct scanner scanner = { .start = text, .at = text, .end = text + size, .reason = reason };
    cJSON *value;
    int r;

    if (size > size_max)
        return reason_refuse(reason, NULL, "has %zu bytes, must have at most %zu", size, size_max);
    r = check_text(&scanner);
    free(scanner.keys);
    value = r ? NULL : cJSON_ParseWithLengthOpts(scanner.shortened ? scanner.shortened : text, size, NULL, 0);
    free(scanner.shortened);
    if (r)
        return r;
    if (!value)
        return -ENOMEM; /* what cJSON could have refused was refused above */
    *ret_value = value;
    return 0;
}
