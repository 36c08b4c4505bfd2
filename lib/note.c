/* Signed notes. A note is read from its end: signatures are the lines behind the last empty one, and what stands before
 * it, its newline included, is what they sign. */

#include "lib/note.h"

#include "lib/cleanup.h"
#include "lib/sha256.h"

#include <inttypes.h>
#include <string.h>

#define HASH_BYTES 4
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

static uint32_t from_big_endian(const uint8_t bytes[static HASH_BYTES])
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* ---- Verifier keys */

static void make_key_bytes(const struct note_verifier *verifier, uint8_t ret_bytes[static KEY_BYTES])
{
    ret_bytes[0] = (uint8_t)verifier->algorithm;
    memcpy(ret_bytes + 1, verifier->public, KEY_PUBLIC_BYTES);
}

static uint32_t key_hash(const struct note_verifier *verifier)
{
    uint8_t key[KEY_BYTES], hash[SHA256_BYTES];

    make_key_bytes(verifier, key);
    const struct sha256_part parts[] = { { verifier->name, strlen(verifier->name) }, { "\n", 1 }, { key, sizeof key } };
    sha256_parts(parts, 3, hash);
    return from_big_endian(hash);
}

static int make_verifier(const char *name, enum note_algorithm algorithm, const uint8_t public[static KEY_PUBLIC_BYTES],
                         struct note_verifier *ret_verifier, struct reason *reason)
{
    struct note_verifier verifier = { .algorithm = algorithm };

    if (!is_name(name, strlen(name)))
        return reason_refuse(reason, NULL, "the name must be 1 to %d visible ASCII characters without '+'",
                             NOTE_NAME_MAX);
    memcpy(verifier.name, name, strlen(name));
    memcpy(verifier.public, public, KEY_PUBLIC_BYTES);
    verifier.hash = key_hash(&verifier);
    *ret_verifier = verifier;
    return 0;
}

int note_verifier_make(const char *name, const uint8_t public[static KEY_PUBLIC_BYTES],
                       struct note_verifier *ret_verifier, struct reason *reason)
{
    return make_verifier(name, NOTE_ED25519, public, ret_verifier, reason);
}

int note_witness_make(const char *name, const uint8_t public[static KEY_PUBLIC_BYTES],
                      struct note_verifier *ret_verifier, struct reason *reason)
{
    return make_verifier(name, NOTE_COSIGNATURE, public, ret_verifier, reason);
}

static int refuse_algorithm(enum note_algorithm algorithm, struct reason *reason)
{
    if (algorithm == NOTE_COSIGNATURE)
        return reason_refuse(reason, NULL, "must be a witness's key: name+<8 hex digits>+<base64>, of type 0x04");
    return reason_refuse(reason, NULL, "a verifier key must hold an Ed25519 key: name+<8 hex digits>+<base64>");
}

static int parse_verifier(const char *text, enum note_algorithm algorithm, struct note_verifier *ret_verifier,
                          struct reason *reason)
{
    const char *plus = strchr(text, '+'), *second = plus ? strchr(plus + 1, '+') : NULL;
    struct note_verifier verifier;
    char name[NOTE_NAME_MAX + 1], hex[2 * HASH_BYTES + 1];
    uint8_t hash[HASH_BYTES] = { 0 };
    size_t size = 0;

    if (!second || second - plus != sizeof hex || (size_t)(plus - text) > NOTE_NAME_MAX)
        return reason_refuse(reason, NULL, "a verifier key must look like name+hash+key");
    memcpy(name, text, (size_t)(plus - text));
    name[plus - text] = '\0';
    memcpy(hex, plus + 1, sizeof hex - 1);
    hex[sizeof hex - 1] = '\0';
    cleanup_free uint8_t *key = decode_base64(second + 1, &size);
    if (!decode_hex(hex, hash, sizeof hash) || !key || size != KEY_BYTES || key[0] != algorithm)
        return refuse_algorithm(algorithm, reason);
    if (make_verifier(name, algorithm, key + 1, &verifier, reason))
        return REFUSED;
    if (verifier.hash != from_big_endian(hash))
        return reason_refuse(reason, NULL, "the verifier key's hash doesn't fit its name and key");
    *ret_verifier = verifier;
    return 0;
}

int note_verifier_parse(const char *text, struct note_verifier *ret_verifier, struct reason *reason)
{
    return parse_verifier(text, NOTE_ED25519, ret_verifier, reason);
}

int note_witness_parse(const char *text, struct note_verifier *ret_verifier, struct reason *reason)
{
    return parse_verifier(text, NOTE_COSIGNATURE, ret_verifier, reason);
}

void note_verifier_format(const struct note_verifier *verifier, char ret_text[static NOTE_VKEY_BYTES])
{
    char key_text[BASE64_TEXT_BYTES(KEY_BYTES)];
    uint8_t key[KEY_BYTES];

    make_key_bytes(verifier, key);
    write_base64(key, sizeof key, key_text);
    snprintf(ret_text, NOTE_VKEY_BYTES, "%s+%08" PRIx32 "+%s", verifier->name, verifier->hash, key_text);
}

/* ---- Signatures */

bool note_signature_is_of(const struct note_signature *signature, const struct note_verifier *verifier)
{
    return signature->hash == verifier->hash && strcmp(signature->name, verifier->name) == 0;
}

char *note_signature_line(const struct note_verifier *verifier, const void *signature, size_t size)
{
    cleanup_free uint8_t *bytes = malloc(HASH_BYTES + size);
    char *line;

    if (!bytes)
        return NULL;
    for (int i = 0; i < HASH_BYTES; i++)
        bytes[i] = (uint8_t)(verifier->hash >> (24 - 8 * i));
    memcpy(bytes + HASH_BYTES, signature, size);
    cleanup_free char *text = encode_base64(bytes, HASH_BYTES + size);
    if (!text || asprintf(&line, NOTE_SIGNATURE_MARK "%s %s\n", verifier->name, text) < 0)
        return NULL;
    return line;
}

const char *note_body(const char *text, size_t *ret_size)
{
    const char *found = NULL;

    for (const char *at = strstr(text, "\n\n"); at; at = strstr(at + 1, "\n\n"))
        found = at;
    if (!found)
        return NULL;
    *ret_size = (size_t)(found - text) + 1;
    return text;
}

/* Valid UTF-8 without control characters other than newline. */
static bool is_text(const char *text)
{
    size_t left = strlen(text), length;

    for (; left; text += length, left -= length) {
        length = utf8_length(text, left);
        if (!length || ((unsigned char)*text < 0x20 && *text != '\n'))
            return false;
    }
    return true;
}

/* Takes apart a line of `size` bytes: mark, name, space, base64 of hash and signature. *ret_bytes: of the latter, to be
 * freed. Names of other signers may be any that the standard allows, so long as they fit. */
static bool parse_line(const char *line, size_t size, struct note_signature *signature, uint8_t **ret_bytes)
{
    const char *end = line + size, *space;
    size_t mark = strlen(NOTE_SIGNATURE_MARK), name_size, decoded = 0;

    if (size < mark || memcmp(line, NOTE_SIGNATURE_MARK, mark) != 0)
        return false;
    line += mark;
    space = memchr(line, ' ', (size_t)(end - line));
    name_size = space ? (size_t)(space - line) : 0;
    if (name_size < 1 || name_size > NOTE_NAME_MAX || memchr(line, '+', name_size))
        return false;
    memcpy(signature->name, line, name_size);
    signature->name[name_size] = '\0';
    cleanup_free char *encoded = strndup(space + 1, (size_t)(end - space - 1));
    cleanup_free uint8_t *bytes = encoded ? decode_base64(encoded, &decoded) : NULL;
    if (!bytes || decoded <= HASH_BYTES)
        return false;
    signature->hash = from_big_endian(bytes);
    signature->bytes = bytes + HASH_BYTES;
    signature->size = decoded - HASH_BYTES;
    *ret_bytes = steal_pointer(bytes);
    return true;
}

static int walk_lines(const char *lines, struct note_signature *signature, const char *place, note_visit *visit,
                      void *context, struct reason *reason)
{
    for (size_t count = 0; *lines; count++) {
        const char *end = strchr(lines, '\n');
        cleanup_free uint8_t *bytes = NULL;
        if (!end)
            return reason_refuse(reason, place, "must end with a newline");
        if (count == NOTE_SIGNATURES_MAX)
            return reason_refuse(reason, place, "has more than %d signatures", NOTE_SIGNATURES_MAX);
        if (!parse_line(lines, (size_t)(end - lines), signature, &bytes))
            return reason_refuse(reason, place, "has a malformed signature line");
        int r = visit(context, signature, reason);
        if (r)
            return r;
        lines = end + 1;
    }
    return 0;
}

int note_walk(const char *text, const char *place, note_visit *visit, void *context, struct reason *reason)
{
    struct note_signature signature = { 0 };

    if (strnlen(text, NOTE_BYTES_MAX + 1) > NOTE_BYTES_MAX)
        return reason_refuse(reason, place, "must have at most %d bytes", NOTE_BYTES_MAX);
    signature.body = note_body(text, &signature.body_size);
    if (!signature.body || !is_text(text))
        return reason_refuse(reason, place, "isn't a signed note");
    return walk_lines(text + signature.body_size + 1, &signature, place, visit, context, reason);
}
