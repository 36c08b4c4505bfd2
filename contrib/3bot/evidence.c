/* Proof of statements, step by step. */

#include "contrib/3bot/evidence.h"

#include "lib/cleanup.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define PUBLISH_ATTEMPTS 3
#define COSIGNED_ATTEMPTS 40 /* with the pause: 10 s, several rounds of the directory's */
#define COSIGNED_PAUSE_US 250000

/* ---- The steps */

static int check_id(struct client *client, struct evidence *evidence, struct reason *found)
{
    struct envelope envelope;
    int result = envelope_parse(evidence->envelope, strlen(evidence->envelope), &envelope, found);

    if (result)
        return result < 0 ? reason_refuse(found, NULL, "memory is out") : result;
    result = strcmp(envelope.id, evidence->id) == 0 ? 0 : REFUSED;
    if (result)
        reason_refuse(found, NULL, "this is another statement: its content has the id %s", envelope.id);
    else
        reason_refuse(found, NULL, "the content has the id that was asked for");
    envelope_close(&envelope);
    return result;
}

static int check_signature(struct client *client, struct evidence *evidence, struct reason *found)
{
    struct envelope envelope;
    int result = envelope_parse(evidence->envelope, strlen(evidence->envelope), &envelope, found);

    if (result)
        return result < 0 ? reason_refuse(found, NULL, "memory is out") : result;
    result = envelope_verify(&envelope, found);
    if (!result)
        reason_refuse(found, NULL, "by %s", envelope.signer_id);
    envelope_close(&envelope);
    return result;
}

static int check_form(struct client *client, struct evidence *evidence, struct reason *found)
{
    int result = statement_open(evidence->envelope, strlen(evidence->envelope), &evidence->statement, found);

    if (result)
        return result < 0 ? reason_refuse(found, NULL, "memory is out") : REFUSED;
    reason_refuse(found, NULL, "a %s, by the rules of its kind", statement_kind_name(evidence->statement.kind));
    return 0;
}

/* The directory cosigns in rounds, a moment after it has answered: its published checkpoint is asked for until it
 * covers the entry, and takes the place of the one that came with the answer. 0, REFUSED when it doesn't yet, or a
 * condition.
 */
static int take_cosigned(struct client *client, struct evidence *evidence, struct reason *found)
{
    cleanup_free char *text = NULL;
    cleanup_json cJSON *answer = NULL;
    struct checkpoint checkpoint;
    char path[128];
    int result = client_get_checkpoint(client, &text, found);

    if (!result)
        result = cosignature_check(text, &client->config->witnesses, found);
    if (!result)
        result = checkpoint_open(text, &client->config->verifier, &checkpoint, found);
    if (result)
        return result;
    if (checkpoint.size <= evidence->index)
        return reason_refuse(found, NULL,
                             "the witnesses have cosigned only %" PRIu64 " entries, this one is not yet among them",
                             checkpoint.size);
    snprintf(path, sizeof path, "/v1/log/proof?index=%" PRIu64 "&size=%" PRIu64, evidence->index, checkpoint.size);
    result = client_get(client, path, &answer, found);
    if (!result)
        result = merkle_proof_from_json(json_member(answer, "proof"), "proof", &evidence->proof, found);
    if (!result) {
        free(evidence->checkpoint_text);
        evidence->checkpoint_text = steal_pointer(text);
    }
    return result;
}

static int check_witnesses(struct client *client, struct evidence *evidence, struct reason *found)
{
    const struct cosignature_policy *policy = &client->config->witnesses;
    int result = cosignature_check(evidence->checkpoint_text, policy, found);

    for (unsigned attempt = 0; attempt < COSIGNED_ATTEMPTS && result == REFUSED; attempt++) {
        if (attempt)
            usleep(COSIGNED_PAUSE_US);
        result = take_cosigned(client, evidence, found);
    }
    if (!result && policy->quorum)
        reason_refuse(found, NULL, "at least %u of %zu witnesses cosigned it", policy->quorum, policy->count);
    else if (!result)
        reason_refuse(found, NULL, "none asked for");
    return result;
}

static int check_checkpoint(struct client *client, struct evidence *evidence, struct reason *found)
{
    int result = checkpoint_open(evidence->checkpoint_text, &client->config->verifier, &evidence->checkpoint, found);

    if (!result)
        reason_refuse(found, NULL, "signed by %s, %" PRIu64 " entries", client->config->verifier.name,
                      evidence->checkpoint.size);
    return result;
}

static int check_history(struct client *client, struct evidence *evidence, struct reason *found)
{
    bool had_known = client->has_known;
    uint64_t known = client->known.size;
    int result = client_take_checkpoint(client, evidence->checkpoint_text, &evidence->checkpoint, found);

    if (!result && had_known)
        reason_refuse(found, NULL, "agrees with the log of %" PRIu64 " entries seen before", known);
    else if (!result)
        reason_refuse(found, NULL, "the first that this bot sees of this log");
    return result;
}

static int check_inclusion(struct client *client, struct evidence *evidence, struct reason *found)
{
    struct merkle_hash leaf;

    merkle_leaf(evidence->envelope, strlen(evidence->envelope), &leaf);
    if (!merkle_verify_inclusion(&leaf, evidence->index, evidence->checkpoint.size, &evidence->proof,
                                 &evidence->checkpoint.root))
        return reason_refuse(found, NULL, "the proof doesn't lead to the checkpoint's root: it isn't in the log");
    reason_refuse(found, NULL, "entry %" PRIu64 " of the log", evidence->index);
    return 0;
}

const struct evidence_step EVIDENCE_STEPS[] = {
    { "id", check_id },
    { "signature", check_signature },
    { "form", check_form },
    { "witnesses", check_witnesses },
    { "checkpoint", check_checkpoint },
    { "history", check_history },
    { "inclusion", check_inclusion },
    { 0 },
};

int evidence_check(struct client *client, struct evidence *evidence, struct reason *reason)
{
    for (const struct evidence_step *step = EVIDENCE_STEPS; step->name; step++) {
        struct reason found = { 0 };
        int result = step->check(client, evidence, &found);
        if (result) {
            reason_refuse(reason, NULL, "statement %.8s…, %s: %.450s", evidence->id, step->name, found.text);
            return result;
        }
    }
    return 0;
}

/* ---- Getting it */

/* What a directory adds to a statement in its answers. Keys that it adds later are passed over. */
static int read_place(const cJSON *answer, struct evidence *evidence, struct reason *reason)
{
    const cJSON *index = json_member(answer, "index");
    const char *checkpoint = json_string(answer, "checkpoint");

    if (!cJSON_IsNumber(index) || index->valuedouble < 0 || !checkpoint)
        return reason_refuse(reason, "the directory's answer", "index or checkpoint is missing");
    if (merkle_proof_from_json(json_member(answer, "proof"), "proof", &evidence->proof, reason))
        return reason_prefix(reason, "the directory's answer");
    evidence->index = (uint64_t)json_integer(answer, "index");
    evidence->checkpoint_text = strdup(checkpoint);
    return 0;
}

int evidence_fetch(struct client *client, const char *id, struct evidence *ret_evidence, struct reason *reason)
{
    cleanup_json cJSON *answer = NULL;
    struct evidence evidence = { 0 };
    uint8_t hash[MERKLE_HASH_BYTES];
    char path[128];
    int result;

    if (!decode_hex(id, hash, sizeof hash))
        return reason_refuse(reason, id, "not a statement id: 64 hexadecimal digits");
    snprintf(evidence.id, sizeof evidence.id, "%s", id);
    snprintf(path, sizeof path, "/v1/statements/%s", id);
    result = client_get(client, path, &answer, reason);
    if (result)
        return result;
    if (!json_string(answer, "envelope"))
        return reason_refuse(reason, "the directory's answer", "envelope is missing");
    result = read_place(answer, &evidence, reason);
    if (result)
        return result;
    evidence.envelope = strdup(json_string(answer, "envelope"));
    *ret_evidence = evidence;
    return 0;
}

int evidence_post(struct client *client, const char *envelope, const char *id, struct evidence *ret_evidence,
                  struct reason *reason)
{
    cleanup_json cJSON *answer = NULL;
    struct evidence evidence = { 0 };
    int result = client_post(client, "/v1/statements", envelope, &answer, reason);

    if (!result)
        result = read_place(answer, &evidence, reason);
    if (result)
        return result;
    snprintf(evidence.id, sizeof evidence.id, "%s", id);
    evidence.envelope = strdup(envelope);
    *ret_evidence = evidence;
    return 0;
}

void evidence_close(struct evidence *evidence)
{
    free(evidence->envelope);
    free(evidence->checkpoint_text);
    statement_close(&evidence->statement);
    *evidence = (struct evidence){ 0 };
}

int evidence_statement(struct client *client, const char *id, enum statement_kind kind, struct evidence *ret_evidence,
                       struct reason *reason)
{
    struct evidence evidence;
    int result = evidence_fetch(client, id, &evidence, reason);

    if (result)
        return result;
    result = evidence_check(client, &evidence, reason);
    if (!result && evidence.statement.kind != kind)
        result = reason_refuse(reason, NULL, "%.8s… is a %s, not a %s", id,
                               statement_kind_name(evidence.statement.kind), statement_kind_name(kind));
    if (result)
        evidence_close(&evidence);
    else
        *ret_evidence = evidence;
    return result;
}

/* Posting the same envelope again is harmless: the directory answers as it did the first time. So a lost answer, or a
 * directory that is starting or busy, isn't the end. */
static int post_patiently(struct client *client, const char *envelope, const char *id, struct evidence *ret_evidence,
                          struct reason *reason)
{
    int result = CLIENT_UNREACHABLE;

    for (unsigned attempt = 0; attempt < PUBLISH_ATTEMPTS && result == CLIENT_UNREACHABLE; attempt++) {
        sleep(attempt); /* 0, 1, 2 s */
        result = evidence_post(client, envelope, id, ret_evidence, reason);
    }
    return result;
}

int evidence_publish(struct client *client, const char *envelope, const char *id, struct reason *reason)
{
    struct evidence evidence;
    int result = post_patiently(client, envelope, id, &evidence, reason);

    if (result)
        return result;
    result = evidence_check(client, &evidence, reason);
    evidence_close(&evidence);
    return result;
}
