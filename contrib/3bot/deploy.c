/* From a file to a running contract: read, choose the node, seal, sign, publish, follow. */

#include "contrib/3bot/commands.h"
#include "contrib/3bot/contracts.h"
#include "contrib/3bot/deployment.h"
#include "contrib/3bot/node.h"
#include "contrib/3bot/out.h"
#include "contrib/3bot/units.h"

#include "lib/cleanup.h"
#include "lib/contract.h"
#include "lib/file.h"

#include <sodium.h>
#include <string.h>

#define DEPLOY_TIMEOUT_DEFAULT "15m"

const struct command_option DEPLOY_OPTIONS[] = {
    { "node", "ID", "the node, instead of what the file says; or auto" },
    { "expires", "DURATION", "when it ends, instead of what the file says" },
    { "public", NULL, "let everybody read the workloads (secrets stay sealed)" },
    { "wait", NULL, "wait until it runs or failed (the default)" },
    { "no-wait", NULL, "don't wait" },
    { "timeout", "DURATION", "how long to wait (else 15m)" },
    { "check", NULL, "only hold the file against the rules; nothing is sent" },
    { 0 },
};

struct plan {
    struct session *session;
    const struct call *call;
    struct deployment deployment;
    struct resources needs;
    struct node node;
    int64_t expires_s, timeout_s;
};

/* ---- The file */

static int read_input(const char *path, char **ret_text, size_t *ret_size, struct reason *reason)
{
    int result = file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, YAML_FILE_BYTES_MAX, ret_text, ret_size);

    return result < 0 ? reason_refuse(reason, path, "can't be read: %s", strerror(-result)) : 0;
}

static int read_deployment(const char *path, struct deployment *ret_deployment, struct reason *reason)
{
    cleanup_free char *text = NULL;
    struct yaml_file file;
    size_t size = 0;
    int result = read_input(path, &text, &size, reason);

    if (!result)
        result = yaml_file_read(strcmp(path, "-") == 0 ? "standard input" : path, text, size, &file, reason);
    if (result)
        return result;
    result = deployment_read(&file, ret_deployment, reason);
    yaml_file_close(&file);
    return result;
}

/* The options that change what the file says. 0, or OUT_USAGE, said. */
static int read_options(const struct call *call, struct plan *plan)
{
    const char *expires = command_value(call, "expires"), *timeout = command_value(call, "timeout");
    struct reason reason = { 0 };

    if (command_flag(call, "wait") && command_flag(call, "no-wait"))
        return out_fail(OUT_USAGE, "--wait and --no-wait exclude each other");
    if (expires && units_parse_duration(expires, &plan->expires_s, &reason))
        return out_fail(OUT_USAGE, "--expires: %s", reason.text);
    if (units_parse_duration(timeout ? timeout : DEPLOY_TIMEOUT_DEFAULT, &plan->timeout_s, &reason))
        return out_fail(OUT_USAGE, "--timeout: %s", reason.text);
    return 0;
}

/* ---- The node */

static int choose_node(struct plan *plan, struct reason *reason)
{
    const char *wanted = command_value(plan->call, "node");
    const char *status;
    int result;

    if (!wanted)
        wanted = plan->deployment.node;
    if (!wanted || strcmp(wanted, "auto") == 0)
        return node_pick(plan->session, plan->needs, &plan->node, reason);
    result = node_open(plan->session, wanted, &plan->node, reason);
    if (result)
        return result;
    if (!resources_fit(plan->needs, plan->node.free, reason)) {
        reason_prefix(reason, "the node has no room for it");
        return REFUSED;
    }
    status = json_string(plan->node.view, "status");
    if (!status || strcmp(status, "up") != 0)
        out_warn("node %.12s… is %s: it can take the contract only when it is up again", plan->node.id,
                 status ? status : "unknown");
    return 0;
}

/* A peer's key, from its node's own statement. */
static int find_key(void *context, const char *id, uint8_t ret_key[static 32], struct reason *reason)
{
    struct node node = { 0 };
    int result = node_open(context, id, &node, reason);

    if (result == 0)
        memcpy(ret_key, node.wireguard_key, sizeof node.wireguard_key);
    node_close(&node);
    return result;
}

/* ---- The contract */

static int add_workloads(const struct plan *plan, cJSON *payload, const uint8_t nonce[static CONTRACT_NONCE_BYTES],
                         struct reason *reason)
{
    cleanup_json cJSON *workloads = NULL;
    uint8_t bot[32];
    struct contract_reader readers[] = { { plan->node.id, plan->node.sealing_key },
                                         { key_id(plan->session->key), bot } };
    cJSON *private;

    if (deployment_workloads(&plan->deployment, plan->node.sealing_key, &workloads, reason) ||
        contract_check_workloads(workloads, reason))
        return REFUSED;
    if (command_flag(plan->call, "public")) {
        cJSON_AddItemToObject(payload, "workloads", steal_pointer(workloads));
        return 0;
    }
    if (key_public_as_x25519(key_public(plan->session->key), bot))
        return reason_refuse(reason, NULL, "the bot's key can't be sealed to");
    private = contract_seal(workloads, nonce, CONTRACT_NONCE_BYTES, readers, 2);
    if (!private)
        return reason_refuse(reason, NULL, "memory is out");
    cJSON_AddItemToObject(payload, "private", private);
    return 0;
}

static int publish(struct plan *plan, char ret_id[static HASH_TEXT_BYTES], struct reason *reason)
{
    cleanup_json cJSON *payload = cJSON_CreateObject();
    cleanup_free char *nonce_text = NULL;
    uint8_t nonce[CONTRACT_NONCE_BYTES];

    randombytes_buf(nonce, sizeof nonce);
    nonce_text = encode_base64(nonce, sizeof nonce);
    if (!nonce_text)
        return reason_refuse(reason, NULL, "memory is out");
    cJSON_AddStringToObject(payload, "node", plan->node.id);
    json_add_integer(payload, "expires", time(NULL) + plan->expires_s);
    cJSON_AddStringToObject(payload, "nonce", nonce_text);
    cJSON_AddItemToObject(payload, "reserves", resources_to_json(plan->needs));
    if (add_workloads(plan, payload, nonce, reason))
        return REFUSED;
    return session_publish(plan->session, STATEMENT_CONTRACT, payload, ret_id, reason);
}

/* ---- The command */

static int follow(struct plan *plan, const char *id)
{
    struct contracts_entry entry;
    struct reason reason = { 0 };
    int code = contracts_open(plan->session, id, &entry, &reason);

    if (code)
        return out_fail(OUT_FAILED, "the contract %s is published, but: %s", id, reason.text);
    code =
        command_flag(plan->call, "no-wait") ? 0 : contracts_follow(plan->session, &entry, "running", plan->timeout_s);
    if (code != 0 && out_is_json() && strcmp(contracts_state(&entry), "failed") != 0 &&
        strcmp(contracts_state(&entry), "stopped") != 0) {
        contracts_close(&entry); /* the error was said */
        return code;
    }
    if (code == 0 && !command_flag(plan->call, "no-wait"))
        out_line("running:");
    else if (strcmp(contracts_state(&entry), "failed") == 0)
        out_line("failed%s%s", *contracts_message(&entry) ? ": " : "", contracts_message(&entry));
    contracts_tell(plan->session, &entry, false);
    out_json(contracts_to_json(plan->session, &entry, false));
    contracts_close(&entry);
    return code;
}

static int run(struct plan *plan)
{
    struct reason reason = { 0 };
    char id[HASH_TEXT_BYTES], duration[UNITS_TEXT_BYTES];
    int result;

    out_progress("choosing a node");
    result = choose_node(plan, &reason);
    if (!result)
        result = deployment_name_peers(&plan->deployment, find_key, plan->session, &reason);
    if (!result) {
        out_progress("publishing the contract");
        result = publish(plan, id, &reason);
    }
    if (result)
        return session_fail(result, &reason);
    out_line("contract %s", id);
    out_line("on node %s, %s, ends in %s", plan->node.id, command_flag(plan->call, "public") ? "public" : "private",
             units_format_duration(plan->expires_s, duration));
    return follow(plan, id);
}

/* Reads options and file into the plan. 0 or an exit code, said. */
static int prepare(struct plan *plan)
{
    struct reason reason = { 0 };
    int result = read_options(plan->call, plan);

    if (result)
        return result;
    if (read_deployment(plan->call->arguments[0], &plan->deployment, &reason))
        return out_fail(OUT_FAILED, "%s", reason.text);
    plan->needs = contract_needs(plan->deployment.workloads);
    if (!plan->expires_s)
        plan->expires_s = plan->deployment.expires_s;
    if (!plan->expires_s)
        return out_fail(OUT_FAILED,
                        "%s: expires is missing: write `expires: 30d` into it, or give --expires (when a contract "
                        "ends, the data of its volumes is destroyed)",
                        plan->call->arguments[0]);
    return 0;
}

static int tell_checked(const struct plan *plan)
{
    cJSON *value = cJSON_CreateObject();
    int count = cJSON_GetArraySize(plan->deployment.workloads);
    char memory[UNITS_TEXT_BYTES], cpu[UNITS_TEXT_BYTES], ssd[UNITS_TEXT_BYTES], hdd[UNITS_TEXT_BYTES];

    out_line("%s is fine: %d workload%s, %s CPU, %s memory, %s SSD, %s HDD", plan->call->arguments[0], count,
             count == 1 ? "" : "s", units_format_milli(plan->needs.cru_milli, cpu),
             units_format_size(plan->needs.mru_bytes, memory), units_format_size(plan->needs.sru_bytes, ssd),
             units_format_size(plan->needs.hru_bytes, hdd));
    cJSON_AddItemToObject(value, "reserves", resources_to_json(plan->needs));
    out_json(value);
    return 0;
}

int deploy_run(struct call *call)
{
    struct session session = { 0 };
    struct plan plan = { .session = &session, .call = call };
    int result = prepare(&plan);

    if (!result && command_flag(call, "check")) {
        result = tell_checked(&plan);
    } else if (!result) {
        result = session_open(&session, call);
        if (!result)
            result = run(&plan);
    }
    node_close(&plan.node);
    deployment_close(&plan.deployment);
    session_close(&session);
    return result;
}
