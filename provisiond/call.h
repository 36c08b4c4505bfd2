#pragma once

/* Calls of the other daemons, from jobs of the thread pool: lib/rpc with the socket found by name and the reason
 * prefixed with who was asked what. */

#include "lib/rpc.h"

enum { CALL_AWAY = REFUSED + 1 };

/* `params` is taken over (NULL is fine) and freed. 0 and *ret_result (the caller's, cJSON_Delete; `ret_result` may be
 * NULL), REFUSED, or CALL_AWAY when the daemon doesn't answer, or has only just begun (RPC_NOT_YET): it was perhaps
 * killed, and zinit starts it anew. `ret_code` (may be NULL) gets the error's code, 0 when nobody answered. */
int call(const char *daemon, const char *method, cJSON *params, int timeout_ms, cJSON **ret_result, int *ret_code,
         struct reason *reason);

/* {"name": name}. */
cJSON *call_name(const char *name);
