#pragma once

/* Who a request comes from, as far as limits need it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_PROXIES_MAX 16

/* IPv6, in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
struct address {
    uint8_t bytes[16];
};

/* Proxies whose X-Forwarded-For is believed. */
struct address_proxies {
    struct address addresses[ADDRESS_PROXIES_MAX];
    size_t count;
};

/* false: the text is no address. */
bool address_parse(const char *text, struct address *ret_address);
/* All zero for another family. */
struct address address_of(const struct sockaddr *sockaddr);
bool address_is_loopback(const struct address *address);
/* What one customer has: an IPv4 address, or the /64 of an IPv6 one, the rest zero. */
struct address address_network(const struct address *address);

/* The client behind `peer`: the last one in `forwarded` (values of X-Forwarded-For, in order, separated by commas) that
 * isn't a proxy of ours, when the peer is one; else the peer. What a client writes there itself lies further left. */
struct address address_client(const struct address *peer, const char *forwarded, const struct address_proxies *proxies);
