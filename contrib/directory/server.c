/* libmicrohttpd in its external epoll mode: MHD_run is called when its epoll descriptor is readable, when its time-out
 * has come, or after a request was resumed. All of it happens on the loop's thread. */

#include "contrib/directory/server.h"

#include "contrib/directory/listen.h"
#include "contrib/directory/request.h"

#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define STALL_S 30 /* a client that neither sends nor takes; connection.c bounds the rest */
#define EXPIRE_MS 1000
#define CONNECTION_MEMORY (16 * 1024)   /* of one request's line and headers, and the answer's */
#define FILES_RESERVED 64               /* descriptors that aren't connections */
#define DRAIN_BYTES_MAX (1024UL * 1024) /* of a body that is too large, before the connection is cut */
#define PLAIN_BYTES (20UL * 1024)       /* what a connection costs at most while it is idle */
#define TLS_BYTES (64UL * 1024)         /* and with TLS: a GnuTLS session and its buffers */
#define CLOSING 64                      /* connections that are cut off and not yet closed */

struct server {
    struct MHD_Daemon *daemon;
    struct server_options options;
    struct connections connections;
    uv_loop_t *loop;
    uv_poll_t poll;
    uv_timer_t timer, expire;
    int handles_open;
    bool stopping;
    char address[96];
};

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

static void on_connection(void *context, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    struct server *server = context;

    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*state)
            connections_remove(&server->connections, *state);
        *state = NULL;
        return;
    }
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *peer = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    *state = connections_add(&server->connections, fd, peer, uv_now(server->loop));
    if (!*state)
        shutdown(fd, SHUT_RDWR);
}

/* The first line is there. What is returned would be the request's state: it begins with its headers. */
static void *on_first_line(void *context, const char *uri, struct MHD_Connection *connection)
{
    enter(context, connection, CONNECTION_RECEIVING);
    return NULL;
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
    request->last = request->server->stopping;
    enter(request->server, request->connection, CONNECTION_SENDING);
    return request_send(request);
}

static enum MHD_Result begin_request(struct server *server, struct MHD_Connection *connection, const char *path,
                                     const char *method, void **ret_request)
{
    struct request *request = calloc(1, sizeof *request);

    if (!request)
        return MHD_NO;
    request->server = server;
    request->connection = connection;
    request->path = path;
    request->method = strcmp(method, "HEAD") == 0 ? "GET" : method;
    request->client = client_of(server, connection);
    request->began_ns = uv_hrtime();
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
    struct server *server = context;
    struct request *request = *state;

    if (!request)
        return begin_request(server, connection, path, method, state);
    if (*upload_size)
        return take_body(request, upload, upload_size);
    if (!request->dispatched) {
        request->dispatched = true;
        enter(server, connection, CONNECTION_WORKING);
        if (request->too_large)
            request_problem(request, 413, "the body must have at most %d bytes", REQUEST_BODY_MAX);
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
    struct server *server = context;
    struct request *request = *state;

    enter(server, connection, CONNECTION_QUIET);
    if (!request)
        return;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK && server->options.on_done)
        server->options.on_done(server->options.context, request);
    free(request->body);
    free(request->answer);
    free(request);
    *state = NULL;
}

void request_wait(struct request *request)
{
    request->waiting = true;
    MHD_suspend_connection(request->connection);
}

static void on_timer(uv_timer_t *timer);

void request_resume(struct request *request)
{
    request->waiting = false;
    MHD_resume_connection(request->connection);
    uv_timer_start(&request->server->timer, on_timer, 0, 0);
}

/* ---- The loop */

static void take_turn(struct server *server)
{
    MHD_UNSIGNED_LONG_LONG wait_ms;

    MHD_run(server->daemon);
    if (MHD_get_timeout(server->daemon, &wait_ms) == MHD_YES)
        uv_timer_start(&server->timer, on_timer, wait_ms, 0);
    else
        uv_timer_stop(&server->timer);
}

static void on_timer(uv_timer_t *timer)
{
    take_turn(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    take_turn(poll->data);
}

static void on_expire(uv_timer_t *timer)
{
    struct server *server = timer->data;

    connections_expire(&server->connections, uv_now(server->loop));
}

static void on_daemon_log(void *context, const char *format, va_list arguments)
{
    const struct server *server = context;
    char text[512];

    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    if (server->daemon)
        log_debug("http: %s", text);
    else
        log_warning("http: %s", text); /* why it doesn't start */
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
    size_t files = files_max() - CLOSING / 2;
    size_t memory = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 2;
    size_t most = options->connections_max ?: memory / (options->tls ? TLS_BYTES : PLAIN_BYTES);

    return most < files ? most : files;
}

static int start_daemon(struct server *server, int fd)
{
    struct tls *tls = server->options.tls;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0U);
    const struct MHD_OptionItem tls_options[] = {
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
        { MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_retrieve },
        { MHD_OPTION_END, 0, NULL },
    };

    server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER,
                                      on_daemon_log, server, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
                                      on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection, server,
                                      MHD_OPTION_URI_LOG_CALLBACK, on_first_line, server, MHD_OPTION_CONNECTION_LIMIT,
                                      (unsigned)(server->connections.max + CLOSING), MHD_OPTION_CONNECTION_TIMEOUT,
                                      (unsigned)STALL_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                                      MHD_OPTION_ARRAY, tls ? tls_options : tls_options + 2, MHD_OPTION_END);
    if (!server->daemon) {
        close(fd);
        return log_fail(-EIO, "libmicrohttpd doesn't start");
    }
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct server *server = handle->data;

    if (--server->handles_open == 0)
        free(server);
}

static void start_handles(struct server *server)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);

    uv_timer_init(server->loop, &server->timer);
    uv_timer_init(server->loop, &server->expire);
    uv_poll_init(server->loop, &server->poll, info->epoll_fd);
    server->handles_open = 3;
    server->timer.data = server->expire.data = server->poll.data = server;
    uv_poll_start(&server->poll, UV_READABLE, on_readable);
    uv_timer_start(&server->expire, on_expire, EXPIRE_MS, EXPIRE_MS);
}

int server_open(uv_loop_t *loop, const struct server_options *options, struct server **ret_server,
                struct reason *reason)
{
    struct server *server = calloc(1, sizeof *server);
    char name[80];
    int fd = -1, error;

    if (!server)
        return -ENOMEM;
    server->options = *options;
    server->loop = loop;
    connections_init(&server->connections, connections_max(options));
    error = listen_open(options->listen, &fd, reason);
    if (!error) {
        listen_name(fd, name, sizeof name);
        snprintf(server->address, sizeof server->address, "%s://%s", options->tls ? "https" : "http", name);
        error = start_daemon(server, fd);
    }
    if (error) {
        free(server);
        return error;
    }
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
    int fd = MHD_quiesce_daemon(server->daemon);

    if (fd >= 0)
        close(fd);
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
    MHD_run(server->daemon); /* what was just answered is sent */
    uv_poll_stop(&server->poll);
    uv_close((uv_handle_t *)&server->poll, on_closed);
    uv_close((uv_handle_t *)&server->timer, on_closed);
    uv_close((uv_handle_t *)&server->expire, on_closed);
    MHD_stop_daemon(server->daemon);
}
