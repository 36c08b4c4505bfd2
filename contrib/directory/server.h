#pragma once

/* HTTP: libmicrohttpd driven by the loop (its epoll descriptors are polled by libuv), so that a request that waits
 * costs memory only, no thread. Everything from outside is bounded here: the size of requests, time, connections. */

#include "contrib/directory/address.h"
#include "contrib/directory/connection.h"
#include "contrib/directory/ring.h"
#include "contrib/directory/tls.h"

#include "lib/json.h"

#include <uv.h>

#define REQUEST_BODY_MAX 65535 /* what an envelope may have */
#define REQUEST_PARAMETERS_MAX 16

enum parameter_kind { PARAMETER_INTEGER, PARAMETER_TEXT };

/* A query parameter that a route takes; a table ends with a NULL name. */
struct parameter {
    const char *name;
    enum parameter_kind kind;
    int64_t min, max; /* value; texts: bytes */
};

struct parameter_value {
    bool given;
    int64_t integer;
    const char *text;
};

struct request {
    const char *method, *path; /* HEAD comes as GET */
    char argument[128];        /* what stood for {} in the route */
    char *body;                /* NUL-terminated behind its size */
    size_t body_size;
    struct parameter_value values[REQUEST_PARAMETERS_MAX]; /* as the route's table has them */
    struct address client;                                 /* whom the limits hold against */
    uint64_t began_ns;                                     /* uv_hrtime, when its headers were there */
    size_t route;                                          /* on_request's own: for on_done */

    /* The answer, set once by one of the functions below. */
    int status; /* 0: not answered */
    const char *content_type;
    char *answer;
    size_t answer_size;
    const char *cache_control; /* static; NULL: no-store */
    bool tagged;               /* the answer gets an ETag of its bytes; If-None-Match is honoured */
    bool varies;               /* by Accept-Encoding */
    bool gzipped;              /* `answer` is gzip: request_gzip sets it */
    const char *allow;         /* static, for 405 */
    const char *security;      /* Content-Security-Policy; static or NULL */
    unsigned retry_after_s;

    void *waiter;                               /* on_hangup's own */
    void (*on_hangup)(struct request *request); /* while it waits, see request_wait_long */

    /* server.c's */
    struct server *server;
    struct shard *shard;
    void *connection;
    struct ring waiters; /* those that wait long, in the order in which they began; else alone */
    uint64_t waits_since_ms;
    size_t counted;                                     /* bytes of its answer, among the server's */
    bool too_large, has_nul, dispatched, waiting, last; /* last: the connection ends with it */
    size_t room;
};

struct server_options {
    const char *listen; /* "ADDRESS:PORT", "[v6]:PORT"; port 0: one that is free */
    /* Called on the loop with a whole request: it answers now, or calls request_wait and answers later. */
    void (*on_request)(void *context, struct request *request);
    void *context;

    /* The rest may be zero. */
    void (*on_done)(void *context, const struct request *request); /* the answer was sent */
    struct tls *tls;                                               /* NULL: HTTP without it */
    struct address_proxies proxies;
    size_t connections_max; /* 0: as open files and half of the memory allow */
};

struct server;

/* Begins to listen; nothing is served before the loop runs. 0, REFUSED, or negative errno, logged. */
int server_open(uv_loop_t *loop, const struct server_options *options, struct server **ret_server,
                struct reason *reason);
/* "http://127.0.0.1:8080" */
const char *server_address(const struct server *server);
const struct connections *server_connections(const struct server *server);
/* Bytes of larger answers that clients haven't taken yet. */
size_t server_answer_bytes(const struct server *server);
/* Takes no more connections; those that have a request still get their answer, which is their last. */
void server_quiesce(struct server *server);
/* After that: nobody has a request any more. */
bool server_is_idle(const struct server *server);
/* Every waiting request must have been answered. */
void server_close(struct server *server);

/* Reads the query by the route's table into `values`. false: it isn't by the table, and the request is answered with
 * 400. */
bool request_read_query(struct request *request, const struct parameter *table);

/* The answers. A value is taken over and freed; NULL stands for memory that is out: 503. Bytes are taken over as well.
 * A large answer becomes 503 while too much of such waits to be taken by clients. */
void request_answer_json(struct request *request, int status, cJSON *value);
void request_answer_bytes(struct request *request, const char *content_type, void *bytes, size_t size);
void request_answer(struct request *request, int status, const char *content_type, void *bytes, size_t size);
/* Whether the client takes gzip (Accept-Encoding). Such an answer varies by it. */
bool request_takes_gzip(const struct request *request);
/* Compresses the answer; may run on another thread while the request waits. It stays as it is when memory is out. */
void request_gzip(struct request *request);
/* RFC 9457; the title is the status's own phrase. */
__attribute__((format(printf, 3, 4))) void request_problem(struct request *request, int status, const char *detail,
                                                           ...);

/* The request will be answered later, on the loop: answer, then request_resume. Without an answer that ends the
 * connection. */
void request_wait(struct request *request);
/* The same for what may take long: `on_hangup` is called, on the loop, when the client sends no more: it is gone; or
 * when its place is needed. It has to resume the request. */
void request_wait_long(struct request *request, void (*on_hangup)(struct request *request), void *waiter);
void request_resume(struct request *request);
