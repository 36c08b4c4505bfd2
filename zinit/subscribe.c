/* A subscription is a sink of the logs. What it says is queued with the session and sent by the loop. */

#include "zinit/subscribe.h"

#include "lib/cleanup.h"
#include "zinit/api.h"
#include "zinit/history.h"
#include "zinit/merge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SUBSCRIPTIONS_MAX 16 /* a client */
#define KEPT_BYTES_MAX (1024 * 1024)
#define NAME_OURS "zinit"

struct subscription {
    struct log_sink sink;
    struct subscription *next; /* the session's */
    struct session *session;
    unsigned id; /* 0: the text protocol's */
    bool begun;
    uint64_t missed;                /* lines left out since the last that was said */
    char name[UNIT_NAME_BYTES_MAX]; /* "": all */
};

/* ---- lines */

static bool say_json(struct subscription *subscription, const char *whole)
{
    cJSON *string = cJSON_CreateString(whole);
    cleanup_free char *quoted = string ? json_print(string) : NULL, *line = NULL;
    int size = -1;

    cJSON_Delete(string);
    if (quoted)
        size = asprintf(&line,
                        "{\"jsonrpc\":\"2.0\",\"method\":\"stream_subscribeLogs\",\"params\":{\"subscription\":\"%u\","
                        "\"result\":%s}}\n",
                        subscription->id, quoted);
    if (size < 0)
        line = NULL;
    return line && session_say(subscription->session, line, (size_t)size);
}

static bool say(struct subscription *subscription, const char *name, int64_t time_ms, const char *text)
{
    static char line[HISTORY_LINE_BYTES];
    int size;

    if (subscription->id)
        return say_json(subscription, history_dress(name, time_ms, text));
    size = snprintf(line, sizeof line, "[+] %.128s: %s\n", name, text);
    return session_say(subscription->session, line, (size_t)size);
}

static bool tell_missed(struct subscription *subscription)
{
    char text[96];

    if (subscription->missed == 0)
        return true;
    snprintf(text, sizeof text, "%" PRIu64 " lines left out here: they are read too slowly", subscription->missed);
    if (!say(subscription, NAME_OURS, time(NULL) * 1000LL, text))
        return false;
    subscription->missed = 0;
    return true;
}

static void on_line(struct log_sink *sink, const struct log_stream *stream, const struct ring_line *line,
                    const char *text)
{
    struct subscription *subscription = (struct subscription *)sink;

    if (subscription->name[0] && strcmp(subscription->name, stream->name) != 0)
        return;
    if (!session_has_room(subscription->session) || !tell_missed(subscription) ||
        !say(subscription, stream->name, line->time_ms, text))
        subscription->missed++;
}

/* ---- subscriptions */

static struct logs *logs_of(const struct session *session)
{
    return &session->server->supervisor->logs;
}

static bool refuse_unknown(const struct session *session, const char *name, struct rpc_error *error)
{
    if (!*name || history_has(logs_of(session), name))
        return false;
    api_fail(error, API_UNKNOWN, "Service not found", "service name \"%s\" unknown", name);
    return true;
}

static struct subscription *subscribe(struct session *session, const char *name, struct rpc_error *error)
{
    struct subscription *subscription;

    if (refuse_unknown(session, name, error))
        return NULL;
    if (session->subscriptions_count == SUBSCRIPTIONS_MAX) {
        rpc_error_set(error, RPC_INVALID_REQUEST, "Too many subscriptions",
                      "this connection has 16: end one with stream_unsubscribeLogs");
        return NULL;
    }
    subscription = calloc(1, sizeof *subscription);
    if (!subscription) {
        rpc_error_set(error, RPC_INTERNAL_ERROR, "Out of memory", "out of memory");
        return NULL;
    }
    subscription->sink.on_line = on_line;
    subscription->session = session;
    snprintf(subscription->name, sizeof subscription->name, "%s", name);
    subscription->next = session->subscriptions;
    session->subscriptions = subscription;
    session->subscriptions_count++;
    return subscription;
}

static void end(struct session *session, struct subscription **place)
{
    struct subscription *subscription = *place;

    *place = subscription->next;
    session->subscriptions_count--;
    logs_remove_sink(logs_of(session), &subscription->sink);
    free(subscription);
}

void subscribe_call(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    const struct supervisor *supervisor = context;
    const char *name = json_string(params, "name");
    struct subscription *subscription = subscribe(supervisor->asking, name ? name : "", ret_error);
    char id[16];

    if (!subscription)
        return;
    subscription->id = ++supervisor->asking->last_id;
    snprintf(id, sizeof id, "%u", subscription->id);
    *ret_result = cJSON_CreateString(id);
}

void unsubscribe_call(void *context, const cJSON *params, cJSON **ret_result, struct rpc_error *ret_error)
{
    const struct supervisor *supervisor = context;
    struct session *session = supervisor->asking;
    struct subscription **place = &session->subscriptions;
    char id[16] = "";

    while (*place) {
        snprintf(id, sizeof id, "%u", (*place)->id);
        if (strcmp(id, json_string(params, "subscription")) == 0)
            break;
        place = &(*place)->next;
    }
    *ret_result = cJSON_CreateBool(*place != NULL);
    if (*place)
        end(session, place);
}

bool subscribe_text(struct session *session, const char *name, struct rpc_error *ret_error)
{
    if (!subscribe(session, name, ret_error))
        return false;
    subscribe_begin_new(session);
    return true;
}

void subscribe_begin_new(struct session *session)
{
    for (struct subscription *each = session->subscriptions; each; each = each->next) {
        if (!each->begun)
            logs_add_sink(logs_of(session), &each->sink);
        each->begun = true;
    }
}

void subscribe_tell_missed(struct session *session)
{
    for (struct subscription *each = session->subscriptions; each; each = each->next)
        tell_missed(each);
}

void subscribe_end_all(struct session *session)
{
    while (session->subscriptions)
        end(session, &session->subscriptions);
}

/* ---- what is kept */

static int line_size(const struct log_stream *stream, const struct ring_line *line)
{
    return snprintf(NULL, 0, "[+] %.128s: \n", stream->name) + (int)line->size;
}

/* What all the lines take in this form. */
static size_t count_bytes(struct merge *merge)
{
    struct log_stream *stream;
    struct ring_line line;
    size_t size = 0;

    while (merge_next(merge, &stream, &line, NULL))
        size += (size_t)line_size(stream, &line);
    return size;
}

/* Writes the lines, but for so many of the oldest that KEPT_BYTES_MAX are enough. */
static void write_lines(FILE *out, struct merge *merge, size_t size)
{
    static char text[RING_LINE_BYTES_MAX + 1];
    struct log_stream *stream;
    struct ring_line line;

    while (merge_next(merge, &stream, &line, text)) {
        if (size <= KEPT_BYTES_MAX)
            fprintf(out, "[+] %.128s: %s\n", stream->name, text);
        size -= (size_t)line_size(stream, &line);
    }
}

bool subscribe_kept_lines(struct session *session, const char *name, char **ret_text, size_t *ret_size,
                          struct rpc_error *ret_error)
{
    const struct logs *logs = logs_of(session);
    const char *only = *name ? name : NULL;
    struct merge merge;
    FILE *out;
    size_t size;

    if (refuse_unknown(session, name, ret_error))
        return false;
    out = open_memstream(ret_text, ret_size);
    if (out && merge_open(&merge, logs, only, MERGE_ALL) == 0) {
        size = count_bytes(&merge);
        merge_close(&merge);
        if (merge_open(&merge, logs, only, MERGE_ALL) == 0) {
            write_lines(out, &merge, size);
            merge_close(&merge);
        }
    }
    if (out && fclose(out) == 0)
        return true;
    rpc_error_set(ret_error, RPC_INTERNAL_ERROR, "Out of memory", "out of memory");
    return false;
}
