#pragma once

/* One client's conversation over the socket: JSON-RPC or the text protocol, by the first byte that it sends. */

#include "zinit/buffer.h"
#include "zinit/framing.h"
#include "zinit/server.h"

/* Lines of logs beyond this that the client hasn't read are left out, and it is told how many. */
#define SESSION_LINES_BYTES_MAX 65536

struct session {
    struct session *next; /* the server's */
    struct server *server;
    struct loop_source source;
    uint32_t events; /* that are waited for */
    struct buffer in, out;
    struct framing framing;
    uint64_t heard_ms; /* when it last sent something */
    bool ended;        /* it sends no more */
    bool closing;      /* once all is out */
    /* subscribe.c's */
    struct subscription *subscriptions;
    unsigned subscriptions_count, last_id;
};

/* Talks with the client at the other end of `fd`, which it owns from then on, until that is gone. NULL when memory is
 * out. */
struct session *session_new(struct server *server, int fd);
/* Ends it at once, and gives up its place in the server's list. */
void session_free(struct session *session);

/* Whether a line can be said now. */
bool session_has_room(const struct session *session);
/* Says a line of log, unless what wasn't read grows too large. It is sent later, so that this is fine in a log sink. */
bool session_say(struct session *session, const char *bytes, size_t size);
