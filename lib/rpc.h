#pragma once

/* JSON-RPC 2.0 (jsonrpc.org/specification) over Unix sockets, one object a line. This file is the protocol alone and
 * owns no descriptor: zinit serves it from its own loop, the daemons through rpc_server, everyone calls with rpc_call.
 */

#include "lib/json.h"

#define RPC_LINE_BYTES_MAX (1024 * 1024)

/* Codes of the specification, §5.1; each program's own are from -32000 down. */
enum {
    RPC_PARSE_ERROR = -32700,
    RPC_INVALID_REQUEST = -32600,
    RPC_METHOD_NOT_FOUND = -32601,
    RPC_INVALID_PARAMS = -32602,
    RPC_INTERNAL_ERROR = -32603,
    RPC_REFUSED = -32000,
    RPC_NOT_YET = -32010, /* can't be told yet, the daemon has just begun: ask again soon */
};

struct rpc_error {
    int code; /* 0: no error */
    char message[128];
    char data[512]; /* "" : left out */
};

/* One method. `rules` (NULL: none taken) are those of its named parameters; positional ones are matched to them in
 * order. An optional one that is null counts as left out. */
struct rpc_method {
    const char *name;
    const struct json_rule *rules;
    /* Fills *ret_result (NULL stands for null) or *ret_error. Runs to its end: no method may block. */
    void (*call)(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error);
};

/* Answers one request or batch. *ret_reply is a line without its newline, the caller's, free(); NULL when nothing is to
 * be answered (notifications) or memory is out. `methods` ends with a NULL name. */
void rpc_dispatch(const struct rpc_method *methods, void *context, const char *line, size_t size, char **ret_reply);

/* Calls one method of the table as a request for it would: for another protocol over the same methods. `params` (may be
 * NULL) stays the caller's. *ret_result (NULL stands for null) is the caller's; ret_error->code, zero before, tells
 * whether it failed. */
void rpc_invoke(const struct rpc_method *methods, void *context, const char *name, const cJSON *params,
                cJSON **ret_result, struct rpc_error *ret_error);

void rpc_error_set(struct rpc_error *ret_error, int code, const char *message, const char *data);

/* Calls a method and waits for its answer, at most timeout_ms. `params` (may be NULL) stays the caller's. 0 and
 * *ret_result (the caller's, cJSON_Delete; a null result is a cJSON null); REFUSED when nobody answers there or the
 * answer is an error: the reason says which. `ret_code` (may be NULL) gets the error's code, or 0. */
int rpc_call(const char *socket_path, const char *method, const cJSON *params, int timeout_ms, cJSON **ret_result,
             int *ret_code, struct reason *reason);
