#pragma once

/* provisiond's JSON-RPC methods; the context of them is the struct node.
 *
 *   status {} → {node_id, farm, registered, directory: {url, reachable, step, detail}, clock_set, heartbeat_age_s,
 *                contracts: [{id, state, message}], missing: [text …]}
 *
 * `missing` says, for the console, what keeps the node from working, in words; empty when all is well. */

#include "lib/rpc.h"

extern const struct rpc_method API_METHODS[];
