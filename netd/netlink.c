/* Netlink's transport (netlink(7), Documentation/userspace-api/netlink/intro.rst). The kernel handles a request within
 * send(), so that an answer lies ready when it returns; a receive time-out guards against the unforeseen alone. */

#include "netd/netlink.h"

#include "lib/log.h"

#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define REQUEST_BYTES 8192
#define ANSWER_BYTES 65536 /* the kernel's dumps come in at most 32 KiB (NLMSG_GOODSIZE and netlink_dump) */
#define ANSWER_TIMEOUT_S 10

int netlink_open(int protocol)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK };
    struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
    int on = 1, size = 1024 * 1024;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return log_fail(-errno, "netlink socket of protocol %d", protocol);
    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int error = -errno;
        close(fd);
        return log_fail(error, "bind a netlink socket");
    }
    return fd;
}

int netlink_join(int fd, unsigned group)
{
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        return log_fail(-errno, "join netlink group %u", group);
    return 0;
}

struct nl_msg *netlink_request(int type, int flags, const void *header, size_t header_size)
{
    struct nl_msg *request = nlmsg_alloc_size(REQUEST_BYTES);
    if (!request)
        return NULL;
    struct nlmsghdr *message = nlmsg_put(request, 0, 0, type, (int)header_size, NLM_F_REQUEST | flags);
    if (!message) {
        nlmsg_free(request);
        return NULL;
    }
    memcpy(nlmsg_data(message), header, header_size);
    return request;
}

static int send_bytes(int fd, const void *bytes, size_t size)
{
    struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
    ssize_t sent;
    do
        sent = sendto(fd, bytes, size, 0, (struct sockaddr *)&kernel, sizeof(kernel));
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* One datagram from the kernel, and from nobody else (netlink(7): nl_pid 0). Its size, or negative errno. */
static int receive_bytes(int fd, void *bytes, size_t size, int flags)
{
    struct sockaddr_nl from = { 0 };
    for (;;) {
        socklen_t from_size = sizeof(from);
        ssize_t got = recvfrom(fd, bytes, size, flags | MSG_TRUNC, (struct sockaddr *)&from, &from_size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (from.nl_pid != 0)
            continue;
        return (size_t)got > size ? -EMSGSIZE : (int)got;
    }
}

/* What an NLMSG_ERROR says: 0 is an acknowledgement. */
static int message_error(const struct nlmsghdr *message)
{
    const struct nlmsgerr *error = nlmsg_data(message);
    if (nlmsg_datalen(message) < (int)sizeof(*error))
        return -EPROTO;
    if (error->error && (message->nlmsg_flags & NLM_F_ACK_TLVS)) {
        /* Attributes follow the header of the request, or all of it unless NLM_F_CAPPED. */
        size_t skip = sizeof(*error);
        if (!(message->nlmsg_flags & NLM_F_CAPPED))
            skip += error->msg.nlmsg_len - NLMSG_HDRLEN;
        skip = NLMSG_ALIGN(skip);
        if (skip < (size_t)nlmsg_datalen(message)) {
            struct nlattr *head = (struct nlattr *)((char *)nlmsg_data(message) + skip);
            struct nlattr *text = nla_find(head, nlmsg_datalen(message) - (int)skip, NLMSGERR_ATTR_MSG);
            if (text && nla_len(text) > 0)
                log_debug("kernel: %.*s", nla_len(text), (const char *)nla_data(text));
        }
    }
    return error->error;
}

/* An exchange under way: what is waited for, and what came so far. */
struct exchange {
    uint32_t sequence;
    netlink_receive *receive;
    void *context;
    bool interrupted; /* the kernel's tables changed during a dump */
};

enum { MORE = 1 };

/* The end of a dump carries the dump's errno (netlink.rst, "Dump"). */
static int dump_error(const struct nlmsghdr *message, const struct exchange *exchange)
{
    int error = 0;
    if (nlmsg_datalen(message) >= (int)sizeof(error))
        memcpy(&error, nlmsg_data(message), sizeof(error));
    return error ? error : exchange->interrupted ? -EINTR : 0;
}

/* Goes through one datagram. 0: the answer is complete; MORE; or negative errno. An interrupted dump is read to its
 * end, else the socket would be busy with it. */
static int take_answer(struct exchange *exchange, void *bytes, int size)
{
    struct nlmsghdr *message = bytes;
    for (; nlmsg_ok(message, size); message = nlmsg_next(message, &size)) {
        if (message->nlmsg_seq != exchange->sequence)
            continue;
        exchange->interrupted |= (message->nlmsg_flags & NLM_F_DUMP_INTR) != 0;
        if (message->nlmsg_type == NLMSG_ERROR)
            return message_error(message);
        if (message->nlmsg_type == NLMSG_DONE)
            return dump_error(message, exchange);
        if (!exchange->receive)
            continue;
        exchange->receive(exchange->context, message);
        if (!(message->nlmsg_flags & NLM_F_MULTI))
            return 0;
    }
    return MORE;
}

static int perform(int fd, struct nl_msg *request, netlink_receive *receive, void *context)
{
    static uint32_t last_sequence;
    struct exchange exchange = { .sequence = ++last_sequence, .receive = receive, .context = context };
    if (!request)
        return -ENOMEM;
    struct nlmsghdr *message = nlmsg_hdr(request);
    message->nlmsg_seq = exchange.sequence;
    int result = send_bytes(fd, message, message->nlmsg_len);
    nlmsg_free(request);
    if (result < 0)
        return result;
    char *answer = malloc(ANSWER_BYTES);
    if (!answer)
        return -ENOMEM;
    do {
        int size = receive_bytes(fd, answer, ANSWER_BYTES, 0);
        result = size < 0 ? size : take_answer(&exchange, answer, size);
    } while (result == MORE);
    free(answer);
    return result;
}

int netlink_call(int fd, struct nl_msg *request)
{
    if (request)
        nlmsg_hdr(request)->nlmsg_flags |= NLM_F_ACK;
    return perform(fd, request, NULL, NULL);
}

int netlink_query(int fd, struct nl_msg *request, netlink_receive *receive, void *context)
{
    return perform(fd, request, receive, context);
}

int netlink_send_batch(int fd, const void *bytes, size_t size, uint32_t last)
{
    int first_error = 0, got;
    int seen_last = 0;
    int result = send_bytes(fd, bytes, size);
    if (result < 0)
        return result;
    char *answer = malloc(ANSWER_BYTES);
    if (!answer)
        return -ENOMEM;
    while ((got = receive_bytes(fd, answer, ANSWER_BYTES, MSG_DONTWAIT)) >= 0) {
        struct nlmsghdr *message = (struct nlmsghdr *)answer;
        for (; nlmsg_ok(message, got); message = nlmsg_next(message, &got)) {
            if (message->nlmsg_type != NLMSG_ERROR)
                continue;
            int error = message_error(message);
            if (error && !first_error)
                first_error = log_fail(error, "nf_tables message %u of the batch", message->nlmsg_seq);
            seen_last |= message->nlmsg_seq == last;
        }
    }
    free(answer);
    return first_error ? first_error : seen_last ? 0 : got == -EAGAIN ? -EPROTO : got;
}

unsigned netlink_drain(int fd)
{
    char bytes[4096];
    unsigned count = 0;
    for (;;) {
        ssize_t got = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);
        if (got < 0 && errno != ENOBUFS && errno != EINTR)
            return count;
        count++;
    }
}
