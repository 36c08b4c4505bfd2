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

    store_select(store, &rows, "SELECT cru, mru, sru, hru FROM contracts WHERE node = $1 AND live_until > $2",
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

/* ---- Totals */

enum { SLOT_NODES = -1, SLOT_BOTS = -2, SLOT_CONTRACTS = -3 };

#define HOUR_S 3600
#define SLOT_LAST 1048576 /* an hour of the year 2089, and all that are later */

static int64_t slot_of(int64_t expires)
{
    return expires / HOUR_S > SLOT_LAST ? SLOT_LAST : expires / HOUR_S;
}

/* `sign` times: high × 2^32 + low is exact for as many nodes as there may be. */
static void add_total(struct store *store, int64_t slot, int64_t count, int64_t sign, struct resources of)
{
    const int64_t amounts[4] = { of.cru_milli, of.mru_bytes, of.sru_bytes, of.hru_bytes };
    struct store_value values[10] = { VALUE_INTEGER(slot), VALUE_INTEGER(count) };

    for (int i = 0; i < 4; i++) {
        values[2 + 2 * i] = VALUE_INTEGER(sign * (amounts[i] >> 32));
        values[3 + 2 * i] = VALUE_INTEGER(sign * (amounts[i] & 0xffffffff));
    }
    store_run_values(store,
                     "INSERT INTO totals (slot, count, cru_high, cru_low, mru_high, mru_low, sru_high, sru_low,"
                     " hru_high, hru_low) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
                     " ON CONFLICT (slot) DO UPDATE SET count = totals.count + $2,"
                     " cru_high = totals.cru_high + $3, cru_low = totals.cru_low + $4,"
                     " mru_high = totals.mru_high + $5, mru_low = totals.mru_low + $6,"
                     " sru_high = totals.sru_high + $7, sru_low = totals.sru_low + $8,"
                     " hru_high = totals.hru_high + $9, hru_low = totals.hru_low + $10",
                     values, 10);
}

/* A contract is cancelled or stopped: if it was live until now, it leaves the totals. */
static void end_total(struct store *store, const char *id)
{
    struct store_rows rows;

    store_select(store, &rows,
                 "SELECT live_until, cru, mru, sru, hru FROM contracts WHERE id = $1 AND live_until IS NOT NULL",
                 VALUE_TEXT(id));
    bool live = store_next(&rows);
    int64_t expires = store_integer(&rows, 0);
    struct resources reserves = live ? read_resources(&rows, 1) : (struct resources){ 0 };
    store_done(&rows);
    if (!live)
        return;
    add_total(store, slot_of(expires), -1, -1, reserves);
    /* A slot of none is no row: so the table is the same whichever way it came about. */
    store_run(store, "DELETE FROM totals WHERE slot = $1 AND count = 0", VALUE_INTEGER(slot_of(expires)));
}

/* Columns: count, then pairs of high and low. */
static int64_t read_sum(const struct store_rows *rows, int column)
{
    __int128 sum = ((__int128)store_integer(rows, column) << 32) + store_integer(rows, column + 1);

    return sum > JSON_INTEGER_MAX ? JSON_INTEGER_MAX : sum < 0 ? 0 : (int64_t)sum;
}

static struct resources read_sums(const struct store_rows *rows, int column)
{
    return (struct resources){ read_sum(rows, column), read_sum(rows, column + 2), read_sum(rows, column + 4),
                               read_sum(rows, column + 6) };
}

static void read_slots(struct store *store, struct state_totals *totals)
{
    cleanup_rows struct store_rows rows;

    store_select(store, &rows,
                 "SELECT slot, count, cru_high, cru_low, mru_high, mru_low, sru_high, sru_low, hru_high, hru_low"
                 " FROM totals WHERE slot < $1",
                 VALUE_INTEGER(0));
    while (store_next(&rows)) {
        int64_t slot = store_integer(&rows, 0), count = store_integer(&rows, 1);
        if (slot == SLOT_BOTS)
            totals->bots = count;
        else if (slot == SLOT_CONTRACTS)
            totals->contracts = count;
        else if (slot == SLOT_NODES) {
            totals->nodes = count;
            totals->resources = read_sums(&rows, 2);
        }
    }
}

#define TOTAL(column) "CAST(coalesce(sum(" column "), 0) AS BIGINT)"
#define PAIR(name) TOTAL(name "_high") ", " TOTAL(name "_low")
#define PAIRS PAIR("cru") ", " PAIR("mru") ", " PAIR("sru") ", " PAIR("hru")

/* What expires in a later hour is a sum of sums; what expires in this one is looked at one by one. */
static void read_live(struct store *store, int64_t now_s, struct state_totals *totals)
{
    cleanup_rows struct store_rows later, now;
    int64_t hour = now_s / HOUR_S;

    store_select(store, &later, "SELECT " TOTAL("count") ", " PAIRS " FROM totals WHERE slot > $1 AND slot >= 0",
                 VALUE_INTEGER(hour));
    if (store_next(&later)) {
        totals->contracts_live = store_integer(&later, 0);
        totals->reserved = read_sums(&later, 1);
    }
    store_select(store, &now, "SELECT cru, mru, sru, hru FROM contracts WHERE live_until > $1 AND live_until < $2",
                 VALUE_INTEGER(now_s), VALUE_INTEGER((hour + 1) * HOUR_S));
    while (store_next(&now)) {
        totals->contracts_live++;
        totals->reserved = resources_add(totals->reserved, read_resources(&now, 0));
    }
}

void state_read_totals(struct store *store, int64_t now_s, struct state_totals *ret_totals)
{
    cleanup_rows struct store_rows rows;
    struct state_totals totals = { 0 };

    store_select_values(store, &rows, "SELECT coalesce(max(farm), 0) FROM farms", NULL, 0);
    totals.farms = store_next(&rows) ? store_integer(&rows, 0) : 0;
    read_slots(store, &totals);
    read_live(store, now_s, &totals);
    *ret_totals = totals;
}

/* ---- What an entry changes */

static bool has_bot(struct store *store, const char *id)
{
    cleanup_rows struct store_rows rows;

    store_select(store, &rows, "SELECT 1 FROM bots WHERE id = $1", VALUE_TEXT(id));
    return store_next(&rows);
}

static void apply_bot(struct store *store, uint64_t index, const struct statement *statement)
{
    if (!has_bot(store, statement->signer_id))
        add_total(store, SLOT_BOTS, 1, 0, (struct resources){ 0 });
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

/* The node's resources count once: those of its newest statement. */
static void replace_node_total(struct store *store, const char *id, struct resources resources)
{
    struct store_rows rows;

    store_select(store, &rows, "SELECT cru, mru, sru, hru FROM nodes WHERE id = $1", VALUE_TEXT(id));
    bool known = store_next(&rows);
    struct resources before = known ? read_resources(&rows, 0) : (struct resources){ 0 };
    store_done(&rows);
    if (known)
        add_total(store, SLOT_NODES, -1, -1, before);
    add_total(store, SLOT_NODES, 1, 1, resources);
}

static void apply_node(struct store *store, uint64_t index, const struct statement *statement)
{
    const cJSON *payload = statement->payload;
    struct resources resources = resources_from_json(json_member(payload, "resources"));
    cleanup_free char *disks = json_print(json_member(payload, "disks"));
    cleanup_free char *machine = json_print(json_member(payload, "machine"));
    cleanup_free char *interfaces = json_print(json_member(payload, "interfaces"));

    replace_node_total(store, statement->signer_id, resources);
    store_run(store,
              "INSERT INTO nodes (id, idx, statement, farm, created, hostname, os_version, wireguard_key, sealing_key,"
              " cru, mru, sru, hru, disks, machine, interfaces, country)"
              " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,"
              " (SELECT country FROM farms WHERE farm = $4))"
              " ON CONFLICT (id) DO UPDATE SET idx = $2, statement = $3, farm = $4, created = $5, hostname = $6,"
              " os_version = $7, wireguard_key = $8, sealing_key = $9, cru = $10, mru = $11, sru = $12, hru = $13,"
              " disks = $14, machine = $15, interfaces = $16,"
              " country = (SELECT country FROM farms WHERE farm = $4)",
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

    add_total(store, SLOT_CONTRACTS, 1, 0, (struct resources){ 0 });
    add_total(store, slot_of(json_integer(payload, "expires")), 1, 1, reserves);
    store_run(store,
              "INSERT INTO contracts (idx, id, bot, node, created, expires, cru, mru, sru, hru, private, state, result,"
              " cancelled, live_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'pending', NULL, 0, $6)",
              VALUE_INTEGER(index), VALUE_TEXT(statement->id), VALUE_TEXT(statement->signer_id),
              VALUE_TEXT(json_string(payload, "node")), VALUE_INTEGER(statement->created),
              VALUE_INTEGER(json_integer(payload, "expires")), VALUE_INTEGER(reserves.cru_milli),
              VALUE_INTEGER(reserves.mru_bytes), VALUE_INTEGER(reserves.sru_bytes), VALUE_INTEGER(reserves.hru_bytes),
              VALUE_INTEGER(json_member(payload, "private") != NULL));
}

static void apply_cancel(struct store *store, const struct statement *statement)
{
    const char *contract = json_string(statement->payload, "contract");

    end_total(store, contract);
    store_run(store, "UPDATE contracts SET cancelled = 1, live_until = NULL WHERE id = $1", VALUE_TEXT(contract));
}

/* Without live_until where it stays: SQLite writes every index anew that has a column which is set. */
static void apply_result(struct store *store, const struct statement *statement)
{
    const char *contract = json_string(statement->payload, "contract");
    const char *contract_state = json_string(statement->payload, "state");

    if (strcmp(contract_state, "stopped") == 0) {
        end_total(store, contract);
        store_run(store, "UPDATE contracts SET state = $1, result = $2, live_until = NULL WHERE id = $3",
                  VALUE_TEXT(contract_state), VALUE_TEXT(statement->id), VALUE_TEXT(contract));
        return;
    }
    store_run(store, "UPDATE contracts SET state = $1, result = $2 WHERE id = $3", VALUE_TEXT(contract_state),
              VALUE_TEXT(statement->id), VALUE_TEXT(contract));
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
        apply_cancel(store, statement);
        break;
    case STATEMENT_RESULT:
        apply_result(store, statement);
        break;
    default:
        break; /* the rules let nothing else in */
    }
}
