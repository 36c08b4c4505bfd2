/* Nodes: the one view of which a part is not in the tables but in memory, since it comes from heartbeats. Filters that
 * SQL can do are added to the query; those that need the clock or heartbeats are asked of each row. */

#include "contrib/directory/page.h"
#include "contrib/directory/state.h"
#include "contrib/directory/view.h"

#include <string.h>

#define BEATS_MISSED 3 /* intervals without a heartbeat until a node counts as down */

enum { NODES_FARM = PAGE_FILTERS, NODES_COUNTRY, NODES_STATUS, NODES_CRU, NODES_MRU, NODES_SRU, NODES_HRU };

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

const char *view_node_status(const struct directory *directory, const struct seen *seen)
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
    struct resources resources = page_read_resources(rows, 9);
    struct resources reserved = state_reserved(directory->reader, store_text(rows, 0), directory_now());
    const char *status = view_node_status(directory, seen);

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
    page_add_resources(item, "resources", resources);
    page_add_resources(item, "used", seen ? seen->used : (struct resources){ 0 });
    page_add_resources(item, "reserved", reserved);
    for (int i = 0; i < 3; i++)
        cJSON_AddRawToObject(item, raws[i], store_text(rows, 13 + i));
    cJSON_AddStringToObject(item, "status", status);
    if (seen)
        json_add_integer(item, "last_seen", seen->last_seen_s);
    else
        cJSON_AddNullToObject(item, "last_seen");
    return item;
}

static const struct page_view NODES = {
    "SELECT id, idx, statement, farm, created, hostname, os_version, wireguard_key, sealing_key, cru, mru, sru, hru, "
    "disks,"
    " machine, interfaces FROM nodes WHERE true",
    16,
    "id",
    "id =",
    STORE_TEXT,
    "node",
    make_node,
};

void view_nodes(struct directory *directory, struct request *request)
{
    const struct parameter_value *values = request->values, *status = &values[NODES_STATUS];
    struct page_query query;

    if (status->given && strcmp(status->text, "up") != 0 && strcmp(status->text, "down") != 0 &&
        strcmp(status->text, "standby") != 0) {
        request_problem(request, 400, "status: must be up, down or standby");
        return;
    }
    page_begin(&query, &NODES);
    page_filter_integer(&query, "farm =", &values[NODES_FARM]);
    if (values[NODES_COUNTRY].given) {
        page_filter_text(&query, "farm IN (SELECT farm FROM farms WHERE country =", &values[NODES_COUNTRY]);
        strcat(query.sql, ")");
    }
    page_filter_integer(&query, "cru >=", &values[NODES_CRU]);
    page_filter_integer(&query, "mru >=", &values[NODES_MRU]);
    page_filter_integer(&query, "sru >=", &values[NODES_SRU]);
    page_filter_integer(&query, "hru >=", &values[NODES_HRU]);
    page_answer_list(directory, request, &NODES, &query);
}

void view_node(struct directory *directory, struct request *request)
{
    page_answer_one(directory, request, &NODES, -1);
}
