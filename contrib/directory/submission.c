/* Opening, which is pure, and the answer. The answer is printed straight into its bytes: a tree of values in between
 * would cost more than all else that a commit does for a statement. */

#include "contrib/directory/submission.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BASE64_BYTES BASE64_TEXT_BYTES(MERKLE_HASH_BYTES)
#define FRAME_BYTES 160 /* names, brackets, id and index */

void submissions_init(struct submissions *list)
{
    *list = (struct submissions){ .last = &list->first };
}

void submissions_add(struct submissions *list, struct submission *submission)
{
    submission->next = NULL;
    *list->last = submission;
    list->last = &submission->next;
    list->count++;
}

struct submission *submissions_take(struct submissions *list)
{
    struct submission *first = list->first;

    submissions_init(list);
    return first;
}

void submission_fail(struct submission *submission, int error)
{
    submission->status = 503;
    if (error == -EUCLEAN)
        reason_refuse(&submission->reason, NULL,
                      "the directory's store is damaged: nothing is written until it is restored");
    else
        reason_refuse(&submission->reason, NULL, "can't be written down now: %s", strerror(-error));
}

/* ---- Opening */

static int refuse_opened(struct submission *submission, int result)
{
    if (result < 0)
        reason_refuse(&submission->reason, NULL, "out of memory");
    submission->status = result < 0 ? 503 : result == STATEMENT_BAD_SIGNATURE ? 401 : 400;
    return submission->status;
}

static int open_invite(struct submission *submission)
{
    const cJSON *object = json_member(submission->statement.payload, "invite");
    int result = statement_from_json(object, &submission->invite, &submission->reason);

    if (!result && submission->invite.kind != STATEMENT_INVITE)
        result = reason_refuse(&submission->reason, "payloadType", "must be that of an invite");
    if (result > 0)
        reason_prefix(&submission->reason, "invite");
    return result;
}

void submission_open(struct submission *submission)
{
    int result = statement_open(submission->body ? submission->body : "", submission->body_size, &submission->statement,
                                &submission->reason);

    if (!result && submission->statement.kind == STATEMENT_NODE)
        result = open_invite(submission);
    if (result)
        refuse_opened(submission, result);
    else
        merkle_leaf(submission->body, submission->body_size, &submission->leaf);
}

char *submission_quote(const char *note)
{
    cleanup_json cJSON *text = cJSON_CreateString(note);

    return text ? json_print(text) : NULL;
}

char *submission_answer(const struct submission *submission, const char *quoted_note)
{
    const struct merkle_proof *proof = &submission->proof;
    char *answer =
        quoted_note ? malloc(FRAME_BYTES + strlen(quoted_note) + proof->count * (HASH_BASE64_BYTES + 3)) : NULL;

    if (!answer)
        return NULL;
    char *at = answer + sprintf(answer, "{\"id\":\"%s\",\"index\":%" PRIu64 ",\"checkpoint\":%s,\"proof\":[",
                                submission->statement.id, submission->index, quoted_note);
    for (size_t i = 0; i < proof->count; i++) {
        *at++ = '"';
        at += write_base64(proof->hashes[i].bytes, MERKLE_HASH_BYTES, at);
        *at++ = '"';
        if (i + 1 < proof->count)
            *at++ = ',';
    }
    memcpy(at, "]}", sizeof "]}");
    return answer;
}
