/* The bot's contracts: all in a list, one in full, and the end of one. */

#include "contrib/3bot/commands.h"
#include "contrib/3bot/contracts.h"
#include "contrib/3bot/out.h"
#include "contrib/3bot/units.h"

#include "lib/cleanup.h"

#include <string.h>

#define CANCEL_TIMEOUT_DEFAULT "5m"

const struct command_option STATUS_OPTIONS[] = {
    { "output", NULL, "print what the containers printed last, too" },
    { "all", NULL, "in the list: those that are stopped, too" },
    { 0 },
};

const struct command_option CANCEL_OPTIONS[] = {
    { "wait", NULL, "wait until the node has stopped all of it" },
    { "timeout", "DURATION", "how long to wait (else 5m)" },
    { 0 },
};

/* ---- The list */

static bool is_stopped(const cJSON *item)
{
    const char *state = json_string(item, "state");

    return state && strcmp(state, "stopped") == 0;
}

/* Takes the stopped ones out. */
static void leave_out_stopped(cJSON *items)
{
    cJSON *item, *following;

    for (item = items->child; item; item = following) {
        following = item->next;
        if (is_stopped(item))
            cJSON_Delete(cJSON_DetachItemViaPointer(items, item));
    }
}

/* "in 2h 5m", "ended" */
static void format_end(int64_t expires, char ret_text[static UNITS_TEXT_BYTES + 8])
{
    char duration[UNITS_TEXT_BYTES];
    int64_t left = expires - time(NULL);

    if (left > 0)
        snprintf(ret_text, UNITS_TEXT_BYTES + 8, "in %s", units_format_duration(left, duration));
    else
        snprintf(ret_text, UNITS_TEXT_BYTES + 8, "ended");
}

static void tell_list(const cJSON *items)
{
    struct out_table table = { 0 };
    const cJSON *item;

    if (cJSON_GetArraySize(items) == 0) {
        out_line("no contracts: make one with `3bot deploy FILE`");
        return;
    }
    out_table_row(&table, 5, "CONTRACT", "NODE", "STATE", "ENDS", "CREATED");
    cJSON_ArrayForEach(item, items) {
        const char *id = json_string(item, "id"), *node = json_string(item, "node"),
                   *state = json_string(item, "state");
        char id_text[24], node_text[24], end[UNITS_TEXT_BYTES + 8], created[UNITS_TEXT_BYTES];
        snprintf(id_text, sizeof id_text, "%.16s", id ? id : "");
        snprintf(node_text, sizeof node_text, "%.16s", node ? node : "");
        format_end(json_integer(item, "expires"), end);
        out_table_row(&table, 5, id_text, node_text,
                      json_bool(item, "cancelled") && !is_stopped(item) ? "cancelled" : state, end,
                      units_format_time(json_integer(item, "created"), created));
    }
    out_table_end(&table);
}

static int list(struct session *session, const struct call *call)
{
    struct reason reason = { 0 };
    cJSON *items = NULL;
    char path[128];
    int result;

    snprintf(path, sizeof path, "/v1/contracts?bot=%s", key_id(session->key));
    result = client_list(&session->client, path, &items, &reason);
    if (result)
        return session_fail(result, &reason);
    if (!command_flag(call, "all"))
        leave_out_stopped(items);
    tell_list(items);
    out_json(items);
    return 0;
}

/* ---- One */

static void tell_reserves(const cJSON *reserves)
{
    struct resources sum = resources_from_json(reserves);
    char cpu[UNITS_TEXT_BYTES], memory[UNITS_TEXT_BYTES], ssd[UNITS_TEXT_BYTES], hdd[UNITS_TEXT_BYTES];

    out_line("reserves   %s CPU, %s memory, %s SSD, %s HDD", units_format_milli(sum.cru_milli, cpu),
             units_format_size(sum.mru_bytes, memory), units_format_size(sum.sru_bytes, ssd),
             units_format_size(sum.hru_bytes, hdd));
}

static void tell(const struct contracts_entry *entry)
{
    const cJSON *payload = entry->contract.statement.payload;
    const char *message = contracts_message(entry);
    char created[UNITS_TEXT_BYTES], expires[UNITS_TEXT_BYTES], end[UNITS_TEXT_BYTES + 8];

    format_end(json_integer(payload, "expires"), end);
    out_line("contract   %s", entry->id);
    out_line("state      %s%s%s%s", contracts_state(entry), *message ? ": " : "", message,
             json_bool(entry->view, "cancelled") ? " (cancelled)" : "");
    out_line("bot        %s", entry->contract.statement.signer_id);
    out_line("node       %s", json_string(payload, "node"));
    out_line("created    %s", units_format_time(entry->contract.statement.created, created));
    out_line("ends       %s (%s)", units_format_time(json_integer(payload, "expires"), expires), end);
    tell_reserves(json_member(payload, "reserves"));
    out_line("readable   %s", json_member(payload, "private") ? "by its node and its bot" : "by everybody");
    if (entry->result.envelope)
        out_line("proof      signed by the bot, entry %llu; the state by the node, entry %llu of the log",
                 (unsigned long long)entry->contract.index, (unsigned long long)entry->result.index);
    else
        out_line("proof      signed by the bot, entry %llu of the log; the node has said nothing yet",
                 (unsigned long long)entry->contract.index);
}

static int show(struct session *session, const struct call *call)
{
    struct contracts_entry entry;
    struct reason reason = { 0 };
    bool output = command_flag(call, "output");
    int result = contracts_open(session, call->arguments[0], &entry, &reason);

    if (result)
        return session_fail(result, &reason);
    tell(&entry);
    contracts_tell(session, &entry, output);
    out_json(contracts_to_json(session, &entry, output));
    contracts_close(&entry);
    return 0;
}

int status_run(struct call *call)
{
    struct session session;
    int result;

    if (!call->arguments_count && command_flag(call, "output"))
        return out_fail(OUT_USAGE, "--output needs the contract: 3bot status ID --output");
    result = session_open(&session, call);
    if (result)
        return result;
    result = call->arguments_count ? show(&session, call) : list(&session, call);
    session_close(&session);
    return result;
}

/* ---- The end */

/* Publishes the cancel; that it was cancelled before is as good. */
static int publish_cancel(struct session *session, const char *id, struct reason *reason)
{
    cleanup_json cJSON *payload = cJSON_CreateObject();
    char cancel_id[HASH_TEXT_BYTES];
    int result;

    cJSON_AddStringToObject(payload, "contract", id);
    result = session_publish(session, STATEMENT_CANCEL, payload, cancel_id, reason);
    return result == CLIENT_CONFLICT ? 0 : result;
}

static int cancel(struct session *session, const struct call *call, int64_t timeout_s)
{
    struct contracts_entry entry;
    struct reason reason = { 0 };
    int result = contracts_open(session, call->arguments[0], &entry, &reason);

    if (result)
        return session_fail(result, &reason);
    if (strcmp(entry.contract.statement.signer_id, key_id(session->key)) != 0)
        result = reason_refuse(&reason, NULL, "contract %.12s… isn't yours", entry.id);
    else if (strcmp(contracts_state(&entry), "stopped") != 0)
        result = publish_cancel(session, entry.id, &reason);
    if (result) {
        contracts_close(&entry);
        return session_fail(result, &reason);
    }
    out_line("contract %s is cancelled", entry.id);
    if (command_flag(call, "wait"))
        result = contracts_follow(session, &entry, "stopped", timeout_s);
    else
        contracts_refresh(session, &entry, &reason); /* for what is told; the cancel itself is done */
    if (!result && command_flag(call, "wait"))
        out_line("stopped");
    if (!result)
        out_json(contracts_to_json(session, &entry, false));
    contracts_close(&entry);
    return result;
}

int cancel_run(struct call *call)
{
    const char *timeout = command_value(call, "timeout");
    struct session session;
    struct reason reason = { 0 };
    int64_t timeout_s;
    int result;

    if (units_parse_duration(timeout ? timeout : CANCEL_TIMEOUT_DEFAULT, &timeout_s, &reason))
        return out_fail(OUT_USAGE, "--timeout: %s", reason.text);
    result = session_open(&session, call);
    if (result)
        return result;
    result = cancel(&session, call, timeout_s);
    session_close(&session);
    return result;
}
