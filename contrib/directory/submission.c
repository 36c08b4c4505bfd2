/* The answer is printed straight into its bytes: a tree of values in between would cost more than all else that a
 * commit does for a statement. */

#include "contrib/directory/submission.h"

#include "lib/cleanup.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BASE64_BYTES 45 /* of 32 bytes, and the NUL */
#define FRAME_BYTES 160      /* names, brackets, id and index */

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
        sodium_bin2base64(at, HASH_BASE64_BYTES, proof->hashes[i].bytes, MERKLE_HASH_BYTES,
                          sodium_base64_VARIANT_ORIGINAL);
        at += HASH_BASE64_BYTES - 1;
        at += sprintf(at, i + 1 < proof->count ? "\"," : "\"");
    }
    memcpy(at, "]}", sizeof "]}");
    return answer;
}
