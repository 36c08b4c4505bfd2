#pragma once

/* netd's JSON-RPC methods; README.md has them in prose. Their context is a struct netd. */

#include "lib/rpc.h"

extern const struct rpc_method API_METHODS[];
