#pragma once

/* A load generator's connection, whose socket is the caller's to connect: HTTP's answers over TCP, or over TLS with
 * whatever certificate the other side has. */

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <sys/types.h>

struct wire {
    int fd;                   /* non-blocking */
    gnutls_session_t session; /* NULL: without TLS */
};

/* Takes over `fd`. 0 (wire_close), or -EIO. */
int wire_open(struct wire *ret_wire, int fd, bool tls);
/* Goes on with TLS's handshake: 0 when it is done, -EAGAIN, or -EPROTO. */
int wire_shake(struct wire *wire);
/* Sends what is small enough to go out at once: 0, or -EIO. */
int wire_send(struct wire *wire, const char *text, size_t size);
/* Waits for the rest of an answer once its first byte is there. Its size, NUL-terminated in `ret_answer`, which has one
 * byte more than `room`; 0: the connection has ended; -EAGAIN: nothing is there yet. */
ssize_t wire_hear(struct wire *wire, char *ret_answer, size_t room);
void wire_close(struct wire *wire);
