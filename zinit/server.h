#pragma once

/* zinit's JSON-RPC socket: lib/rpc's protocol on zinit's own loop. Root's only: mode 0600, and peers of another uid are
 * turned away. A client that sends half a line, never reads, or sends garbage costs bounded memory and nobody else's
 * time. */

#include "zinit/supervisor.h"

#include "lib/rpc.h"

#define SERVER_CLIENTS_MAX 2048

struct server {
    struct supervisor *supervisor;
    const struct rpc_method *methods;
    const char *path;
    struct loop_source listener;
    struct loop_timer again; /* when descriptors are out */
    struct server_client *clients;
    size_t clients_count, clients_max;
    int spare_fd; /* given up to turn a client away when descriptors are out */
};

/* `path` stays the caller's. 0, or negative errno, logged. */
int server_open(struct server *server, const char *path, const struct rpc_method *methods,
                struct supervisor *supervisor);
void server_close(struct server *server);
