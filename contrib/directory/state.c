/* The tables of state.h: looked up for the rules, changed by each entry. */

#include "contrib/directory/state.h"

#include "lib/cleanup.h"

#include <string.h>

static struct resources read_resources(const struct store_rows *rows, int column)
{
    return (struct resources){
        .cru_milli = store_integer(rows, column),
        .mru_bytes = store_integer(rows, column + 1),
        .sru_bytes = store_integer(rows, column + 2),
        .hru_bytes = store_integer(rows, column + 3),
    };
}

static void copy_id(char ret_id[static ID_TEXT_BYTES], const char *text)
{
    snprintf(ret_id, ID_TEXT_BYTES, "%s", text);
}

bool state_find(struct store *store, const char *id, struct state_place *ret_place)
{
    cleanup_rows struct store_rows rows;

    store_select(store, &rows, "SELECT idx, signer FROM entries WHERE id = $1", VALUE_TEXT(id));
    if (!store_next(&rows))
        return false;
    ret_place->index = (uint64_t)store_integer(&rows, 0);
    copy_id(ret_place->signer, store_text(&rows, 1));
    return true;
}

bool state_has_node(struct store *store, const char *node)
{
    cleanup_rows struct store_rows rows;

    store_select(store, &rows, "SELECT 1 FROM nodes WHERE id = $1", VALUE_TEXT(node));
    return store_next(&rows);
}

/* Sums saturate, as resources_add does: nobody's contracts may make SQL's sum() overflow. */
struct resources state_reserved(struct store *store, const char *node, int64_t now_s)
{
    cleanup_rows struct store_rows rows;
    struct resources sum = { 0 };

    store_select(store, &rows,
                 "SELECT cru, mru, sru, hru FROM contracts WHERE node = $1 AND expires > $2 AND cancelled = 0"
                 " AND state <> 'stopped'",
                 VALUE_TEXT(node), VALUE_INTEGER(now_s));
    while (store_next(&rows))
        sum = resources_add(sum, read_resources(&rows, 0));
    return sum;
}

/* ---- For the rules */

static void look_bot(struct store *store, const struct statement *statement, struct rules_view *view)
{
    cleanup_rows struct store_rows rows, name;

    store_select(store, &rows, "SELECT created FROM bots WHERE id = $1", VALUE_TEXT(statement->signer_id));
    view->signer_known = store_next(&rows);
    view->registered = store_integer(&rows, 0);
    store_select(store, &name, "SELECT 1 FROM bots WHERE name = $1 AND id <> $2",
                 VALUE_TEXT(json_string(statement->payload, "name")), VALUE_TEXT(statement->signer_id));
    view->name_taken = statement->kind == STATEMENT_BOT && store_next(&name);
}

static void look_farm(struct store *store, const struct statement *statement, struct rules_view *view)
{
    cleanup_rows struct store_rows rows;

    look_bot(store, statement, view);
    store_select(store, &rows, "SELECT 1 FROM farms WHERE name = $1",
                 VALUE_TEXT(json_string(statement->payload, "name")));
    view->name_taken = store_next(&rows);
}

static void look_invite(struct store *store, const struct rules_input *input, struct rules_view *view)
{
    cleanup_rows struct store_rows uses, ours;

    store_select(store, &uses, "SELECT uses FROM invites WHERE id = $1", VALUE_TEXT(input->invite->id));
    if (store_next(&uses))
        view->invite_uses = store_integer(&uses, 0);
    store_select(store, &ours, "SELECT 1 FROM invite_uses WHERE invite = $1 AND node = $2",
                 VALUE_TEXT(input->invite->id), VALUE_TEXT(input->statement->signer_id));
    view->invite_used_by_us = store_next(&ours);
}

static void look_node(struct store *store, const struct rules_input *input, struct rules_view *view)
{
    cleanup_rows struct store_rows farm, node;
    int64_t number = json_integer(input->statement->payload, "farm");

    store_select(store, &farm, "SELECT bot FROM farms WHERE farm = $1", VALUE_INTEGER(number));
    view->farm_known = store_next(&farm);
    copy_id(view->farm_bot, store_text(&farm, 0));
    store_select(store, &node, "SELECT created, farm FROM nodes WHERE id = $1",
                 VALUE_TEXT(input->statement->signer_id));
    view->signer_known = store_next(&node);
    view->registered = store_integer(&node, 0);
    view->farm_is_ours = view->signer_known && store_integer(&node, 1) == number;
    look_invite(store, input, view);
}

static void look_contract(struct store *store, const struct rules_input *input, struct rules_view *view)
{
    cleanup_rows struct store_rows rows;
    const char *node = json_string(input->statement->payload, "node");

    look_bot(store, input->statement, view);
    store_select(store, &rows, "SELECT cru, mru, sru, hru FROM nodes WHERE id = $1", VALUE_TEXT(node));
    view->node_known = store_next(&rows);
    view->node_resources = read_resources(&rows, 0);
    view->node_reserved = state_reserved(store, node, input->now_s);
}

static void look_at_contract(struct store *store, const struct statement *statement, struct rules_view *view)
{
    cleanup_rows struct store_rows rows;

    store_select(store, &rows, "SELECT bot, node, cancelled, state FROM contracts WHERE id = $1",
                 VALUE_TEXT(json_string(statement->payload, "contract")));
    view->contract_known = store_next(&rows);
    copy_id(view->contract_bot, store_text(&rows, 0));
    copy_id(view->contract_node, store_text(&rows, 1));
    view->contract_cancelled = store_integer(&rows, 2);
    view->contract_stopped = strcmp(store_text(&rows, 3), "stopped") == 0;
}

void state_look(struct store *store, const struct rules_input *input, struct rules_view *ret_view)
{
    struct rules_view view = { 0 };

    switch (input->statement->kind) {
    case STATEMENT_BOT:
        look_bot(store, input->statement, &view);
        break;
    case STATEMENT_FARM:
        look_farm(store, input->statement, &view);
        break;
    case STATEMENT_NODE:
        look_node(store, input, &view);
        break;
    case STATEMENT_CONTRACT:
        look_contract(store, input, &view);
        break;
    case STATEMENT_CANCEL:
    case STATEMENT_RESULT:
        look_at_contract(store, input->statement, &view);
        break;
    default:
        break;
    }
    *ret_view = view;
}

/* ---- What an entry changes */

static void apply_bot(struct store *store, uint64_t index, const struct statement *statement)
{
    store_run(store,
              "INSERT INTO bots (id, idx, name, description, created) VALUES ($1, $2, $3, $4, $5)"
              " ON CONFLICT (id) DO UPDATE SET idx = $2, name = $3, description = $4, created = $5",
              VALUE_TEXT(statement->signer_id), VALUE_INTEGER(index),
              VALUE_TEXT(json_string(statement->payload, "name")),
              VALUE_TEXT(json_string(statement->payload, "description")), VALUE_INTEGER(statement->created));
}

static void apply_farm(struct store *store, uint64_t index, const struct statement *statement)
{
    const cJSON *location = json_member(statement->payload, "location");
    cleanup_free char *text = location ? json_print(location) : strdup("{}");

    /* In log order, no gap: farms are never taken away. */
    store_run(store,
              "INSERT INTO farms (farm, id, idx, bot, name, description, location, country, created)"
              " VALUES ((SELECT coalesce(max(farm), 0) + 1 FROM farms), $1, $2, $3, $4, $5, $6, $7, $8)",
              VALUE_TEXT(statement->id), VALUE_INTEGER(index), VALUE_TEXT(statement->signer_id),
              VALUE_TEXT(json_string(statement->payload, "name")),
              VALUE_TEXT(json_string(statement->payload, "description")), VALUE_TEXT(text),
              VALUE_TEXT(location ? json_string(location, "country") : NULL), VALUE_INTEGER(statement->created));
}

static void apply_invite(struct store *store, const char *invite, const char *node)
{
    cleanup_rows struct store_rows rows;

    store_select(store, &rows, "SELECT 1 FROM invite_uses WHERE invite = $1 AND node = $2", VALUE_TEXT(invite),
                 VALUE_TEXT(node));
    if (store_next(&rows))
        return;
    store_run(store, "INSERT INTO invite_uses (invite, node) VALUES ($1, $2)", VALUE_TEXT(invite), VALUE_TEXT(node));
    store_run(store,
              "INSERT INTO invites (id, uses) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET uses = invites.uses + 1",
              VALUE_TEXT(invite));
}

static void apply_node(struct store *store, uint64_t index, const struct statement *statement)
{
    const cJSON *payload = statement->payload;
    struct resources resources = resources_from_json(json_member(payload, "resources"));
    cleanup_free char *disks = json_print(json_member(payload, "disks"));
    cleanup_free char *machine = json_print(json_member(payload, "machine"));
    cleanup_free char *interfaces = json_print(json_member(payload, "interfaces"));

    store_run(store,
              "INSERT INTO nodes (id, idx, statement, farm, created, hostname, os_version, wireguard_key, sealing_key,"
              " cru, mru, sru, hru, disks, machine, interfaces)"
              " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
              " ON CONFLICT (id) DO UPDATE SET idx = $2, statement = $3, farm = $4, created = $5, hostname = $6,"
              " os_version = $7, wireguard_key = $8, sealing_key = $9, cru = $10, mru = $11, sru = $12, hru = $13,"
              " disks = $14, machine = $15, interfaces = $16",
              VALUE_TEXT(statement->signer_id), VALUE_INTEGER(index), VALUE_TEXT(statement->id),
              VALUE_INTEGER(json_integer(payload, "farm")), VALUE_INTEGER(statement->created),
              VALUE_TEXT(json_string(payload, "hostname")), VALUE_TEXT(json_string(payload, "os_version")),
              VALUE_TEXT(json_string(payload, "wireguard_key")), VALUE_TEXT(json_string(payload, "sealing_key")),
              VALUE_INTEGER(resources.cru_milli), VALUE_INTEGER(resources.mru_bytes),
              VALUE_INTEGER(resources.sru_bytes), VALUE_INTEGER(resources.hru_bytes), VALUE_TEXT(disks),
              VALUE_TEXT(machine), VALUE_TEXT(interfaces));
}

static void apply_contract(struct store *store, uint64_t index, const struct statement *statement)
{
    const cJSON *payload = statement->payload;
    struct resources reserves = resources_from_json(json_member(payload, "reserves"));

    store_run(store,
              "INSERT INTO contracts (idx, id, bot, node, created, expires, cru, mru, sru, hru, private, state, result,"
              " cancelled) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', NULL, 0)",
              VALUE_INTEGER(index), VALUE_TEXT(statement->id), VALUE_TEXT(statement->signer_id),
              VALUE_TEXT(json_string(payload, "node")), VALUE_INTEGER(statement->created),
              VALUE_INTEGER(json_integer(payload, "expires")), VALUE_INTEGER(reserves.cru_milli),
              VALUE_INTEGER(reserves.mru_bytes), VALUE_INTEGER(reserves.sru_bytes), VALUE_INTEGER(reserves.hru_bytes),
              VALUE_INTEGER(json_member(payload, "private") != NULL));
}

void state_apply(struct store *store, uint64_t index, const struct statement *statement, const struct statement *invite)
{
    switch (statement->kind) {
    case STATEMENT_BOT:
        apply_bot(store, index, statement);
        break;
    case STATEMENT_FARM:
        apply_farm(store, index, statement);
        break;
    case STATEMENT_NODE:
        apply_node(store, index, statement);
        apply_invite(store, invite->id, statement->signer_id);
        break;
    case STATEMENT_CONTRACT:
        apply_contract(store, index, statement);
        break;
    case STATEMENT_CANCEL:
        store_run(store, "UPDATE contracts SET cancelled = 1 WHERE id = $1",
                  VALUE_TEXT(json_string(statement->payload, "contract")));
        break;
    case STATEMENT_RESULT:
        store_run(store, "UPDATE contracts SET state = $1, result = $2 WHERE id = $3",
                  VALUE_TEXT(json_string(statement->payload, "state")), VALUE_TEXT(statement->id),
                  VALUE_TEXT(json_string(statement->payload, "contract")));
        break;
    default:
        break; /* the rules let nothing else in */
    }
}
