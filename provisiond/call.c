/* One place where sockets are named. */

#include "provisiond/call.h"

#include "lib/daemon.h"

cJSON *call_name(const char *name)
{
    cJSON *params = cJSON_CreateObject();

    cJSON_AddStringToObject(params, "name", name);
    return params;
}

int call(const char *daemon, const char *method, cJSON *params, int timeout_ms, cJSON **ret_result, int *ret_code,
         struct reason *reason)
{
    char path[DAEMON_PATH_BYTES], who[128];
    cJSON *result = NULL;
    int code = 0, r;

    daemon_socket_path(daemon, path);
    r = rpc_call(path, method, params, timeout_ms, &result, &code, reason);
    cJSON_Delete(params);
    if (ret_code)
        *ret_code = code;
    if (r != 0) {
        snprintf(who, sizeof who, "%s: %s", daemon, method);
        if (r < 0)
            reason_refuse(reason, NULL, "out of memory");
        reason_prefix(reason, who);
        return r == REFUSED && (code == 0 || code == RPC_NOT_YET) ? CALL_AWAY : REFUSED;
    }
    if (ret_result)
        *ret_result = result;
    else
        cJSON_Delete(result);
    return 0;
}
