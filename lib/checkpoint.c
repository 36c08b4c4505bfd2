/* Checkpoints: a note's text of three lines. */

#include "lib/checkpoint.h"

#include "lib/cleanup.h"
#include "lib/json.h"

#include <inttypes.h>
#include <string.h>

char *checkpoint_sign(const struct checkpoint *checkpoint, const struct note_verifier *verifier, const struct key *key)
{
    uint8_t signature[KEY_SIGNATURE_BYTES];
    char body[NOTE_NAME_MAX + 128], *note;
    cleanup_free char *root = encode_base64(checkpoint->root.bytes, MERKLE_HASH_BYTES);

    if (!root)
        return NULL;
    snprintf(body, sizeof body, "%s\n%" PRIu64 "\n%s\n", verifier->name, checkpoint->size, root);
    key_sign(key, body, strlen(body), signature);
    cleanup_free char *line = note_signature_line(verifier, signature, sizeof signature);
    return line && asprintf(&note, "%s\n%s", body, line) > 0 ? note : NULL;
}

/* ---- Opening one */

struct search {
    const struct note_verifier *verifier;
    bool found;
};

/* A line of the verifier's name and hash that doesn't verify is refused even beside a good one, as the standard has it.
 */
static int on_signature(void *context, const struct note_signature *signature, struct reason *reason)
{
    struct search *search = context;
    const struct note_verifier *verifier = search->verifier;

    if (!note_signature_is_of(signature, verifier))
        return 0;
    if (signature->size != KEY_SIGNATURE_BYTES ||
        !key_verify(verifier->public, signature->body, signature->body_size, signature->bytes))
        return reason_refuse(reason, "checkpoint", "has a signature of %s that isn't good", verifier->name);
    search->found = true;
    return 0;
}

/* Takes a line off the body: its text in `ret_line`, cut at its newline. NULL when there is none or it doesn't fit. */
static const char *take_line(const char *at, const char *end, char *ret_line, size_t line_size)
{
    const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;

    if (!newline || (size_t)(newline - at) >= line_size)
        return NULL;
    memcpy(ret_line, at, (size_t)(newline - at));
    ret_line[newline - at] = '\0';
    return newline + 1;
}

/* Decimal, no leading zeros, at most what JSON can carry. */
static bool parse_size(const char *text, uint64_t *ret_size)
{
    uint64_t size = 0;

    if (!*text || strlen(text) > 16 || (text[0] == '0' && text[1]))
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        size = size * 10 + (uint64_t)(*text - '0');
    }
    if (size > JSON_INTEGER_MAX)
        return false;
    *ret_size = size;
    return true;
}

/* Lines beyond the third are extensions, signed but not ours; none may be empty. */
static bool has_empty_line(const char *at, const char *end)
{
    return at < end && (*at == '\n' || memmem(at, (size_t)(end - at), "\n\n", 2));
}

static int parse_body(const char *body, size_t body_size, const struct note_verifier *verifier,
                      struct checkpoint *ret_checkpoint, struct reason *reason)
{
    const char *at = body, *end = body + body_size;
    char origin[NOTE_NAME_MAX + 1], size_text[32], root_text[64];
    size_t root_size = 0;

    at = take_line(at, end, origin, sizeof origin);
    if (!at || strcmp(origin, verifier->name) != 0)
        return reason_refuse(reason, "checkpoint", "must be of the log %s", verifier->name);
    at = take_line(at, end, size_text, sizeof size_text);
    if (!at || !parse_size(size_text, &ret_checkpoint->size))
        return reason_refuse(reason, "checkpoint", "must have the tree's size in its second line");
    at = take_line(at, end, root_text, sizeof root_text);
    cleanup_free uint8_t *root = at ? decode_base64(root_text, &root_size) : NULL;
    if (!root || root_size != MERKLE_HASH_BYTES)
        return reason_refuse(reason, "checkpoint", "must have the root hash in its third line");
    if (has_empty_line(at, end))
        return reason_refuse(reason, "checkpoint", "must have no empty line");
    memcpy(ret_checkpoint->root.bytes, root, MERKLE_HASH_BYTES);
    return 0;
}

int checkpoint_open(const char *text, const struct note_verifier *verifier, struct checkpoint *ret_checkpoint,
                    struct reason *reason)
{
    struct search search = { .verifier = verifier };
    struct checkpoint checkpoint;
    size_t body_size = 0;
    int r = note_walk(text, "checkpoint", on_signature, &search, reason);

    if (r)
        return r;
    if (!search.found)
        return reason_refuse(reason, "checkpoint", "isn't signed by %s", verifier->name);
    const char *body = note_body(text, &body_size);
    r = parse_body(body, body_size, verifier, &checkpoint, reason);
    if (r == 0)
        *ret_checkpoint = checkpoint;
    return r;
}

/* ---- Proofs as JSON */

int merkle_proof_from_json(const cJSON *array, const char *place, struct merkle_proof *ret_proof, struct reason *reason)
{
    struct merkle_proof proof = { .count = 0 };
    const cJSON *item;

    if (!cJSON_IsArray(array))
        return reason_refuse(reason, place, "must be an array");
    cJSON_ArrayForEach(item, array) {
        size_t size = 0;
        cleanup_free uint8_t *bytes = cJSON_IsString(item) ? decode_base64(item->valuestring, &size) : NULL;
        if (proof.count == MERKLE_PROOF_MAX)
            return reason_refuse(reason, place, "must have at most %d hashes", MERKLE_PROOF_MAX);
        if (!bytes || size != MERKLE_HASH_BYTES)
            return reason_refuse(reason, place, "must hold hashes of 32 bytes in base64");
        memcpy(proof.hashes[proof.count++].bytes, bytes, MERKLE_HASH_BYTES);
    }
    *ret_proof = proof;
    return 0;
}

cJSON *merkle_proof_to_json(const struct merkle_proof *proof)
{
    cleanup_json cJSON *array = cJSON_CreateArray();

    for (size_t i = 0; array && i < proof->count; i++) {
        cleanup_free char *text = encode_base64(proof->hashes[i].bytes, MERKLE_HASH_BYTES);
        cJSON *item = text ? cJSON_CreateString(text) : NULL;
        if (!item || !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            return NULL;
        }
    }
    return steal_pointer(array);
}
