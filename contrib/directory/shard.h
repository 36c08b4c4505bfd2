#pragma once

/* Some of a server's connections, with a libmicrohttpd daemon of their own. When one connection is resumed, its daemon
 * goes through all that it has suspended (daemon.c, resume_suspended_connections): with 20,000 of them in one daemon
 * that took a third of a millisecond for every answer. So a daemon gets no more than SHARD_CONNECTIONS where that can
 * be, and takes its turn only when it has something to do. */

#include "contrib/directory/tls.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <uv.h>

#define SHARD_CONNECTIONS 256UL
#define SHARD_FILES 2 /* descriptors of a shard: epoll, and the eventfd by which it wakes itself */

struct shard {
    struct MHD_Daemon *daemon;
    struct server *server; /* whose it is */
    size_t connections;    /* open ones; server.c counts them */
    size_t silent;         /* of these, such as haven't asked for anything yet; likewise */
    bool tls;
    uv_poll_t poll;
    uv_timer_t timer;
    int handles_open;
};

/* What libmicrohttpd calls, with the shard as context. */
struct shard_callbacks {
    MHD_AccessHandlerCallback on_access;
    MHD_RequestCompletedCallback on_completed;
    MHD_NotifyConnectionCallback on_connection;
    void *(*on_first_line)(void *context, const char *uri, struct MHD_Connection *connection);
};

/* A shard without connections. `tls` may be NULL. NULL: it can't be, logged. */
struct shard *shard_new(struct server *server, uv_loop_t *loop, const struct shard_callbacks *callbacks,
                        struct tls *tls);
/* Takes over a socket that was accepted, and begins with it. It is closed when that can't be. */
void shard_take(struct shard *shard, int fd, const struct sockaddr *peer, socklen_t peer_size);
/* A turn as soon as the loop comes round: a connection was resumed. */
void shard_wake(struct shard *shard);
/* Sends what was just answered, ends all connections, none of which may be suspended, and frees the shard, on the loop.
 */
void shard_free(struct shard *shard);
