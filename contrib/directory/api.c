/* The table of routes, and the handlers that are only a few lines. */

#include "contrib/directory/api.h"

#include "contrib/directory/explorer.h"
#include "contrib/directory/feed.h"
#include "contrib/directory/forward.h"
#include "contrib/directory/health.h"
#include "contrib/directory/log_api.h"
#include "contrib/directory/log_wait.h"
#include "contrib/directory/mirror.h"
#include "contrib/directory/proven.h"
#include "contrib/directory/sequencer.h"
#include "contrib/directory/state.h"
#include "contrib/directory/view.h"

#include "lib/cleanup.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Statements */

static void post_statement(struct directory *directory, struct request *request)
{
    if (directory->forward)
        forward_request(directory, request, request->path);
    else
        sequencer_submit(directory->sequencer, request);
}

static void answer_statement(struct directory *directory, struct request *request, const struct store_rows *row)
{
    struct merkle_proof proof;
    size_t size;
    const char *envelope = store_bytes(row, 1, &size) ?: "";
    int64_t index = store_integer(row, 0);

    if (proven_entry(directory->reader, &directory->head.checkpoint, (uint64_t)index, envelope, size, &proof) < 0)
        return;
    cleanup_free char *text = strndup(envelope, size);
    cJSON *answer = cJSON_CreateObject();
    cJSON_AddStringToObject(answer, "id", request->argument);
    json_add_integer(answer, "index", index);
    cJSON_AddStringToObject(answer, "envelope", text);
    cJSON_AddStringToObject(answer, "checkpoint", directory->head.note);
    cJSON_AddItemToObject(answer, "proof", merkle_proof_to_json(&proof));
    request_answer_json(request, 200, answer);
}

/* false, and nothing is answered: it is entry *ret_index, which no checkpoint has yet. */
static bool try_statement(struct directory *directory, struct request *request, uint64_t *ret_index)
{
    cleanup_rows struct store_rows row;

    store_select(directory->reader, &row, "SELECT idx, envelope FROM entries WHERE id = $1",
                 VALUE_TEXT(request->argument));
    bool known = store_next(&row);
    *ret_index = (uint64_t)store_integer(&row, 0);
    if (known && *ret_index >= directory->head.checkpoint.size)
        return false;
    if (known)
        answer_statement(directory, request, &row);
    else
        request_problem(request, 404, "there is no statement %s", request->argument);
    directory_finish_read(directory, request);
    return true;
}

static void get_statement_late(struct directory *directory, struct request *request)
{
    uint64_t index;

    if (!try_statement(directory, request, &index))
        request_problem(request, 503, "statement %s isn't signed yet; ask again", request->argument);
}

/* The tables show a commit before it is signed (store_commit_ahead): who read an id there waits for that. */
static void get_statement(struct directory *directory, struct request *request)
{
    uint64_t index;

    if (!try_statement(directory, request, &index) &&
        !log_wait_for_entry(directory, request, index, get_statement_late))
        get_statement_late(directory, request);
}

/* ---- Nodes and time */

static const struct parameter FEED_PARAMETERS[] = {
    { "after", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { "from_size", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { "wait", PARAMETER_INTEGER, 0, FEED_WAIT_MAX_S },
    { "cosigned", PARAMETER_INTEGER, 0, 1 },
    { 0 },
};

static void get_feed(struct directory *directory, struct request *request)
{
    const struct parameter_value *values = request->values;
    struct feed_query query = {
        .after = values[0].given ? values[0].integer : -1,
        .from_size = (uint64_t)values[1].integer,
        .wait_s = values[2].integer,
        .cosigned = values[3].integer,
    };

    feed_ask(directory->feed, request, &query);
}

static void post_heartbeat(struct directory *directory, struct request *request)
{
    if (directory->forward)
        forward_request(directory, request, request->path);
    else
        sequencer_beat(directory->sequencer, request);
}

static const struct parameter TIME_PARAMETERS[] = { { "nonce", PARAMETER_TEXT, 1, 128 }, { 0 } };

static void get_time(struct directory *directory, struct request *request)
{
    size_t size = 0;
    cleanup_free void *nonce = decode_base64_url(request->values[0].given ? request->values[0].text : "", &size);
    cleanup_free char *text = nonce && size >= 16 && size <= 64 ? encode_base64(nonce, size) : NULL;

    if (text && directory->forward) {
        char path[160];
        snprintf(path, sizeof path, "/v1/time?nonce=%s", request->values[0].text);
        forward_request(directory, request, path);
    } else if (text)
        directory_answer_time(directory, request, text);
    else
        request_problem(request, 400, "nonce: must be 16 to 64 bytes as base64url");
}

/* ---- Routes */

struct route {
    const char *method, *path; /* {…}: one segment, or, in LOG_TILES_ROUTE, all that comes */
    void (*handle)(struct directory *directory, struct request *request);
    const struct parameter *parameters;
};

static const struct route ROUTES[] = {
    { "POST", "/v1/statements", post_statement, NULL },
    { "GET", "/v1/statements/{id}", get_statement, NULL },
    { "GET", "/v1/nodes/{id}/feed", get_feed, FEED_PARAMETERS },
    { "POST", "/v1/nodes/{id}/heartbeat", post_heartbeat, NULL },
    { "GET", "/v1/time", get_time, TIME_PARAMETERS },
    { "GET", "/v1/bots", view_bots, VIEW_BOTS_PARAMETERS },
    { "GET", "/v1/bots/{id}", view_bot, NULL },
    { "GET", "/v1/farms", view_farms, VIEW_FARMS_PARAMETERS },
    { "GET", "/v1/farms/{number}", view_farm, NULL },
    { "GET", "/v1/nodes", view_nodes, VIEW_NODES_PARAMETERS },
    { "GET", "/v1/nodes/{id}", view_node, NULL },
    { "GET", "/v1/contracts", view_contracts, VIEW_CONTRACTS_PARAMETERS },
    { "GET", "/v1/contracts/{id}", view_contract, NULL },
    { "GET", "/v1/stats", view_stats, NULL },
    { "GET", "/v1/log/proof", log_get_proof, LOG_PROOF_PARAMETERS },
    { "GET", "/v1/log/consistency", log_get_consistency, LOG_CONSISTENCY_PARAMETERS },
    { "GET", "/v1/mirror", mirror_get_status, NULL },
    { "GET", "/v1/log/checkpoint", log_wait_ask, LOG_WAIT_PARAMETERS },
    { "GET", "/log/checkpoint", log_get_checkpoint, NULL },
    { "GET", LOG_TILES_ROUTE, log_get_tile, NULL },
    { "GET", "/", explorer_page, NULL },
    { "GET", "/explorer.js", explorer_script, NULL },
    { "GET", "/verify.js", explorer_module, NULL },
    { "GET", "/explorer.css", explorer_style, NULL },
    { "GET", "/v1/openapi.json", explorer_openapi, NULL },
    { "GET", "/healthz", health_get, NULL },
    { "GET", "/metrics", metrics_get, NULL },
};

#define ROUTES_COUNT (sizeof ROUTES / sizeof *ROUTES)

static_assert(ROUTES_COUNT < METRICS_ROUTES_MAX, "each route is counted, and what is none of them");

bool api_route(size_t number, const char **ret_method, const char **ret_path)
{
    if (number > ROUTES_COUNT)
        return false;
    *ret_method = number < ROUTES_COUNT ? ROUTES[number].method : "any";
    *ret_path = number < ROUTES_COUNT ? ROUTES[number].path : "none";
    return true;
}

#define ALPHANUMERIC "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" /* of ids, hashes, numbers */

/* Copies the segment that stands for {…} into `argument`: what a mirror hands on can't mean another address. */
static bool match(const char *pattern, const char *path, char argument[static 128])
{
    const char *hole = strchr(pattern, '{');
    size_t before = hole ? (size_t)(hole - pattern) : strlen(pattern), length;

    if (!hole)
        return strcmp(path, pattern) == 0;
    if (strncmp(path, pattern, before) != 0)
        return false;
    if (strcmp(pattern, LOG_TILES_ROUTE) == 0)
        return true;
    length = strspn(path + before, ALPHANUMERIC);
    if (length < 1 || length > 127 || strcmp(path + before + length, strchr(hole, '}') + 1) != 0)
        return false;
    memcpy(argument, path + before, length);
    argument[length] = '\0';
    return true;
}

void api_on_request(void *context, struct request *request)
{
    struct directory *directory = context;
    const struct route *found = NULL;

    request->route = ROUTES_COUNT;
    if (!limits_admit_request(&directory->limits, request))
        return;
    for (size_t i = 0; i < ROUTES_COUNT; i++) {
        const struct route *route = &ROUTES[i];
        if (!match(route->path, request->path, request->argument))
            continue;
        found = route;
        if (strcmp(route->method, request->method) != 0)
            continue;
        request->route = i;
        if (request_read_query(request, route->parameters))
            route->handle(directory, request);
        return;
    }
    if (!found) {
        request_problem(request, 404, "there is nothing here; the API is described in /v1/openapi.json");
        return;
    }
    request->allow = strcmp(found->method, "GET") == 0 ? "GET, HEAD" : found->method;
    request_problem(request, 405, "only %s is allowed here", request->allow);
}

void api_on_done(void *context, const struct request *request)
{
    struct directory *directory = context;

    metrics_count_request(&directory->metrics, request);
}
