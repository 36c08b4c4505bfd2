#pragma once

/* A container's place in the network: a namespace of its own with `lo`, and `eth0` on the node's NAT bridge, on which
 * it reaches the internet and nobody reaches it. Networks are joined besides by overlay.h. An endpoint's facts are kept
 * where they can't be lost, in the alias of its link on the bridge: "zos-endpoint <name> <address>". */

#include "lib/reason.h"
#include "netd/link.h"
#include "netd/plan.h"

#define ENDPOINT_NAME_BYTES 64
#define ENDPOINT_ALIAS "zos-endpoint "

struct endpoint {
    char name[ENDPOINT_NAME_BYTES];
    int index; /* of the link on the bridge */
    struct prefix address;
};

/* [a-z0-9][a-z0-9-]{0,62} */
bool endpoint_is_name(const char *name);
/* The name of a link of ours for an endpoint: `prefix` (at most 3 characters) and 12 hexadecimal digits of the name's
 * hash. */
void endpoint_link_name(const char *prefix, const char *name, char ret_link[static IFNAMSIZ]);

/* Pure. Reads an alias; false: it isn't one of an endpoint. */
bool endpoint_parse_alias(const char *alias, struct endpoint *ret_endpoint);
/* Pure. The endpoint as the kernel has it; false: it isn't there, or not whole. */
bool endpoint_find(const struct link_snapshot *seen, const char *name, struct endpoint *ret_endpoint);
/* Pure. The address for a name: always the same one in a subnet, unless another endpoint has it. false: none is free.
 */
bool endpoint_choose_address(const struct link_snapshot *seen, const struct prefix *nat, const char *name,
                             struct prefix *ret_address);

/* Makes the NAT bridge if there is none, the namespace and the link; what is there already is kept, what is half there
 * is made anew. 0, REFUSED, or negative errno, logged. */
int endpoint_attach(int rtnl_fd, const struct link_snapshot *seen, const char *name, struct endpoint *ret_endpoint,
                    struct prefix *ret_nat, struct reason *reason);
/* Takes all of it away. Absence is fine. 0 or negative errno, logged. */
int endpoint_detach(int rtnl_fd, const char *name);
