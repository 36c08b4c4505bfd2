#pragma once

/* The methods of /run/storaged.sock; README.md lists them. Their context is a struct state. */

#include "lib/rpc.h"

extern const struct rpc_method API_METHODS[];
