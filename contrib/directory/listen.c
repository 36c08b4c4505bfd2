/* "ADDRESS:PORT" or "[v6]:PORT" to a socket, and back. */

#include "contrib/directory/listen.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG SOMAXCONN /* when a network is back, all nodes knock at once */

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

int listen_check(const char *text, struct reason *reason)
{
    char host[64];
    const char *port = "";
    int error = split_address(text, host, sizeof host, &port, reason);
    size_t length = error ? 0 : strlen(port);

    if (!error && (length < 1 || length > 5 || strspn(port, "0123456789") != length || atoi(port) > 65535))
        return reason_refuse(reason, "listen", "the port must be a number from 0 to 65535");
    return error;
}

void listen_name(int fd, char *ret_name, size_t size)
{
    struct sockaddr_storage bound;
    socklen_t bound_size = sizeof bound;
    char host[64] = "", port[8] = "";

    if (getsockname(fd, (struct sockaddr *)&bound, &bound_size) == 0)
        getnameinfo((struct sockaddr *)&bound, bound_size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(ret_name, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

int listen_open(const char *text, int *ret_fd, struct reason *reason)
{
    const char *port = "";
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
    *ret_fd = steal_fd(&fd);
    return 0;
}
