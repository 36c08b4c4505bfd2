/* HTTP/1.1 over one connection that is kept: the least that gets an answer with a Content-Length. */

#include "contrib/bench/load.h"

#include "lib/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define ANSWER_BYTES_MAX (4UL * 1024 * 1024)

struct http {
    int fd;
    char *answer;
    size_t used, room;
};

static void fail(const char *what)
{
    log_error("http: %s: %s", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void *http_open(const char *target, int *ret_fd)
{
    struct http *http = calloc(1, sizeof *http);
    struct sockaddr_in address = { .sin_family = AF_INET };
    char host[64];
    const char *colon = strrchr(target, ':');

    snprintf(host, sizeof host, "%.*s", colon ? (int)(colon - target) : 0, target);
    if (!http || !colon || inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fail(target);
    address.sin_port = htons((uint16_t)atoi(colon + 1));
    http->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(http->fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        setsockopt(http->fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) < 0)
        fail("connect");
    http->room = 16384;
    http->answer = malloc(http->room);
    *ret_fd = http->fd;
    return http;
}

static void send_parts(struct http *http, const char *head, size_t head_size, const struct record *record)
{
    struct iovec parts[] = { { (char *)head, head_size }, { (char *)record->bytes, record->size } };

    http->used = 0;
    if (writev(http->fd, parts, record->size ? 2 : 1) != (ssize_t)(head_size + record->size))
        fail("send"); /* a socket that is otherwise idle takes it whole */
}

static void post(void *connection, const char *path, int path_size, const struct record *body)
{
    char head[512];
    int size = snprintf(head, sizeof head, "POST %.*s HTTP/1.1\r\nHost: bench\r\nContent-Length: %u\r\n\r\n", path_size,
                        path, body->size);

    send_parts(connection, head, (size_t)size, body);
}

static void send_statement(void *connection, const struct record *record)
{
    post(connection, "/v1/statements", 14, record);
}

/* The record is a path, a space, and the body. */
static void send_beat(void *connection, const struct record *record)
{
    const char *space = memchr(record->bytes, ' ', record->size);
    size_t length = space ? (size_t)(space - record->bytes) : 0;
    struct record body = { space + 1, record->size - (uint32_t)length - 1 };

    post(connection, record->bytes, (int)length, &body);
}

/* The record is a path. */
static void send_get(void *connection, const struct record *record)
{
    char head[1024];
    int size =
        snprintf(head, sizeof head, "GET %.*s HTTP/1.1\r\nHost: bench\r\n\r\n", (int)record->size, record->bytes);

    send_parts(connection, head, (size_t)size, &(struct record){ 0 });
}

/* The record is the body of a put, made beforehand. */
static void send_put(void *connection, const struct record *record)
{
    post(connection, "/v3/kv/put", 10, record);
}

/* 0: not whole. */
static size_t answer_size(const struct http *http)
{
    const char *end = memmem(http->answer, http->used, "\r\n\r\n", 4);
    const char *length = end ? memmem(http->answer, (size_t)(end - http->answer), "\r\nContent-Length:", 17) : NULL;

    if (!end)
        return 0;
    if (!length) {
        errno = EPROTO;
        fail("an answer without a Content-Length");
    }
    return (size_t)(end + 4 - http->answer) + strtoul(length + 17, NULL, 10);
}

static int http_receive(void *connection)
{
    struct http *http = connection;

    if (http->used == http->room) {
        http->room *= 2;
        http->answer = http->room <= ANSWER_BYTES_MAX ? realloc(http->answer, http->room) : NULL;
        if (!http->answer)
            fail("an answer that is too large");
    }
    ssize_t got = recv(http->fd, http->answer + http->used, http->room - http->used, 0);
    if (got <= 0)
        fail("the server ended the connection");
    http->used += (size_t)got;
    size_t size = answer_size(http);
    if (!size || http->used < size)
        return 0;
    return http->answer[9] == '2' ? 1 : -1;
}

const struct load_peer LOAD_SUBMIT = { "submit", http_open, send_statement, http_receive };
const struct load_peer LOAD_BEAT = { "beat", http_open, send_beat, http_receive };
const struct load_peer LOAD_GET = { "get", http_open, send_get, http_receive };
const struct load_peer LOAD_ETCD = { "etcd", http_open, send_put, http_receive };
