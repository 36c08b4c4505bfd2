/* Cosignatures: "cosignature/v1", a time and the note's text are signed; the time travels before the signature. */

#include "lib/cosignature.h"

#include "lib/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIME_BYTES 8
#define SIGNATURE_BYTES (TIME_BYTES + KEY_SIGNATURE_BYTES)

/* ---- Who counts */

int cosignature_policy_add(struct cosignature_policy *policy, const char *vkey, struct reason *reason)
{
    struct note_verifier witness;

    if (policy->count == COSIGNATURE_WITNESSES_MAX)
        return reason_refuse(reason, NULL, "at most %d witnesses can be given", COSIGNATURE_WITNESSES_MAX);
    if (note_witness_parse(vkey, &witness, reason))
        return REFUSED;
    for (size_t i = 0; i < policy->count; i++) {
        if (memcmp(policy->witnesses[i].public, witness.public, KEY_PUBLIC_BYTES) == 0)
            return reason_refuse(reason, NULL, "%s has the key of %s: no witness counts twice", witness.name,
                                 policy->witnesses[i].name);
    }
    policy->witnesses[policy->count++] = witness;
    return 0;
}

int cosignature_policy_from_json(const cJSON *witnesses, const cJSON *quorum, struct cosignature_policy *ret_policy,
                                 struct reason *reason)
{
    struct cosignature_policy policy = { 0 };
    const cJSON *item;

    cJSON_ArrayForEach(item, witnesses) {
        if (!cJSON_IsString(item))
            return reason_refuse(reason, "witnesses", "must be an array of verifier keys");
        if (cosignature_policy_add(&policy, item->valuestring, reason))
            return reason_prefix(reason, "witnesses");
    }
    if (quorum) {
        double number = cJSON_IsNumber(quorum) ? quorum->valuedouble : -1;
        if (number < 0 || number > (double)policy.count || number != (double)(unsigned)number)
            return reason_refuse(reason, "witness_quorum", "must be an integer, at most the number of witnesses (%zu)",
                                 policy.count);
        policy.quorum = (unsigned)number;
    }
    *ret_policy = policy;
    return 0;
}

void cosignature_policy_to_json(const struct cosignature_policy *policy, cJSON *object)
{
    cJSON *witnesses = cJSON_AddArrayToObject(object, "witnesses");
    char vkey[NOTE_VKEY_BYTES];

    for (size_t i = 0; i < policy->count; i++) {
        note_verifier_format(&policy->witnesses[i], vkey);
        cJSON_AddItemToArray(witnesses, cJSON_CreateString(vkey));
    }
    cJSON_AddNumberToObject(object, "witness_quorum", policy->quorum);
}

/* ---- One cosignature */

/* The signed message; the caller's, free(); NULL when memory is out. */
static char *make_message(const char *body, size_t body_size, uint64_t time_s, size_t *ret_size)
{
    char *message;
    int size = asprintf(&message, "cosignature/v1\ntime %" PRIu64 "\n%.*s", time_s, (int)body_size, body);

    if (size < 0)
        return NULL;
    *ret_size = (size_t)size;
    return message;
}

char *cosignature_sign(const char *note, int64_t time_s, const struct note_verifier *witness, const struct key *key)
{
    uint8_t signature[SIGNATURE_BYTES];
    size_t body_size, size;
    const char *body = note_body(note, &body_size);
    cleanup_free char *message = body ? make_message(body, body_size, (uint64_t)time_s, &size) : NULL;

    if (!message)
        return NULL;
    for (int i = 0; i < TIME_BYTES; i++)
        signature[i] = (uint8_t)((uint64_t)time_s >> (56 - 8 * i));
    key_sign(key, message, size, signature + TIME_BYTES);
    return note_signature_line(witness, signature, sizeof signature);
}

bool cosignature_verify(const struct note_signature *signature, const struct note_verifier *witness, int64_t *ret_time)
{
    uint64_t time_s = 0;
    size_t size;

    if (!note_signature_is_of(signature, witness) || signature->size != SIGNATURE_BYTES)
        return false;
    for (int i = 0; i < TIME_BYTES; i++)
        time_s = time_s << 8 | signature->bytes[i];
    if (time_s > INT64_MAX)
        return false;
    cleanup_free char *message = make_message(signature->body, signature->body_size, time_s, &size);
    if (!message || !key_verify(witness->public, message, size, signature->bytes + TIME_BYTES))
        return false;
    *ret_time = (int64_t)time_s;
    return true;
}

/* ---- A quorum */

struct tally {
    const struct cosignature_policy *policy;
    bool found[COSIGNATURE_WITNESSES_MAX];
    unsigned count;
};

static int on_signature(void *context, const struct note_signature *signature, struct reason *reason)
{
    struct tally *tally = context;
    int64_t time_s;

    for (size_t i = 0; i < tally->policy->count; i++) {
        const struct note_verifier *witness = &tally->policy->witnesses[i];
        if (!note_signature_is_of(signature, witness))
            continue;
        if (!cosignature_verify(signature, witness, &time_s))
            return reason_refuse(reason, "checkpoint", "has a cosignature of %s that isn't good", witness->name);
        tally->count += !tally->found[i];
        tally->found[i] = true;
    }
    return 0;
}

int cosignature_check(const char *note, const struct cosignature_policy *policy, struct reason *reason)
{
    struct tally tally = { .policy = policy };

    if (policy->quorum == 0)
        return 0;
    int r = note_walk(note, "checkpoint", on_signature, &tally, reason);
    if (r)
        return r;
    if (tally.count < policy->quorum)
        return reason_refuse(reason, "checkpoint", "is cosigned by %u of the %zu known witnesses, %u are needed",
                             tally.count, policy->count, policy->quorum);
    return 0;
}
