/* Pure: texts and socket addresses to 16 bytes. */

#include "contrib/directory/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static const uint8_t MAPPED[12] = { [10] = 0xff, [11] = 0xff };

static struct address map(const struct in_addr *v4)
{
    struct address address;

    memcpy(address.bytes, MAPPED, sizeof MAPPED);
    memcpy(address.bytes + sizeof MAPPED, v4, 4);
    return address;
}

static bool is_mapped(const struct address *address)
{
    return memcmp(address->bytes, MAPPED, sizeof MAPPED) == 0;
}

bool address_parse(const char *text, struct address *ret_address)
{
    struct in_addr v4;

    if (inet_pton(AF_INET, text, &v4) == 1) {
        *ret_address = map(&v4);
        return true;
    }
    return inet_pton(AF_INET6, text, ret_address->bytes) == 1;
}

struct address address_of(const struct sockaddr *sockaddr)
{
    struct address address = { 0 };

    if (sockaddr && sockaddr->sa_family == AF_INET)
        return map(&((const struct sockaddr_in *)sockaddr)->sin_addr);
    if (sockaddr && sockaddr->sa_family == AF_INET6)
        memcpy(address.bytes, &((const struct sockaddr_in6 *)sockaddr)->sin6_addr, sizeof address.bytes);
    return address;
}

bool address_is_loopback(const struct address *address)
{
    static const struct address v6 = { { [15] = 1 } };

    return memcmp(address, &v6, sizeof v6) == 0 || (is_mapped(address) && address->bytes[12] == 127);
}

struct address address_network(const struct address *address)
{
    struct address network = *address;

    if (!is_mapped(address))
        memset(network.bytes + 8, 0, 8);
    return network;
}

static bool is_proxy(const struct address *address, const struct address_proxies *proxies)
{
    for (size_t i = 0; i < proxies->count; i++) {
        if (memcmp(&proxies->addresses[i], address, sizeof *address) == 0)
            return true;
    }
    return false;
}

/* One of the list: an address, which some proxies write with the port, as 1.2.3.4:5 or [::1]:5. */
static bool parse_item(const char *start, size_t length, struct address *ret_address)
{
    char text[64];

    while (length > 0 && (*start == ' ' || *start == '\t'))
        start++, length--;
    while (length > 0 && (start[length - 1] == ' ' || start[length - 1] == '\t'))
        length--;
    snprintf(text, sizeof text, "%.*s", (int)length, start);
    if (text[0] == '[') {
        text[strcspn(text, "]")] = '\0';
        return address_parse(text + 1, ret_address);
    }
    if (strchr(text, ':') == strrchr(text, ':'))
        text[strcspn(text, ":")] = '\0';
    return address_parse(text, ret_address);
}

struct address address_client(const struct address *peer, const char *forwarded, const struct address_proxies *proxies)
{
    struct address client = *peer, next;
    size_t end = strlen(forwarded);

    while (end > 0 && is_proxy(&client, proxies)) {
        size_t start = end;
        while (start > 0 && forwarded[start - 1] != ',')
            start--;
        if (!parse_item(forwarded + start, end - start, &next))
            break;
        client = next;
        end = start > 0 ? start - 1 : 0;
    }
    return client;
}
