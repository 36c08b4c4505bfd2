/* Nodes: looked up, chosen, listed, shown. */

#include "contrib/3bot/node.h"

#include "contrib/3bot/commands.h"
#include "contrib/3bot/out.h"
#include "contrib/3bot/units.h"

#include "lib/cleanup.h"

#include <string.h>

const struct command_option NODE_LIST_OPTIONS[] = {
    { "farm", "N", "only those of this farm" },
    { "status", "STATUS", "only those that are up, down or standby" },
    { 0 },
};

/* A view's resources: what isn't there, or isn't a number, is 0. */
static struct resources view_resources(const cJSON *view, const char *name)
{
    return resources_from_json(
        json_check(json_member(view, name), RESOURCES_RULES, "", NULL) == 0 ? json_member(view, name) : NULL);
}

static struct resources view_free(const cJSON *view)
{
    return resources_subtract(view_resources(view, "resources"), view_resources(view, "reserved"));
}

/* ---- One node */

/* The whole id of the only node whose id begins so. */
static int complete_id(struct session *session, const char *prefix, char ret_id[static ID_TEXT_BYTES],
                       struct reason *reason)
{
    cleanup_json cJSON *items = NULL;
    const cJSON *item;
    uint8_t bytes[ID_BYTES];
    int found = 0, result;

    if (decode_id(prefix, bytes)) {
        snprintf(ret_id, ID_TEXT_BYTES, "%s", prefix);
        return 0;
    }
    result = client_list(&session->client, "/v1/nodes", &items, reason);
    if (result)
        return result;
    cJSON_ArrayForEach(item, items) {
        const char *id = json_string(item, "id");
        if (id && *prefix && strncmp(id, prefix, strlen(prefix)) == 0 && decode_id(id, bytes)) {
            snprintf(ret_id, ID_TEXT_BYTES, "%s", id);
            found++;
        }
    }
    if (found > 1)
        return reason_refuse(reason, NULL, "%d nodes have ids that begin with %s: give more of it", found, prefix);
    if (!found) {
        reason_refuse(reason, NULL, "no node %s: see `3bot node list`", prefix);
        return CLIENT_NOT_FOUND;
    }
    return 0;
}

static int read_key(const struct node *node, const char *name, uint8_t ret_key[static 32], struct reason *reason)
{
    size_t size = 0;
    cleanup_free uint8_t *key = decode_base64(json_string(node->evidence.statement.payload, name), &size);

    if (!key || size != 32)
        return reason_refuse(reason, NULL, "node %s has no %s", node->id, name);
    memcpy(ret_key, key, size);
    return 0;
}

/* Takes over what counts from the node's own statement. */
static int read_statement(struct session *session, struct node *node, struct reason *reason)
{
    const char *statement = json_string(node->view, "statement");
    int result;

    if (!statement)
        return reason_refuse(reason, "the directory's answer", "the node's statement is missing");
    result = evidence_statement(&session->client, statement, STATEMENT_NODE, &node->evidence, reason);
    if (result)
        return result;
    if (strcmp(node->evidence.statement.signer_id, node->id) != 0)
        return reason_refuse(reason, NULL, "the statement that the directory gives for node %s is signed by %s",
                             node->id, node->evidence.statement.signer_id);
    if (read_key(node, "sealing_key", node->sealing_key, reason) ||
        read_key(node, "wireguard_key", node->wireguard_key, reason))
        return REFUSED;
    node->total = resources_from_json(json_member(node->evidence.statement.payload, "resources"));
    node->free = resources_subtract(node->total, view_resources(node->view, "reserved"));
    return 0;
}

int node_open(struct session *session, const char *id, struct node *ret_node, struct reason *reason)
{
    struct node node = { 0 };
    char path[128];
    int result = complete_id(session, id, node.id, reason);

    if (result)
        return result;
    snprintf(path, sizeof path, "/v1/nodes/%s", node.id);
    result = client_get(&session->client, path, &node.view, reason);
    if (result == CLIENT_NOT_FOUND)
        reason_refuse(reason, NULL, "no node %s: see `3bot node list`", node.id);
    if (!result)
        result = read_statement(session, &node, reason);
    if (result)
        node_close(&node);
    else
        *ret_node = node;
    return result;
}

void node_close(struct node *node)
{
    cJSON_Delete(node->view);
    evidence_close(&node->evidence);
    *node = (struct node){ 0 };
}

int node_pick(struct session *session, struct resources needs, struct node *ret_node, struct reason *reason)
{
    cleanup_json cJSON *items = NULL;
    const cJSON *item;
    struct reason why = { 0 };
    int result = client_list(&session->client, "/v1/nodes?status=up", &items, reason);

    if (result)
        return result;
    cJSON_ArrayForEach(item, items) {
        const char *id = json_string(item, "id"), *status = json_string(item, "status");
        if (!id || !status || strcmp(status, "up") != 0 || !resources_fit(needs, view_free(item), &why))
            continue;
        result = node_open(session, id, ret_node, reason);
        if (result || resources_fit(needs, ret_node->free, &why))
            return result;
        node_close(ret_node);
    }
    if (cJSON_GetArraySize(items) == 0)
        reason_refuse(reason, NULL, "no node is up: see `3bot node list`");
    else
        reason_refuse(reason, NULL,
                      "none of the %d nodes that are up has room (the last one: %s): see `3bot node list`",
                      cJSON_GetArraySize(items), why.text);
    return CLIENT_NOT_FOUND;
}

/* ---- List */

/* "3 of 4" of each resource. */
static void format_share(int64_t part, int64_t whole, const char *(*format)(int64_t, char[static UNITS_TEXT_BYTES]),
                         char ret_text[static 2 * UNITS_TEXT_BYTES + 8])
{
    char a[UNITS_TEXT_BYTES], b[UNITS_TEXT_BYTES];

    if (whole)
        snprintf(ret_text, 2 * UNITS_TEXT_BYTES + 8, "%s of %s", format(part, a), format(whole, b));
    else
        snprintf(ret_text, 2 * UNITS_TEXT_BYTES + 8, "-");
}

static void add_row(struct out_table *table, const cJSON *item)
{
    struct resources total = view_resources(item, "resources"), unused = view_free(item);
    char farm[24], shares[4][2 * UNITS_TEXT_BYTES + 8];

    snprintf(farm, sizeof farm, "%lld", (long long)json_integer(item, "farm"));
    format_share(unused.cru_milli, total.cru_milli, units_format_milli, shares[0]);
    format_share(unused.mru_bytes, total.mru_bytes, units_format_size, shares[1]);
    format_share(unused.sru_bytes, total.sru_bytes, units_format_size, shares[2]);
    format_share(unused.hru_bytes, total.hru_bytes, units_format_size, shares[3]);
    out_table_row(table, 8, json_string(item, "id"), farm, json_string(item, "status"), json_string(item, "hostname"),
                  shares[0], shares[1], shares[2], shares[3]);
}

static void tell_list(const cJSON *items)
{
    struct out_table table = { 0 };
    const cJSON *item;

    if (cJSON_GetArraySize(items) == 0) {
        out_line("no nodes: boot one with the settings that `3bot invite --settings` prints");
        return;
    }
    out_table_row(&table, 8, "NODE", "FARM", "STATUS", "HOSTNAME", "CPU FREE", "MEMORY FREE", "SSD FREE", "HDD FREE");
    cJSON_ArrayForEach(item, items)
        add_row(&table, item);
    out_table_end(&table);
}

/* "/v1/nodes" with the filters asked for. 0, or OUT_USAGE, said. */
static int list_path(const struct call *call, char ret_path[static 128])
{
    const char *farm = command_value(call, "farm"), *status = command_value(call, "status");
    struct reason reason = { 0 };
    int64_t number;
    int used = snprintf(ret_path, 128, "/v1/nodes");

    if (farm && units_parse_integer(farm, 1, JSON_INTEGER_MAX, &number, &reason))
        return out_fail(OUT_USAGE, "--farm: %s", reason.text);
    if (status && strcmp(status, "up") != 0 && strcmp(status, "down") != 0 && strcmp(status, "standby") != 0)
        return out_fail(OUT_USAGE, "--status: must be up, down or standby");
    if (farm)
        used += snprintf(ret_path + used, 128 - (size_t)used, "?farm=%lld", (long long)number);
    if (status)
        snprintf(ret_path + used, 128 - (size_t)used, "%cstatus=%s", farm ? '&' : '?', status);
    return 0;
}

int node_list(struct call *call)
{
    struct session session;
    struct reason reason = { 0 };
    cJSON *items = NULL;
    char path[128];
    int result = list_path(call, path);

    if (!result)
        result = session_open_reader(&session, call);
    if (result)
        return result;
    result = client_list(&session.client, path, &items, &reason);
    session_close(&session);
    if (result)
        return session_fail(result, &reason);
    tell_list(items);
    out_json(items);
    return 0;
}

/* ---- Show */

static void show_resources(const struct node *node)
{
    char text[2 * UNITS_TEXT_BYTES + 8];

    format_share(node->free.cru_milli, node->total.cru_milli, units_format_milli, text);
    out_line("cpu free      %s", text);
    format_share(node->free.mru_bytes, node->total.mru_bytes, units_format_size, text);
    out_line("memory free   %s", text);
    format_share(node->free.sru_bytes, node->total.sru_bytes, units_format_size, text);
    out_line("ssd free      %s", text);
    format_share(node->free.hru_bytes, node->total.hru_bytes, units_format_size, text);
    out_line("hdd free      %s", text);
}

static void show_disks(const cJSON *disks)
{
    const cJSON *disk;
    char size[UNITS_TEXT_BYTES];

    cJSON_ArrayForEach(disk, disks) {
        units_format_size(json_integer(disk, "size_bytes"), size);
        out_line("disk          %s: %s, %s, %s, %lld reads/s, %s", json_string(disk, "name"),
                 json_string(disk, "media"), size,
                 *json_string(disk, "model") ? json_string(disk, "model") : "no model name",
                 (long long)json_integer(disk, "read_iops"), json_string(disk, "state"));
    }
}

static void show_interfaces(const cJSON *interfaces)
{
    const cJSON *interface, *address;

    cJSON_ArrayForEach(interface, interfaces) {
        char addresses[256] = "";
        cJSON_ArrayForEach(address, json_member(interface, "addresses")) {
            size_t used = strlen(addresses);
            snprintf(addresses + used, sizeof addresses - used, " %s", address->valuestring);
        }
        out_line("interface     %s: %s%s", json_string(interface, "name"), json_string(interface, "mac"), addresses);
    }
}

static void show(const struct node *node)
{
    const cJSON *payload = node->evidence.statement.payload, *machine = json_member(payload, "machine");
    const char *status = json_string(node->view, "status");
    char time[UNITS_TEXT_BYTES];

    out_line("node          %s", node->id);
    out_line("farm          %lld", (long long)json_integer(payload, "farm"));
    out_line("status        %s", status ? status : "unknown");
    if (json_integer(node->view, "last_seen"))
        out_line("last seen     %s", units_format_time(json_integer(node->view, "last_seen"), time));
    out_line("hostname      %s", json_string(payload, "hostname"));
    out_line("system        %s", json_string(payload, "os_version"));
    out_line("machine       %s %s, %s", json_string(machine, "vendor"), json_string(machine, "product"),
             json_string(machine, "cpu"));
    show_resources(node);
    show_disks(json_member(payload, "disks"));
    show_interfaces(json_member(payload, "interfaces"));
    out_line("statement     %s", node->evidence.id);
    out_line("proof         signed by the node, entry %llu of the log", (unsigned long long)node->evidence.index);
}

static cJSON *show_json(const struct node *node)
{
    cJSON *value = cJSON_Duplicate(node->evidence.statement.payload, true);

    cJSON_AddStringToObject(value, "id", node->id);
    cJSON_AddStringToObject(value, "statement", node->evidence.id);
    cJSON_AddItemToObject(value, "status", cJSON_CreateString(json_string(node->view, "status") ?: ""));
    json_add_integer(value, "last_seen", json_integer(node->view, "last_seen"));
    cJSON_AddItemToObject(value, "free", resources_to_json(node->free));
    return value;
}

int node_show(struct call *call)
{
    struct session session;
    struct reason reason = { 0 };
    struct node node;
    int result = session_open_reader(&session, call);

    if (result)
        return result;
    result = node_open(&session, call->arguments[0], &node, &reason);
    session_close(&session);
    if (result)
        return session_fail(result, &reason);
    show(&node);
    out_json(show_json(&node));
    node_close(&node);
    return 0;
}
