/* HTTP through libcurl's easy interface, one handle a request: no state is shared, so any thread may call.
 *
 * Built against two curls: the node's (static, mbedTLS, without what a node has no use for) and the host's (OpenSSL).
 * An option that only one of them knows is set without regard to the answer; those that safety rests on are checked. */

#include "lib/http.h"

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define HTTP_REDIRECTS_MAX 3L
#define HTTP_CONNECT_TIMEOUT_S 20L
#define HTTP_STALL_S 60L
/* An error's body when data goes elsewhere: enough for any problem document, whatever the bound on the data. */
#define HTTP_ERROR_BODY_BYTES ((size_t)65536)
/* A resolver waits 5 s for its servers (resolv.conf(5), musl's and glibc's default), and less for one that answers. */
#define HTTP_DNS_SILENCE_US 4500000
#define HTTP_RETRY_AFTER_MAX_S 86400UL

struct transfer {
    const struct http_request *request;
    CURL *curl;
    struct http_answer answer;
    size_t received, room;
    bool too_large, aborted, cancelled, no_memory;
    bool connected; /* a connection that came to be has been closed again */
    char host[256], port[8];
    char error[CURL_ERROR_SIZE];
};

int http_open(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return log_fail(-ENOTSUP, "start libcurl");
    return 0;
}

static long status_of(struct transfer *transfer)
{
    long status = 0;

    curl_easy_getinfo(transfer->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static bool body_append(struct transfer *transfer, const char *data, size_t size)
{
    struct http_answer *answer = &transfer->answer;

    if (transfer->room < size + 1 || answer->body_size > transfer->room - size - 1) {
        size_t room = (answer->body_size + size + 1) * 2;
        char *body = realloc(answer->body, room);
        if (!body) {
            transfer->no_memory = true;
            return false;
        }
        answer->body = body;
        transfer->room = room;
    }
    memcpy(answer->body + answer->body_size, data, size);
    answer->body_size += size;
    answer->body[answer->body_size] = '\0';
    return true;
}

static size_t on_body(char *data, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    const struct http_request *request = transfer->request;
    long status = status_of(transfer);
    bool elsewhere = request->on_data && status >= 200 && status < 300;
    size_t max = request->answer_bytes_max;

    if (request->on_data && !elsewhere && max > HTTP_ERROR_BODY_BYTES)
        max = HTTP_ERROR_BODY_BYTES;
    if (size > max - transfer->received) {
        transfer->too_large = true;
        return CURL_WRITEFUNC_ERROR;
    }
    transfer->received += size;
    if (!elsewhere)
        return body_append(transfer, data, size) ? size : CURL_WRITEFUNC_ERROR;
    if (request->on_data(request->context, data, size) != 0) {
        transfer->aborted = true;
        return CURL_WRITEFUNC_ERROR;
    }
    return size;
}

/* Gives the value of header `name` in a line that isn't NUL-terminated, white space around it left out; false when the
 * line is another. */
static bool header_value(const char *line, size_t size, const char *name, const char **ret_value, size_t *ret_size)
{
    size_t length = strlen(name);

    if (size <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
        return false;
    line += length + 1;
    size -= length + 1;
    while (size && (*line == ' ' || *line == '\t'))
        line++, size--;
    while (size && strchr(" \t\r\n", line[size - 1]))
        size--;
    *ret_value = line;
    *ret_size = size;
    return true;
}

static void copy_value(char *out, size_t room, const char *value, size_t size)
{
    if (size >= room)
        return; /* half a challenge or type would mean something else */
    memcpy(out, value, size);
    out[size] = '\0';
}

static size_t on_header(char *line, size_t one, size_t size, void *context)
{
    struct transfer *transfer = context;
    struct http_answer *answer = &transfer->answer;
    const char *value;
    size_t length;

    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) { /* a new answer: after a redirect, or a 100 */
        answer->content_type[0] = answer->www_authenticate[0] = '\0';
        answer->retry_after_s = 0;
    } else if (header_value(line, size, "content-type", &value, &length)) {
        copy_value(answer->content_type, sizeof answer->content_type, value, length);
    } else if (header_value(line, size, "www-authenticate", &value, &length)) {
        /* Of several challenges the Bearer one is what a registry's client answers. */
        if (!answer->www_authenticate[0] || (length > 7 && strncasecmp(value, "Bearer ", 7) == 0))
            copy_value(answer->www_authenticate, sizeof answer->www_authenticate, value, length);
    } else if (header_value(line, size, "retry-after", &value, &length)) {
        char text[16] = "";
        copy_value(text, sizeof text, value, length);
        unsigned long seconds = strtoul(text, NULL, 10); /* a date gives 0: as if not given */
        answer->retry_after_s = (unsigned)(seconds < HTTP_RETRY_AFTER_MAX_S ? seconds : HTTP_RETRY_AFTER_MAX_S);
    }
    return size;
}

static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct transfer *transfer = context;

    if (!transfer->request->cancelled || !transfer->request->cancelled(transfer->request->context))
        return 0;
    transfer->cancelled = true;
    return 1;
}

/* Scheme and host of the URL, for the rules that hang on them. */
static int read_url(struct transfer *transfer, char ret_scheme[static 8], struct reason *reason)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    int result = 0;

    if (!url || curl_url_set(url, CURLUPART_URL, transfer->request->url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        result = reason_refuse(reason, transfer->request->url, "not an address that can be asked");
    else if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
        result = reason_refuse(reason, transfer->request->url, "the scheme must be http or https");
    if (!result) {
        snprintf(ret_scheme, 8, "%s", scheme);
        snprintf(transfer->host, sizeof transfer->host, "%s", host);
        if (curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
            snprintf(transfer->port, sizeof transfer->port, "%s", port);
    }
    curl_free(port);
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(url);
    return result;
}

static bool host_is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
}

static bool set_method(struct transfer *transfer)
{
    const struct http_request *request = transfer->request;
    CURL *curl = transfer->curl;
    bool ok = true;

    if (strcmp(request->method, "HEAD") == 0)
        return curl_easy_setopt(curl, CURLOPT_NOBODY, 1L) == CURLE_OK;
    if (request->body || strcmp(request->method, "POST") == 0) {
        ok = curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size) == CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body ? request->body : "") == CURLE_OK;
    }
    if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "POST") != 0)
        ok = ok && curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK;
    return ok;
}

static bool set_trust(struct transfer *transfer, const char *scheme)
{
    const struct http_request *request = transfer->request;
    CURL *curl = transfer->curl;
    long judged = request->any_certificate ? 0L : 1L;
    bool ok = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, scheme) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, scheme) == CURLE_OK;

    if (strcmp(scheme, "https") != 0)
        return ok;
    ok = ok && curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, judged) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, judged ? 2L : 0L) == CURLE_OK &&
         curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    if (request->ca_pem) {
        struct curl_blob blob = { .data = (void *)request->ca_pem,
                                  .len = strlen(request->ca_pem),
                                  .flags = CURL_BLOB_COPY };
        ok = ok && curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob) == CURLE_OK;
    } else if (request->ca_file) {
        ok = ok && curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file) == CURLE_OK;
    }
    return ok;
}

static bool set_bounds(struct transfer *transfer)
{
    const struct http_request *request = transfer->request;
    CURL *curl = transfer->curl;
    /* A redirect of anything but a question would be sent on as another method or to where it wasn't meant. */
    bool follow = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    bool ok = curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, follow ? 1L : 0L) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_MAXREDIRS, HTTP_REDIRECTS_MAX) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, HTTP_CONNECT_TIMEOUT_S) == CURLE_OK;

    if (request->timeout_ms)
        return ok && curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) == CURLE_OK;
    return ok && curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, HTTP_STALL_S) == CURLE_OK;
}

/* Whether TCP had come about is all that tells a silent host from a silent TLS server. */
static int on_close(void *context, curl_socket_t fd)
{
    struct transfer *transfer = context;
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;

    transfer->connected |= getpeername(fd, (struct sockaddr *)&peer, &size) == 0;
    return close(fd);
}

static bool set_callbacks(struct transfer *transfer)
{
    CURL *curl = transfer->curl;

    return curl_easy_setopt(curl, CURLOPT_URL, transfer->request->url) == CURLE_OK &&
           (!transfer->request->gzip || curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip") == CURLE_OK) &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transfer->error) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "zos/1") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, on_close) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, transfer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFODATA, transfer) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

static bool add_header(struct curl_slist **list, const char *header)
{
    struct curl_slist *longer = curl_slist_append(*list, header);

    if (longer)
        *list = longer;
    return longer;
}

static bool set_headers(struct transfer *transfer, struct curl_slist **list)
{
    const char *const *header = transfer->request->headers;

    if (!add_header(list, "Expect:")) /* no waiting for a 100 that many servers never send */
        return false;
    for (; header && *header; header++) {
        if (strpbrk(*header, "\r\n") || !add_header(list, *header))
            return false;
    }
    return curl_easy_setopt(transfer->curl, CURLOPT_HTTPHEADER, *list) == CURLE_OK;
}

static bool has_passed(struct transfer *transfer, CURLINFO time)
{
    curl_off_t us = 0;

    return curl_easy_getinfo(transfer->curl, time, &us) == CURLE_OK && us > 0;
}

/* Where a request that took too long was. CURLINFO_CONNECT_TIME_T is set when TLS is done too. */
static int slow_step(struct transfer *transfer)
{
    if (!has_passed(transfer, CURLINFO_NAMELOOKUP_TIME_T))
        return HTTP_RESOLVE;
    if (has_passed(transfer, CURLINFO_CONNECT_TIME_T))
        return HTTP_TRANSFER;
    return transfer->connected ? HTTP_TLS : HTTP_CONNECT;
}

static int failed_step(struct transfer *transfer, CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return HTTP_RESOLVE;
    case CURLE_COULDNT_CONNECT:
        return HTTP_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
        return HTTP_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return slow_step(transfer);
    case CURLE_FAILED_INIT:
    case CURLE_OUT_OF_MEMORY:
        return REFUSED;
    default:
        return HTTP_TRANSFER;
    }
}

/* What curl says went wrong, as one line: mbedTLS's texts end in a newline. */
static const char *error_of(struct transfer *transfer, CURLcode code)
{
    size_t length = strlen(transfer->error);

    while (length && strchr(" \t\r\n", transfer->error[length - 1]))
        transfer->error[--length] = '\0';
    return length ? transfer->error : curl_easy_strerror(code);
}

/* Neither libc tells through curl whether a server was silent or knew nothing, but for the time that it took. */
static int refuse_name(struct transfer *transfer, CURLcode code, const char *place, struct reason *reason)
{
    curl_off_t us = 0;

    curl_easy_getinfo(transfer->curl, CURLINFO_TOTAL_TIME_T, &us);
    return reason_refuse(reason, place, "%s",
                         code == CURLE_OPERATION_TIMEDOUT || us >= HTTP_DNS_SILENCE_US ? "no DNS server answers"
                                                                                       : "DNS knows no address of it");
}

static int refuse_connection(struct transfer *transfer, CURLcode code, struct reason *reason)
{
    char place[sizeof transfer->host + 32];
    long error = 0;

    snprintf(place, sizeof place, "connect to %s:%s", transfer->host, transfer->port);
    curl_easy_getinfo(transfer->curl, CURLINFO_OS_ERRNO, &error);
    if (code == CURLE_OPERATION_TIMEDOUT || error == ETIMEDOUT)
        return reason_refuse(reason, place, "no answer");
    if (error == ECONNREFUSED)
        return reason_refuse(reason, place, "the connection is refused");
    return reason_refuse(reason, place, "%s", error ? strerror((int)error) : error_of(transfer, code));
}

static int refuse_transfer(struct transfer *transfer, CURLcode code, struct reason *reason)
{
    char place[sizeof transfer->host + 32];

    if (code == CURLE_OPERATION_TIMEDOUT) {
        snprintf(place, sizeof place, "time-out at %s", transfer->host);
        return reason_refuse(reason, place, "no answer in time");
    }
    snprintf(place, sizeof place, "%s %s",
             code == CURLE_TOO_MANY_REDIRECTS || code == CURLE_UNSUPPORTED_PROTOCOL ? "redirect of" : "transfer with",
             transfer->host);
    if (transfer->too_large)
        return reason_refuse(reason, place, "the answer is too large, at most %zu bytes are taken",
                             transfer->request->answer_bytes_max);
    return reason_refuse(reason, place, "%s", error_of(transfer, code));
}

/* What isn't the other side's doing. */
static const char *own_failure(const struct transfer *transfer)
{
    return transfer->cancelled   ? "given up"
           : transfer->aborted   ? "what came was not wanted further"
           : transfer->no_memory ? "memory is out"
                                 : NULL;
}

static int refuse(struct transfer *transfer, CURLcode code, struct reason *reason)
{
    char place[sizeof transfer->host + 32];
    int step = failed_step(transfer, code);

    snprintf(place, sizeof place, "%s %s",
             step == HTTP_RESOLVE ? "resolve"
             : step == HTTP_TLS   ? "TLS with"
                                  : "transfer with",
             transfer->host);
    if (own_failure(transfer))
        return reason_refuse(reason, place, "%s", own_failure(transfer));
    if (step == HTTP_RESOLVE)
        refuse_name(transfer, code, place, reason);
    else if (step == HTTP_CONNECT)
        refuse_connection(transfer, code, reason);
    else if (step == HTTP_TLS)
        reason_refuse(reason, place, "%s", code == CURLE_OPERATION_TIMEDOUT ? "no answer" : error_of(transfer, code));
    else
        refuse_transfer(transfer, code, reason);
    return step;
}

static int run(struct transfer *transfer, const char *scheme, struct reason *reason)
{
    struct curl_slist *headers = NULL;
    CURLcode code = CURLE_FAILED_INIT;

    if (set_callbacks(transfer) && set_method(transfer) && set_trust(transfer, scheme) && set_bounds(transfer) &&
        set_headers(transfer, &headers)) {
        if (host_is_loopback(transfer->host))
            curl_easy_setopt(transfer->curl, CURLOPT_PROXY, "");
        code = curl_easy_perform(transfer->curl);
    }
    transfer->answer.status = (int)status_of(transfer);
    curl_slist_free_all(headers);
    return code == CURLE_OK ? 0 : refuse(transfer, code, reason);
}

int http_perform(const struct http_request *request, struct http_answer *ret_answer, struct reason *reason)
{
    struct transfer transfer = { .request = request };
    char scheme[8];
    int result = read_url(&transfer, scheme, reason);

    if (result)
        return result;
    transfer.curl = curl_easy_init();
    if (!transfer.curl || !body_append(&transfer, "", 0))
        result = reason_refuse(reason, transfer.host, "memory is out");
    else
        result = run(&transfer, scheme, reason);
    curl_easy_cleanup(transfer.curl);
    if (result)
        free(transfer.answer.body);
    else
        *ret_answer = transfer.answer;
    return result;
}

void http_answer_close(struct http_answer *answer)
{
    if (!answer)
        return;
    free(answer->body);
    *answer = (struct http_answer){ 0 };
}

int http_problem(const struct http_answer *answer, struct reason *reason)
{
    cleanup_json cJSON *problem = NULL;
    const char *title = NULL, *detail = NULL;

    if (strncasecmp(answer->content_type, "application/problem+json", 24) == 0 &&
        json_parse(answer->body, answer->body_size, JSON_SIZE_MAX, &problem, NULL) == 0 && cJSON_IsObject(problem)) {
        title = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "title"));
        detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(problem, "detail"));
    }
    if (title && detail)
        return reason_refuse(reason, NULL, "%s: %s", title, detail);
    if (title || detail)
        return reason_refuse(reason, NULL, "%s", title ? title : detail);
    return reason_refuse(reason, NULL, "answered with HTTP status %d", answer->status);
}
