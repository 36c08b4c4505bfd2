/* libmicrohttpd in its external epoll mode: MHD_run is called when its epoll descriptor is readable, when its time-out
 * has come, or after a request was resumed. All of it happens on the loop's thread. */

#include "contrib/directory/server.h"

#include "contrib/directory/request.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define BACKLOG 1024
#define IDLE_S 30                       /* a client that neither sends nor takes */
#define CONNECTION_MEMORY (16 * 1024)   /* of one request's line and headers, and the answer's */
#define FILES_RESERVED 64               /* descriptors that aren't connections */
#define DRAIN_BYTES_MAX (1024UL * 1024) /* of a body that is too large, before the connection is cut */

struct server {
    struct MHD_Daemon *daemon;
    struct server_options options;
    uv_poll_t poll;
    uv_timer_t timer;
    int handles_open;
    char address[96];
};

/* ---- Requests */

static bool announces_too_much(struct MHD_Connection *connection)
{
    const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");

    return length && strtoull(length, NULL, 10) > REQUEST_BODY_MAX;
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
    *ret_request = request;
    if (!announces_too_much(connection))
        return MHD_YES;
    request->too_large = true;
    request_problem(request, 413, "the body must have at most %d bytes", REQUEST_BODY_MAX);
    return request_send(request); /* before the body is read; the connection ends with it */
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
        if (request->too_large)
            request_problem(request, 413, "the body must have at most %d bytes", REQUEST_BODY_MAX);
        else
            server->options.on_request(server->options.context, request);
    }
    if (request->waiting)
        return MHD_YES;
    return request->status ? request_send(request) : MHD_NO;
}

static void on_completed(void *context, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    struct request *request = *state;

    if (!request)
        return;
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

static void on_daemon_log(void *context, const char *format, va_list arguments)
{
    char text[512];

    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_debug("http: %s", text);
}

/* As many connections as there may be open files. */
static unsigned connections_max(void)
{
    struct rlimit limit = { .rlim_cur = 1024 };

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = { limit.rlim_max, limit.rlim_max };
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    if (limit.rlim_cur > 1000000)
        return 1000000;
    return limit.rlim_cur > 2 * FILES_RESERVED ? (unsigned)limit.rlim_cur - FILES_RESERVED : FILES_RESERVED;
}

/* ---- Listening */

static int split_address(const char *listen, char *host, size_t host_size, const char **ret_port, struct reason *reason)
{
    const char *colon = strrchr(listen, ':');
    size_t length = colon ? (size_t)(colon - listen) : 0;
    bool bracketed = length > 2 && listen[0] == '[' && listen[length - 1] == ']';

    if (bracketed) {
        listen++;
        length -= 2;
    }
    if (length < 1 || length >= host_size || (!bracketed && memchr(listen, ':', length)))
        return reason_refuse(reason, "listen", "must be ADDRESS:PORT, as in 127.0.0.1:8080 or [::1]:8080");
    memcpy(host, listen, length);
    host[length] = '\0';
    *ret_port = colon + 1;
    return 0;
}

int server_check_listen(const char *listen, struct reason *reason)
{
    char host[64];
    const char *port = "";
    int error = split_address(listen, host, sizeof host, &port, reason);
    size_t length = error ? 0 : strlen(port);

    if (!error && (length < 1 || length > 5 || strspn(port, "0123456789") != length || atoi(port) > 65535))
        return reason_refuse(reason, "listen", "the port must be a number from 0 to 65535");
    return error;
}

static void write_address(struct server *server, int fd)
{
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    char host[64] = "", port[8] = "";

    if (getsockname(fd, (struct sockaddr *)&bound, &size) == 0)
        getnameinfo((struct sockaddr *)&bound, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(server->address, sizeof server->address, strchr(host, ':') ? "http://[%s]:%s" : "http://%s:%s", host,
             port);
}

static int listen_on(struct server *server, int *ret_fd, struct reason *reason)
{
    const char *port = "", *text = server->options.listen;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *found;
    char host[64];

    if (split_address(text, host, sizeof host, &port, reason))
        return REFUSED;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error)
        return reason_refuse(reason, "listen", "%s: %s", text, gai_strerror(error));
    cleanup_close int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)) == 0 &&
              bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0;
    error = errno;
    freeaddrinfo(found);
    if (!ok)
        return reason_refuse(reason, "listen", "%s: %s", text, strerror(error));
    write_address(server, fd);
    *ret_fd = steal_fd(&fd);
    return 0;
}

static int start_daemon(struct server *server, int fd)
{
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_access, server,
        MHD_OPTION_EXTERNAL_LOGGER, on_daemon_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT, connections_max(), MHD_OPTION_CONNECTION_TIMEOUT,
        (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
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

int server_open(uv_loop_t *loop, const struct server_options *options, struct server **ret_server,
                struct reason *reason)
{
    struct server *server = calloc(1, sizeof *server);
    int fd = -1, error;

    if (!server)
        return -ENOMEM;
    server->options = *options;
    error = listen_on(server, &fd, reason);
    if (!error)
        error = start_daemon(server, fd);
    if (error) {
        free(server);
        return error;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_timer_init(loop, &server->timer);
    uv_poll_init(loop, &server->poll, info->epoll_fd);
    server->handles_open = 2;
    server->timer.data = server->poll.data = server;
    uv_poll_start(&server->poll, UV_READABLE, on_readable);
    *ret_server = server;
    return 0;
}

const char *server_address(const struct server *server)
{
    return server->address;
}

void server_quiesce(struct server *server)
{
    int fd = MHD_quiesce_daemon(server->daemon);

    if (fd >= 0)
        close(fd);
}

void server_close(struct server *server)
{
    if (!server)
        return;
    MHD_run(server->daemon); /* what was just answered is sent */
    uv_poll_stop(&server->poll);
    uv_timer_stop(&server->timer);
    uv_close((uv_handle_t *)&server->poll, on_closed);
    uv_close((uv_handle_t *)&server->timer, on_closed);
    MHD_stop_daemon(server->daemon);
}
