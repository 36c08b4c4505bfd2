/* Connections are accepted here, and each is a shard's (shard.h) from then on, whose libmicrohttpd calls back. All of
 * it happens on the loop's thread.
 *
 * libmicrohttpd doesn't look at a connection while its request waits: whether the client is still there, an epoll set
 * of the server's own says. Else those that are gone would keep their places until their waits are over, and when a
 * network comes back and all nodes with it there would be no room for them. */

#include "contrib/directory/server.h"

#include "contrib/directory/listen.h"
#include "contrib/directory/request.h"
#include "contrib/directory/shard.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXPIRE_MS 1000
#define FILES_RESERVED 64                       /* descriptors that aren't connections */
#define DRAIN_BYTES_MAX (1024UL * 1024)         /* of a body that is too large, before the connection is cut */
#define PLAIN_BYTES (10UL * 1024)               /* what a connection costs at most while it is idle or waits */
#define TLS_BYTES (64UL * 1024)                 /* and with TLS: a GnuTLS session and its buffers */
#define CLOSING 64                              /* connections that are cut off and not yet closed */
#define ACCEPT_MAX 64                           /* in one turn of the loop */
#define HANGUPS_MAX 64                          /* likewise */
#define ANSWER_BYTES_MIN (8UL * 1024)           /* what PLAIN_BYTES has no room for */
#define ANSWERS_BYTES_MAX (128UL * 1024 * 1024) /* of such answers; eight bundles of the largest entries */
#define SLOW_MS 5000                            /* whoever takes longer goes first when they are too many */
#define DISPLACED_MS 10000                      /* likewise a long wait when all places are taken */
#define DISPLACED_PART 16                       /* of all places, in a second */

struct server {
    struct server_options options;
    struct connections connections;
    uv_loop_t *loop;
    struct shard **shards; /* at least one */
    size_t shards_count;
    int listening; /* -1: no more */
    int waiting;   /* the epoll set of those whose requests wait long */
    uv_poll_t door, hangups;
    uv_timer_t expire;
    int handles_open;
    struct ring waiters;  /* requests that wait long, the oldest first */
    size_t answers_bytes; /* of large answers that weren't taken yet */
    bool stopping, full;  /* full: nobody is accepted until a connection ends */
    char address[96];
};

static void open_door(struct server *server);

/* ---- Connections */

/* NULL: there was no memory for it, and it is being closed. */
static struct connection *connection_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void enter(struct server *server, struct MHD_Connection *connection, enum connection_phase phase)
{
    struct connection *entering = connection_of(connection);

    if (entering)
        connections_enter(&server->connections, entering, phase, uv_now(server->loop));
}

/* It asks for the first time, or has ended without. */
static void count_asked(struct shard *shard, struct connection *connection)
{
    if (connection && !connection->asked)
        shard->silent--;
    if (connection)
        connection->asked = true;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    struct shard *shard = context;
    struct server *server = shard->server;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        count_asked(shard, *state);
        if (*state)
            connections_remove(&server->connections, *state);
        *state = NULL;
        shard->connections--;
        if (server->full)
            open_door(server);
        return;
    }
    shard->connections++;
    shard->silent++;
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    *state = connections_add(&server->connections, fd, peer, uv_now(server->loop));
    if (!*state) {
        shard->silent--;
        shutdown(fd, SHUT_RDWR);
    }
}

/* In the place of a request's state until it begins with its headers: its address has a %00, behind which
 * libmicrohttpd's strings would end. */
static char has_nul;

/* The first line is there. */
static void *on_first_line(void *context, const char *uri, struct MHD_Connection *connection)
{
    struct shard *shard = context;

    count_asked(shard, connection_of(connection));
    enter(shard->server, connection, CONNECTION_RECEIVING);
    return strstr(uri, "%00") ? &has_nul : NULL;
}

struct forwarded {
    char text[1024];
    size_t used;
};

/* Several headers are one list (RFC 9110 §5.3). What is too long is cut on the left, where the client writes. */
static enum MHD_Result on_forwarded(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct forwarded *forwarded = context;
    size_t length = value ? strlen(value) : 0;

    if (strcasecmp(name, "X-Forwarded-For") != 0)
        return MHD_YES;
    if (length > sizeof forwarded->text - 2) {
        value += length - (sizeof forwarded->text - 2);
        length = sizeof forwarded->text - 2;
    }
    if (forwarded->used + length + 2 > sizeof forwarded->text)
        forwarded->used = 0;
    forwarded->text[forwarded->used++] = ',';
    memcpy(forwarded->text + forwarded->used, value ?: "", length);
    forwarded->used += length;
    forwarded->text[forwarded->used] = '\0';
    return MHD_YES;
}

static struct address client_of(const struct server *server, struct MHD_Connection *connection)
{
    const struct connection *peer = connection_of(connection);
    struct forwarded forwarded = { "", 0 };

    if (!peer)
        return (struct address){ 0 };
    if (server->options.proxies.count)
        MHD_get_connection_values(connection, MHD_HEADER_KIND, on_forwarded, &forwarded);
    return address_client(&peer->peer, forwarded.text, &server->options.proxies);
}

/* ---- Requests */

static bool announces_too_much(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

    return length && strtoull(length, NULL, 10) > REQUEST_BODY_MAX;
}

static enum MHD_Result send_answer(struct request *request)
{
    request_count(request, request->answer_size); /* it may be gzip by now */
    request->last = request->server->stopping;
    enter(request->server, request->connection, CONNECTION_SENDING);
    return request_send(request);
}

static enum MHD_Result begin_request(struct shard *shard, struct MHD_Connection *connection, const char *path,
                                     const char *method, void **ret_request)
{
    struct request *request = calloc(1, sizeof *request);

    if (!request)
        return MHD_NO;
    request->has_nul = *ret_request == &has_nul;
    request->server = shard->server;
    request->shard = shard;
    request->connection = connection;
    request->path = path;
    request->method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    request->client = client_of(shard->server, connection);
    request->began_ns = uv_hrtime();
    ring_init(&request->waiters);
    *ret_request = request;
    if (!announces_too_much(connection))
        return MHD_YES;
    request->too_large = true;
    request_problem(request, 413, "the body must have at most %d bytes", REQUEST_BODY_MAX);
    return send_answer(request); /* before the body is read; the connection ends with it */
}

/* Keeps what fits, and counts what doesn't until it is too much even to be thrown away. */
static enum MHD_Result take_body(struct request *request, const char *bytes, size_t *size)
{
    size_t taken = *size;

    *size = 0;
    if (request->body_size + taken > REQUEST_BODY_MAX) {
        request->too_large = true;
        request->body_size += taken;
        return request->body_size <= DRAIN_BYTES_MAX ? MHD_YES : MHD_NO;
    }
    if (request->body_size + taken + 1 > request->room) {
        size_t room = 2 * request->room + taken + 1;
        char *body = realloc(request->body, room);
        if (!body)
            return MHD_NO;
        request->body = body;
        request->room = room;
    }
    memcpy(request->body + request->body_size, bytes, taken);
    request->body_size += taken;
    request->body[request->body_size] = '\0';
    return MHD_YES;
}

static enum MHD_Result on_access(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                                 const char *version, const char *upload, size_t *upload_size, void **state)
{
    struct shard *shard = context;
    const struct server *server = shard->server;
    struct request *request = *state;

    if (!request || *state == &has_nul)
        return begin_request(shard, connection, path, method, state);
    if (*upload_size)
        return take_body(request, upload, upload_size);
    if (!request->dispatched) {
        request->dispatched = true;
        enter(shard->server, connection, CONNECTION_WORKING);
        if (request->too_large)
            request_problem(request, 413, "the body must have at most %d bytes", REQUEST_BODY_MAX);
        else if (request->has_nul)
            request_problem(request, 400, "the address must not contain %%00");
        else
            server->options.on_request(server->options.context, request);
    }
    if (request->waiting)
        return MHD_YES;
    return request->status ? send_answer(request) : MHD_NO;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct server *server = ((struct shard *)context)->server;
    struct request *request = *state;

    enter(server, connection, CONNECTION_QUIET);
    if (!request || *state == &has_nul)
        return;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && server->options.on_done)
        server->options.on_done(server->options.context, request);
    request_count(request, 0);
    free(request->body);
    free(request->answer);
    free(request);
    *state = NULL;
}

bool request_count(struct request *request, size_t size)
{
    struct server *server = request->server;
    size_t counted = size > ANSWER_BYTES_MIN ? size : 0;

    if (!server) /* a test's */
        return true;
    server->answers_bytes -= request->counted;
    request->counted = 0;
    if (counted && server->answers_bytes + counted > ANSWERS_BYTES_MAX) {
        connections_cut_slow(&server->connections, uv_now(server->loop), SLOW_MS);
        return false;
    }
    server->answers_bytes += counted;
    request->counted = counted;
    return true;
}

size_t server_answer_bytes(const struct server *server)
{
    return server->answers_bytes;
}

void request_wait(struct request *request)
{
    request->waiting = true;
    MHD_suspend_connection(request->connection);
}

/* One that can't be watched is found to be gone when its wait is over. */
void request_wait_long(struct request *request, void (*on_hangup)(struct request *request), void *waiter)
{
    const struct connection *connection = connection_of(request->connection);
    struct epoll_event event = { .events = EPOLLRDHUP, .data.ptr = request };

    request->waiter = waiter;
    request->on_hangup = on_hangup;
    request->waits_since_ms = uv_now(request->server->loop);
    ring_add(&request->server->waiters, &request->waiters);
    if (connection)
        epoll_ctl(request->server->waiting, EPOLL_CTL_ADD, connection->fd, &event);
    request_wait(request);
}

static void on_hangups(uv_poll_t *hangups, int status, int events)
{
    const struct server *server = hangups->data;
    struct epoll_event gone[HANGUPS_MAX];
    int count = epoll_wait(server->waiting, gone, HANGUPS_MAX, 0);

    for (int i = 0; i < count; i++) {
        struct request *request = gone[i].data.ptr;
        request->on_hangup(request);
    }
}

void request_resume(struct request *request)
{
    const struct connection *connection = connection_of(request->connection);

    if (request->on_hangup && connection)
        epoll_ctl(request->server->waiting, EPOLL_CTL_DEL, connection->fd, NULL);
    request->on_hangup = NULL;
    ring_remove(&request->waiters);
    request->waiting = false;
    MHD_resume_connection(request->connection);
    shard_wake(request->shard);
}

/* ---- The door */

/* The one with the fewest, or a new one when all have as many as they should. NULL: it can't be. */
static struct shard *choose_shard(struct server *server)
{
    static const struct shard_callbacks callbacks = { on_access, on_completed, on_connection, on_first_line };
    struct shard *least = NULL, *added, **shards;

    for (size_t i = 0; i < server->shards_count; i++) {
        if (!least || server->shards[i]->connections < least->connections)
            least = server->shards[i];
    }
    if (least && least->connections < SHARD_CONNECTIONS)
        return least;
    shards = realloc(server->shards, (server->shards_count + 1) * sizeof *shards);
    if (!shards)
        return least;
    server->shards = shards;
    added = shard_new(server, server->loop, &callbacks, server->options.tls);
    if (!added)
        return least;
    return shards[server->shards_count++] = added;
}

static void close_door(struct server *server)
{
    server->full = true;
    uv_poll_stop(&server->door);
}

/* Those that wait in the kernel's queue are left there while there are too many, or no descriptor is free. */
static void on_knock(uv_poll_t *door, int status, int events)
{
    struct server *server = door->data;
    struct sockaddr_storage peer;

    for (unsigned i = 0; i < ACCEPT_MAX; i++) {
        socklen_t size = sizeof peer;
        if (connections_count(&server->connections) >= server->connections.max + CLOSING) {
            close_door(server);
            return;
        }
        int fd = accept4(server->listening, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            shard_take(choose_shard(server), fd, (struct sockaddr *)&peer, size);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
            close_door(server);
        if (fd < 0)
            return;
    }
}

static void open_door(struct server *server)
{
    server->full = false;
    if (server->listening >= 0)
        uv_poll_start(&server->door, UV_READABLE, on_knock);
}

/* All places are taken: those that have waited longest for news come again, as if they had hung up. */
static void displace_waiters(struct server *server)
{
    size_t most = server->connections.max / DISPLACED_PART + CLOSING;

    for (struct ring *first; most > 0 && (first = server->waiters.next) != &server->waiters; most--) {
        struct request *request = ring_owner(first, struct request, waiters);
        if (uv_now(server->loop) - request->waits_since_ms < DISPLACED_MS)
            return;
        server->connections.displaced++;
        request->on_hangup(request);
    }
}

static void on_expire(uv_timer_t *timer)
{
    struct server *server = timer->data;

    connections_expire(&server->connections, uv_now(server->loop));
    if (server->connections.max && connections_count(&server->connections) > server->connections.max)
        displace_waiters(server);
    if (server->full)
        open_door(server);
}

/* ---- Beginning and end */

static size_t files_max(void)
{
    struct rlimit limit = { .rlim_cur = 1024 };

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = { limit.rlim_max, limit.rlim_max };
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur > 2 * FILES_RESERVED ? limit.rlim_cur - FILES_RESERVED : FILES_RESERVED;
}

static size_t connections_max(const struct server_options *options)
{
    size_t descriptors = files_max() - CLOSING / 2;
    size_t files = descriptors - SHARD_FILES * (descriptors / SHARD_CONNECTIONS);
    size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 2;
    size_t most = options->connections_max ?: memory / (options->tls ? TLS_BYTES : PLAIN_BYTES);

    return most < files ? most : files;
}

static void on_closed(uv_handle_t *handle)
{
    struct server *server = handle->data;

    if (--server->handles_open > 0)
        return;
    close(server->waiting);
    free(server->shards);
    free(server);
}

static void start_handles(struct server *server)
{
    uv_timer_init(server->loop, &server->expire);
    uv_poll_init(server->loop, &server->door, server->listening);
    uv_poll_init(server->loop, &server->hangups, server->waiting);
    server->handles_open = 3;
    server->expire.data = server->door.data = server->hangups.data = server;
    uv_poll_start(&server->hangups, UV_READABLE, on_hangups);
    uv_timer_start(&server->expire, on_expire, EXPIRE_MS, EXPIRE_MS);
    open_door(server);
}

int server_open(uv_loop_t *loop, const struct server_options *options, struct server **ret_server,
                struct reason *reason)
{
    struct server *server = calloc(1, sizeof *server);
    char name[80];
    int error;

    if (!server)
        return -ENOMEM;
    server->options = *options;
    server->loop = loop;
    ring_init(&server->waiters);
    server->listening = -1;
    connections_init(&server->connections, connections_max(options));
    error = listen_open(options->listen, &server->listening, reason);
    server->waiting = epoll_create1(EPOLL_CLOEXEC);
    if (!error && server->waiting < 0)
        error = log_fail(-errno, "epoll_create1");
    if (!error && !choose_shard(server)) /* so that there is one, whatever comes */
        error = -EIO;
    if (error) {
        if (server->listening >= 0)
            close(server->listening);
        if (server->waiting >= 0)
            close(server->waiting);
        free(server->shards);
        free(server);
        return error;
    }
    listen_name(server->listening, name, sizeof name);
    snprintf(server->address, sizeof server->address, "%s://%s", options->tls ? "https" : "http", name);
    start_handles(server);
    *ret_server = server;
    return 0;
}

const char *server_address(const struct server *server)
{
    return server->address;
}

const struct connections *server_connections(const struct server *server)
{
    return &server->connections;
}

void server_quiesce(struct server *server)
{
    uv_poll_stop(&server->door);
    if (server->listening >= 0)
        close(server->listening);
    server->listening = -1;
    server->stopping = true;
    connections_hush(&server->connections);
}

bool server_is_idle(const struct server *server)
{
    return connections_count(&server->connections) == server->connections.counts[CONNECTION_QUIET];
}

void server_close(struct server *server)
{
    if (!server)
        return;
    server_quiesce(server);
    for (size_t i = 0; i < server->shards_count; i++)
        shard_free(server->shards[i]);
    uv_close((uv_handle_t *)&server->door, on_closed);
    uv_close((uv_handle_t *)&server->hangups, on_closed);
    uv_close((uv_handle_t *)&server->expire, on_closed);
}
