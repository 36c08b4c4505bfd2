/* The common part of the daemons: a libuv loop with a JSON-RPC server on a Unix socket.
 *
 * A client is a heap object that lives from accept to the close callback. It is read into a buffer that grows up to
 * RPC_LINE_BYTES_MAX; each full line is dispatched at once, and answers are written in order. A client that sends more
 * than a line may be, or isn't of our uid, is dropped. */

#include "lib/daemon.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define CLIENTS_BACKLOG 32

struct client {
    uv_pipe_t pipe;
    struct daemon *daemon;
    char *buffer;
    size_t size, room;
};

struct answer {
    uv_write_t request;
    char *line;
};

struct job {
    uv_work_t request;
    void (*work)(void *job);
    void (*done)(void *job);
    void *context;
};

void daemon_socket_path(const char *name, char ret_path[static DAEMON_PATH_BYTES])
{
    const char *run = getenv("ZOS_RUN");
    snprintf(ret_path, DAEMON_PATH_BYTES, "%s/%s.sock", run ? run : DAEMON_RUN_DEFAULT, name);
}

static void on_client_closed(uv_handle_t *handle)
{
    struct client *client = handle->data;
    free(client->buffer);
    free(client);
}

static void drop_client(struct client *client)
{
    if (!uv_is_closing((uv_handle_t *)&client->pipe))
        uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void on_answered(uv_write_t *request, int status)
{
    struct answer *answer = request->data;
    free(answer->line);
    free(answer);
}

/* Takes over `line`. */
static void send_answer(struct client *client, char *line)
{
    struct answer *answer = calloc(1, sizeof *answer);
    uv_buf_t parts[] = { uv_buf_init(line, (unsigned)strlen(line)), uv_buf_init((char *)"\n", 1) };

    if (answer) {
        *answer = (struct answer){ .line = line, .request.data = answer };
        if (uv_write(&answer->request, (uv_stream_t *)&client->pipe, parts, 2, on_answered) == 0)
            return;
    }
    free(answer);
    free(line);
    drop_client(client);
}

static void serve_lines(struct client *client)
{
    char *end;

    while (!uv_is_closing((uv_handle_t *)&client->pipe) && (end = memchr(client->buffer, '\n', client->size))) {
        size_t size = (size_t)(end - client->buffer);
        char *reply = NULL;
        if (size > 0)
            rpc_dispatch(client->daemon->methods, client->daemon->context, client->buffer, size, &reply);
        memmove(client->buffer, end + 1, client->size - size - 1);
        client->size -= size + 1;
        if (reply)
            send_answer(client, reply);
    }
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buffer)
{
    struct client *client = handle->data;

    *ret_buffer = uv_buf_init(NULL, 0); /* libuv then reports UV_ENOBUFS, and the client is dropped */
    if (client->size == client->room && client->room < RPC_LINE_BYTES_MAX) {
        size_t room = client->room ? client->room * 2 : 4096;
        char *grown = realloc(client->buffer, room);
        if (!grown)
            return;
        client->buffer = grown;
        client->room = room;
    }
    *ret_buffer = uv_buf_init(client->buffer + client->size, (unsigned)(client->room - client->size));
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct client *client = stream->data;

    if (count < 0) {
        drop_client(client);
        return;
    }
    client->size += (size_t)count;
    serve_lines(client);
}

static bool is_ours(uv_pipe_t *pipe)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    uv_os_fd_t fd;

    return uv_fileno((uv_handle_t *)pipe, &fd) == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.uid == geteuid();
}

static void on_connection(uv_stream_t *server, int status)
{
    struct client *client = status == 0 ? calloc(1, sizeof *client) : NULL;

    if (!client)
        return;
    client->daemon = server->data;
    client->pipe.data = client;
    if (uv_pipe_init(client->daemon->loop, &client->pipe, 0) < 0) {
        free(client);
        return;
    }
    if (uv_accept(server, (uv_stream_t *)&client->pipe) < 0 || !is_ours(&client->pipe) ||
        uv_read_start((uv_stream_t *)&client->pipe, on_allocate, on_read) < 0)
        drop_client(client);
}

static int serve(struct daemon *daemon)
{
    char path[DAEMON_PATH_BYTES];
    int status;
    mode_t mask;

    daemon_socket_path(daemon->name, path);
    unlink(path); /* of an earlier life of this daemon: zinit runs one at a time */
    uv_pipe_init(daemon->loop, &daemon->server, 0);
    daemon->server.data = daemon;
    mask = umask(0177);
    status = uv_pipe_bind(&daemon->server, path);
    umask(mask);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&daemon->server, CLIENTS_BACKLOG, on_connection);
    return status < 0 ? log_fail(status, "listen on %s", path) : 0;
}

static void on_stop_signal(uv_signal_t *handle, int number)
{
    daemon_stop(handle->data);
}

int daemon_open(struct daemon *daemon, const char *name, const struct rpc_method *methods, void *context)
{
    log_open(name);
    *daemon = (struct daemon){ .name = name, .methods = methods, .context = context, .loop = uv_default_loop() };
    if (!daemon->loop || sodium_init() < 0)
        return log_fail(-ENOMEM, "start");
    signal(SIGPIPE, SIG_IGN);
    daemon->sigterm.data = daemon->sigint.data = daemon;
    uv_signal_init(daemon->loop, &daemon->sigterm);
    uv_signal_init(daemon->loop, &daemon->sigint);
    uv_signal_start(&daemon->sigterm, on_stop_signal, SIGTERM);
    uv_signal_start(&daemon->sigint, on_stop_signal, SIGINT);
    return serve(daemon);
}

void daemon_ready(struct daemon *daemon)
{
    const char *number = getenv("ZINIT_READY_FD");
    int fd = number ? atoi(number) : -1;

    unsetenv("ZINIT_READY_FD");
    if (fd <= STDERR_FILENO)
        return;
    if (write(fd, "\n", 1) != 1)
        log_warning("cannot tell the supervisor that the daemon is ready: %s", strerror(errno));
    close(fd);
}

int daemon_run(struct daemon *daemon)
{
    uv_run(daemon->loop, UV_RUN_DEFAULT);
    return 0;
}

void daemon_stop(struct daemon *daemon)
{
    if (daemon->on_stop)
        daemon->on_stop(daemon->context);
    uv_stop(daemon->loop);
}

static void on_work(uv_work_t *request)
{
    struct job *job = request->data;
    job->work(job->context);
}

static void on_worked(uv_work_t *request, int status)
{
    struct job *job = request->data;
    job->done(job->context);
    free(job);
}

int daemon_work(struct daemon *daemon, void (*work)(void *job), void (*done)(void *job), void *context)
{
    struct job *job = calloc(1, sizeof *job);
    int status;

    if (!job)
        return -ENOMEM;
    *job = (struct job){ .work = work, .done = done, .context = context, .request.data = job };
    status = uv_queue_work(daemon->loop, &job->request, on_work, on_worked);
    if (status < 0)
        free(job);
    return status;
}
