#pragma once

/* rpc.discover: what there is to call, as an OpenRPC document. */

#include "lib/rpc.h"

/* The method: gives zinit/openrpc.json. */
void discover_call(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error);
