/* The small languages inside a contract, each read by hand: none needs more than a loop. */

#include "lib/contract_text.h"

#include "lib/encode.h"

#include <arpa/inet.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || is_digit(c);
}

static bool is_alphanumeric(char c)
{
    return is_lower_alphanumeric(c) || (c >= 'A' && c <= 'Z');
}

bool contract_is_workload_name(const char *text)
{
    size_t size = strlen(text);

    if (size < 1 || size > 32 || text[0] == '-')
        return false;
    for (; *text; text++) {
        if (!is_lower_alphanumeric(*text) && *text != '-')
            return false;
    }
    return true;
}

bool contract_is_environment_name(const char *text)
{
    size_t size = strlen(text);

    if (size < 1 || size > 128 || is_digit(text[0]) || text[0] == '.' || text[0] == '-')
        return false;
    for (; *text; text++) {
        if (!is_alphanumeric(*text) && !strchr("_.-", *text))
            return false;
    }
    return true;
}

/* A decimal number of at most `digits_max` digits without leading zeros that ends at `end`. */
static bool parse_number(const char *at, const char *end, size_t digits_max, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (at == end || (size_t)(end - at) > digits_max || (*at == '0' && end - at > 1))
        return false;
    for (; at < end; at++) {
        if (!is_digit(*at))
            return false;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    *ret_number = number;
    return true;
}

static bool is_port(const char *at, const char *end)
{
    uint64_t port;

    return parse_number(at, end, 5, &port) && port >= 1 && port <= 65535;
}

/* ---- Images */

/* host, host:port, [IPv6]:port */
static bool is_host(const char *at, const char *end)
{
    const char *colon, *close;
    char address[INET6_ADDRSTRLEN];
    struct in6_addr binary;

    if (at < end && *at == '[') {
        close = memchr(at, ']', (size_t)(end - at));
        if (!close || (size_t)(close - at - 1) >= sizeof address)
            return false;
        memcpy(address, at + 1, (size_t)(close - at - 1));
        address[close - at - 1] = '\0';
        if (inet_pton(AF_INET6, address, &binary) != 1)
            return false;
        return close + 1 == end || (close[1] == ':' && is_port(close + 2, end));
    }
    colon = memchr(at, ':', (size_t)(end - at));
    if (colon && !is_port(colon + 1, end))
        return false;
    if (colon)
        end = colon;
    if (at == end || end - at > 253 || !is_alphanumeric(*at) || !is_alphanumeric(end[-1]))
        return false;
    for (; at < end; at++) {
        if (!is_alphanumeric(*at) && *at != '.' && *at != '-')
            return false;
    }
    return true;
}

/* One component: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*; gives where it ends, NULL when it isn't one. */
static const char *skip_component(const char *at, const char *end)
{
    for (;;) {
        const char *begin = at;
        while (at < end && is_lower_alphanumeric(*at))
            at++;
        if (at == begin)
            return NULL;
        if (at == end || *at == '/')
            return at;
        if (*at == '.')
            at++;
        else if (*at == '_')
            at += at + 1 < end && at[1] == '_' ? 2 : 1;
        else if (*at == '-') {
            while (at < end && *at == '-')
                at++;
        } else
            return NULL;
    }
}

static bool is_path(const char *at, const char *end)
{
    for (;;) {
        at = skip_component(at, end);
        if (!at)
            return false;
        if (at == end)
            return true;
        at++;
    }
}

bool contract_is_image(const char *text)
{
    static const char mark[] = "@sha256:";
    const char *slash = strchr(text, '/'), *at = strchr(text, '@');
    uint8_t digest[32];

    if (!slash || !at || slash > at || strncmp(at, mark, strlen(mark)) != 0)
        return false;
    return is_host(text, slash) && is_path(slash + 1, at) && decode_hex(at + strlen(mark), digest, sizeof digest);
}

/* ---- Users and paths */

static bool is_user_part(const char *at, const char *end)
{
    uint64_t number;

    if (at == end || end - at > 32)
        return false;
    if (is_digit(*at))
        return parse_number(at, end, 10, &number) && number < UINT32_MAX; /* -1 stands for "none", chown(2) */
    if (!is_alphanumeric(*at) && *at != '_')
        return false;
    for (at++; at < end; at++) {
        if (!is_alphanumeric(*at) && !strchr("_.-", *at))
            return false;
    }
    return true;
}

bool contract_is_user(const char *text)
{
    const char *end = text + strlen(text), *colon = strchr(text, ':');

    if (!*text)
        return true;
    return is_user_part(text, colon ? colon : end) && (!colon || is_user_part(colon + 1, end));
}

static bool is_within(const char *path, const char *folder)
{
    size_t size = strlen(folder);

    return strncmp(path, folder, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

const char *contract_path_problem(const char *text)
{
    const char *part = text;

    if (text[0] != '/')
        return "must be an absolute path";
    while (*part) { /* each part begins at its slash */
        size_t size = strcspn(part + 1, "/");
        if (size == 0 || (size == 1 && part[1] == '.') || (size == 2 && part[1] == '.' && part[2] == '.'))
            return "must be a path without '.', '..', '//' and a slash at the end";
        part += 1 + size;
    }
    for (part = text; *part; part++) {
        if ((unsigned char)*part < 0x20 || *part == 0x7f)
            return "must not hold control characters";
    }
    if (is_within(text, "/proc") || is_within(text, "/sys") || is_within(text, "/dev"))
        return "must not be in /proc, /sys or /dev";
    return NULL;
}

/* ---- Addresses */

bool contract_parse_address(const char *text, uint32_t *ret_address)
{
    struct in_addr address;
    char again[INET_ADDRSTRLEN];

    if (inet_pton(AF_INET, text, &address) != 1)
        return false;
    inet_ntop(AF_INET, &address, again, sizeof again);
    if (strcmp(again, text) != 0) /* musl takes leading zeros, which others read as octal */
        return false;
    *ret_address = ntohl(address.s_addr);
    return true;
}

static uint32_t mask(unsigned prefix)
{
    return prefix == 0 ? 0 : UINT32_MAX << (32 - prefix);
}

bool contract_parse_cidr(const char *text, struct contract_cidr *ret_cidr)
{
    const char *slash = strchr(text, '/');
    char address_text[INET_ADDRSTRLEN];
    uint64_t prefix;
    uint32_t address;

    if (!slash || (size_t)(slash - text) >= sizeof address_text)
        return false;
    memcpy(address_text, text, (size_t)(slash - text));
    address_text[slash - text] = '\0';
    if (!parse_number(slash + 1, slash + strlen(slash), 2, &prefix) || prefix > 32)
        return false;
    if (!contract_parse_address(address_text, &address) || (address & ~mask((unsigned)prefix)) != 0)
        return false;
    *ret_cidr = (struct contract_cidr){ .address = address, .prefix = (unsigned)prefix };
    return true;
}

bool contract_cidr_contains(struct contract_cidr outer, struct contract_cidr inner)
{
    return inner.prefix >= outer.prefix && (inner.address & mask(outer.prefix)) == outer.address;
}

bool contract_cidr_is_private(struct contract_cidr cidr)
{
    static const struct contract_cidr ranges[] = {
        { 0x0a000000, 8 },
        { 0xac100000, 12 },
        { 0xc0a80000, 16 },
    };

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (contract_cidr_contains(ranges[i], cidr))
            return true;
    }
    return false;
}

bool contract_is_endpoint(const char *text)
{
    const char *colon = strrchr(text, ':');
    char address[INET6_ADDRSTRLEN];
    uint32_t v4;
    size_t size;

    if (!colon)
        return false;
    size = (size_t)(colon - text);
    if (text[0] == '[')
        return colon > text && colon[-1] == ']' && is_host(text, text + strlen(text));
    if (size >= sizeof address || !is_port(colon + 1, text + strlen(text)))
        return false;
    memcpy(address, text, size);
    address[size] = '\0';
    return contract_parse_address(address, &v4);
}
