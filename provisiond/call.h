#pragma once

/* Calls of the other daemons, from jobs of the thread pool: lib/rpc with the socket found by name and the reason
 * prefixed with who was asked what. */

#include "lib/rpc.h"

/* `params` is taken over (NULL is fine) and freed. 0 and *ret_result (the caller's, cJSON_Delete; `ret_result` may be
 * NULL), or REFUSED. `ret_code` (may be NULL) gets the error's code, 0 when nobody answered. */
int call(const char *daemon, const char *method, cJSON *params, int timeout_ms, cJSON **ret_result, int *ret_code,
         struct reason *reason);

/* {"name": name}. */
cJSON *call_name(const char *name);
