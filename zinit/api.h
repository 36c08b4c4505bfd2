#pragma once

/* zinit's JSON-RPC methods, by zinit's names and error codes. Their context is the struct supervisor. */

#include "lib/rpc.h"

extern const struct rpc_method API_METHODS[];
