/* How a contract is shown, once and while it is waited for. */

#include "contrib/3bot/contracts.h"
#include "contrib/3bot/out.h"
#include "contrib/3bot/units.h"

#include "lib/cleanup.h"

#include <string.h>

#define FOLLOW_FIRST_MS 250
#define FOLLOW_MAX_MS 2000

/* What the node says of the workload of that name, or NULL. */
static const cJSON *result_of(const struct contracts_entry *entry, const char *name)
{
    const cJSON *workload;

    cJSON_ArrayForEach(workload, entry->result_workloads) {
        const char *called = json_string(workload, "name");
        if (called && name && strcmp(called, name) == 0)
            return workload;
    }
    return NULL;
}

/* The private form isn't held against rules when it is opened: what isn't a string shows as empty. */
static const char *text_of(const cJSON *object, const char *name)
{
    const char *text = json_string(object, name);

    return text ? text : "";
}

/* What to say of a workload: its node may have said nothing yet, or nothing that is for us. */
static const char *state_of(const struct contracts_entry *entry, const cJSON *result)
{
    if (result)
        return text_of(result, "state");
    return entry->result.envelope ? "unknown" : "pending";
}

/* ---- JSON */

static cJSON *workload_to_json(const struct session *session, const struct contracts_entry *entry,
                               const cJSON *workload, bool output)
{
    const cJSON *result = result_of(entry, json_string(workload, "name"));
    cJSON *value = cJSON_CreateObject();
    cleanup_free char *text = output && result ? contracts_output(session, result) : NULL;

    cJSON_AddStringToObject(value, "name", text_of(workload, "name"));
    cJSON_AddStringToObject(value, "type", text_of(workload, "type"));
    cJSON_AddStringToObject(value, "state", state_of(entry, result));
    cJSON_AddStringToObject(value, "message", text_of(result, "message"));
    if (json_member(workload, "data"))
        cJSON_AddItemToObject(value, "data", cJSON_Duplicate(json_member(workload, "data"), true));
    if (text)
        cJSON_AddStringToObject(value, "output", text);
    return value;
}

cJSON *contracts_to_json(const struct session *session, const struct contracts_entry *entry, bool output)
{
    const cJSON *payload = entry->contract.statement.payload, *workload;
    cJSON *value = cJSON_CreateObject(), *workloads;

    cJSON_AddStringToObject(value, "contract", entry->id);
    cJSON_AddStringToObject(value, "bot", entry->contract.statement.signer_id);
    cJSON_AddStringToObject(value, "node", text_of(payload, "node"));
    json_add_integer(value, "created", entry->contract.statement.created);
    json_add_integer(value, "expires", json_integer(payload, "expires"));
    cJSON_AddItemToObject(value, "reserves", cJSON_Duplicate(json_member(payload, "reserves"), true));
    cJSON_AddBoolToObject(value, "private", json_member(payload, "private") != NULL);
    cJSON_AddBoolToObject(value, "readable", entry->workloads != NULL);
    cJSON_AddBoolToObject(value, "cancelled", json_bool(entry->view, "cancelled"));
    cJSON_AddStringToObject(value, "state", contracts_state(entry));
    cJSON_AddStringToObject(value, "message", contracts_message(entry));
    if (entry->result.envelope)
        cJSON_AddStringToObject(value, "result", entry->result.id);
    workloads = cJSON_AddArrayToObject(value, "workloads");
    cJSON_ArrayForEach(workload, entry->workloads)
        cJSON_AddItemToArray(workloads, workload_to_json(session, entry, workload, output));
    return value;
}

/* ---- Text */

static void tell_outputs(const struct session *session, const struct contracts_entry *entry)
{
    const cJSON *workload;

    cJSON_ArrayForEach(workload, entry->workloads) {
        const cJSON *result = result_of(entry, json_string(workload, "name"));
        cleanup_free char *text = NULL;
        if (strcmp(text_of(workload, "type"), "container") != 0)
            continue;
        text = result ? contracts_output(session, result) : NULL;
        out_line("output of %s:%s", text_of(workload, "name"), text && *text ? "" : " none yet");
        if (text)
            out_text(text, "  | ");
    }
}

void contracts_tell(const struct session *session, const struct contracts_entry *entry, bool output)
{
    struct out_table table = { 0 };
    const cJSON *workload;

    cJSON_ArrayForEach(workload, entry->workloads) {
        const cJSON *result = result_of(entry, json_string(workload, "name"));
        out_table_row(&table, 4, text_of(workload, "name"), text_of(workload, "type"), state_of(entry, result),
                      text_of(result, "message"));
    }
    out_table_end(&table);
    if (!entry->workloads)
        out_line("its workloads are private: its node and its bot alone can read them");
    if (output)
        tell_outputs(session, entry);
}

/* ---- Following */

/* "deploying: data running, web deploying (pulling the image)" */
static void describe(const struct contracts_entry *entry, char *text, size_t size)
{
    const char *message = contracts_message(entry), *between = ": ";
    const cJSON *workload;
    size_t used;

    if (!entry->result.envelope)
        message = "its node hasn't taken it yet";
    used = (size_t)snprintf(text, size, "%s%s%s", contracts_state(entry), *message ? ": " : "", message);

    cJSON_ArrayForEach(workload, entry->result_workloads) {
        const char *detail = text_of(workload, "message");
        if (used >= size)
            break;
        used += (size_t)snprintf(text + used, size - used, "%s%s %s%s%s%s", between, text_of(workload, "name"),
                                 text_of(workload, "state"), *detail ? " (" : "", detail, *detail ? ")" : "");
        between = ", ";
    }
}

/* Whether the wait is over, and with which exit code. */
static bool is_over(const struct contracts_entry *entry, const char *wanted, int *ret_code)
{
    const char *state = contracts_state(entry);
    bool there = strcmp(state, wanted) == 0, end = strcmp(state, "stopped") == 0;
    bool failed = strcmp(state, "failed") == 0 && strcmp(wanted, "running") == 0;

    *ret_code = there ? 0 : OUT_FAILED;
    return there || end || failed;
}

static void sleep_ms(int ms)
{
    struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

    nanosleep(&pause, NULL);
}

static int64_t clock_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

int contracts_follow(struct session *session, struct contracts_entry *entry, const char *state, int64_t timeout_s)
{
    int64_t end = clock_s() + timeout_s;
    int code, pause_ms = FOLLOW_FIRST_MS;

    for (;;) {
        struct reason reason = { 0 };
        char text[512];
        int result = contracts_refresh(session, entry, &reason);
        if (result && result != CLIENT_UNREACHABLE)
            return session_fail(result, &reason);
        if (result)
            snprintf(text, sizeof text, "%.440s; trying again", reason.text);
        else
            describe(entry, text, sizeof text);
        out_progress("%s", text);
        if (!result && is_over(entry, state, &code))
            break;
        if (clock_s() >= end)
            return out_fail(OUT_FAILED, "contract %s isn't %s yet (%s): look again with `3bot status %.12s`", entry->id,
                            state, text, entry->id);
        sleep_ms(pause_ms);
        pause_ms = pause_ms * 2 < FOLLOW_MAX_MS ? pause_ms * 2 : FOLLOW_MAX_MS;
    }
    out_progress_end();
    return code;
}
