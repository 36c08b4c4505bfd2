/* What a client sent and isn't a whole request yet, and what it hasn't taken yet. While answers wait, nothing more is
 * read from it: who doesn't read isn't read from. */

#include "zinit/session.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "zinit/subscribe.h"
#include "zinit/text.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define READ_BYTES 16384

void session_free(struct session *session)
{
    struct server *server = session->server;
    struct session **place = &server->sessions;

    while (*place != session)
        place = &(*place)->next;
    *place = session->next;
    server->sessions_count--;
    server->held_bytes -= session->in.capacity + session->out.capacity;
    subscribe_end_all(session);
    loop_remove(&server->supervisor->loop, &session->source);
    buffer_close(&session->in);
    buffer_close(&session->out);
    free(session);
}

/* ---- bytes, and the count of them over all clients */

static bool add(struct session *session, struct buffer *buffer, const char *bytes, size_t size)
{
    size_t before = buffer->capacity;

    if (buffer_add(buffer, bytes, size) < 0)
        return false;
    session->server->held_bytes += buffer->capacity - before;
    return true;
}

static void take(struct session *session, struct buffer *buffer, size_t size)
{
    size_t before = buffer->capacity;

    buffer_take(buffer, size);
    session->server->held_bytes -= before - buffer->capacity;
}

static size_t growth(const struct buffer *buffer, size_t size)
{
    return buffer_capacity_for(buffer, size) - buffer->capacity;
}

/* False when the client must go. */
static bool reply(struct session *session, const char *bytes, size_t size)
{
    return server_make_room(session->server, session, growth(&session->out, size)) &&
           add(session, &session->out, bytes, size);
}

static void want(struct session *session, uint32_t events)
{
    if (session->events == events)
        return;
    session->events = events;
    loop_change(&session->server->supervisor->loop, &session->source, events);
}

bool session_has_room(const struct session *session)
{
    return session->out.used < SESSION_LINES_BYTES_MAX;
}

/* Lines have half of what all clients may hold: the other half is for requests and their answers. */
bool session_say(struct session *session, const char *bytes, size_t size)
{
    size_t held = session->server->held_bytes + growth(&session->out, size);

    if (session->out.used + size > SESSION_LINES_BYTES_MAX || held > SERVER_HELD_BYTES_MAX / 2 ||
        !add(session, &session->out, bytes, size))
        return false;
    want(session, EPOLLOUT);
    return true;
}

/* Writes what waits. False when the client is gone. */
static bool flush(struct session *session)
{
    while (session->out.used > 0) {
        ssize_t size = send(session->source.fd, buffer_begin(&session->out), session->out.used, MSG_NOSIGNAL);
        if (size < 0 && errno == EAGAIN)
            return true;
        if (size < 0 && errno != EINTR)
            return false;
        if (size > 0)
            take(session, &session->out, (size_t)size);
        if (session->out.used == 0)
            subscribe_tell_missed(session);
    }
    return !session->closing;
}

/* False when the client must go. */
static bool receive(struct session *session)
{
    static char bytes[READ_BYTES];
    ssize_t size = recv(session->source.fd, bytes, sizeof bytes, 0);

    if (size < 0)
        return errno == EAGAIN || errno == EINTR;
    session->heard_ms = loop_now_ms();
    session->ended = size == 0;
    return server_make_room(session->server, session, growth(&session->in, (size_t)size)) &&
           add(session, &session->in, bytes, (size_t)size);
}

/* ---- requests */

static bool answer_json(struct session *session, const char *request, size_t size)
{
    struct supervisor *supervisor = session->server->supervisor;
    cleanup_free char *answer = NULL;

    supervisor->asking = session;
    rpc_dispatch(session->server->methods, supervisor, request, size, &answer);
    supervisor->asking = NULL;
    if (answer && !(reply(session, answer, strlen(answer)) && reply(session, "\n", 1)))
        return false;
    subscribe_begin_new(session); /* behind the answer that tells of it */
    return true;
}

static bool refuse_json(struct session *session, int code, const char *message)
{
    char answer[256];
    int size =
        snprintf(answer, sizeof answer,
                 "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":%d,\"message\":\"%s\"},\"id\":null}\n", code, message);

    return reply(session, answer, (size_t)size);
}

static bool say_text_answer(struct session *session, cJSON *result, const char *problem)
{
    cleanup_free char *answer = text_answer(result, problem);

    session->closing = true;
    return answer && reply(session, answer, strlen(answer));
}

/* `log`: what is kept now, and then each line as it comes. */
static bool answer_log(struct session *session, const struct text_request *request)
{
    cleanup_free char *kept = NULL;
    struct rpc_error error = { 0 };
    size_t size = 0;

    if (!subscribe_kept_lines(session, request->name, &kept, &size, &error) ||
        (request->follow && !subscribe_text(session, request->name, &error)))
        return say_text_answer(session, NULL, error.data);
    session->closing = !request->follow;
    return size == 0 || reply(session, kept, size);
}

/* One command a connection, as zinit does it. */
static bool answer_text(struct session *session, const char *line, size_t size)
{
    struct supervisor *supervisor = session->server->supervisor;
    struct text_request request;
    struct rpc_error error = { 0 };
    struct reason reason = { "out of memory" };
    cJSON *result = NULL;

    json_watch_memory();
    if (text_parse(line, size, &request, &reason))
        return say_text_answer(session, NULL, reason.text);
    if (request.log)
        return answer_log(session, &request);
    rpc_invoke(session->server->methods, supervisor, request.method, request.params, &result, &error);
    cJSON_Delete(request.params);
    return say_text_answer(session, result,
                           json_memory_is_out() ? "out of memory"
                           : !error.code        ? NULL
                           : error.data[0]      ? error.data
                                                : error.message);
}

static bool refuse_long(struct session *session, bool text)
{
    if (text)
        return say_text_answer(session, NULL, "the command is too long");
    session->closing = true;
    return refuse_json(session, RPC_INVALID_REQUEST, "Request too long: at most 131072 bytes");
}

static bool answer(struct session *session, enum framing_kind kind, const char *request, size_t size)
{
    switch (kind) {
    case FRAMING_NOTHING:
        return true;
    case FRAMING_JSON:
        return answer_json(session, request, size);
    case FRAMING_TEXT:
        return answer_text(session, request, size);
    case FRAMING_STRAY:
        return refuse_json(session, RPC_PARSE_ERROR, "Parse error: a request begins with { or [");
    case FRAMING_BROKEN:
        return refuse_json(session, RPC_PARSE_ERROR, "Parse error: the line ends within a string");
    case FRAMING_DEEP:
        session->closing = true;
        return refuse_json(session, RPC_PARSE_ERROR, "Parse error: nested deeper than 32");
    case FRAMING_LONG:
        return refuse_long(session, session->framing.protocol == FRAMING_SPEAKS_TEXT);
    }
    return false;
}

/* Answers whole requests, until there is none or answers pile up. False when the client must go. */
static bool serve(struct session *session)
{
    while (session->out.used == 0 && !session->closing) {
        struct framing_found found;
        char *bytes = buffer_begin(&session->in);
        enum framing_kind kind = framing_next(&session->framing, bytes, session->in.used, &found);
        if (kind == FRAMING_NOTHING && session->ended)
            kind = framing_last(&session->framing, session->in.used, &found);
        if (!answer(session, kind, bytes + found.skip, found.size))
            return false;
        take(session, &session->in, found.used);
        if (!flush(session))
            return false;
        if (kind == FRAMING_NOTHING)
            return !session->ended || session->out.used > 0 || session->subscriptions;
    }
    return true;
}

/* Who has ended its side can still be told something; who is gone altogether (EPOLLHUP) can't, but what it sent before
 * counts. */
static void on_client(struct loop_source *source, uint32_t events)
{
    struct session *session = source->context;
    bool alive = true;

    if (session->out.used > 0)
        alive = flush(session);
    else if (session->ended)
        alive = !(events & (EPOLLHUP | EPOLLERR));
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        alive = receive(session);
    if (alive)
        alive = serve(session);
    if (!alive)
        session_free(session);
    else
        want(session, session->out.used > 0 ? EPOLLOUT : session->ended ? 0 : EPOLLIN);
}

struct session *session_new(struct server *server, int fd)
{
    struct session *session = calloc(1, sizeof *session);

    if (!session)
        return NULL;
    *session =
        (struct session){ .server = server, .events = EPOLLIN, .heard_ms = loop_now_ms(), .next = server->sessions };
    session->source = (struct loop_source){ .fd = fd, .on_event = on_client, .context = session };
    if (loop_add(&server->supervisor->loop, &session->source, EPOLLIN) < 0) {
        free(session);
        return NULL;
    }
    server->sessions = session;
    server->sessions_count++;
    return session;
}
