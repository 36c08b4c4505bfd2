/* Nodes: the one view of which a part may not be in the tables yet, since it comes from heartbeats. One filter is an
 * index's, the others are asked of each row. */

#include "contrib/directory/page.h"
#include "contrib/directory/view.h"

#include <string.h>

#define BEATS_MISSED 3 /* intervals without a heartbeat until a node counts as down */

/* Columns of the query. */
enum { DISKS = 13, MACHINE = 14, INTERFACES = 15, COUNTRY = 16, RESERVED = 17, LAST_SEEN = 21, USED = 22 };

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

int64_t view_up_since(const struct directory *directory)
{
    return directory_now() - BEATS_MISSED * directory->heartbeat_s;
}

int64_t view_up_until(void)
{
    return directory_now() + SEEN_APART_S;
}

/* Whether the node is as the filters want it; the minima are held against what is left. */
static bool node_fits(const struct request *request, const char *status, struct resources left,
                      const struct store_rows *rows)
{
    const struct parameter_value *values = request->values;

    if (values[NODES_STATUS].given && strcmp(values[NODES_STATUS].text, status) != 0)
        return false;
    if (values[NODES_COUNTRY].given && strcmp(values[NODES_COUNTRY].text, store_text(rows, COUNTRY)) != 0)
        return false;
    return left.cru_milli >= values[NODES_CRU].integer && left.mru_bytes >= values[NODES_MRU].integer &&
           left.sru_bytes >= values[NODES_SRU].integer && left.hru_bytes >= values[NODES_HRU].integer;
}

static cJSON *make_node(struct directory *directory, const struct store_rows *rows, const struct request *request)
{
    static const char *const texts[] = { "hostname", "os_version", "wireguard_key", "sealing_key" };
    static const char *const raws[] = { "disks", "machine", "interfaces" };
    const struct seen *recent = presence_recent(directory->presence, store_text(rows, 0));
    struct resources resources = page_read_resources(rows, 9);
    struct resources reserved = resources_add((struct resources){ 0 }, page_read_resources(rows, RESERVED));
    struct resources used = recent ? recent->used : page_read_resources(rows, USED);
    int64_t last_seen = recent ? recent->last_seen_s : store_integer(rows, LAST_SEEN);
    bool is_up = last_seen >= view_up_since(directory) && last_seen <= view_up_until();
    const char *status = is_up ? "up" : "down";

    if (request && !node_fits(request, status, resources_subtract(resources, reserved), rows))
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
    page_add_resources(item, "used", used);
    page_add_resources(item, "reserved", reserved);
    for (int i = 0; i < 3; i++)
        cJSON_AddRawToObject(item, raws[i], store_text(rows, DISKS + i));
    cJSON_AddStringToObject(item, "status", status);
    if (last_seen)
        json_add_integer(item, "last_seen", last_seen);
    else
        cJSON_AddNullToObject(item, "last_seen");
    return item;
}

/* What the node's live contracts reserve of one kind, from an index alone; null: they are none. The sum is made of two,
 * which can't overflow, and saturates as resources_add does: nobody's contracts may make SQL's sum() fail. */
#define RESERVED_OF(column)                                                                                            \
    "(SELECT CAST(CASE WHEN sum(c." column " >> 32) > 2097151 THEN 9007199254740991 ELSE sum(c." column                \
    " >> 32) * 4294967296 + sum(c." column " & 4294967295) END AS BIGINT) FROM contracts c WHERE c.node = n.id"        \
    " AND c.live_until > $1)"
#define RESERVED_OF_ALL RESERVED_OF("cru") ", " RESERVED_OF("mru") ", " RESERVED_OF("sru") ", " RESERVED_OF("hru")

static const struct page_view NODES = {
    .select =
        "SELECT n.id, n.idx, n.statement, n.farm, n.created, n.hostname, n.os_version, n.wireguard_key,"
        " n.sealing_key, n.cru, n.mru, n.sru, n.hru, n.disks, n.machine, n.interfaces, n.country, " RESERVED_OF_ALL
        ", p.last_seen, p.cru, p.mru, p.sru, p.hru FROM nodes n LEFT JOIN presence p ON p.node = n.id WHERE true",
    .texts = 1 << 5 | 1 << 6 | 1 << DISKS | 1 << MACHINE | 1 << INTERFACES,
    .order = "n.id",
    .key = "n.id =",
    .key_kind = STORE_TEXT,
    .thing = "node",
    .make = make_node,
    .asks_time = true,
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
    if (values[NODES_FARM].given)
        page_filter_integer(&query, "n.farm =", &values[NODES_FARM]);
    else
        page_filter_text(&query, "n.country =", &values[NODES_COUNTRY]);
    page_answer_list(directory, request, &NODES, &query);
}

void view_node(struct directory *directory, struct request *request)
{
    page_answer_one(directory, request, &NODES, -1);
}
