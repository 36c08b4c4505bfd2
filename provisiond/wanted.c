/* From a contract's envelope to what is wanted: the strict part of reading a contract, shared by the first look at it
 * (verify.c) and by every restart (the journal keeps the exact envelope, and nothing that was opened). */

#include "provisiond/wanted.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

static const char *const STATE_NAMES[WANTED_STATES] = { "deploying", "running", "failed", "stopped" };

const char *wanted_state_name(enum wanted_state state)
{
    return state < WANTED_STATES ? STATE_NAMES[state] : "unknown";
}

enum wanted_state wanted_state_parse(const char *text)
{
    for (int i = 0; i < WANTED_STATES; i++)
        if (text && !strcmp(text, STATE_NAMES[i]))
            return (enum wanted_state)i;
    return WANTED_STATES;
}

void wanted_free(struct wanted *wanted)
{
    if (!wanted)
        return;
    cJSON_Delete(wanted->workloads);
    free(wanted);
}

/* The workloads in the open, or out of the private part. */
static int open_workloads(const cJSON *payload, const struct wanted_reader *reader, cJSON **ret_workloads,
                          struct reason *reason)
{
    const cJSON *private = json_member(payload, "private");
    char *nonce;
    size_t nonce_size;
    int r;

    if (!private) {
        *ret_workloads = cJSON_Duplicate(json_member(payload, "workloads"), true);
        return *ret_workloads ? 0 : -ENOMEM;
    }
    nonce = decode_base64(json_string(payload, "nonce"), &nonce_size);
    if (!nonce)
        return -ENOMEM;
    r = contract_unseal(private, reader->node_id, reader->sealing_public, reader->sealing_secret, nonce, nonce_size,
                        ret_workloads, reason);
    free(nonce);
    return r == REFUSED ? reason_prefix(reason, "private") : r;
}

static int fill(const struct statement *statement, const struct wanted_reader *reader, struct wanted *wanted,
                struct reason *reason)
{
    cJSON *workloads = NULL;
    int r;

    wanted->private = json_member(statement->payload, "private") != NULL;
    wanted->reserves = resources_from_json(json_member(statement->payload, "reserves"));
    r = open_workloads(statement->payload, reader, &workloads, reason);
    if (r == 0)
        r = contract_check_workloads(workloads, reason);
    if (r == 0 && !resources_fit(contract_needs(workloads), wanted->reserves, reason))
        r = reason_prefix(reason, "reserves don't cover the workloads");
    if (r != 0) {
        cJSON_Delete(workloads);
        return r;
    }
    wanted->workloads = workloads;
    return 0;
}

int wanted_open(const char *envelope, size_t size, const struct wanted_reader *reader, struct wanted **ret_wanted,
                struct reason *reason)
{
    struct statement statement;
    struct wanted *wanted;
    int r = statement_open(envelope, size, &statement, reason);

    if (r != 0)
        return r < 0 ? r : REFUSED;
    wanted = calloc(1, sizeof *wanted);
    if (!wanted) {
        statement_close(&statement);
        return -ENOMEM;
    }
    memcpy(wanted->id, statement.id, sizeof wanted->id);
    memcpy(wanted->bot, statement.signer_id, sizeof wanted->bot);
    memcpy(wanted->bot_key, statement.signer, sizeof wanted->bot_key);
    wanted->expires = json_integer(statement.payload, "expires");
    r = statement.kind == STATEMENT_CONTRACT ? fill(&statement, reader, wanted, reason)
                                             : reason_refuse(reason, "payloadType", "must be a contract's");
    statement_close(&statement);
    if (r != 0) {
        wanted_free(wanted);
        return r;
    }
    *ret_wanted = wanted;
    return 0;
}

/* A time that nobody has checked. */
static int64_t loose_time(const cJSON *payload, const char *name)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(payload, name);

    return cJSON_IsNumber(value) && value->valuedouble > 0 && value->valuedouble <= JSON_INTEGER_MAX
               ? (int64_t)value->valuedouble
               : 0;
}

int wanted_open_refused(const char *envelope, size_t size, struct wanted **ret_wanted, struct reason *reason)
{
    cleanup_json cJSON *payload = NULL;
    struct envelope parsed;
    struct wanted *wanted;
    int r = envelope_parse(envelope, size, &parsed, reason);

    if (r != 0)
        return r;
    r = json_parse(parsed.payload, parsed.payload_size, JSON_SIZE_MAX, &payload, reason);
    wanted = r == 0 ? calloc(1, sizeof *wanted) : NULL;
    if (!wanted) {
        envelope_close(&parsed);
        return r == 0 ? -ENOMEM : r;
    }
    memcpy(wanted->id, parsed.id, sizeof wanted->id);
    memcpy(wanted->bot, parsed.signer_id, sizeof wanted->bot);
    memcpy(wanted->bot_key, parsed.signer, sizeof wanted->bot_key);
    wanted->expires = loose_time(payload, "expires");
    wanted->private = cJSON_GetObjectItemCaseSensitive(payload, "private") != NULL;
    wanted->refused = wanted->ending = true;
    wanted->state = WANTED_FAILED;
    envelope_close(&parsed);
    *ret_wanted = wanted;
    return 0;
}
