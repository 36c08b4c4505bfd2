/* TLS 1.3 sends more than answers (tickets), and an answer in pieces: so what is readable may be nothing, or a part. */

#include "contrib/bench/wire.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REST_MS 10000 /* for the rest of an answer */

static gnutls_certificate_credentials_t nobody(void)
{
    static gnutls_certificate_credentials_t credentials;

    if (!credentials)
        gnutls_certificate_allocate_credentials(&credentials);
    return credentials;
}

int wire_open(struct wire *ret_wire, int fd, bool tls)
{
    *ret_wire = (struct wire){ .fd = fd };
    if (!tls)
        return 0;
    if (gnutls_init(&ret_wire->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0)
        return -EIO;
    gnutls_transport_set_int(ret_wire->session, fd);
    if (gnutls_set_default_priority(ret_wire->session) < 0 ||
        gnutls_credentials_set(ret_wire->session, GNUTLS_CRD_CERTIFICATE, nobody()) < 0)
        return -EIO;
    return 0;
}

int wire_shake(struct wire *wire)
{
    int error = wire->session ? gnutls_handshake(wire->session) : 0;

    if (error == 0)
        return 0;
    return gnutls_error_is_fatal(error) ? -EPROTO : -EAGAIN;
}

int wire_send(struct wire *wire, const char *text, size_t size)
{
    ssize_t sent =
        wire->session ? gnutls_record_send(wire->session, text, size) : send(wire->fd, text, size, MSG_NOSIGNAL);

    return sent == (ssize_t)size ? 0 : -EIO;
}

static ssize_t receive(struct wire *wire, char *bytes, size_t room)
{
    ssize_t got;

    if (!wire->session) {
        got = recv(wire->fd, bytes, room, 0);
        return got < 0 && errno == EAGAIN ? -EAGAIN : got > 0 ? got : 0;
    }
    got = gnutls_record_recv(wire->session, bytes, room);
    return got < 0 && !gnutls_error_is_fatal((int)got) ? -EAGAIN : got > 0 ? got : 0;
}

static bool is_whole(const char *answer, size_t size)
{
    const char *end = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "\r\ncontent-length:");

    return end && (!length || length > end || size >= (size_t)(end + 4 - answer) + strtoul(length + 17, NULL, 10));
}

ssize_t wire_hear(struct wire *wire, char *ret_answer, size_t room)
{
    struct pollfd readable = { .fd = wire->fd, .events = POLLIN };
    size_t size = 0;

    for (;;) {
        ssize_t got = receive(wire, ret_answer + size, room - size);
        if (got == 0 || (got < 0 && size == 0))
            return got;
        if (got < 0 && poll(&readable, 1, REST_MS) <= 0)
            return 0;
        size += got > 0 ? (size_t)got : 0;
        ret_answer[size] = '\0';
        if (size == room || is_whole(ret_answer, size))
            return (ssize_t)size;
    }
}

void wire_close(struct wire *wire)
{
    if (wire->session)
        gnutls_deinit(wire->session);
    close(wire->fd);
    *wire = (struct wire){ .fd = -1 };
}
