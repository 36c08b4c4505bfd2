/* Payloads of every kind, from anyone. The bytes are tried as a payload of each kind, by the rules alone, for a million
 * signatures would take hours; what the rules take is signed here and must open as what was signed. They are tried as
 * the workloads of a contract too. (fuzz_envelope has what is around a payload.) */

#include "lib/cleanup.h"
#include "lib/contract.h"
#include "lib/statement.h"
#include "lib/statement_rules.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is opened is what was signed, under the same rules as it would be sent. */
static void sign_and_open(enum statement_kind kind, const char *bytes, size_t size, const struct key *key)
{
    cleanup_free char *envelope = NULL, *again = NULL;
    struct statement statement;
    struct reason reason = { 0 };
    char type[64];

    snprintf(type, sizeof type, "application/vnd.zos.%s+json", statement_kind_name(kind));
    if (envelope_sign(type, bytes, size, key, &envelope, NULL) < 0)
        return;
    if (statement_open(envelope, strlen(envelope), &statement, &reason) != 0 || statement.kind != kind)
        abort();
    if (statement_sign(kind, statement.payload, 0, key, &again, NULL, &reason) != 0)
        abort();
    if (kind == STATEMENT_CONTRACT && json_member(statement.payload, "workloads"))
        contract_needs(json_member(statement.payload, "workloads"));
    statement_close(&statement);
}

/* Another spelling of what was taken before is taken again; one signature in so many shows enough. */
static bool is_first_of_many(void)
{
    static unsigned taken;

    return taken++ % 64 == 0;
}

static void try_payload(enum statement_kind kind, const cJSON *payload, const char *bytes, size_t size,
                        const struct key *key)
{
    struct reason reason = { 0 };

    if (statement_check_payload(kind, payload, &reason) != 0) {
        if (!reason.text[0])
            abort();
        return;
    }
    if (is_first_of_many())
        sign_and_open(kind, bytes, size, key);
}

static void try_workloads(const cJSON *value)
{
    struct reason reason = { 0 };

    if (contract_check_workloads(value, &reason) == 0)
        contract_needs(value);
    else if (!reason.text[0])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[KEY_SEED_BYTES] = { 1 };
    static struct key *key;
    cleanup_json cJSON *value = NULL;
    struct reason reason = { 0 };

    if (!key && key_from_seed(seed, &key) < 0)
        abort();
    if (json_parse((const char *)data, size, ENVELOPE_BYTES_MAX, &value, &reason) != 0)
        return 0;
    for (unsigned kind = 0; kind < STATEMENT_KINDS; kind++)
        try_payload(kind, value, (const char *)data, size, key);
    try_workloads(value);
    return 0;
}
