/* Five calls. A failure's reason begins with what the call was for, so that the console can show it as it is. */

#include "provisiond/directory.h"

#include "lib/cleanup.h"
#include "lib/encode.h"
#include "lib/http.h"
#include "lib/statement.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define NONCE_BYTES 32
#define TIMEOUT_MS 20000
#define ANSWER "directory" /* the step at which it answers, but not as it should */
#define ANSWER_BYTES_MAX (256u * 1024)

static const char *step_name(int result)
{
    return result == HTTP_RESOLVE ? "DNS" : result == HTTP_CONNECT ? "TCP" : result == HTTP_TLS ? "TLS" : ANSWER;
}

/* Fills in where and whom to trust; `request` says the rest. */
static int perform(const struct directory *directory, const char *path, struct http_request request,
                   struct http_answer *ret_answer, struct directory_outcome *ret_outcome, struct reason *reason)
{
    static const char *const JSON[] = { "Content-Type: application/json", NULL };
    char url[1024];
    struct http_answer answer;
    int r;

    *ret_outcome = (struct directory_outcome){ 0 };
    if ((size_t)snprintf(url, sizeof url, "%s%s", directory->url, path) >= sizeof url)
        return reason_refuse(reason, "directory", "address too long");
    request.url = url;
    request.headers = request.body ? JSON : NULL;
    request.body_size = request.body ? strlen(request.body) : 0;
    request.ca_file = directory->ca_file[0] ? directory->ca_file : NULL;
    request.ca_pem = directory->ca_pem;
    r = http_perform(&request, &answer, reason);
    if (r != 0) {
        ret_outcome->step = r == REFUSED ? NULL : step_name(r);
        return REFUSED;
    }
    ret_outcome->status = answer.status;
    if (answer.status / 100 != 2) {
        ret_outcome->retry_after_s = answer.retry_after_s;
        ret_outcome->step = ANSWER;
        http_problem(&answer, reason);
        http_answer_close(&answer);
        return REFUSED;
    }
    *ret_answer = answer;
    return 0;
}

/* What came isn't what the directory would say. */
static int doesnt_check(struct directory_outcome *outcome)
{
    *outcome = (struct directory_outcome){ .step = ANSWER };
    return REFUSED;
}

/* Is it a time, signed by the directory, that answers our nonce? */
static int check_time(const struct directory *directory, const struct http_answer *answer, const char *nonce,
                      struct directory_time *ret_time, struct reason *reason)
{
    struct statement statement;
    int r;

    if (statement_open(answer->body, answer->body_size, &statement, reason) != 0)
        return reason_prefix(reason, "the directory's time");
    if (statement.kind != STATEMENT_TIME)
        r = reason_refuse(reason, "the directory's time", "is another kind of statement");
    else if (sodium_memcmp(statement.signer, directory->verifier.public, KEY_PUBLIC_BYTES) != 0)
        r = reason_refuse(reason, "the directory's time", "is signed by %s, which isn't the directory's key",
                          statement.signer_id);
    else if (strcmp(json_string(statement.payload, "nonce"), nonce) != 0)
        r = reason_refuse(reason, "the directory's time", "answers another nonce: a replay");
    else
        r = 0;
    if (r == 0)
        *ret_time = (struct directory_time){ .now = statement.created,
                                             .heartbeat_s = json_integer(statement.payload, "heartbeat_s"),
                                             .uncosigned_s = json_integer(statement.payload, "uncosigned_s") };
    statement_close(&statement);
    return r;
}

char *directory_nonce(void)
{
    uint8_t bytes[NONCE_BYTES];

    randombytes_buf(bytes, sizeof bytes);
    return encode_base64(bytes, sizeof bytes);
}

int directory_ask_time(const struct directory *directory, bool clock_set, struct directory_time *ret_time,
                       struct directory_outcome *ret_outcome, struct reason *reason)
{
    struct http_request request = {
        .method = "GET", .answer_bytes_max = ANSWER_BYTES_MAX, .timeout_ms = TIMEOUT_MS, .any_certificate = !clock_set
    };
    uint8_t bytes[NONCE_BYTES];
    cleanup_free char *nonce = NULL, *nonce_url = NULL;
    char path[256];
    struct http_answer answer = { 0 };
    int r;

    *ret_outcome = (struct directory_outcome){ 0 };
    randombytes_buf(bytes, sizeof bytes);
    nonce = encode_base64(bytes, sizeof bytes);
    nonce_url = encode_base64_url(bytes, sizeof bytes);
    if (!nonce || !nonce_url)
        return reason_refuse(reason, NULL, "out of memory");
    snprintf(path, sizeof path, "/v1/time?nonce=%s", nonce_url);
    r = perform(directory, path, request, &answer, ret_outcome, reason);
    if (r != 0)
        return r;
    r = check_time(directory, &answer, nonce, ret_time, reason);
    http_answer_close(&answer);
    return r ? doesnt_check(ret_outcome) : 0;
}

static int post(const struct directory *directory, const char *path, const char *envelope,
                struct http_answer *ret_answer, struct directory_outcome *ret_outcome, struct reason *reason)
{
    struct http_request request = {
        .method = "POST", .body = envelope, .answer_bytes_max = ANSWER_BYTES_MAX, .timeout_ms = TIMEOUT_MS
    };

    return perform(directory, path, request, ret_answer, ret_outcome, reason);
}

/* The log has it: {id, index, checkpoint, proof[]}, checked against the bytes that we sent. */
static int check_logged(const struct directory *directory, const struct http_answer *answer, const char *envelope,
                        struct reason *reason)
{
    cleanup_json cJSON *body = NULL;
    const cJSON *index, *text;
    struct checkpoint checkpoint;
    struct merkle_proof proof;
    struct merkle_hash leaf;

    if (json_parse(answer->body, answer->body_size, ANSWER_BYTES_MAX, &body, reason) != 0)
        return REFUSED;
    index = cJSON_GetObjectItemCaseSensitive(body, "index");
    text = cJSON_GetObjectItemCaseSensitive(body, "checkpoint");
    if (!cJSON_IsNumber(index) || index->valuedouble < 0 || index->valuedouble > JSON_INTEGER_MAX ||
        !cJSON_IsString(text))
        return reason_refuse(reason, NULL, "the answer lacks index or checkpoint");
    if (checkpoint_open(text->valuestring, &directory->verifier, &checkpoint, reason) != 0)
        return reason_prefix(reason, "checkpoint");
    if (merkle_proof_from_json(cJSON_GetObjectItemCaseSensitive(body, "proof"), "proof", &proof, reason) != 0)
        return REFUSED;
    merkle_leaf(envelope, strlen(envelope), &leaf);
    if (!merkle_verify_inclusion(&leaf, (uint64_t)index->valuedouble, checkpoint.size, &proof, &checkpoint.root))
        return reason_refuse(reason, "inclusion proof", "doesn't show what we sent in the log");
    return 0;
}

int directory_post(const struct directory *directory, const char *envelope, struct directory_outcome *ret_outcome,
                   struct reason *reason)
{
    struct http_answer answer = { 0 };
    int r = post(directory, "/v1/statements", envelope, &answer, ret_outcome, reason);

    if (r != 0)
        return r;
    r = check_logged(directory, &answer, envelope, reason);
    http_answer_close(&answer);
    if (r != 0) {
        reason_prefix(reason, "the directory's receipt");
        return doesnt_check(ret_outcome);
    }
    return 0;
}

int directory_heartbeat(const struct directory *directory, const char *node, const char *envelope, const char *nonce,
                        struct directory_time *ret_time, struct directory_outcome *ret_outcome, struct reason *reason)
{
    char path[128];
    struct http_answer answer = { 0 };
    int r;

    snprintf(path, sizeof path, "/v1/nodes/%s/heartbeat", node);
    r = post(directory, path, envelope, &answer, ret_outcome, reason);
    if (r != 0)
        return r;
    r = check_time(directory, &answer, nonce, ret_time, reason);
    http_answer_close(&answer);
    return r ? doesnt_check(ret_outcome) : 0;
}

int directory_feed(const struct directory *directory, const char *node, int64_t after, uint64_t from_size,
                   unsigned wait_s, cJSON **ret_answer, struct directory_outcome *ret_outcome, struct reason *reason)
{
    struct http_request request = { .method = "GET",
                                    .answer_bytes_max = DIRECTORY_FEED_BYTES,
                                    .timeout_ms = TIMEOUT_MS + wait_s * 1000 };
    char path[256];
    size_t used;
    struct http_answer answer = { 0 };
    int r;

    used =
        (size_t)snprintf(path, sizeof path, "/v1/nodes/%s/feed?from_size=%" PRIu64 "&wait=%u", node, from_size, wait_s);
    if (after >= 0)
        used += (size_t)snprintf(path + used, sizeof path - used, "&after=%" PRId64, after);
    if (directory->witnesses.quorum)
        snprintf(path + used, sizeof path - used, "&cosigned=1");
    r = perform(directory, path, request, &answer, ret_outcome, reason);
    if (r != 0)
        return r;
    r = json_parse(answer.body, answer.body_size, DIRECTORY_FEED_BYTES, ret_answer, reason);
    http_answer_close(&answer);
    return r ? doesnt_check(ret_outcome) : 0;
}
