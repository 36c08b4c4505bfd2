/* Contracts and their results. What is private is opened with the bot's key; the directory's view only tells where to
 * look. */

#include "contrib/3bot/contracts.h"

#include "contrib/3bot/out.h"

#include "lib/cleanup.h"
#include "lib/contract.h"

#include <sodium.h>
#include <string.h>

/* ---- Private parts */

/* The workloads of a contract's or result's payload: in the open, or opened as this bot. NULL when they aren't for us.
 */
static cJSON *open_workloads(const struct session *session, const cJSON *payload, const void *additional, size_t size)
{
    const cJSON *private = json_member(payload, "private");
    uint8_t public[32], secret[32];
    cJSON *workloads = NULL;
    int result;

    if (!private)
        return cJSON_Duplicate(json_member(payload, "workloads"), true);
    if (!session->key)
        return NULL;
    key_as_x25519(session->key, public, secret);
    result = contract_unseal(private, key_id(session->key), public, secret, additional, size, &workloads, NULL);
    sodium_memzero(secret, sizeof secret);
    return result ? NULL : workloads;
}

static cJSON *open_contract(const struct session *session, const cJSON *payload)
{
    size_t size = 0;
    cleanup_free void *nonce = decode_base64(json_string(payload, "nonce"), &size);

    return nonce ? open_workloads(session, payload, nonce, size) : NULL;
}

static cJSON *open_result(const struct session *session, const struct contracts_entry *entry, const cJSON *payload)
{
    uint8_t id[MERKLE_HASH_BYTES];

    return decode_hex(entry->id, id, sizeof id) ? open_workloads(session, payload, id, sizeof id) : NULL;
}

char *contracts_output(const struct session *session, const cJSON *result_workload)
{
    const cJSON *data = json_member(result_workload, "data");
    const char *output = json_string(data, "output"), *sealed = json_string(data, "sealed_output");
    cleanup_free uint8_t *box = NULL;
    char *text = NULL;
    uint8_t public[32], secret[32];
    size_t size = 0;

    if (output)
        return strdup(output);
    box = sealed ? decode_base64(sealed, &size) : NULL;
    if (!box || !session->key || size < crypto_box_SEALBYTES)
        return NULL;
    text = calloc(1, size - crypto_box_SEALBYTES + 1);
    key_as_x25519(session->key, public, secret);
    if (text && crypto_box_seal_open((uint8_t *)text, box, size, public, secret) != 0) {
        free(text);
        text = NULL;
    }
    sodium_memzero(secret, sizeof secret);
    return text;
}

/* ---- Getting them */

/* The whole id of the only contract of this bot that begins so. */
static int complete_id(struct session *session, const char *prefix, char ret_id[static HASH_TEXT_BYTES],
                       struct reason *reason)
{
    cleanup_json cJSON *items = NULL;
    const cJSON *item;
    uint8_t bytes[MERKLE_HASH_BYTES];
    char path[128];
    int found = 0, result;

    if (decode_hex(prefix, bytes, sizeof bytes)) {
        snprintf(ret_id, HASH_TEXT_BYTES, "%s", prefix);
        return 0;
    }
    snprintf(path, sizeof path, "/v1/contracts?bot=%s", key_id(session->key));
    result = client_list(&session->client, path, &items, reason);
    if (result)
        return result;
    cJSON_ArrayForEach(item, items) {
        const char *id = json_string(item, "id");
        if (id && *prefix && strncmp(id, prefix, strlen(prefix)) == 0 && decode_hex(id, bytes, sizeof bytes)) {
            snprintf(ret_id, HASH_TEXT_BYTES, "%s", id);
            found++;
        }
    }
    if (found > 1)
        return reason_refuse(reason, NULL, "%d of your contracts have ids that begin with %s: give more of it", found,
                             prefix);
    if (!found) {
        reason_refuse(reason, NULL, "you have no contract %s: see `3bot status`", prefix);
        return CLIENT_NOT_FOUND;
    }
    return 0;
}

int contracts_open(struct session *session, const char *id, struct contracts_entry *ret_entry, struct reason *reason)
{
    struct contracts_entry entry = { 0 };
    int result = complete_id(session, id, entry.id, reason);

    if (result)
        return result;
    result = evidence_statement(&session->client, entry.id, STATEMENT_CONTRACT, &entry.contract, reason);
    if (result == CLIENT_NOT_FOUND)
        reason_refuse(reason, NULL, "the directory has no contract %s: see `3bot status`", entry.id);
    if (result)
        return result;
    entry.workloads = open_contract(session, entry.contract.statement.payload);
    result = contracts_refresh(session, &entry, reason);
    if (result)
        contracts_close(&entry);
    else
        *ret_entry = entry;
    return result;
}

/* A result counts when it is about this contract and its node signed it. */
static int check_result(const struct contracts_entry *entry, const struct evidence *result, struct reason *reason)
{
    const char *node = json_string(entry->contract.statement.payload, "node");

    if (strcmp(result->statement.signer_id, node) != 0)
        return reason_refuse(reason, NULL, "the result %.8s… is signed by %s, not by the contract's node %s",
                             result->id, result->statement.signer_id, node);
    if (strcmp(json_string(result->statement.payload, "contract"), entry->id) != 0)
        return reason_refuse(reason, NULL, "the result %.8s… is about another contract", result->id);
    return 0;
}

static int take_result(struct session *session, struct contracts_entry *entry, const char *id, struct reason *reason)
{
    struct evidence result;
    int code = evidence_statement(&session->client, id, STATEMENT_RESULT, &result, reason);

    if (code)
        return code;
    code = check_result(entry, &result, reason);
    if (code || (entry->result.envelope && result.index < entry->result.index)) {
        evidence_close(&result);
        return code;
    }
    evidence_close(&entry->result);
    cJSON_Delete(entry->result_workloads);
    entry->result = result;
    entry->result_workloads = open_result(session, entry, result.statement.payload);
    return 0;
}

int contracts_refresh(struct session *session, struct contracts_entry *entry, struct reason *reason)
{
    cJSON *view = NULL;
    const char *id;
    char path[128];
    int result;

    snprintf(path, sizeof path, "/v1/contracts/%s", entry->id);
    result = client_get(&session->client, path, &view, reason);
    if (result)
        return result;
    cJSON_Delete(entry->view);
    entry->view = view;
    id = json_string(view, "result");
    if (!id || (entry->result.envelope && strcmp(id, entry->result.id) == 0))
        return 0;
    return take_result(session, entry, id, reason);
}

void contracts_close(struct contracts_entry *entry)
{
    evidence_close(&entry->contract);
    evidence_close(&entry->result);
    cJSON_Delete(entry->workloads);
    cJSON_Delete(entry->result_workloads);
    cJSON_Delete(entry->view);
    *entry = (struct contracts_entry){ 0 };
}

const char *contracts_state(const struct contracts_entry *entry)
{
    return entry->result.envelope ? json_string(entry->result.statement.payload, "state") : "pending";
}

const char *contracts_message(const struct contracts_entry *entry)
{
    const char *message = entry->result.envelope ? json_string(entry->result.statement.payload, "message") : NULL;

    return message ? message : "";
}
