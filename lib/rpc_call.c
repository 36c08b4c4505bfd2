/* JSON-RPC, the calling side: one connection a call, blocking with a deadline for the whole. */

#include "lib/cleanup.h"
#include "lib/rpc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define CONNECT_AGAIN_MS 5

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* 0 once the descriptor is ready for `events`; -ETIMEDOUT past the deadline. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
    struct pollfd poller = { .fd = fd, .events = events };

    for (;;) {
        int64_t left = deadline_ms - now_ms();
        int count = poll(&poller, 1, left > 0 ? (int)left : 0);
        if (count > 0)
            return 0;
        if (count == 0)
            return -ETIMEDOUT;
        if (errno != EINTR)
            return -errno;
    }
}

/* A full backlog says EAGAIN, and no descriptor tells when it no longer is (unix(7)). */
static int connect_to(const char *path, int64_t deadline_ms, int *ret_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    while (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (errno != EAGAIN || now_ms() >= deadline_ms)
            return -errno;
        poll(NULL, 0, CONNECT_AGAIN_MS);
    }
    *ret_fd = steal_fd(&fd);
    return 0;
}

static int send_all(int fd, const char *bytes, size_t size, int64_t deadline_ms)
{
    while (size > 0) {
        ssize_t count = send(fd, bytes, size, MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) {
            int status = wait_for(fd, POLLOUT, deadline_ms);
            if (status < 0)
                return status;
            continue;
        }
        if (count < 0 && errno != EINTR)
            return -errno;
        if (count > 0) {
            bytes += count;
            size -= (size_t)count;
        }
    }
    return 0;
}

/* Reads up to a newline; gives the line without it. */
static int receive_line(int fd, int64_t deadline_ms, char **ret_line, size_t *ret_size)
{
    cleanup_free char *line = NULL;
    size_t size = 0, room = 0;

    for (;;) {
        char *end;
        ssize_t count;
        int status = wait_for(fd, POLLIN, deadline_ms);
        if (status < 0)
            return status;
        if (size == room) {
            char *grown = room >= RPC_LINE_BYTES_MAX ? NULL : realloc(line, room = room ? room * 2 : 4096);
            if (!grown)
                return room >= RPC_LINE_BYTES_MAX ? -EMSGSIZE : -ENOMEM;
            line = grown;
        }
        count = recv(fd, line + size, room - size, 0);
        if (count < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (count <= 0)
            return count < 0 ? -errno : -ECONNRESET;
        end = memchr(line + size, '\n', (size_t)count);
        size += (size_t)count;
        if (end) {
            *ret_size = (size_t)(end - line);
            *ret_line = steal_pointer(line);
            return 0;
        }
    }
}

static char *print_request(const char *method, const cJSON *params)
{
    cleanup_json cJSON *request = cJSON_CreateObject();
    char *text, *line = NULL;

    cJSON_AddStringToObject(request, "jsonrpc", "2.0");
    cJSON_AddNumberToObject(request, "id", 1);
    cJSON_AddStringToObject(request, "method", method);
    if (params)
        cJSON_AddItemToObject(request, "params", cJSON_Duplicate(params, true));
    text = json_print(request);
    if (text && asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    free(text);
    return line;
}

/* Takes the result, or the error as a reason, out of an answer. */
static int read_answer(const char *line, size_t size, cJSON **ret_result, int *ret_code, struct reason *reason)
{
    cleanup_json cJSON *answer = NULL;
    const cJSON *error, *code, *message, *data;
    int status = json_parse(line, size, RPC_LINE_BYTES_MAX, &answer, reason);

    if (status != 0)
        return status;
    error = cJSON_GetObjectItemCaseSensitive(answer, "error");
    if (!error) {
        *ret_result = cJSON_DetachItemFromObjectCaseSensitive(answer, "result");
        return *ret_result ? 0 : reason_refuse(reason, NULL, "the answer has neither result nor error");
    }
    code = cJSON_GetObjectItemCaseSensitive(error, "code");
    message = cJSON_GetObjectItemCaseSensitive(error, "message");
    data = cJSON_GetObjectItemCaseSensitive(error, "data");
    if (ret_code && cJSON_IsNumber(code))
        *ret_code = code->valueint;
    return reason_refuse(reason, NULL, "%s%s%s", cJSON_IsString(message) ? message->valuestring : "error",
                         cJSON_IsString(data) ? ": " : "", cJSON_IsString(data) ? data->valuestring : "");
}

int rpc_call(const char *socket_path, const char *method, const cJSON *params, int timeout_ms, cJSON **ret_result,
             int *ret_code, struct reason *reason)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    cleanup_free char *request = print_request(method, params), *line = NULL;
    cleanup_close int fd = -1;
    struct reason inner = { 0 };
    size_t size = 0;
    int status = request ? connect_to(socket_path, deadline_ms, &fd) : -ENOMEM;

    if (ret_code)
        *ret_code = 0;
    if (status == 0)
        status = send_all(fd, request, strlen(request), deadline_ms);
    /* The request may hold a key: it isn't left in freed memory. */
    if (request)
        explicit_bzero(request, strlen(request));
    if (status == 0)
        status = receive_line(fd, deadline_ms, &line, &size);
    if (status < 0)
        return reason_refuse(reason, NULL, "%s at %s: %s", method, socket_path, strerror(-status));
    status = read_answer(line, size, ret_result, ret_code, &inner);
    return status ? reason_refuse(reason, NULL, "%s: %s", method, inner.text) : 0;
}
