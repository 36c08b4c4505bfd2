/* A request is tried once more with a token when the registry answers 401 with a Bearer challenge; the token serves the
 * rest of the pull. */

#include "provisiond/fetch.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/http.h"
#include "lib/json.h"
#include "provisiond/cache.h"
#include "provisiond/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define DOCUMENT_MS 60000
#define TOKEN_BYTES_MAX (64u * 1024)
#define CHUNK_BYTES (256u * 1024)
#define ACCEPT                                                                                                         \
    "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "                    \
    "application/vnd.docker.distribution.manifest.v2+json, "                                                           \
    "application/vnd.docker.distribution.manifest.list.v2+json, "                                                      \
    "application/octet-stream"

bool fetch_challenge(const char *header, const char *name, char *ret_value, size_t size)
{
    size_t length = strlen(name);

    for (const char *at = header; (at = strstr(at, name)); at += length) {
        const char *end;
        if ((at != header && at[-1] != ' ' && at[-1] != ',') || strncmp(at + length, "=\"", 2) != 0)
            continue;
        at += length + 2;
        end = strchr(at, '"');
        if (!end || (size_t)(end - at) >= size)
            return false;
        memcpy(ret_value, at, (size_t)(end - at));
        ret_value[end - at] = '\0';
        return true;
    }
    return false;
}

static void escape_query(const char *text, char *out, size_t size)
{
    size_t used = 0;

    for (; *text && used + 4 < size; text++) {
        bool plain = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                     (*text >= '0' && *text <= '9') || strchr("-._~", *text);
        used += (size_t)snprintf(out + used, size - used, plain ? "%c" : "%%%02X", (unsigned char)*text);
    }
    out[used] = '\0';
}

/* Answers a Bearer challenge without credentials. 0 and fetch->authorization, or REFUSED. */
static int get_token(struct fetch *fetch, const char *challenge, struct reason *reason)
{
    char realm[512], service[256] = "", scope[256] = "", escaped[2][800], url[2200];
    struct http_request request = { .method = "GET",
                                    .url = url,
                                    .answer_bytes_max = TOKEN_BYTES_MAX,
                                    .timeout_ms = DOCUMENT_MS,
                                    .cancelled = fetch->cancelled,
                                    .context = fetch->context,
                                    .ca_file = fetch->ca_file[0] ? fetch->ca_file : NULL };
    struct http_answer answer;
    cleanup_json cJSON *body = NULL;
    const char *token;

    if (strncasecmp(challenge, "Bearer ", 7) != 0 || !fetch_challenge(challenge, "realm", realm, sizeof realm))
        return reason_refuse(reason, "registry", "asks for a login, which a contract can't give");
    if (strncmp(realm, "https://", 8) != 0 && !(fetch->plain_http && !strncmp(realm, "http://", 7)))
        return reason_refuse(reason, "registry", "its token service isn't https");
    fetch_challenge(challenge, "service", service, sizeof service);
    fetch_challenge(challenge, "scope", scope, sizeof scope);
    escape_query(service, escaped[0], sizeof escaped[0]);
    escape_query(scope, escaped[1], sizeof escaped[1]);
    snprintf(url, sizeof url, "%s%cservice=%s&scope=%s", realm, strchr(realm, '?') ? '&' : '?', escaped[0], escaped[1]);
    if (http_perform(&request, &answer, reason) != 0)
        return reason_prefix(reason, "token");
    if (answer.status != 200 || json_parse(answer.body, answer.body_size, TOKEN_BYTES_MAX, &body, reason) != 0)
        reason_refuse(reason, "token", "the registry gives none: status %d", answer.status);
    http_answer_close(&answer);
    token = json_string(body, "token") ? json_string(body, "token") : json_string(body, "access_token");
    if (!token)
        return reason_refuse(reason, "registry", "gives no token to a stranger: is the image public?");
    free(fetch->authorization);
    fetch->authorization = malloc(strlen(token) + 32);
    if (!fetch->authorization)
        return reason_refuse(reason, NULL, "out of memory");
    sprintf(fetch->authorization, "Authorization: Bearer %s", token);
    return strpbrk(token, "\r\n") ? reason_refuse(reason, "token", "is malformed") : 0;
}

struct sink {
    int fd;
    crypto_hash_sha256_state hash;
    int64_t size, size_max;
    bool overflow;
    int error;
};

struct transfer {
    struct fetch *fetch;
    struct sink *sink;
};

static int on_data(void *context, const void *data, size_t size)
{
    struct sink *sink = ((struct transfer *)context)->sink;

    if ((int64_t)size > sink->size_max - sink->size) {
        sink->overflow = true;
        return -1;
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = write(sink->fd, (const char *)data + done, size - done);
        if (n < 0) {
            sink->error = errno;
            return -1;
        }
        done += (size_t)n;
    }
    crypto_hash_sha256_update(&sink->hash, data, size);
    sink->size += (int64_t)size;
    return 0;
}

static bool is_cancelled(void *context)
{
    struct fetch *fetch = ((struct transfer *)context)->fetch;

    return fetch->cancelled && fetch->cancelled(fetch->context);
}

/* One request, and a second one with a token when that is what is missing. */
static int perform(struct fetch *fetch, const char *kind, const char *digest, struct sink *sink, size_t size_max,
                   struct http_answer *ret_answer, struct reason *reason)
{
    struct transfer transfer = { fetch, sink };
    char url[1024], range[64];
    int r;

    snprintf(url, sizeof url, "%s://%s/v2/%s/%s/%s", fetch->plain_http ? "http" : "https", fetch->registry,
             fetch->repository, kind, digest);
    for (int attempt = 0;; attempt++) {
        const char *headers[4] = { ACCEPT };
        int count = 1;
        struct http_request request = { .method = "GET",
                                        .url = url,
                                        .headers = headers,
                                        .answer_bytes_max = size_max,
                                        .timeout_ms = sink ? 0 : DOCUMENT_MS,
                                        .ca_file = fetch->ca_file[0] ? fetch->ca_file : NULL,
                                        .on_data = sink ? on_data : NULL,
                                        .context = &transfer,
                                        .cancelled = is_cancelled };
        if (fetch->authorization)
            headers[count++] = fetch->authorization;
        if (sink && sink->size > 0) {
            snprintf(range, sizeof range, "Range: bytes=%" PRId64 "-", sink->size);
            headers[count++] = range;
        }
        r = http_perform(&request, ret_answer, reason);
        if (r != 0)
            return REFUSED;
        if (ret_answer->status != 401 || attempt > 0)
            return 0;
        r = get_token(fetch, ret_answer->www_authenticate, reason);
        http_answer_close(ret_answer);
        if (r != 0)
            return r;
    }
}

static int check_digest(const uint8_t hash[static 32], const char *digest, struct reason *reason)
{
    char text[HASH_TEXT_BYTES];

    encode_hex(hash, 32, text);
    return strcmp(text, digest + strlen("sha256:")) == 0
               ? 0
               : reason_refuse(reason, "digest", "the registry sent sha256:%s instead of %s", text, digest);
}

int fetch_document(struct fetch *fetch, const char *kind, const char *digest, size_t size_max, char **ret_body,
                   size_t *ret_size, struct reason *reason)
{
    struct http_answer answer;
    uint8_t hash[32];
    int r = perform(fetch, kind, digest, NULL, size_max, &answer, reason);

    if (r != 0)
        return r;
    if (answer.status != 200) {
        reason_refuse(reason, "registry", "answers %d for %s of %s", answer.status, digest, fetch->repository);
        http_answer_close(&answer);
        return REFUSED;
    }
    crypto_hash_sha256(hash, (const uint8_t *)answer.body, answer.body_size);
    r = check_digest(hash, digest, reason);
    if (r == 0) {
        *ret_body = steal_pointer(answer.body);
        *ret_size = answer.body_size;
    }
    http_answer_close(&answer);
    return r;
}

/* Takes in what an earlier try has left. */
static int resume(struct sink *sink, const char *part, int64_t size)
{
    cleanup_free uint8_t *buffer = malloc(CHUNK_BYTES);
    ssize_t n;

    *sink = (struct sink){ .size_max = size, .fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) };
    if (sink->fd < 0 || !buffer)
        return -errno;
    crypto_hash_sha256_init(&sink->hash);
    while ((n = read(sink->fd, buffer, CHUNK_BYTES)) > 0) {
        crypto_hash_sha256_update(&sink->hash, buffer, (unsigned long long)n);
        sink->size += n;
    }
    return n < 0 ? -errno : 0;
}

static void start_over(struct sink *sink)
{
    if (ftruncate(sink->fd, 0) < 0 || lseek(sink->fd, 0, SEEK_SET) < 0)
        sink->error = errno;
    crypto_hash_sha256_init(&sink->hash);
    sink->size = 0;
    sink->overflow = false;
}

/* Fills the sink up to its size. */
static int fill(struct fetch *fetch, const char *digest, struct sink *sink, struct reason *reason)
{
    struct http_answer answer = { 0 };
    bool resumed = sink->size > 0;
    int status, r;

    if (sink->size > sink->size_max) {
        start_over(sink);
        resumed = false;
    }
    if (sink->size == sink->size_max && resumed)
        return 0;
    r = perform(fetch, "blobs", digest, sink, (size_t)sink->size_max + 65536, &answer, reason);
    status = r == 0 ? answer.status : 0;
    http_answer_close(&answer);
    if (sink->error)
        return cache_refuse(reason, "blob", sink->error);
    if (resumed && (sink->overflow || status == 200 || status == 416)) {
        start_over(sink); /* it doesn't do ranges: what came is the whole again */
        return fill(fetch, digest, sink, reason);
    }
    if (sink->overflow)
        return reason_refuse(reason, "blob", "the registry sends more than the %" PRId64 " bytes that were announced",
                             sink->size_max);
    if (r != 0)
        return r;
    if (status / 100 != 2)
        return reason_refuse(reason, "registry", "answers %d for %s of %s", status, digest, fetch->repository);
    if (sink->size != sink->size_max)
        return reason_refuse(reason, "blob", "ends after %" PRId64 " of %" PRId64 " bytes", sink->size, sink->size_max);
    return 0;
}

int fetch_blob(struct fetch *fetch, const char *digest, int64_t size, const char *path, struct reason *reason)
{
    char part[PATH_BYTES];
    struct sink sink;
    uint8_t hash[32];
    int r;

    if (access(path, F_OK) == 0)
        return 0;
    snprintf(part, sizeof part, "%.480s.part", path);
    r = resume(&sink, part, size);
    if (r == 0)
        r = fill(fetch, digest, &sink, reason);
    else
        r = cache_refuse(reason, "blob", -r);
    if (r == 0) {
        crypto_hash_sha256_final(&sink.hash, hash);
        r = check_digest(hash, digest, reason);
        if (r != 0)
            unlink(part); /* no use in going on from there */
        else if (fsync(sink.fd) < 0 || rename(part, path) < 0)
            r = cache_refuse(reason, "blob", errno);
    }
    if (sink.fd >= 0)
        close(sink.fd);
    return r;
}

void fetch_close(struct fetch *fetch)
{
    free(steal_pointer(fetch->authorization));
}
