#pragma once

/* zinit's socket, root's only: mode 0600, and peers of another uid are turned away. What a client does, or leaves
 * undone, costs bounded memory and nobody else's time: beside the bounds of each (session.h) all buffers together have
 * one, and when there are too many clients the one that was silent for longest gives way. */

#include "zinit/supervisor.h"

#include "lib/rpc.h"

#define SERVER_CLIENTS_MAX 2048
#define SERVER_HELD_BYTES_MAX (8 * 1024 * 1024) /* in the buffers of all clients together */

struct session;

struct server {
    struct supervisor *supervisor;
    const struct rpc_method *methods;
    const char *path;
    struct loop_source listener;
    struct loop_timer again; /* when descriptors are out */
    struct session *sessions;
    size_t sessions_count, sessions_max;
    size_t held_bytes;
    uint64_t told_ms; /* when somebody was last turned away with a warning */
    int spare_fd;     /* given up to turn a client away when descriptors are out */
};

/* Takes the socket's path over from a zinit that is gone; one that still answers there keeps it (-EADDRINUSE). `path`
 * stays the caller's. 0, or negative errno, logged. */
int server_open(struct server *server, const char *path, const struct rpc_method *methods,
                struct supervisor *supervisor);
void server_close(struct server *server);

/* Makes sure that `session` may hold `more` bytes: while that is too much, who holds most goes. False when that is the
 * session itself: it is to be ended. */
bool server_make_room(struct server *server, const struct session *session, size_t more);
