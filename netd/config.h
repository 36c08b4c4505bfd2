#pragma once

/* netd's part of the node's settings, {"static":[{"mac","address","gateway","dns"[]}]}: links whose address is given
 * rather than leased. README.md has the format. */

#include "lib/json.h"
#include "netd/lease.h"
#include "netd/link.h"

#define CONFIG_STATICS_MAX 16

struct config_static {
    uint8_t mac[6];
    struct prefix address; /* with the length of its network */
    struct prefix gateway; /* family 0: none */
    struct prefix dns[LEASE_DNS_MAX];
    size_t dns_count;
};

struct config {
    struct config_static statics[CONFIG_STATICS_MAX];
    size_t statics_count;
};

/* Pure. `network` NULL: nothing given. 0, or REFUSED; then the config is empty. */
int config_parse(const cJSON *network, struct config *ret_config, struct reason *reason);
/* What is given for a link; NULL: lease it. */
const struct config_static *config_for(const struct config *config, const struct link *link);
