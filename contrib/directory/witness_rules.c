/* add-checkpoint, to the letter: "old <size>", hashes in base64, an empty line, the note. */

#include "contrib/directory/witness_rules.h"

#include "lib/cleanup.h"
#include "lib/json.h"

#include <inttypes.h>
#include <string.h>

#define PROOF_LINES_MAX 63

/* "old 123\n"; what follows is left in *at. */
static bool parse_old(const char **at, uint64_t *ret_size)
{
    const char *digit = *at + 4;
    uint64_t size = 0;

    if (strncmp(*at, "old ", 4) != 0 || *digit < '0' || *digit > '9' || (*digit == '0' && digit[1] != '\n'))
        return false;
    for (; *digit >= '0' && *digit <= '9' && size <= JSON_INTEGER_MAX; digit++)
        size = size * 10 + (uint64_t)(*digit - '0');
    if (*digit != '\n' || size > JSON_INTEGER_MAX)
        return false;
    *at = digit + 1;
    *ret_size = size;
    return true;
}

static bool parse_hash(const char *line, size_t length, struct merkle_hash *ret_hash)
{
    size_t size = 0;
    cleanup_free char *text = strndup(line, length);
    cleanup_free uint8_t *bytes = text ? decode_base64(text, &size) : NULL;

    if (!bytes || size != MERKLE_HASH_BYTES)
        return false;
    memcpy(ret_hash->bytes, bytes, size);
    return true;
}

int witness_parse(const char *body, struct witness_request *ret_request, struct reason *reason)
{
    struct witness_request request = { 0 };
    const char *at = body;

    if (!parse_old(&at, &request.old_size))
        return reason_refuse(reason, NULL, "the first line must be \"old\" and a size");
    for (size_t length; *at != '\n'; at += length + 1) {
        length = strcspn(at, "\n");
        if (at[length] != '\n')
            return reason_refuse(reason, NULL, "an empty line must stand before the checkpoint");
        if (request.proof.count == PROOF_LINES_MAX)
            return reason_refuse(reason, NULL, "a proof has at most %d lines", PROOF_LINES_MAX);
        if (!parse_hash(at, length, &request.proof.hashes[request.proof.count++]))
            return reason_refuse(reason, NULL, "a line of the proof must be a hash of 32 bytes in base64");
    }
    request.note = at + 1;
    *ret_request = request;
    return 0;
}

char *witness_format(uint64_t old_size, const struct merkle_proof *proof, const char *note)
{
    char *body;
    size_t size;
    FILE *text = open_memstream(&body, &size);

    if (!text)
        return NULL;
    fprintf(text, "old %" PRIu64 "\n", old_size);
    for (size_t i = 0; i < proof->count; i++) {
        cleanup_free char *hash = encode_base64(proof->hashes[i].bytes, MERKLE_HASH_BYTES);
        fprintf(text, "%s\n", hash ? hash : "");
    }
    fprintf(text, "\n%s", note);
    if (fclose(text) == 0)
        return body;
    free(body);
    return NULL;
}

static bool is_same_root(const struct checkpoint *a, const struct checkpoint *b)
{
    return memcmp(&a->root, &b->root, sizeof a->root) == 0;
}

enum witness_verdict witness_judge(const struct witness_request *request, const struct checkpoint *submitted,
                                   const struct checkpoint *last)
{
    struct checkpoint empty = { 0 };

    merkle_empty(&empty.root);
    if (request->old_size > submitted->size)
        return WITNESS_BAD_SIZE;
    if (request->old_size != last->size)
        return WITNESS_OTHER_SIZE;
    if (submitted->size == last->size && !is_same_root(submitted, last->size ? last : &empty))
        return last->size ? WITNESS_FORKED : WITNESS_INCONSISTENT;
    if (!merkle_verify_consistency(request->old_size, submitted->size, &request->proof, &last->root, &submitted->root))
        return WITNESS_INCONSISTENT;
    return WITNESS_COSIGN;
}
