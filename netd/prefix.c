/* Addresses as big-endian bytes, so that both families share one arithmetic: a prefix is the first `length` bits. */

#include "netd/prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

struct prefix prefix_make(int family, const void *bytes, unsigned length)
{
    struct prefix prefix = { .family = family, .length = length };
    memcpy(prefix.bytes, bytes, family == AF_INET ? 4 : 16);
    return prefix;
}

struct prefix prefix_ipv4(uint32_t address, unsigned length)
{
    uint32_t bytes = htonl(address);
    return prefix_make(AF_INET, &bytes, length);
}

unsigned prefix_size(const struct prefix *prefix)
{
    return prefix->family == AF_INET ? 4 : 16;
}

bool prefix_parse_address(const char *text, struct prefix *ret_prefix)
{
    uint8_t bytes[16];
    int family = strchr(text, ':') ? AF_INET6 : AF_INET;
    if (inet_pton(family, text, bytes) != 1)
        return false;
    *ret_prefix = prefix_make(family, bytes, family == AF_INET ? 32 : 128);
    return true;
}

/* Decimal, 1 to 3 digits, no leading zero; -1 when it isn't. */
static int parse_length(const char *text)
{
    int length = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 3 || text[digits] != 0 || (text[0] == '0' && digits > 1))
        return -1;
    for (size_t i = 0; i < digits; i++)
        length = length * 10 + (text[i] - '0');
    return length;
}

bool prefix_parse(const char *text, struct prefix *ret_prefix)
{
    char address[INET6_ADDRSTRLEN];
    struct prefix prefix;
    const char *slash = strchr(text, '/');
    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = 0;
    int length = parse_length(slash + 1);
    if (length < 0 || !prefix_parse_address(address, &prefix) || (unsigned)length > prefix.length)
        return false;
    prefix.length = (unsigned)length;
    *ret_prefix = prefix;
    return true;
}

void prefix_format_address(const struct prefix *prefix, char ret_text[static PREFIX_TEXT_BYTES])
{
    if (!inet_ntop(prefix->family, prefix->bytes, ret_text, INET6_ADDRSTRLEN))
        snprintf(ret_text, PREFIX_TEXT_BYTES, "none");
}

void prefix_format(const struct prefix *prefix, char ret_text[static PREFIX_TEXT_BYTES])
{
    prefix_format_address(prefix, ret_text);
    size_t used = strlen(ret_text);
    snprintf(ret_text + used, PREFIX_TEXT_BYTES - used, "/%u", prefix->length);
}

struct prefix prefix_network(const struct prefix *prefix)
{
    struct prefix network = *prefix;
    for (unsigned bit = prefix->length; bit < prefix_size(prefix) * 8; bit++)
        network.bytes[bit / 8] &= (uint8_t) ~(0x80 >> (bit % 8));
    return network;
}

bool prefix_equal(const struct prefix *a, const struct prefix *b)
{
    return a->family == b->family && a->length == b->length && memcmp(a->bytes, b->bytes, prefix_size(a)) == 0;
}

bool prefix_contains(const struct prefix *outer, const struct prefix *inner)
{
    if (outer->family != inner->family || outer->length > inner->length)
        return false;
    struct prefix cut = *inner;
    cut.length = outer->length;
    struct prefix a = prefix_network(outer), b = prefix_network(&cut);
    return prefix_equal(&a, &b);
}

bool prefix_overlaps(const struct prefix *a, const struct prefix *b)
{
    return prefix_contains(a, b) || prefix_contains(b, a);
}

bool prefix_usable(const struct prefix *prefix)
{
    const uint8_t *b = prefix->bytes;
    static const uint8_t zeros[15];
    if (prefix->family == AF_INET)
        return b[0] != 0 && b[0] != 127 && b[0] < 224;
    if (prefix->family != AF_INET6)
        return false;
    bool unspecified_or_loopback = memcmp(b, zeros, 15) == 0 && b[15] <= 1;
    bool mapped = memcmp(b, zeros, 10) == 0 && b[10] == 0xff && b[11] == 0xff;
    return !unspecified_or_loopback && !mapped && b[0] != 0xff;
}
