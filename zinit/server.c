/* Clients: what they sent and isn't a whole line yet, and what they haven't taken yet. While answers wait, nothing more
 * is read from that client. */

#include "zinit/server.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define READ_BYTES 16384
#define BACKLOG 128
#define ACCEPT_AGAIN_MS 200
#define KEPT_BYTES 4096 /* a buffer larger than this is given back when it is empty */

struct buffer {
    char *bytes;
    size_t used, capacity;
};

struct server_client {
    struct server_client *next;
    struct server *server;
    struct loop_source source;
    struct buffer in, out;
    size_t searched; /* bytes of `in` that have no line end */
    bool closing;    /* once all is out */
};

static int buffer_add(struct buffer *buffer, const char *bytes, size_t size)
{
    if (buffer->used + size > buffer->capacity) {
        size_t capacity = buffer->capacity ? buffer->capacity : 1024;
        char *grown;
        while (capacity < buffer->used + size)
            capacity *= 2;
        grown = realloc(buffer->bytes, capacity);
        if (!grown)
            return -ENOMEM;
        buffer->bytes = grown;
        buffer->capacity = capacity;
    }
    memcpy(buffer->bytes + buffer->used, bytes, size);
    buffer->used += size;
    return 0;
}

static void buffer_take(struct buffer *buffer, size_t size)
{
    buffer->used -= size;
    if (buffer->used > 0) {
        memmove(buffer->bytes, buffer->bytes + size, buffer->used);
    } else if (buffer->capacity > KEPT_BYTES) {
        free(buffer->bytes);
        *buffer = (struct buffer){ 0 };
    }
}

static void drop_client(struct server_client *client)
{
    struct server_client **place = &client->server->clients;

    while (*place != client)
        place = &(*place)->next;
    *place = client->next;
    client->server->clients_count--;
    loop_remove(&client->server->supervisor->loop, &client->source);
    free(client->in.bytes);
    free(client->out.bytes);
    free(client);
}

/* Writes what waits. False when the client is gone. */
static bool flush(struct server_client *client)
{
    while (client->out.used > 0) {
        ssize_t size = send(client->source.fd, client->out.bytes, client->out.used, MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN)
            return true;
        if (size < 0 && errno != EINTR)
            return false;
        if (size > 0)
            buffer_take(&client->out, (size_t)size);
    }
    return !client->closing;
}

static bool answer(struct server_client *client, const char *line, size_t size)
{
    cleanup_free char *reply = NULL;

    rpc_dispatch(client->server->methods, client->server->supervisor, line, size, &reply);
    if (!reply)
        return true;
    return buffer_add(&client->out, reply, strlen(reply)) == 0 && buffer_add(&client->out, "\n", 1) == 0;
}

static bool refuse_long_line(struct server_client *client)
{
    static const char reply[] =
        "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Line too long\"},\"id\":null}\n";

    buffer_take(&client->in, client->in.used);
    client->searched = 0;
    client->closing = true;
    return buffer_add(&client->out, reply, sizeof reply - 1) == 0;
}

/* Answers whole lines, until there is none or answers pile up. False when the client must go. */
static bool serve(struct server_client *client)
{
    while (client->out.used == 0 && !client->closing) {
        char *from = client->in.bytes + client->searched;
        char *end = client->in.used > client->searched ? memchr(from, '\n', client->in.used - client->searched) : NULL;
        size_t size;
        if (!end) {
            client->searched = client->in.used;
            return client->in.used <= RPC_LINE_BYTES_MAX || (refuse_long_line(client) && flush(client));
        }
        size = (size_t)(end - client->in.bytes);
        if (size > 0 && !answer(client, client->in.bytes, size))
            return false;
        buffer_take(&client->in, size + 1);
        client->searched = 0;
        if (!flush(client))
            return false;
    }
    return true;
}

/* False when the client is gone. */
static bool receive(struct server_client *client)
{
    static char bytes[READ_BYTES];
    ssize_t size = recv(client->source.fd, bytes, sizeof bytes, 0);

    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    return size > 0 && buffer_add(&client->in, bytes, (size_t)size) == 0;
}

static void on_client(struct loop_source *source, uint32_t events)
{
    struct server_client *client = source->context;
    bool alive = true;

    if (client->out.used > 0)
        alive = flush(client);
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        alive = receive(client);
    if (alive)
        alive = serve(client);
    if (!alive) {
        drop_client(client);
        return;
    }
    loop_change(&client->server->supervisor->loop, source, client->out.used > 0 ? EPOLLOUT : EPOLLIN);
}

static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static void add_client(struct server *server, int fd)
{
    struct server_client *client = NULL;

    if (is_ours(fd) && server->clients_count < server->clients_max)
        client = calloc(1, sizeof *client);
    if (!client) {
        close(fd);
        return;
    }
    client->server = server;
    client->source = (struct loop_source){ .fd = fd, .on_event = on_client, .context = client };
    if (loop_add(&server->supervisor->loop, &client->source, EPOLLIN) < 0) {
        close(fd);
        free(client);
        return;
    }
    client->next = server->clients;
    server->clients = client;
    server->clients_count++;
}

/* With no descriptor left the listener would stay readable for ever: one client is taken and turned away. */
static void turn_away(struct server *server)
{
    int fd;

    if (server->spare_fd >= 0)
        close(server->spare_fd);
    fd = accept4(server->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    loop_change(&server->supervisor->loop, &server->listener, 0);
    loop_arm(&server->supervisor->loop, &server->again, ACCEPT_AGAIN_MS);
}

static void on_again(struct loop_timer *timer)
{
    struct server *server = timer->context;

    loop_change(&server->supervisor->loop, &server->listener, EPOLLIN);
}

static void on_listener(struct loop_source *source, uint32_t events)
{
    struct server *server = source->context;
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0)
        add_client(server, fd);
    else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        turn_away(server);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask;
    int bound;

    if (fd < 0)
        return -errno;
    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    mask = umask(0177);
    bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (bound < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* At most half of the descriptors: services need the others. */
static size_t count_clients_max(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur / 2 > SERVER_CLIENTS_MAX)
        return SERVER_CLIENTS_MAX;
    return (size_t)limit.rlim_cur / 2;
}

int server_open(struct server *server, const char *path, const struct rpc_method *methods,
                struct supervisor *supervisor)
{
    int fd = listen_at(path);

    if (fd < 0)
        return log_fail(fd, "listen at %s", path);
    *server = (struct server){ .supervisor = supervisor, .methods = methods, .path = path };
    server->clients_max = count_clients_max();
    server->listener = (struct loop_source){ .fd = fd, .on_event = on_listener, .context = server };
    server->again = (struct loop_timer){ .on_fire = on_again, .context = server };
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return loop_add(&supervisor->loop, &server->listener, EPOLLIN);
}

void server_close(struct server *server)
{
    if (!server->supervisor)
        return;
    while (server->clients)
        drop_client(server->clients);
    loop_disarm(&server->supervisor->loop, &server->again);
    loop_remove(&server->supervisor->loop, &server->listener);
    if (server->spare_fd >= 0)
        close(server->spare_fd);
    unlink(server->path);
}
