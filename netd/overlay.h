#pragma once

/* A contract's networks. Each has a namespace of its own with a bridge for its containers and a WireGuard link to its
 * peers on other nodes; the tunnel's UDP socket alone is in the node's namespace. So networks can't reach each other,
 * the node or the farmer's LAN: there is no route, and ranges may overlap. */

#include "lib/json.h"
#include "netd/endpoint.h"

#define OVERLAY_NETWORKS_MAX FIREWALL_PORTS_MAX
#define OVERLAY_PEERS_MAX 256
#define OVERLAY_ALLOWED_MAX 64 /* as contracts have it */
#define OVERLAY_KEY_BYTES 32

struct overlay_peer {
    uint8_t public_key[OVERLAY_KEY_BYTES];
    struct prefix endpoint; /* family 0: it calls us */
    uint16_t endpoint_port;
    struct prefix allowed[OVERLAY_ALLOWED_MAX];
    size_t allowed_count;
};

/* What network.apply asks for. */
struct overlay_network {
    char name[ENDPOINT_NAME_BYTES];
    uint8_t private_key[OVERLAY_KEY_BYTES];
    struct prefix range, subnet; /* of the whole network, and of this node's part */
    uint16_t listen_port;        /* 0: any */
    bool access;
    struct overlay_peer peers[OVERLAY_PEERS_MAX];
    size_t peers_count;
};

/* What is kept of one: no key. Kept in a file of the tmpfs besides, which lives as long as the kernel's part. */
struct overlay_entry {
    char name[ENDPOINT_NAME_BYTES];
    struct prefix range, subnet;
    uint16_t listen_port;
    bool access;
};

struct overlay_table {
    struct overlay_entry entries[OVERLAY_NETWORKS_MAX];
    size_t count;
};

/* Reads what an earlier netd kept; wrong entries are logged and passed over. */
void overlay_load(struct overlay_table *table);
const struct overlay_entry *overlay_find(const struct overlay_table *table, const char *name);
/* The ports of networks that are open to calls from outside; their number. */
size_t overlay_open_ports(const struct overlay_table *table, uint16_t ret_ports[static FIREWALL_PORTS_MAX]);

/* Rules of network.apply's parameters, and what they hold. 0 (the caller wipes the key), or REFUSED. */
extern const struct json_rule OVERLAY_RULES[];
int overlay_parse(const cJSON *params, struct overlay_network *ret_network, struct reason *reason);

/* Makes the network as asked for, whatever there is of it; peers that aren't named any more are removed. 0, REFUSED,
 * or negative errno, logged. */
int overlay_apply(struct overlay_table *table, int rtnl_fd, const struct overlay_network *network,
                  struct reason *reason);
/* Takes it away. Absence is fine. 0 or negative errno, logged. */
int overlay_remove(struct overlay_table *table, const char *name);
/* Gives an endpoint an interface in a network: eth<number>, with `address` and a route to the range. Fine when it has
 * it already. 0, REFUSED, or negative errno, logged. */
int overlay_join(const struct overlay_table *table, const char *network, const char *endpoint, unsigned number,
                 const struct prefix *address, struct reason *reason);
/* Takes an endpoint out of all networks. */
void overlay_leave(const struct overlay_table *table, const char *endpoint);
/* The networks and their peers, as JSON array; NULL when memory is out. */
cJSON *overlay_list(const struct overlay_table *table);
/* The address of the bridge in a subnet, the first: the containers' gateway. */
struct prefix overlay_gateway(const struct prefix *subnet);
