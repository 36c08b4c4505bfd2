/* Reads a DHCPv4 message (RFC 2131 §2). Options lie in three fields when option 52 says so; an option that comes more
 * than once is one long option (RFC 3396 §5), which is why values are gathered before they are read. */

#include "netd/lease.h"

#include <string.h>

/* RFC 2131, figure 1. */
enum { AT_OP = 0, AT_YIADDR = 16, AT_SNAME = 44, SNAME_BYTES = 64, AT_FILE = 108, FILE_BYTES = 128, AT_COOKIE = 236 };
enum { AT_OPTIONS = AT_COOKIE + 4 };
/* RFC 2132. */
enum { PAD = 0, SUBNET_MASK = 1, ROUTERS = 3, DNS_SERVERS = 6, LEASE_TIME = 51, OVERLOAD = 52, END = 255 };
enum { BOOTREPLY = 2 };

#define VALUE_BYTES_MAX 64 /* more than any option takes that is read here */

/* The values gathered of the options that are of interest. Bytes over the room are left out. */
struct value {
    uint8_t code;
    size_t size;
    uint8_t bytes[VALUE_BYTES_MAX];
};
struct gathered {
    struct value mask, routers, dns, time, overload;
};

static struct value *value_of(struct gathered *gathered, uint8_t code)
{
    switch (code) {
    case SUBNET_MASK:
        return &gathered->mask;
    case ROUTERS:
        return &gathered->routers;
    case DNS_SERVERS:
        return &gathered->dns;
    case LEASE_TIME:
        return &gathered->time;
    case OVERLOAD:
        return &gathered->overload;
    default:
        return NULL;
    }
}

static void append(struct value *value, const uint8_t *bytes, size_t size)
{
    size_t room = sizeof(value->bytes) - value->size;
    if (size > room)
        size = room;
    memcpy(value->bytes + value->size, bytes, size);
    value->size += size;
}

/* One field of options. 0, or REFUSED when one runs over its end. */
static int gather(struct gathered *gathered, const uint8_t *field, size_t size, struct reason *reason)
{
    size_t at = 0;
    while (at < size && field[at] != END) {
        uint8_t code = field[at++];
        if (code == PAD)
            continue;
        if (at >= size || field[at] > size - at - 1)
            return reason_refuse(reason, "lease", "option %u runs over the end of its field", code);
        struct value *value = value_of(gathered, code);
        if (value)
            append(value, field + at + 1, field[at]);
        at += 1 + (size_t)field[at];
    }
    return 0;
}

/* Options first, then `file`, then `sname` (RFC 3396 §5). */
static int gather_all(struct gathered *gathered, const uint8_t *bytes, size_t size, struct reason *reason)
{
    if (gather(gathered, bytes + AT_OPTIONS, size - AT_OPTIONS, reason))
        return REFUSED;
    unsigned overload = gathered->overload.size == 1 ? gathered->overload.bytes[0] : 0;
    if ((overload & 1) && gather(gathered, bytes + AT_FILE, FILE_BYTES, reason))
        return REFUSED;
    if ((overload & 2) && gather(gathered, bytes + AT_SNAME, SNAME_BYTES, reason))
        return REFUSED;
    return 0;
}

static uint32_t number(const uint8_t bytes[static 4])
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* The length of a mask whose ones are all in front; 32 for any other. */
static unsigned mask_length(const struct value *mask)
{
    unsigned length = 0;
    if (mask->size != 4)
        return 32;
    uint32_t bits = number(mask->bytes);
    while (length < 32 && (bits & (0x80000000u >> length)))
        length++;
    return length == 32 || (bits << length) == 0 ? length : 32;
}

/* The usable addresses in a list of them, at most `max`. */
static size_t read_addresses(const struct value *value, struct prefix *ret_addresses, size_t max)
{
    size_t count = 0;
    for (size_t at = 0; at + 4 <= value->size && count < max; at += 4) {
        struct prefix address = prefix_make(AF_INET, value->bytes + at, 32);
        if (prefix_usable(&address))
            ret_addresses[count++] = address;
    }
    return count;
}

int lease_parse(const uint8_t *bytes, size_t size, struct lease *ret_lease, struct reason *reason)
{
    static const uint8_t COOKIE[4] = { 99, 130, 83, 99 };
    struct gathered gathered = { 0 };
    struct lease lease = { 0 };
    if (size < AT_OPTIONS || size > LEASE_BYTES_MAX)
        return reason_refuse(reason, "lease", "%zu bytes are no DHCP message", size);
    if (bytes[AT_OP] != BOOTREPLY || memcmp(bytes + AT_COOKIE, COOKIE, sizeof(COOKIE)) != 0)
        return reason_refuse(reason, "lease", "is no DHCP reply");
    if (gather_all(&gathered, bytes, size, reason))
        return REFUSED;
    lease.address = prefix_make(AF_INET, bytes + AT_YIADDR, mask_length(&gathered.mask));
    if (!prefix_usable(&lease.address))
        return reason_refuse(reason, "lease", "the address isn't one that a host may have");
    read_addresses(&gathered.routers, &lease.gateway, 1);
    lease.dns_count = read_addresses(&gathered.dns, lease.dns, LEASE_DNS_MAX);
    lease.lease_s = gathered.time.size == 4 ? number(gathered.time.bytes) : 0;
    *ret_lease = lease;
    return 0;
}

bool lease_equal(const struct lease *a, const struct lease *b)
{
    bool equal = prefix_equal(&a->address, &b->address) && prefix_equal(&a->gateway, &b->gateway) &&
                 a->dns_count == b->dns_count && a->lease_s == b->lease_s;
    for (size_t i = 0; equal && i < a->dns_count; i++)
        equal = prefix_equal(&a->dns[i], &b->dns[i]);
    return equal;
}
