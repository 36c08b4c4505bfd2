/* libmicrohttpd in its external epoll mode: MHD_run is called when its epoll descriptor is readable, when its time-out
 * has come, or after a request was resumed. All of it happens on the loop's thread. */

#include "contrib/directory/shard.h"

#include "lib/log.h"

#include <stdlib.h>
#include <string.h>

#define STALL_S 30                   /* a client that neither sends nor takes; connection.c bounds the rest */
#define CONNECTION_MEMORY (5 * 1024) /* of one request's line and headers, and the answer's */
#define NO_LIMIT (1U << 30)          /* server.c bounds how many there are */
#define SHAKING_MS 5                 /* between two turns while a TLS handshake may be under way */

static void on_timer(uv_timer_t *timer);

/* libmicrohttpd 0.9.75 takes a connection whose handshake waits for its client for one that is ready, and asks for
 * another turn at once, which would go on for as long as the client likes. What the client sends wakes us anyway. */
static void take_turn(struct shard *shard)
{
    bool shaking = shard->tls && shard->silent > 0;
    MHD_UNSIGNED_LONG_LONG wait_ms;

    MHD_run(shard->daemon);
    if (MHD_get_timeout(shard->daemon, &wait_ms) == MHD_YES)
        uv_timer_start(&shard->timer, on_timer, shaking && wait_ms < SHAKING_MS ? SHAKING_MS : wait_ms, 0);
    else
        uv_timer_stop(&shard->timer);
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
    const struct shard *shard = context;
    char text[512];

    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    if (shard->daemon)
        log_debug("http: %s", text);
    else
        log_warning("http: %s", text); /* why it doesn't start */
}

static struct MHD_Daemon *start_daemon(struct shard *shard, const struct shard_callbacks *callbacks, struct tls *tls)
{
    unsigned flags = MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     (tls ? MHD_USE_TLS : 0U);
    const struct MHD_OptionItem tls_options[] = {
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2" },
        { MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_retrieve },
        { MHD_OPTION_END, 0, NULL },
    };

    return MHD_start_daemon(flags, 0, NULL, NULL, callbacks->on_access, shard, MHD_OPTION_EXTERNAL_LOGGER,
                            on_daemon_log, shard, MHD_OPTION_NOTIFY_COMPLETED, callbacks->on_completed, shard,
                            MHD_OPTION_NOTIFY_CONNECTION, callbacks->on_connection, shard, MHD_OPTION_URI_LOG_CALLBACK,
                            callbacks->on_first_line, shard, MHD_OPTION_CONNECTION_LIMIT, NO_LIMIT,
                            MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)STALL_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)CONNECTION_MEMORY, MHD_OPTION_ARRAY, tls ? tls_options : tls_options + 2,
                            MHD_OPTION_END);
}

struct shard *shard_new(struct server *server, uv_loop_t *loop, const struct shard_callbacks *callbacks,
                        struct tls *tls)
{
    struct shard *shard = calloc(1, sizeof *shard);

    if (!shard)
        return NULL;
    shard->server = server;
    shard->tls = tls != NULL;
    shard->daemon = start_daemon(shard, callbacks, tls);
    if (!shard->daemon) {
        log_error("libmicrohttpd doesn't start");
        free(shard);
        return NULL;
    }
    uv_timer_init(loop, &shard->timer);
    uv_poll_init(loop, &shard->poll, MHD_get_daemon_info(shard->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    shard->handles_open = 2;
    shard->timer.data = shard->poll.data = shard;
    uv_poll_start(&shard->poll, UV_READABLE, on_readable);
    return shard;
}

void shard_take(struct shard *shard, int fd, const struct sockaddr *peer, socklen_t peer_size)
{
    if (MHD_add_connection(shard->daemon, fd, peer, peer_size) == MHD_YES)
        take_turn(shard); /* it is counted from now on */
}

void shard_wake(struct shard *shard)
{
    uv_timer_start(&shard->timer, on_timer, 0, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct shard *shard = handle->data;

    if (--shard->handles_open == 0)
        free(shard);
}

void shard_free(struct shard *shard)
{
    MHD_run(shard->daemon);
    uv_poll_stop(&shard->poll);
    uv_close((uv_handle_t *)&shard->poll, on_closed);
    uv_close((uv_handle_t *)&shard->timer, on_closed);
    MHD_stop_daemon(shard->daemon);
}
