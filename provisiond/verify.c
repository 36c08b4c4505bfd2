/* The checks of a feed. What comes from the directory is trusted for nothing but its order: it must be in a log that
 * only grows, and signed by the bot that asks.
 *
 * A refusal knows how far the entry got: before the inclusion proof holds, the answer may be anyone's, and the position
 * in the feed stays where it is; after it, the entry is in the log for ever, so it is passed over for ever. */

#include "provisiond/verify.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <string.h>

int verify_checkpoint(const cJSON *answer, const struct note_verifier *verifier,
                      const struct cosignature_policy *witnesses, const struct checkpoint *kept,
                      struct checkpoint *ret_checkpoint, struct reason *reason)
{
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(answer, "checkpoint");
    const cJSON *consistency = cJSON_GetObjectItemCaseSensitive(answer, "consistency");
    struct checkpoint checkpoint;
    struct merkle_proof proof;

    if (!cJSON_IsString(text))
        return reason_refuse(reason, "checkpoint", "must be a string");
    if (checkpoint_open(text->valuestring, verifier, &checkpoint, reason) != 0)
        return REFUSED;
    if (kept) {
        if (checkpoint.size < kept->size) {
            reason_refuse(reason, "checkpoint", "the log has shrunk from %llu to %llu entries",
                          (unsigned long long)kept->size, (unsigned long long)checkpoint.size);
            return VERIFY_REWRITTEN;
        }
        if (merkle_proof_from_json(consistency, "consistency", &proof, reason) != 0 ||
            !merkle_verify_consistency(kept->size, checkpoint.size, &proof, &kept->root, &checkpoint.root)) {
            reason_refuse(reason, "checkpoint", "size %llu doesn't extend the one of size %llu that this node has kept",
                          (unsigned long long)checkpoint.size, (unsigned long long)kept->size);
            return VERIFY_REWRITTEN;
        }
    }
    /* Last, so that two histories raise the alarm whoever cosigned them. */
    if (cosignature_check(text->valuestring, witnesses, reason) != 0)
        return REFUSED;
    *ret_checkpoint = checkpoint;
    return 0;
}

static int check_inclusion(const cJSON *entry, const struct checkpoint *checkpoint, struct verdict *verdict)
{
    const cJSON *index = cJSON_GetObjectItemCaseSensitive(entry, "index");
    const cJSON *envelope = cJSON_GetObjectItemCaseSensitive(entry, "envelope");
    struct merkle_proof proof;
    struct merkle_hash leaf;

    if (!cJSON_IsNumber(index) || index->valuedouble < 0 || index->valuedouble > JSON_INTEGER_MAX ||
        index->valuedouble != (double)(int64_t)index->valuedouble)
        return reason_refuse(&verdict->reason, "index", "must be an integer");
    verdict->index = (int64_t)index->valuedouble;
    if (!cJSON_IsString(envelope) || strlen(envelope->valuestring) > ENVELOPE_BYTES_MAX)
        return reason_refuse(&verdict->reason, "envelope", "must be a string of at most %d bytes", ENVELOPE_BYTES_MAX);
    verdict->envelope = envelope->valuestring;
    if (merkle_proof_from_json(cJSON_GetObjectItemCaseSensitive(entry, "proof"), "proof", &proof, &verdict->reason) !=
        0)
        return REFUSED;
    merkle_leaf(verdict->envelope, strlen(verdict->envelope), &leaf);
    if (!merkle_verify_inclusion(&leaf, (uint64_t)verdict->index, checkpoint->size, &proof, &checkpoint->root))
        return reason_refuse(&verdict->reason, "inclusion proof", "doesn't show entry %lld in the log of size %llu",
                             (long long)verdict->index, (unsigned long long)checkpoint->size);
    return 0;
}

static const struct wanted *find(const struct wanted *list, const char *id)
{
    while (list && strcmp(list->id, id) != 0)
        list = list->next;
    return list;
}

static bool is_seen(const struct verify_context *context, const char *id)
{
    return find(context->wanted, id) || (context->seen && context->seen(context->seen_context, id));
}

/* The times of a payload whose schema hasn't been checked yet: anything may be there. */
static int check_times(const cJSON *payload, bool expires, int64_t now, struct reason *reason)
{
    const cJSON *created = cJSON_GetObjectItemCaseSensitive(payload, "created");
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(payload, "expires");

    if (!cJSON_IsNumber(created))
        return reason_refuse(reason, "created", "must be an integer");
    if (created->valuedouble > (double)(now + VERIFY_CLOCK_SKEW_S))
        return reason_refuse(reason, "created", "lies in the future");
    if (!expires)
        return 0;
    if (!cJSON_IsNumber(end))
        return reason_refuse(reason, "expires", "must be an integer");
    if (end->valuedouble <= (double)now)
        return reason_refuse(reason, NULL, "contract expired");
    return 0;
}

static int check_capacity(const struct verify_context *context, const struct wanted *contract, struct reason *reason)
{
    struct resources sum = contract->reserves;

    for (const struct wanted *other = context->wanted; other; other = other->next)
        if (!other->ending)
            sum = resources_add(sum, other->reserves);
    return resources_fit(sum, context->capacity, reason) ? 0 : reason_prefix(reason, "over capacity");
}

/* A refusal that is told to the bot. */
static int keep_refused(bool open_message, struct verdict *verdict)
{
    struct reason ignored;
    int r = wanted_open_refused(verdict->envelope, strlen(verdict->envelope), &verdict->contract, &ignored);

    if (r != 0)
        return r < 0 ? r : REFUSED; /* can't be: it was opened before */
    verdict->contract->index = verdict->index;
    verdict->contract->message = verdict->reason;
    verdict->contract->open_message = open_message;
    verdict->kind = VERDICT_REFUSED;
    return 0;
}

static int check_contract(const struct envelope *envelope, const cJSON *payload, const struct verify_context *context,
                          struct verdict *verdict)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(payload, "node");
    int r;

    if (!cJSON_IsString(node) || strcmp(node->valuestring, context->reader.node_id) != 0)
        return reason_refuse(&verdict->reason, "node", "the contract is for another node");
    if (check_times(payload, true, context->now, &verdict->reason) != 0)
        return is_seen(context, envelope->id) ? REFUSED : keep_refused(true, verdict);
    if (is_seen(context, envelope->id))
        return reason_refuse(&verdict->reason, NULL, "seen before: a replay of a contract that this node knows");
    r = wanted_open(verdict->envelope, strlen(verdict->envelope), &context->reader, &verdict->contract,
                    &verdict->reason);
    if (r == REFUSED)
        return keep_refused(false, verdict);
    if (r < 0)
        return r;
    verdict->contract->index = verdict->index;
    if (check_capacity(context, verdict->contract, &verdict->reason) != 0) {
        wanted_free(steal_pointer(verdict->contract));
        return keep_refused(true, verdict);
    }
    verdict->kind = VERDICT_CONTRACT;
    return 0;
}

static int check_cancel(const struct envelope *envelope, const cJSON *payload, const struct verify_context *context,
                        struct verdict *verdict)
{
    const cJSON *contract = cJSON_GetObjectItemCaseSensitive(payload, "contract");
    const struct wanted *known;
    struct statement statement;
    int r;

    if (!cJSON_IsString(contract))
        return reason_refuse(&verdict->reason, "contract", "must be a string");
    known = find(context->wanted, contract->valuestring);
    if (!known)
        return reason_refuse(&verdict->reason, "contract", "is none that lives here");
    if (strcmp(known->bot, envelope->signer_id) != 0)
        return reason_refuse(&verdict->reason, "contract", "is another bot's to cancel");
    if (check_times(payload, false, context->now, &verdict->reason) != 0)
        return REFUSED;
    if (known->ending && !known->refused)
        return reason_refuse(&verdict->reason, NULL, "seen before: the contract is at its end already");
    r = statement_open(verdict->envelope, strlen(verdict->envelope), &statement, &verdict->reason);
    if (r != 0)
        return r < 0 ? r : REFUSED;
    statement_close(&statement);
    memcpy(verdict->target, known->id, sizeof verdict->target);
    verdict->kind = VERDICT_CANCEL;
    return 0;
}

static int check_payload(const struct envelope *envelope, const struct verify_context *context, struct verdict *verdict)
{
    cleanup_json cJSON *payload = NULL;
    int r = json_parse(envelope->payload, envelope->payload_size, JSON_SIZE_MAX, &payload, &verdict->reason);

    if (r != 0)
        return r < 0 ? r : reason_prefix(&verdict->reason, "payload");
    if (!strcmp(envelope->type, "application/vnd.zos.contract+json"))
        return check_contract(envelope, payload, context, verdict);
    if (!strcmp(envelope->type, "application/vnd.zos.cancel+json"))
        return check_cancel(envelope, payload, context, verdict);
    return reason_refuse(&verdict->reason, "payloadType", "must be a contract's or a cancel's");
}

int verify_entry(const cJSON *entry, const struct checkpoint *checkpoint, const struct verify_context *context,
                 struct verdict *ret_verdict)
{
    struct envelope envelope;
    struct verdict verdict = { .kind = VERDICT_UNPROVEN, .index = -1 };
    int r;

    if (check_inclusion(entry, checkpoint, &verdict) != 0) {
        *ret_verdict = verdict;
        return 0;
    }
    verdict.kind = VERDICT_IGNORED;
    r = envelope_parse(verdict.envelope, strlen(verdict.envelope), &envelope, &verdict.reason);
    if (r == 0) {
        r = envelope_verify(&envelope, &verdict.reason);
        if (r == 0) {
            memcpy(verdict.id, envelope.id, sizeof verdict.id);
            r = check_payload(&envelope, context, &verdict);
        } else {
            reason_refuse(&verdict.reason, "envelope", "bad signature: not by the key that it names");
        }
        envelope_close(&envelope);
    }
    if (r < 0) {
        verdict_close(&verdict);
        return r;
    }
    *ret_verdict = verdict;
    return 0;
}

void verdict_close(struct verdict *verdict)
{
    if (verdict)
        wanted_free(steal_pointer(verdict->contract));
}
