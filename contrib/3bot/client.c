/* Requests to the directory, and the memory of its log. The memory is one file a log: whoever shows this bot two
 * histories of the same log is found out at the second. */

#include "contrib/3bot/client.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/http.h"
#include "lib/json.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CLIENT_ANSWER_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define CLIENT_TIMEOUT_MS 60000
#define CLIENT_PAGE 500
#define CLIENT_ITEMS_MAX 100000
#define CLIENT_URL_BYTES 4096

/* ---- The log that was seen */

static int read_known(struct client *client, struct reason *reason)
{
    cleanup_free char *text = NULL;
    int result = file_read(client->checkpoint_path, NOTE_BYTES_MAX, &text, NULL);

    if (result == -ENOENT)
        return 0;
    if (result < 0)
        return reason_refuse(reason, client->checkpoint_path, "can't be read: %s", strerror(-result));
    result = checkpoint_open(text, &client->config->verifier, &client->known, reason);
    client->has_known = !result;
    return result ? reason_prefix(reason, client->checkpoint_path) : 0;
}

int client_open(struct client *client, const struct config *config, struct reason *reason)
{
    char name[64];

    *client = (struct client){ .config = config };
    if (!config->directory)
        return reason_refuse(reason, NULL,
                             "no directory known: run `3bot init --directory URL --directory-key VKEY`, "
                             "or give --directory here");
    if (!config->directory_key)
        return reason_refuse(reason, NULL,
                             "the directory's key isn't known, so nothing it says can be checked: run "
                             "`3bot init --directory-key VKEY` with the key that its operator publishes");
    snprintf(name, sizeof name, "checkpoint-%08" PRIx32, config->verifier.hash);
    config_path(config, name, client->checkpoint_path);
    return read_known(client, reason);
}

static int keep(struct client *client, const char *text, const struct checkpoint *checkpoint, struct reason *reason)
{
    if (client->has_known && checkpoint->size <= client->known.size)
        return 0;
    if (file_make_folders(client->config->folder, 0700) < 0 ||
        file_write(client->checkpoint_path, text, strlen(text), 0600) < 0)
        return reason_refuse(reason, client->checkpoint_path, "can't be written");
    client->known = *checkpoint;
    client->has_known = true;
    return 0;
}

/* What the directory signed beside the checkpoint that is kept: the two together are the evidence. */
static void keep_other(struct client *client, const char *text)
{
    char path[CONFIG_PATH_BYTES + 8];

    snprintf(path, sizeof path, "%s-other", client->checkpoint_path);
    file_write(path, text, strlen(text), 0600);
}

/* The alarm. `what` is how it came out. */
static int rewritten(struct client *client, const struct checkpoint *now, const char *what, struct reason *reason)
{
    reason_refuse(reason, NULL,
                  "ALARM: the directory shows a log of %" PRIu64 " entries that doesn't agree with the one of %" PRIu64
                  " entries that this bot saw before (%s). Its history was rewritten, or it shows different people "
                  "different logs: trust nothing from it. The checkpoint seen before is kept in %s, this one beside it "
                  "in …-other",
                  now->size, client->known.size, what, client->checkpoint_path);
    return CLIENT_REWRITTEN;
}

/* Both ways round: a directory may show an older state, but it must be of the same history. */
static int check_consistency(struct client *client, const struct checkpoint *now, struct reason *reason)
{
    const struct checkpoint *from = &client->known, *to = now;
    cleanup_json cJSON *answer = NULL;
    struct merkle_proof proof;
    char path[128];
    int result;

    if (now->size == client->known.size)
        return memcmp(&now->root, &client->known.root, sizeof now->root) == 0
                   ? 0
                   : rewritten(client, now, "same size, another root", reason);
    if (now->size < client->known.size)
        from = now, to = &client->known;
    snprintf(path, sizeof path, "/v1/log/consistency?from=%" PRIu64 "&to=%" PRIu64, from->size, to->size);
    result = client_get(client, path, &answer, reason);
    if (result == CLIENT_UNREACHABLE)
        return result;
    if (result || merkle_proof_from_json(json_member(answer, "proof"), "proof", &proof, reason))
        return rewritten(client, now, "it gives no proof that one extends the other", reason);
    if (!merkle_verify_consistency(from->size, to->size, &proof, &from->root, &to->root))
        return rewritten(client, now, "its consistency proof is wrong", reason);
    return 0;
}

int client_take_checkpoint(struct client *client, const char *text, struct checkpoint *ret_checkpoint,
                           struct reason *reason)
{
    struct checkpoint now;
    int result = checkpoint_open(text, &client->config->verifier, &now, reason);

    if (!result && client->has_known)
        result = check_consistency(client, &now, reason);
    if (result == CLIENT_REWRITTEN)
        keep_other(client, text);
    if (!result)
        result = keep(client, text, &now, reason);
    if (!result)
        *ret_checkpoint = now;
    return result;
}

/* ---- Requests */

/* Sorts an answer that isn't 2xx into the conditions. */
static int refuse_answer(const struct http_answer *answer, struct reason *reason)
{
    http_problem(answer, reason);
    switch (answer->status) {
    case 404:
        return CLIENT_NOT_FOUND;
    case 409:
        return CLIENT_CONFLICT;
    case 429:
        return CLIENT_UNREACHABLE;
    default:
        return answer->status >= 500 ? CLIENT_UNREACHABLE : REFUSED;
    }
}

static int read_answer(const struct http_answer *answer, cJSON **ret_object, struct reason *reason)
{
    cleanup_json cJSON *object = NULL;

    if (answer->status < 200 || answer->status > 299)
        return refuse_answer(answer, reason);
    if (json_parse(answer->body, answer->body_size, CLIENT_ANSWER_BYTES_MAX, &object, reason))
        return reason_prefix(reason, "the directory's answer");
    if (!cJSON_IsObject(object))
        return reason_refuse(reason, "the directory's answer", "isn't an object");
    *ret_object = steal_pointer(object);
    return 0;
}

/* Asks, and gives what came whatever its status. 0 (http_answer_close), or a condition. */
static int ask(struct client *client, const char *method, const char *path, const char *body,
               struct http_answer *ret_answer, struct reason *reason)
{
    static const char *const post_headers[] = { "Content-Type: application/json", NULL };
    char url[CLIENT_URL_BYTES];
    struct http_request request = { .method = method,
                                    .url = url,
                                    .headers = body ? post_headers : NULL,
                                    .body = body,
                                    .body_size = body ? strlen(body) : 0,
                                    .answer_bytes_max = CLIENT_ANSWER_BYTES_MAX,
                                    .timeout_ms = CLIENT_TIMEOUT_MS,
                                    .ca_pem = client->config->directory_ca };

    if (snprintf(url, sizeof url, "%s%s", client->config->directory, path) >= (int)sizeof url)
        return reason_refuse(reason, NULL, "the address is too long");
    if (http_perform(&request, ret_answer, reason)) {
        reason_prefix(reason, "the directory can't be reached");
        return CLIENT_UNREACHABLE;
    }
    return 0;
}

static int perform(struct client *client, const char *method, const char *path, const char *body, cJSON **ret_object,
                   struct reason *reason)
{
    struct http_answer answer = { 0 };
    int result = ask(client, method, path, body, &answer, reason);

    if (result)
        return result;
    result = read_answer(&answer, ret_object, reason);
    http_answer_close(&answer);
    return result;
}

int client_get_checkpoint(struct client *client, char **ret_text, struct reason *reason)
{
    struct http_answer answer = { 0 };
    int result = ask(client, "GET", "/log/checkpoint", NULL, &answer, reason);

    if (result)
        return result;
    if (answer.status != 200)
        result = refuse_answer(&answer, reason);
    else
        *ret_text = steal_pointer(answer.body);
    http_answer_close(&answer);
    return result;
}

int client_check_log(struct client *client, struct reason *reason)
{
    cleanup_free char *text = NULL;
    struct checkpoint now;
    int result = client_get_checkpoint(client, &text, reason);

    return result ? result : client_take_checkpoint(client, text, &now, reason);
}

int client_get(struct client *client, const char *path, cJSON **ret_object, struct reason *reason)
{
    return perform(client, "GET", path, NULL, ret_object, reason);
}

int client_post(struct client *client, const char *path, const char *envelope, cJSON **ret_object,
                struct reason *reason)
{
    return perform(client, "POST", path, envelope, ret_object, reason);
}

/* Writes `next` as the value of a query parameter; false when it is the end (null), or nothing that could stand in one.
 */
static bool format_next(const cJSON *next, char ret_text[static 128])
{
    const char *text = cJSON_GetStringValue(next);

    if (cJSON_IsNumber(next))
        return snprintf(ret_text, 128, "%.0f", next->valuedouble) > 0;
    if (!text || !*text || strlen(text) > 127 ||
        text[strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~")])
        return false;
    snprintf(ret_text, 128, "%s", text);
    return true;
}

/* Moves the items of a page behind those that came before; how many there were. */
static int move_items(cJSON *page, cJSON *items)
{
    cJSON *from = cJSON_GetObjectItemCaseSensitive(page, "items"), *item;
    int count = 0;

    while (cJSON_IsArray(from) && (item = cJSON_DetachItemFromArray(from, 0))) {
        cJSON_AddItemToArray(items, item);
        count++;
    }
    return count;
}

int client_list(struct client *client, const char *path, cJSON **ret_items, struct reason *reason)
{
    cleanup_json cJSON *items = cJSON_CreateArray();
    char query[CLIENT_URL_BYTES], after[128] = "";
    int total = 0, count;
    bool more = true;

    while (more && total < CLIENT_ITEMS_MAX) {
        cleanup_json cJSON *page = NULL;
        int result;
        snprintf(query, sizeof query, "%s%climit=%d%s%s", path, strchr(path, '?') ? '&' : '?', CLIENT_PAGE,
                 *after ? "&after=" : "", after);
        result = client_get(client, query, &page, reason);
        if (result)
            return result;
        count = move_items(page, items);
        total += count;
        more = count > 0 && format_next(json_member(page, "next"), after);
    }
    *ret_items = steal_pointer(items);
    return 0;
}
