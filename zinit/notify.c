/* sd_notify's messages. The socket's name is abstract and chosen by the kernel (unix(7), autobind): no file to clear
 * away. Anybody on the machine may send to it, so that only a message whose sender the kernel says to be one of the
 * service's processes counts, and it is closed once the service is ready or has said too much. No descriptor is ever
 * taken: there is room for the sender's name alone. */

#include "zinit/notify.h"

#include "lib/log.h"
#include "zinit/kin.h"
#include "zinit/supervisor.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MESSAGE_BYTES_MAX 4096
#define MESSAGES_MAX 1000 /* until it is ready */

bool notify_parse(const char *text, size_t size, const char **ret_status, size_t *ret_size)
{
    static const char ready[] = "READY=1", status[] = "STATUS=";
    const char *end = text + size;
    bool is_ready = false;

    *ret_status = NULL;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t line = (size_t)((newline ? newline : end) - text);
        if (line == sizeof ready - 1 && memcmp(text, ready, line) == 0)
            is_ready = true;
        if (line >= sizeof status - 1 && memcmp(text, status, sizeof status - 1) == 0) {
            *ret_status = text + sizeof status - 1;
            *ret_size = line - (sizeof status - 1);
        }
        text += line + 1;
    }
    return is_ready;
}

static pid_t sender_of(struct msghdr *message)
{
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    struct ucred credentials;

    if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_CREDENTIALS)
        return 0;
    memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
    return credentials.pid;
}

/* It is text from outside that goes to screens. */
static void keep_status(struct service *service, const char *status, size_t size)
{
    char *reason = service->reason;
    size_t room = sizeof service->reason - 1, at = 0;

    for (; at < size && at < room; at++)
        reason[at] = isprint((unsigned char)status[at]) ? status[at] : '?';
    reason[at] = '\0';
}

static void give_up(struct service *service)
{
    loop_remove(&service->supervisor->loop, &service->ready);
    snprintf(service->reason, sizeof service->reason, "sent %d messages to its NOTIFY_SOCKET, none of them READY=1",
             MESSAGES_MAX);
    log_warning("%s: %s", service->unit.name, service->reason);
}

static void on_message(struct loop_source *source, uint32_t events)
{
    struct service *service = source->context;
    char text[MESSAGE_BYTES_MAX];
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr header;
    } control;
    struct iovec piece = { text, sizeof text };
    struct msghdr message = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    ssize_t size = recvmsg(source->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const char *status;
    size_t status_size;
    bool ready;

    if (size < 0)
        return;
    if (++service->messages > MESSAGES_MAX) {
        give_up(service);
        return;
    }
    if ((message.msg_flags & MSG_TRUNC) || !kin_has(service, sender_of(&message)))
        return;
    ready = notify_parse(text, (size_t)size, &status, &status_size);
    if (status)
        keep_status(service, status, status_size);
    if (!ready)
        return;
    loop_remove(&service->supervisor->loop, source);
    service_feed(service, MACHINE_READY);
}

int notify_open(struct service *service, char ret_variable[static READY_VARIABLE_BYTES])
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    socklen_t size = sizeof address;
    int error, on = 1, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    service->messages = 0;
    service->ready.fd = fd;
    service->ready.on_event = on_message;
    if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address.sun_family) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        error = -errno;
    else
        error = loop_add(&service->supervisor->loop, &service->ready, EPOLLIN);
    if (error) {
        loop_remove(&service->supervisor->loop, &service->ready);
        return error;
    }
    snprintf(ret_variable, READY_VARIABLE_BYTES, "NOTIFY_SOCKET=@%.*s",
             (int)(size - offsetof(struct sockaddr_un, sun_path) - 1), address.sun_path + 1);
    return 0;
}
