/* Signed notes and checkpoints. A note is read from its end: signatures are the lines behind the last empty one, and
 * what stands before it, its newline included, is what they sign. */

#include "lib/note.h"

#include "lib/cleanup.h"
#include "lib/json.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

#define ALGORITHM_ED25519 0x01
#define SIGNATURE_MARK "\xe2\x80\x94 "            /* em dash and space */
#define SIGNATURE_BYTES (4 + KEY_SIGNATURE_BYTES) /* behind the key's hash */
#define SIGNATURES_MAX 100
#define KEY_BYTES (1 + KEY_PUBLIC_BYTES)

/* Visible ASCII without '+': stricter than C2SP, which lets any Unicode in that isn't space. */
static bool is_name(const char *text, size_t size)
{
    if (size < 1 || size > NOTE_NAME_MAX)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] <= ' ' || text[i] >= 0x7f || text[i] == '+')
            return false;
    }
    return true;
}

static void make_key_bytes(const uint8_t public[static KEY_PUBLIC_BYTES], uint8_t ret_bytes[static KEY_BYTES])
{
    ret_bytes[0] = ALGORITHM_ED25519;
    memcpy(ret_bytes + 1, public, KEY_PUBLIC_BYTES);
}

static uint32_t from_big_endian(const uint8_t bytes[static 4])
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void to_big_endian(uint32_t number, uint8_t ret_bytes[static 4])
{
    for (int i = 0; i < 4; i++)
        ret_bytes[i] = (uint8_t)(number >> (24 - 8 * i));
}

static uint32_t key_hash(const char *name, const uint8_t public[static KEY_PUBLIC_BYTES])
{
    crypto_hash_sha256_state state;
    uint8_t key[KEY_BYTES], hash[crypto_hash_sha256_BYTES];

    make_key_bytes(public, key);
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, (const uint8_t *)name, strlen(name));
    crypto_hash_sha256_update(&state, (const uint8_t *)"\n", 1);
    crypto_hash_sha256_update(&state, key, sizeof key);
    crypto_hash_sha256_final(&state, hash);
    return from_big_endian(hash);
}

int note_verifier_make(const char *name, const uint8_t public[static KEY_PUBLIC_BYTES],
                       struct note_verifier *ret_verifier, struct reason *reason)
{
    struct note_verifier verifier = { 0 };

    if (!is_name(name, strlen(name)))
        return reason_refuse(reason, NULL, "a log's name must be 1 to %d visible ASCII characters without '+'",
                             NOTE_NAME_MAX);
    memcpy(verifier.name, name, strlen(name));
    memcpy(verifier.public, public, KEY_PUBLIC_BYTES);
    verifier.hash = key_hash(verifier.name, public);
    *ret_verifier = verifier;
    return 0;
}

int note_verifier_parse(const char *text, struct note_verifier *ret_verifier, struct reason *reason)
{
    const char *plus = strchr(text, '+'), *second = plus ? strchr(plus + 1, '+') : NULL;
    struct note_verifier verifier = { 0 };
    char name[NOTE_NAME_MAX + 1], hex[9];
    uint8_t hash[4] = { 0 };
    size_t size = 0;

    if (!second || second - plus != 9 || (size_t)(plus - text) > NOTE_NAME_MAX)
        return reason_refuse(reason, NULL, "a verifier key must look like name+hash+key");
    memcpy(name, text, (size_t)(plus - text));
    name[plus - text] = '\0';
    memcpy(hex, plus + 1, 8);
    hex[8] = '\0';
    cleanup_free uint8_t *key = decode_base64(second + 1, &size);
    if (!decode_hex(hex, hash, sizeof hash) || !key || size != KEY_BYTES || key[0] != ALGORITHM_ED25519)
        return reason_refuse(reason, NULL, "a verifier key must hold an Ed25519 key: name+<8 hex digits>+<base64>");
    if (note_verifier_make(name, key + 1, &verifier, reason))
        return REFUSED;
    if (verifier.hash != from_big_endian(hash))
        return reason_refuse(reason, NULL, "the verifier key's hash doesn't fit its name and key");
    *ret_verifier = verifier;
    return 0;
}

void note_verifier_format(const struct note_verifier *verifier, char ret_text[static NOTE_VKEY_BYTES])
{
    char key_text[sodium_base64_ENCODED_LEN(KEY_BYTES, sodium_base64_VARIANT_ORIGINAL)];
    uint8_t key[KEY_BYTES];

    make_key_bytes(verifier->public, key);
    sodium_bin2base64(key_text, sizeof key_text, key, sizeof key, sodium_base64_VARIANT_ORIGINAL);
    snprintf(ret_text, NOTE_VKEY_BYTES, "%s+%08" PRIx32 "+%s", verifier->name, verifier->hash, key_text);
}

/* ---- Checkpoints */

char *checkpoint_sign(const struct checkpoint *checkpoint, const struct note_verifier *verifier, const struct key *key)
{
    uint8_t signature[SIGNATURE_BYTES];
    char body[NOTE_NAME_MAX + 128], *note;
    cleanup_free char *root = encode_base64(checkpoint->root.bytes, MERKLE_HASH_BYTES);

    if (!root)
        return NULL;
    snprintf(body, sizeof body, "%s\n%" PRIu64 "\n%s\n", verifier->name, checkpoint->size, root);
    to_big_endian(verifier->hash, signature);
    key_sign(key, body, strlen(body), signature + 4);
    cleanup_free char *signature_text = encode_base64(signature, sizeof signature);
    if (!signature_text || asprintf(&note, "%s\n" SIGNATURE_MARK "%s %s\n", body, verifier->name, signature_text) < 0)
        return NULL;
    return note;
}

/* Where the signatures begin, and how long the signed text is; NULL when there is no such place. */
static const char *find_signatures(const char *text, size_t *ret_body_size)
{
    const char *found = NULL;

    for (const char *at = strstr(text, "\n\n"); at; at = strstr(at + 1, "\n\n"))
        found = at;
    if (!found)
        return NULL;
    *ret_body_size = (size_t)(found - text) + 1;
    return found + 2;
}

/* A signature's line: em dash, space, name, space, base64 of hash and signature. */
struct signature_line {
    char name[NOTE_NAME_MAX + 1];
    uint8_t *bytes; /* free() */
    size_t size;
};

/* Names of other signers may be any that the standard allows, so long as they fit. */
static bool parse_line(const char *line, size_t size, struct signature_line *ret_line)
{
    const char *end = line + size, *space;
    char encoded[NOTE_BYTES_MAX];
    size_t mark = strlen(SIGNATURE_MARK), name_size;

    if (size < mark || memcmp(line, SIGNATURE_MARK, mark) != 0)
        return false;
    line += mark;
    space = memchr(line, ' ', (size_t)(end - line));
    if (!space)
        return false;
    name_size = (size_t)(space - line);
    if (name_size < 1 || name_size > NOTE_NAME_MAX || memchr(line, '+', name_size))
        return false;
    if ((size_t)(end - space - 1) >= sizeof encoded)
        return false;
    memcpy(ret_line->name, line, name_size);
    ret_line->name[name_size] = '\0';
    memcpy(encoded, space + 1, (size_t)(end - space - 1));
    encoded[end - space - 1] = '\0';
    ret_line->bytes = decode_base64(encoded, &ret_line->size);
    if (ret_line->bytes && ret_line->size < 5) {
        free(ret_line->bytes);
        return false;
    }
    return ret_line->bytes;
}

/* One line: counted in `found` when it is the verifier's and good. A line of its name and hash that doesn't verify is
 * refused even beside a good one, as the standard has it. */
static int check_line(const char *line, size_t size, const char *body, size_t body_size,
                      const struct note_verifier *verifier, bool *found, struct reason *reason)
{
    struct signature_line signature;
    int r = 0;

    if (!parse_line(line, size, &signature))
        return reason_refuse(reason, "checkpoint", "has a malformed signature line");
    if (strcmp(signature.name, verifier->name) == 0 && from_big_endian(signature.bytes) == verifier->hash) {
        if (signature.size == SIGNATURE_BYTES && key_verify(verifier->public, body, body_size, signature.bytes + 4))
            *found = true;
        else
            r = reason_refuse(reason, "checkpoint", "has a signature of %s that isn't good", verifier->name);
    }
    free(signature.bytes);
    return r;
}

static int check_signatures(const char *lines, const char *body, size_t body_size, const struct note_verifier *verifier,
                            struct reason *reason)
{
    bool found = false;
    int r;

    for (size_t count = 0; *lines; count++) {
        const char *end = strchr(lines, '\n');
        if (!end)
            return reason_refuse(reason, "checkpoint", "must end with a newline");
        if (count == SIGNATURES_MAX)
            return reason_refuse(reason, "checkpoint", "has more than %d signatures", SIGNATURES_MAX);
        r = check_line(lines, (size_t)(end - lines), body, body_size, verifier, &found, reason);
        if (r)
            return r;
        lines = end + 1;
    }
    return found ? 0 : reason_refuse(reason, "checkpoint", "isn't signed by %s", verifier->name);
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

/* Lines beyond the third are extensions, signed but not ours. */
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
    memcpy(ret_checkpoint->root.bytes, root, MERKLE_HASH_BYTES);
    return 0;
}

/* Control characters other than newline have no place in a note (c2sp.org/signed-note). */
static bool has_control_characters(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 && *text != '\n')
            return true;
    }
    return false;
}

int checkpoint_open(const char *text, const struct note_verifier *verifier, struct checkpoint *ret_checkpoint,
                    struct reason *reason)
{
    struct checkpoint checkpoint;
    const char *signatures;
    size_t body_size;
    int r;

    if (strnlen(text, NOTE_BYTES_MAX + 1) > NOTE_BYTES_MAX)
        return reason_refuse(reason, "checkpoint", "must have at most %d bytes", NOTE_BYTES_MAX);
    signatures = find_signatures(text, &body_size);
    if (!signatures || has_control_characters(text))
        return reason_refuse(reason, "checkpoint", "isn't a signed note");
    r = check_signatures(signatures, text, body_size, verifier, reason);
    if (r == 0)
        r = parse_body(text, body_size, verifier, &checkpoint, reason);
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
