#pragma once

/* Addresses and CIDR prefixes of both families: parse, print, compare. Pure. */

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define PREFIX_TEXT_BYTES (INET6_ADDRSTRLEN + 4) /* address, "/128" */

/* An address with the length of its network, host bits kept ("192.0.2.5/24"); an address alone has the full length. */
struct prefix {
    int family; /* AF_INET, AF_INET6; 0: none */
    unsigned length;
    uint8_t bytes[16]; /* network order; IPv4 in the first 4 */
};

/* "192.0.2.5" or "2001:db8::5": the full length. */
bool prefix_parse_address(const char *text, struct prefix *ret_prefix);
/* "192.0.2.5/24"; the length is required, decimal, without leading zeros. */
bool prefix_parse(const char *text, struct prefix *ret_prefix);
/* From raw bytes, 4 for AF_INET, 16 for AF_INET6. */
struct prefix prefix_make(int family, const void *bytes, unsigned length);
/* An IPv4 prefix from a number in host order. */
struct prefix prefix_ipv4(uint32_t address, unsigned length);

void prefix_format(const struct prefix *prefix, char ret_text[static PREFIX_TEXT_BYTES]);         /* with "/length" */
void prefix_format_address(const struct prefix *prefix, char ret_text[static PREFIX_TEXT_BYTES]); /* without */

unsigned prefix_size(const struct prefix *prefix); /* bytes of an address: 4, 16 */
/* The same prefix with its host bits cleared. */
struct prefix prefix_network(const struct prefix *prefix);
bool prefix_equal(const struct prefix *a, const struct prefix *b); /* address and length */
/* `outer` covers all of `inner`; different families never do. */
bool prefix_contains(const struct prefix *outer, const struct prefix *inner);
bool prefix_overlaps(const struct prefix *a, const struct prefix *b);
/* The address is one that a host may have or be reached at: not unspecified (0/8), loopback, multicast, reserved
 * (240/4), broadcast, nor IPv4-mapped (RFC 6890). */
bool prefix_usable(const struct prefix *prefix);
