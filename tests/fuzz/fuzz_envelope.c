/* Envelopes from anyone: as a body (a statement's) and as an object within one (an invite's). Whatever is read has one
 * spelling of its id, key, signature and payload; and whatever verifies is what somebody signed: the kept corpus, or
 * nothing. */

#include "lib/cleanup.h"
#include "lib/statement.h"

#include <sodium.h>
#include <string.h>

#define SIGNED_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The driver runs the corpus first, which is what was truly signed; a mutation of it may reorder keys or white space,
 * and then is the same statement. */
static char known[SIGNED_MAX][HASH_TEXT_BYTES];
static size_t known_count;
static unsigned long runs;

static void note_signed(const char *id)
{
    for (size_t i = 0; i < known_count; i++)
        if (strcmp(known[i], id) == 0)
            return;
    if (runs > SIGNED_MAX || known_count == SIGNED_MAX) /* longer than the corpus: a forgery */
        abort();
    strcpy(known[known_count++], id);
}

static void check_spelling(const cJSON *object, const struct envelope *envelope)
{
    const cJSON *entry = json_member(object, "signatures")->child;
    cleanup_free char *payload = encode_base64(envelope->payload, envelope->payload_size);
    cleanup_free char *signature = encode_base64(envelope->signature, sizeof envelope->signature);

    if (!payload || strcmp(payload, json_string(object, "payload")) != 0)
        abort();
    if (!signature || strcmp(signature, json_string(entry, "sig")) != 0)
        abort();
    if (strcmp(envelope->signer_id, json_string(entry, "keyid")) != 0)
        abort();
}

static void try_object(const cJSON *object)
{
    struct statement statement;
    struct reason reason = { 0 };

    if (statement_from_json(object, &statement, &reason) == 0)
        statement_close(&statement);
    else if (!reason.text[0])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cleanup_json cJSON *object = NULL;
    struct envelope envelope;
    struct reason reason = { 0 };

    if (sodium_init() < 0)
        abort();
    runs++;
    if (envelope_parse((const char *)data, size, &envelope, &reason) != 0) {
        if (!reason.text[0])
            abort();
        return 0;
    }
    if (json_parse((const char *)data, size, ENVELOPE_BYTES_MAX, &object, &reason) != 0)
        abort();
    check_spelling(object, &envelope);
    if (envelope_verify(&envelope, &reason) == 0)
        note_signed(envelope.id);
    envelope_close(&envelope);
    try_object(object);
    return 0;
}
