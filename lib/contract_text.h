#pragma once

/* The small languages inside a contract: names, image references, users, paths, IPv4 networks. All pure. */

#include <stdbool.h>
#include <stdint.h>

/* An IPv4 network, in host byte order; the host bits of `address` are zero. */
struct contract_cidr {
    uint32_t address;
    unsigned prefix; /* 0 to 32 */
};

/* [a-z0-9][a-z0-9-]{0,31} */
bool contract_is_workload_name(const char *text);
/* [A-Za-z_][A-Za-z0-9_.-]{0,127} */
bool contract_is_environment_name(const char *text);
/* host[:port]/path@sha256:<64 lower-case hexadecimal digits>; the path as the OCI distribution specification has
 * repository names, without a tag. */
bool contract_is_image(const char *text);
/* "", uid, uid:gid, or names in their place (32 characters at most each, useradd(8)). */
bool contract_is_user(const char *text);
/* NULL for an absolute, normalized path that isn't "/" nor in /proc, /sys or /dev; else the rule that it breaks. */
const char *contract_path_problem(const char *text);
/* a.b.c.d:port or [IPv6]:port. */
bool contract_is_endpoint(const char *text);

/* "10.20.0.0/16" in canonical form: no leading zeros, host bits zero. */
bool contract_parse_cidr(const char *text, struct contract_cidr *ret_cidr);
/* "10.20.1.5", without leading zeros. */
bool contract_parse_address(const char *text, uint32_t *ret_address);
bool contract_cidr_contains(struct contract_cidr outer, struct contract_cidr inner);
/* Within one of the ranges of RFC 1918 §3. */
bool contract_cidr_is_private(struct contract_cidr cidr);
