/* Each view is a `struct view`: its columns, how a row becomes an item, and what it is ordered by, which is also the
 * cursor of its pages. Filters that SQL can do are added to the query; those that need the clock or heartbeats are
 * asked of each row. */

#include "contrib/directory/view.h"

#include "contrib/directory/state.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define BEATS_MISSED 3 /* intervals without a heartbeat until a node counts as down */
#define FILTERS_MAX 16

struct view {
    const char *select; /* ends in WHERE true; column 0 is the cursor */
    const char *order;  /* name of column 0 */
    const char *key;    /* how one is asked for: "id = " */
    enum store_kind key_kind;
    const char *thing;
    /* The item, or NULL when the filters leave it out. `request` may be NULL: no filters. */
    cJSON *(*make)(struct directory *directory, const struct store_rows *rows, const struct request *request);
};

struct query {
    char sql[2048];
    struct store_value values[FILTERS_MAX];
    size_t count;
};

static void query_add(struct query *query, const char *condition, struct store_value value)
{
    size_t used = strlen(query->sql);

    query->values[query->count++] = value;
    snprintf(query->sql + used, sizeof query->sql - used, " AND %s $%zu", condition, query->count);
}

static void query_add_text(struct query *query, const char *condition, const struct parameter_value *value)
{
    if (value->given)
        query_add(query, condition, VALUE_TEXT(value->text));
}

static void query_add_integer(struct query *query, const char *condition, const struct parameter_value *value)
{
    if (value->given)
        query_add(query, condition, VALUE_INTEGER(value->integer));
}

static void run_query(struct store *store, const struct query *query, struct store_rows *ret_rows)
{
    store_select_values(store, ret_rows, query->sql, query->values, query->count);
}

/* ---- Lists and single things, alike for all views */

static cJSON *make_page(struct directory *directory, const struct view *view, struct store_rows *rows,
                        const struct request *request, int64_t limit)
{
    cJSON *page = cJSON_CreateObject(), *items = cJSON_AddArrayToObject(page, "items");
    char cursor[HASH_TEXT_BYTES] = "";
    bool more = false;
    int64_t count = 0;

    while (!more && store_next(rows)) {
        cJSON *item = view->make(directory, rows, request);
        if (!item)
            continue;
        more = count++ == limit;
        if (more) {
            cJSON_Delete(item);
            break;
        }
        cJSON_AddItemToArray(items, item);
        snprintf(cursor, sizeof cursor, "%s", store_text(rows, 0));
    }
    if (more)
        cJSON_AddStringToObject(page, "next", cursor);
    else
        cJSON_AddNullToObject(page, "next");
    return page;
}

/* The first two parameters of every list. */
#define PAGE_PARAMETERS(after_kind, after_max)                                                                         \
    { "limit", PARAMETER_INTEGER, 1, LIMIT_MAX },                                                                      \
    {                                                                                                                  \
        "after", after_kind, 0, after_max                                                                              \
    }

enum { LIMIT, AFTER, FIRST_FILTER };

static void answer_list(struct directory *directory, struct request *request, const struct view *view,
                        struct query *query)
{
    cleanup_rows struct store_rows rows;
    const struct parameter_value *after = &request->values[AFTER];
    int64_t limit = request->values[LIMIT].given ? request->values[LIMIT].integer : LIMIT_DEFAULT;
    char condition[32];
    size_t used;

    snprintf(condition, sizeof condition, "%s >", view->order);
    if (after->given)
        query_add(query, condition,
                  view->key_kind == STORE_INTEGER ? VALUE_INTEGER(after->integer) : VALUE_TEXT(after->text));
    used = strlen(query->sql);
    snprintf(query->sql + used, sizeof query->sql - used, " ORDER BY %s", view->order);
    run_query(directory->reader, query, &rows);
    request_answer_json(request, 200, make_page(directory, view, &rows, request, limit));
    directory_finish_read(directory, request);
}

static void begin_query(struct query *query, const struct view *view)
{
    query->count = 0;
    snprintf(query->sql, sizeof query->sql, "%s", view->select);
}

static void answer_one(struct directory *directory, struct request *request, const struct view *view, int64_t number)
{
    cleanup_rows struct store_rows rows;
    struct query query;

    begin_query(&query, view);
    query_add(&query, view->key, number >= 0 ? VALUE_INTEGER(number) : VALUE_TEXT(request->argument));
    run_query(directory->reader, &query, &rows);
    if (store_next(&rows))
        request_answer_json(request, 200, view->make(directory, &rows, NULL));
    else
        request_problem(request, 404, "there is no %s %s", view->thing, request->argument);
    directory_finish_read(directory, request);
}

static void add_resources(cJSON *item, const char *name, struct resources resources)
{
    cJSON_AddItemToObject(item, name, resources_to_json(resources));
}

static struct resources read_resources(const struct store_rows *rows, int column)
{
    return (struct resources){ store_integer(rows, column), store_integer(rows, column + 1),
                               store_integer(rows, column + 2), store_integer(rows, column + 3) };
}

/* ---- Bots */

const struct parameter VIEW_BOTS_PARAMETERS[] = { PAGE_PARAMETERS(PARAMETER_TEXT, 64), { 0 } };

static cJSON *make_bot(struct directory *directory, const struct store_rows *rows, const struct request *request)
{
    cJSON *item = cJSON_CreateObject();

    cJSON_AddStringToObject(item, "id", store_text(rows, 0));
    json_add_integer(item, "index", store_integer(rows, 1));
    cJSON_AddStringToObject(item, "name", store_text(rows, 2));
    cJSON_AddStringToObject(item, "description", store_text(rows, 3));
    json_add_integer(item, "created", store_integer(rows, 4));
    return item;
}

static const struct view BOTS = {
    "SELECT id, idx, name, description, created FROM bots WHERE true", "id", "id =", STORE_TEXT, "bot", make_bot
};

void view_bots(struct directory *directory, struct request *request)
{
    struct query query;

    begin_query(&query, &BOTS);
    answer_list(directory, request, &BOTS, &query);
}

void view_bot(struct directory *directory, struct request *request)
{
    answer_one(directory, request, &BOTS, -1);
}

/* ---- Farms */

enum { FARMS_BOT = FIRST_FILTER, FARMS_COUNTRY };

const struct parameter VIEW_FARMS_PARAMETERS[] = {
    PAGE_PARAMETERS(PARAMETER_INTEGER, JSON_INTEGER_MAX),
    { "bot", PARAMETER_TEXT, 1, 44 },
    { "country", PARAMETER_TEXT, 1, 64 },
    { 0 },
};

static cJSON *make_farm(struct directory *directory, const struct store_rows *rows, const struct request *request)
{
    cJSON *item = cJSON_CreateObject();

    json_add_integer(item, "farm", store_integer(rows, 0));
    cJSON_AddStringToObject(item, "id", store_text(rows, 1));
    json_add_integer(item, "index", store_integer(rows, 2));
    cJSON_AddStringToObject(item, "bot", store_text(rows, 3));
    cJSON_AddStringToObject(item, "name", store_text(rows, 4));
    cJSON_AddStringToObject(item, "description", store_text(rows, 5));
    cJSON_AddRawToObject(item, "location", store_text(rows, 6));
    json_add_integer(item, "created", store_integer(rows, 7));
    return item;
}

static const struct view FARMS = {
    "SELECT farm, id, idx, bot, name, description, location, created FROM farms WHERE true",
    "farm",
    "farm =",
    STORE_INTEGER,
    "farm",
    make_farm,
};

void view_farms(struct directory *directory, struct request *request)
{
    struct query query;

    begin_query(&query, &FARMS);
    query_add_text(&query, "bot =", &request->values[FARMS_BOT]);
    query_add_text(&query, "country =", &request->values[FARMS_COUNTRY]);
    answer_list(directory, request, &FARMS, &query);
}

void view_farm(struct directory *directory, struct request *request)
{
    size_t length = strlen(request->argument);

    if (length < 1 || length > 15 || strspn(request->argument, "0123456789") != length)
        request_problem(request, 404, "there is no farm %s; a farm is asked for by its number", request->argument);
    else
        answer_one(directory, request, &FARMS, strtoll(request->argument, NULL, 10));
}

/* ---- Nodes */

enum { NODES_FARM = FIRST_FILTER, NODES_COUNTRY, NODES_STATUS, NODES_CRU, NODES_MRU, NODES_SRU, NODES_HRU };

const struct parameter VIEW_NODES_PARAMETERS[] = {
    PAGE_PARAMETERS(PARAMETER_TEXT, 64),
    { "farm", PARAMETER_INTEGER, 1, JSON_INTEGER_MAX },
    { "country", PARAMETER_TEXT, 1, 64 },
    { "status", PARAMETER_TEXT, 1, 16 },
    { "cru_min", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { "mru_min", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { "sru_min", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { "hru_min", PARAMETER_INTEGER, 0, JSON_INTEGER_MAX },
    { 0 },
};

static const char *node_status(const struct directory *directory, const struct seen *seen)
{
    if (seen && seen->last_seen_s + BEATS_MISSED * directory->heartbeat_s >= directory_now())
        return "up";
    return "down";
}

/* Whether the node is as the filters want it; the minima are held against what is left. */
static bool node_fits(const struct request *request, const char *status, struct resources left)
{
    const struct parameter_value *values = request->values;

    if (values[NODES_STATUS].given && strcmp(values[NODES_STATUS].text, status) != 0)
        return false;
    return left.cru_milli >= values[NODES_CRU].integer && left.mru_bytes >= values[NODES_MRU].integer &&
           left.sru_bytes >= values[NODES_SRU].integer && left.hru_bytes >= values[NODES_HRU].integer;
}

static cJSON *make_node(struct directory *directory, const struct store_rows *rows, const struct request *request)
{
    static const char *const texts[] = { "hostname", "os_version", "wireguard_key", "sealing_key" };
    static const char *const raws[] = { "disks", "machine", "interfaces" };
    const struct seen *seen = presence_find(directory->presence, store_text(rows, 0));
    struct resources resources = read_resources(rows, 9);
    struct resources reserved = state_reserved(directory->reader, store_text(rows, 0), directory_now());
    const char *status = node_status(directory, seen);

    if (request && !node_fits(request, status, resources_subtract(resources, reserved)))
        return NULL;
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "id", store_text(rows, 0));
    json_add_integer(item, "index", store_integer(rows, 1));
    cJSON_AddStringToObject(item, "statement", store_text(rows, 2));
    json_add_integer(item, "farm", store_integer(rows, 3));
    json_add_integer(item, "created", store_integer(rows, 4));
    for (int i = 0; i < 4; i++)
        cJSON_AddStringToObject(item, texts[i], store_text(rows, 5 + i));
    add_resources(item, "resources", resources);
    add_resources(item, "used", seen ? seen->used : (struct resources){ 0 });
    add_resources(item, "reserved", reserved);
    for (int i = 0; i < 3; i++)
        cJSON_AddRawToObject(item, raws[i], store_text(rows, 13 + i));
    cJSON_AddStringToObject(item, "status", status);
    if (seen)
        json_add_integer(item, "last_seen", seen->last_seen_s);
    else
        cJSON_AddNullToObject(item, "last_seen");
    return item;
}

static const struct view NODES = {
    "SELECT id, idx, statement, farm, created, hostname, os_version, wireguard_key, sealing_key, cru, mru, sru, hru, "
    "disks,"
    " machine, interfaces FROM nodes WHERE true",
    "id",
    "id =",
    STORE_TEXT,
    "node",
    make_node,
};

void view_nodes(struct directory *directory, struct request *request)
{
    const struct parameter_value *values = request->values, *status = &values[NODES_STATUS];
    struct query query;

    if (status->given && strcmp(status->text, "up") != 0 && strcmp(status->text, "down") != 0 &&
        strcmp(status->text, "standby") != 0) {
        request_problem(request, 400, "status: must be up, down or standby");
        return;
    }
    begin_query(&query, &NODES);
    query_add_integer(&query, "farm =", &values[NODES_FARM]);
    if (values[NODES_COUNTRY].given) {
        query_add_text(&query, "farm IN (SELECT farm FROM farms WHERE country =", &values[NODES_COUNTRY]);
        strcat(query.sql, ")");
    }
    query_add_integer(&query, "cru >=", &values[NODES_CRU]);
    query_add_integer(&query, "mru >=", &values[NODES_MRU]);
    query_add_integer(&query, "sru >=", &values[NODES_SRU]);
    query_add_integer(&query, "hru >=", &values[NODES_HRU]);
    answer_list(directory, request, &NODES, &query);
}

void view_node(struct directory *directory, struct request *request)
{
    answer_one(directory, request, &NODES, -1);
}

/* ---- Contracts */

enum { CONTRACTS_BOT = FIRST_FILTER, CONTRACTS_NODE, CONTRACTS_STATE };

const struct parameter VIEW_CONTRACTS_PARAMETERS[] = {
    PAGE_PARAMETERS(PARAMETER_INTEGER, JSON_INTEGER_MAX),
    { "bot", PARAMETER_TEXT, 1, 44 },
    { "node", PARAMETER_TEXT, 1, 44 },
    { "state", PARAMETER_TEXT, 1, 16 },
    { 0 },
};

static cJSON *make_contract(struct directory *directory, const struct store_rows *rows, const struct request *request)
{
    cJSON *item = cJSON_CreateObject();

    cJSON_AddStringToObject(item, "id", store_text(rows, 1));
    json_add_integer(item, "index", store_integer(rows, 0));
    cJSON_AddStringToObject(item, "bot", store_text(rows, 2));
    cJSON_AddStringToObject(item, "node", store_text(rows, 3));
    json_add_integer(item, "created", store_integer(rows, 4));
    json_add_integer(item, "expires", store_integer(rows, 5));
    add_resources(item, "reserves", read_resources(rows, 6));
    cJSON_AddBoolToObject(item, "private", store_integer(rows, 10) != 0);
    cJSON_AddStringToObject(item, "state", store_text(rows, 11));
    if (store_is_null(rows, 12))
        cJSON_AddNullToObject(item, "result");
    else
        cJSON_AddStringToObject(item, "result", store_text(rows, 12));
    cJSON_AddBoolToObject(item, "cancelled", store_integer(rows, 13) != 0);
    return item;
}

static const struct view CONTRACTS = {
    "SELECT idx, id, bot, node, created, expires, cru, mru, sru, hru, private, state, result, cancelled FROM contracts"
    " WHERE true",
    "idx",
    "id =",
    STORE_INTEGER,
    "contract",
    make_contract,
};

static bool is_state(const char *text)
{
    static const char *const states[] = { "pending", "deploying", "running", "failed", "stopped" };

    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (strcmp(states[i], text) == 0)
            return true;
    }
    return false;
}

void view_contracts(struct directory *directory, struct request *request)
{
    const struct parameter_value *values = request->values;
    struct query query;

    if (values[CONTRACTS_STATE].given && !is_state(values[CONTRACTS_STATE].text)) {
        request_problem(request, 400, "state: must be pending, deploying, running, failed or stopped");
        return;
    }
    begin_query(&query, &CONTRACTS);
    query_add_text(&query, "bot =", &values[CONTRACTS_BOT]);
    query_add_text(&query, "node =", &values[CONTRACTS_NODE]);
    query_add_text(&query, "state =", &values[CONTRACTS_STATE]);
    answer_list(directory, request, &CONTRACTS, &query);
}

void view_contract(struct directory *directory, struct request *request)
{
    answer_one(directory, request, &CONTRACTS, -1);
}

/* ---- Totals */

static int64_t count_rows(struct store *store, const char *sql)
{
    cleanup_rows struct store_rows rows;

    store_select_values(store, &rows, sql, NULL, 0);
    return store_next(&rows) ? store_integer(&rows, 0) : 0;
}

static void sum_nodes(struct directory *directory, cJSON *stats)
{
    cleanup_rows struct store_rows rows;
    struct resources resources = { 0 };
    int64_t nodes = 0, up = 0;

    store_select_values(directory->reader, &rows, "SELECT id, cru, mru, sru, hru FROM nodes", NULL, 0);
    for (; store_next(&rows); nodes++) {
        resources = resources_add(resources, read_resources(&rows, 1));
        up += strcmp(node_status(directory, presence_find(directory->presence, store_text(&rows, 0))), "up") == 0;
    }
    json_add_integer(stats, "nodes", nodes);
    json_add_integer(stats, "nodes_up", up);
    add_resources(stats, "resources", resources);
}

static void sum_contracts(struct directory *directory, cJSON *stats)
{
    cleanup_rows struct store_rows rows;
    struct resources reserved = { 0 };
    int64_t live = 0;

    store_select(directory->reader, &rows,
                 "SELECT cru, mru, sru, hru FROM contracts WHERE expires > $1 AND cancelled = 0 AND state <> 'stopped'",
                 VALUE_INTEGER(directory_now()));
    for (; store_next(&rows); live++)
        reserved = resources_add(reserved, read_resources(&rows, 0));
    json_add_integer(stats, "contracts", count_rows(directory->reader, "SELECT count(*) FROM contracts"));
    json_add_integer(stats, "contracts_live", live);
    add_resources(stats, "reserved", reserved);
}

void view_stats(struct directory *directory, struct request *request)
{
    cJSON *stats = cJSON_CreateObject();

    json_add_integer(stats, "statements", (int64_t)directory->head.checkpoint.size);
    json_add_integer(stats, "bots", count_rows(directory->reader, "SELECT count(*) FROM bots"));
    json_add_integer(stats, "farms", count_rows(directory->reader, "SELECT count(*) FROM farms"));
    sum_nodes(directory, stats);
    sum_contracts(directory, stats);
    request_answer_json(request, 200, stats);
    directory_finish_read(directory, request);
}
