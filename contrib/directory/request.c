/* One request: what its query says, how it is answered. */

#include "contrib/directory/request.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/json.h"
#include "lib/sha256.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define TAG_BYTES 16 /* of the hash: enough to tell apart what anyone makes by chance or on purpose */

/* ---- Answers */

static void set_answer(struct request *request, int status, const char *type, void *bytes, size_t size)
{
    static const char busy[] = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                               "\"detail\":\"too many large answers wait to be taken by their clients\"}";

    free(request->answer);
    if (!request_count(request, size)) {
        free(bytes);
        request->retry_after_s = 1;
        request->tagged = false;
        request->cache_control = NULL;
        status = 503;
        type = "application/problem+json";
        bytes = strdup(busy);
        size = sizeof busy - 1;
    }
    request->status = status;
    request->content_type = type;
    request->answer = bytes;
    request->answer_size = size;
}

void request_answer(struct request *request, int status, const char *content_type, void *bytes, size_t size)
{
    set_answer(request, status, content_type, bytes, size);
}

void request_answer_bytes(struct request *request, const char *content_type, void *bytes, size_t size)
{
    set_answer(request, 200, content_type, bytes, size);
}

static void answer_out_of_memory(struct request *request)
{
    static const char text[] = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                               "\"detail\":\"out of memory\"}";

    request->retry_after_s = 1;
    set_answer(request, 503, "application/problem+json", strdup(text), sizeof text - 1);
}

static void answer_value(struct request *request, int status, const char *type, cJSON *value)
{
    char *text = value ? json_print(value) : NULL;

    cJSON_Delete(value);
    if (text)
        set_answer(request, status, type, text, strlen(text));
    else
        answer_out_of_memory(request);
}

void request_answer_json(struct request *request, int status, cJSON *value)
{
    answer_value(request, status, "application/json", value);
}

void request_problem(struct request *request, int status, const char *detail, ...)
{
    char text[1024];
    cJSON *problem = cJSON_CreateObject();
    va_list arguments;

    va_start(arguments, detail);
    vsnprintf(text, sizeof text, detail, arguments);
    va_end(arguments);
    for (char *byte = text; *byte; byte++) {
        if (*byte & 0x80) /* a path may hold what isn't UTF-8 */
            *byte = '?';
    }
    cJSON_AddStringToObject(problem, "type", "about:blank");
    cJSON_AddStringToObject(problem, "title", MHD_get_reason_phrase_for((unsigned)status));
    cJSON_AddNumberToObject(problem, "status", status);
    cJSON_AddStringToObject(problem, "detail", text);
    if (status == 429 || status == 503)
        request->retry_after_s = 1;
    answer_value(request, status, "application/problem+json", problem);
}

/* ---- What caches need */

static const char *header_of(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name) ?: "";
}

/* RFC 9110 §12.5.3, as far as it matters: gzip is named, and not with a weight of 0. */
bool request_takes_gzip(const struct request *request)
{
    const char *found = strcasestr(header_of(request, "Accept-Encoding"), "gzip");

    if (!found)
        return false;
    found += strlen("gzip");
    found += strspn(found, " \t");
    if (*found != ';')
        return true;
    found += 1 + strspn(found + 1, " \t");
    return strncasecmp(found, "q=", 2) != 0 || strtod(found + 2, NULL) > 0;
}

void request_gzip(struct request *request)
{
    z_stream stream = { .next_in = (void *)request->answer, .avail_in = (uInt)request->answer_size };

    /* 15 + 16: the largest window, gzip's frame (zlib.h). The fastest level: text gets to a third of its size. */
    if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return;
    size_t room = deflateBound(&stream, request->answer_size);
    uint8_t *bytes = malloc(room);
    stream.next_out = bytes;
    stream.avail_out = (uInt)room;
    if (bytes && deflate(&stream, Z_FINISH) == Z_STREAM_END) {
        free(request->answer);
        request->answer = (char *)steal_pointer(bytes);
        request->answer_size = stream.total_out;
        request->gzipped = true;
    }
    free(bytes);
    deflateEnd(&stream);
}

/* A strong validator of just these bytes (RFC 9110 §8.8.3). */
static void make_tag(const struct request *request, char ret_tag[static 2 * TAG_BYTES + 3])
{
    uint8_t hash[SHA256_BYTES];
    char hex[2 * TAG_BYTES + 1];

    sha256(request->answer ?: "", request->answer_size, hash);
    encode_hex(hash, TAG_BYTES, hex);
    snprintf(ret_tag, 2 * TAG_BYTES + 3, "\"%s\"", hex);
}

/* If-None-Match: a list of tags, weak ones too, or *. */
static bool has_it(const struct request *request, const char *tag)
{
    const char *known = header_of(request, "If-None-Match");

    return strcmp(known, "*") == 0 || strstr(known, tag);
}

static void add_tag(struct request *request, struct MHD_Response **response)
{
    char tag[2 * TAG_BYTES + 3];

    make_tag(request, tag);
    if (has_it(request, tag)) {
        struct MHD_Response *empty = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
        if (empty) {
            MHD_destroy_response(*response);
            *response = empty;
            request->status = 304;
        }
    }
    MHD_add_response_header(*response, "ETag", tag);
}

enum MHD_Result request_send(struct request *request)
{
    char seconds[16];
    struct MHD_Response *response = MHD_create_response_from_buffer(
        request->answer_size, request->answer ?: "", request->answer ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    if (request->tagged && request->status == 200)
        add_tag(request, &response);
    request->answer = NULL;
    MHD_add_response_header(response, "Content-Type", request->content_type);
    MHD_add_response_header(response, "Cache-Control", request->cache_control ?: "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (request->gzipped && request->status == 200)
        MHD_add_response_header(response, "Content-Encoding", "gzip");
    if (request->varies)
        MHD_add_response_header(response, "Vary", "Accept-Encoding");
    if (request->allow)
        MHD_add_response_header(response, "Allow", request->allow);
    if (request->security)
        MHD_add_response_header(response, "Content-Security-Policy", request->security);
    if (request->too_large || request->last)
        MHD_add_response_header(response, "Connection", "close");
    if (request->retry_after_s) {
        snprintf(seconds, sizeof seconds, "%u", request->retry_after_s);
        MHD_add_response_header(response, "Retry-After", seconds);
    }
    enum MHD_Result result = MHD_queue_response(request->connection, (unsigned)request->status, response);
    MHD_destroy_response(response);
    return result;
}

/* ---- Query parameters */

struct query {
    struct request *request;
    const struct parameter *table;
};

static bool read_integer(const char *text, const struct parameter *parameter, int64_t *ret_value)
{
    size_t length = strlen(text);

    if (length < 1 || length > 16 || strspn(text, "0123456789") != length)
        return false;
    *ret_value = (int64_t)strtoull(text, NULL, 10);
    return *ret_value >= parameter->min && *ret_value <= parameter->max;
}

static bool refuse_parameter(struct request *request, const struct parameter *parameter)
{
    if (parameter->kind == PARAMETER_INTEGER)
        request_problem(request, 400, "%s: must be an integer from %" PRId64 " to %" PRId64, parameter->name,
                        parameter->min, parameter->max);
    else
        request_problem(request, 400, "%s: must have %" PRId64 " to %" PRId64 " bytes", parameter->name, parameter->min,
                        parameter->max);
    return false;
}

static bool read_parameter(struct query *query, const char *name, const char *text)
{
    for (size_t i = 0; query->table && query->table[i].name; i++) {
        const struct parameter *parameter = &query->table[i];
        struct parameter_value *value = &query->request->values[i];
        if (strcmp(parameter->name, name) != 0)
            continue;
        if (value->given)
            return request_problem(query->request, 400, "%s: is given twice", name), false;
        *value = (struct parameter_value){ .given = true, .text = text ? text : "" };
        if (parameter->kind == PARAMETER_INTEGER)
            return read_integer(value->text, parameter, &value->integer) || refuse_parameter(query->request, parameter);
        int64_t length = (int64_t)strlen(value->text);
        return (length >= parameter->min && length <= parameter->max) || refuse_parameter(query->request, parameter);
    }
    return request_problem(query->request, 400, "%.100s: no such parameter here", name), false;
}

static enum MHD_Result on_parameter(void *context, enum MHD_ValueKind kind, const char *name, const char *text)
{
    return read_parameter(context, name ? name : "", text) ? MHD_YES : MHD_NO;
}

bool request_read_query(struct request *request, const struct parameter *table)
{
    struct query query = { request, table };

    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, on_parameter, &query);
    return request->status == 0;
}
