#pragma once

/* zinit's JSON-RPC methods, by zinit's names and error codes. Their context is the struct supervisor. */

#include "lib/rpc.h"

struct service;
struct supervisor;

/* zinit's own codes. */
enum {
    API_UNKNOWN = -32000,
    API_MONITORED = -32001,
    API_UP = -32002,
    API_DOWN = -32003,
    API_BAD_SIGNAL = -32004,
    API_CONFIG = -32005,
    API_SHUTTING_DOWN = -32006,
    API_EXISTS = -32007,
    API_FILE = -32008,
    /* beyond zinit's */
    API_NO_KERNEL = -32009,
};

extern const struct rpc_method API_METHODS[];

/* Sets an error whose data is `format` with `name` in the place of its one %s. */
void api_fail(struct rpc_error *error, int code, const char *message, const char *format, const char *name);
/* The service that the request names; NULL, and the error set, when there is none. */
struct service *api_find(struct supervisor *supervisor, const cJSON *params, struct rpc_error *error);
