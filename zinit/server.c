/* The listener, and who must go when all together want too much. */

#include "zinit/server.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "zinit/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 1024
#define ACCEPT_AGAIN_MS 200
#define ACCEPTS_A_TURN 16
#define TELL_EVERY_MS 60000

/* At most once a minute: clients that come again and again must not fill the log. */
static void tell(struct server *server, const char *what)
{
    uint64_t now_ms = loop_now_ms();

    if (server->told_ms == 0 || now_ms - server->told_ms >= TELL_EVERY_MS) {
        log_warning("socket: %s", what);
        server->told_ms = now_ms;
    }
}

static size_t held_by(const struct session *session)
{
    return session->in.capacity + session->out.capacity;
}

bool server_make_room(struct server *server, const struct session *session, size_t more)
{
    while (server->held_bytes + more > SERVER_HELD_BYTES_MAX) {
        struct session *most = server->sessions;
        for (struct session *each = server->sessions; each; each = each->next)
            if (held_by(each) > held_by(most))
                most = each;
        tell(server, "clients that don't read, or send half requests, hold too much: who holds most is dropped");
        if (most == session)
            return false;
        session_free(most);
    }
    return true;
}

/* Who subscribed to logs is silent by nature. */
static void drop_most_silent(struct server *server)
{
    struct session *silent = NULL;

    for (struct session *each = server->sessions; each; each = each->next)
        if (!each->subscriptions && (!silent || each->heard_ms <= silent->heard_ms))
            silent = each;
    tell(server, "too many clients: who was silent for longest is dropped");
    if (silent)
        session_free(silent);
}

static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid();
}

static void add_client(struct server *server, int fd)
{
    bool ours = is_ours(fd);

    if (ours && server->sessions_count >= server->sessions_max)
        drop_most_silent(server);
    if (!ours || server->sessions_count >= server->sessions_max || !session_new(server, fd))
        close(fd);
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

/* Several at once: while a thousand clients have something to say, each turn of the loop is one event of one of them.
 */
static void on_listener(struct loop_source *source, uint32_t events)
{
    struct server *server = source->context;

    for (int left = ACCEPTS_A_TURN; left > 0; left--) {
        int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            add_client(server, fd);
        } else {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                turn_away(server);
            return;
        }
    }
}

static bool somebody_answers(const struct sockaddr_un *address)
{
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd >= 0 && (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN);
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
    if (somebody_answers(&address))
        return -EADDRINUSE;
    unlink(path);
    mask = umask(0177);
    bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (bound < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    return steal_fd(&fd);
}

/* At most half of the descriptors: services need the others. */
static size_t count_sessions_max(void)
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
    server->sessions_max = count_sessions_max();
    server->listener = (struct loop_source){ .fd = fd, .on_event = on_listener, .context = server };
    server->again = (struct loop_timer){ .on_fire = on_again, .context = server };
    server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return loop_add(&supervisor->loop, &server->listener, EPOLLIN);
}

void server_close(struct server *server)
{
    if (!server->supervisor)
        return;
    while (server->sessions)
        session_free(server->sessions);
    loop_disarm(&server->supervisor->loop, &server->again);
    loop_remove(&server->supervisor->loop, &server->listener);
    if (server->spare_fd >= 0)
        close(server->spare_fd);
    unlink(server->path);
}
