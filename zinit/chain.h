#pragma once

/* The way from the node to its directory, step by step, and the first step that fails. Pure. */

#include <cjson/cJSON.h>
#include <stdbool.h>

enum chain_step {
    CHAIN_LINK,
    CHAIN_LEASE,
    CHAIN_ROUTE,
    CHAIN_DNS,
    CHAIN_TCP,
    CHAIN_TLS,
    CHAIN_DIRECTORY,
    CHAIN_CLOCK,
    CHAIN_STEPS,
};

struct chain {
    enum chain_step done; /* how many steps are known to work: CHAIN_STEPS, all */
    bool failed;          /* the one behind them doesn't; else it isn't known yet */
    char text[600];       /* what failed, and what an operator can do; or what isn't known; "" */
};

/* "link", "lease", "route", "DNS", "TCP", "TLS", "directory", "clock". */
const char *chain_name(enum chain_step step);

/* From netd's and provisiond's `status`, as they came; NULL: that daemon doesn't answer. Of the two netd knows first
 * that the way out is gone; that DNS is missing counts only as long as provisiond doesn't get further without. `ages`:
 * with how long it has failed. */
void chain_find(const cJSON *network, const cJSON *provision, bool ages, struct chain *ret_chain);
