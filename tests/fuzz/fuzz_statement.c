/* Envelopes and statements from anyone. The bytes are tried as an envelope, which hardly ever gets past the signature;
 * so they are tried as a payload of each kind too, signed here, and as the workloads of a contract. */

#include "lib/cleanup.h"
#include "lib/contract.h"
#include "lib/statement.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_envelope(const char *bytes, size_t size)
{
    struct envelope envelope;
    struct statement statement;
    struct reason reason = { 0 };

    if (envelope_parse(bytes, size, &envelope, &reason) == 0) {
        envelope_verify(&envelope, &reason);
        envelope_close(&envelope);
    }
    if (statement_open(bytes, size, &statement, &reason) == 0)
        statement_close(&statement);
    else if (!reason.text[0])
        abort();
}

/* What is opened is what was signed, under the same rules as it would be sent. */
static void try_payload(enum statement_kind kind, const char *bytes, size_t size, const struct key *key)
{
    cleanup_free char *envelope = NULL, *again = NULL;
    struct statement statement;
    struct reason reason = { 0 };
    char type[64];

    snprintf(type, sizeof type, "application/vnd.zos.%s+json", statement_kind_name(kind));
    if (envelope_sign(type, bytes, size, key, &envelope, NULL) < 0)
        return;
    if (statement_open(envelope, strlen(envelope), &statement, &reason) != 0)
        return;
    if (statement_sign(kind, statement.payload, 0, key, &again, NULL, &reason) != 0)
        abort();
    if (kind == STATEMENT_CONTRACT && json_member(statement.payload, "workloads"))
        contract_needs(json_member(statement.payload, "workloads"));
    statement_close(&statement);
}

static void try_workloads(const char *bytes, size_t size)
{
    cleanup_json cJSON *value = NULL;
    struct reason reason;

    if (json_parse(bytes, size, JSON_SIZE_MAX, &value, &reason) == 0 && contract_check_workloads(value, &reason) == 0)
        contract_needs(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[KEY_SEED_BYTES] = { 1 };
    static struct key *key;

    if (!key && key_from_seed(seed, &key) < 0)
        abort();
    try_envelope((const char *)data, size);
    for (unsigned kind = 0; kind < STATEMENT_KINDS; kind++)
        try_payload(kind, (const char *)data, size, key);
    try_workloads((const char *)data, size);
    return 0;
}
