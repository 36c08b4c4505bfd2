/* Bots, farms, contracts: each its columns, how a row becomes an item, and what it is ordered by, which is also the
 * cursor of its pages. And the totals. */

#include "contrib/directory/view.h"

#include "contrib/directory/page.h"
#include "contrib/directory/state.h"

#include <stdlib.h>
#include <string.h>

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

static const struct page_view BOTS = {
    .select = "SELECT id, idx, name, description, created FROM bots WHERE true",
    .texts = 1 << 2 | 1 << 3,
    .order = "id",
    .key = "id =",
    .key_kind = STORE_TEXT,
    .thing = "bot",
    .make = make_bot,
};

void view_bots(struct directory *directory, struct request *request)
{
    struct page_query query;

    page_begin(&query, &BOTS);
    page_answer_list(directory, request, &BOTS, &query);
}

void view_bot(struct directory *directory, struct request *request)
{
    page_answer_one(directory, request, &BOTS, -1);
}

/* ---- Farms */

enum { FARMS_BOT = PAGE_FILTERS, FARMS_COUNTRY };

const struct parameter VIEW_FARMS_PARAMETERS[] = {
    PAGE_PARAMETERS(PARAMETER_INTEGER, JSON_INTEGER_MAX),
    { "bot", PARAMETER_TEXT, 1, 44 },
    { "country", PARAMETER_TEXT, 1, 64 },
    { 0 },
};

static bool farm_fits(const struct request *request, const struct store_rows *rows)
{
    const struct parameter_value *country = &request->values[FARMS_COUNTRY];

    return !country->given || strcmp(country->text, store_text(rows, 8)) == 0;
}

static cJSON *make_farm(struct directory *directory, const struct store_rows *rows, const struct request *request)
{
    if (request && !farm_fits(request, rows))
        return NULL;
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

static const struct page_view FARMS = {
    .select = "SELECT farm, id, idx, bot, name, description, location, created, country FROM farms WHERE true",
    .texts = 1 << 4 | 1 << 5 | 1 << 6,
    .order = "farm",
    .key = "farm =",
    .key_kind = STORE_INTEGER,
    .thing = "farm",
    .make = make_farm,
};

void view_farms(struct directory *directory, struct request *request)
{
    struct page_query query;

    page_begin(&query, &FARMS);
    if (request->values[FARMS_BOT].given)
        page_filter_text(&query, "bot =", &request->values[FARMS_BOT]);
    else
        page_filter_text(&query, "country =", &request->values[FARMS_COUNTRY]);
    page_answer_list(directory, request, &FARMS, &query);
}

void view_farm(struct directory *directory, struct request *request)
{
    size_t length = strlen(request->argument);

    if (length < 1 || length > 15 || strspn(request->argument, "0123456789") != length)
        request_problem(request, 404, "there is no farm %s; a farm is asked for by its number", request->argument);
    else
        page_answer_one(directory, request, &FARMS, strtoll(request->argument, NULL, 10));
}

/* ---- Contracts */

enum { CONTRACTS_BOT = PAGE_FILTERS, CONTRACTS_NODE, CONTRACTS_STATE };

const struct parameter VIEW_CONTRACTS_PARAMETERS[] = {
    PAGE_PARAMETERS(PARAMETER_INTEGER, JSON_INTEGER_MAX),
    { "bot", PARAMETER_TEXT, 1, 44 },
    { "node", PARAMETER_TEXT, 1, 44 },
    { "state", PARAMETER_TEXT, 1, 16 },
    { 0 },
};

static bool is_or_not_given(const struct parameter_value *value, const char *text)
{
    return !value->given || strcmp(value->text, text) == 0;
}

static bool contract_fits(const struct request *request, const struct store_rows *rows)
{
    return is_or_not_given(&request->values[CONTRACTS_BOT], store_text(rows, 2)) &&
           is_or_not_given(&request->values[CONTRACTS_NODE], store_text(rows, 3)) &&
           is_or_not_given(&request->values[CONTRACTS_STATE], store_text(rows, 11));
}

static cJSON *make_contract(struct directory *directory, const struct store_rows *rows, const struct request *request)
{
    if (request && !contract_fits(request, rows))
        return NULL;
    cJSON *item = cJSON_CreateObject();

    cJSON_AddStringToObject(item, "id", store_text(rows, 1));
    json_add_integer(item, "index", store_integer(rows, 0));
    cJSON_AddStringToObject(item, "bot", store_text(rows, 2));
    cJSON_AddStringToObject(item, "node", store_text(rows, 3));
    json_add_integer(item, "created", store_integer(rows, 4));
    json_add_integer(item, "expires", store_integer(rows, 5));
    page_add_resources(item, "reserves", page_read_resources(rows, 6));
    cJSON_AddBoolToObject(item, "private", store_integer(rows, 10) != 0);
    cJSON_AddStringToObject(item, "state", store_text(rows, 11));
    if (store_is_null(rows, 12))
        cJSON_AddNullToObject(item, "result");
    else
        cJSON_AddStringToObject(item, "result", store_text(rows, 12));
    cJSON_AddBoolToObject(item, "cancelled", store_integer(rows, 13) != 0);
    return item;
}

static const struct page_view CONTRACTS = {
    .select = "SELECT idx, id, bot, node, created, expires, cru, mru, sru, hru, private, state, result, cancelled"
              " FROM contracts WHERE true",
    .order = "idx",
    .key = "id =",
    .key_kind = STORE_INTEGER,
    .thing = "contract",
    .make = make_contract,
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
    struct page_query query;

    if (values[CONTRACTS_STATE].given && !is_state(values[CONTRACTS_STATE].text)) {
        request_problem(request, 400, "state: must be pending, deploying, running, failed or stopped");
        return;
    }
    page_begin(&query, &CONTRACTS);
    /* The filter that leaves least is the index's, the others are asked of each row (contract_fits). */
    if (values[CONTRACTS_NODE].given)
        page_filter_text(&query, "node =", &values[CONTRACTS_NODE]);
    else if (values[CONTRACTS_BOT].given)
        page_filter_text(&query, "bot =", &values[CONTRACTS_BOT]);
    else
        page_filter_text(&query, "state =", &values[CONTRACTS_STATE]);
    page_answer_list(directory, request, &CONTRACTS, &query);
}

void view_contract(struct directory *directory, struct request *request)
{
    page_answer_one(directory, request, &CONTRACTS, -1);
}

/* ---- Totals */

static int64_t now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

/* Counting a million nodes that are up takes some hundredths of a second: the answer is kept for 50 times as long as it
 * took, so that nobody can keep the loop busy with it. */
static int64_t count_up(struct directory *directory)
{
    static int64_t count, good_until_ms;
    cleanup_rows struct store_rows rows = { 0 };
    int64_t begin = now_ms();

    if (begin < good_until_ms)
        return count;
    store_select(directory->reader, &rows, "SELECT count(*) FROM presence WHERE last_seen >= $1 AND last_seen <= $2",
                 VALUE_INTEGER(view_up_since(directory)), VALUE_INTEGER(view_up_until()));
    if (!store_next(&rows))
        return 0;
    count = store_integer(&rows, 0);
    good_until_ms = begin + 50 * (now_ms() - begin);
    return count;
}

void view_stats(struct directory *directory, struct request *request)
{
    struct state_totals totals;
    cJSON *stats = cJSON_CreateObject();

    state_read_totals(directory->reader, directory_now(), &totals);
    json_add_integer(stats, "statements", (int64_t)directory->head.checkpoint.size);
    json_add_integer(stats, "bots", totals.bots);
    json_add_integer(stats, "farms", totals.farms);
    json_add_integer(stats, "nodes", totals.nodes);
    json_add_integer(stats, "nodes_up", count_up(directory));
    page_add_resources(stats, "resources", totals.resources);
    json_add_integer(stats, "contracts", totals.contracts);
    json_add_integer(stats, "contracts_live", totals.contracts_live);
    page_add_resources(stats, "reserved", totals.reserved);
    request_answer_json(request, 200, stats);
    directory_finish_read(directory, request);
}
