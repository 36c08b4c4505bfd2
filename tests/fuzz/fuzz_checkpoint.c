/* Checkpoints, cosignatures and verifier keys from anyone. The signatures are real: the bytes are tried as a whole
 * note, and as a body that log and witness signed, so that the body's parser is reached. What is opened signs to a note
 * that opens the same, and what is cosigned checks. */

#include "lib/checkpoint.h"
#include "lib/cleanup.h"
#include "lib/cosignature.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_note(const char *text, const struct note_verifier *verifier, const struct key *key)
{
    struct checkpoint checkpoint, again;
    struct reason reason = { 0 };

    if (checkpoint_open(text, verifier, &checkpoint, &reason) != 0) {
        if (!reason.text[0])
            abort();
        return;
    }
    cleanup_free char *note = checkpoint_sign(&checkpoint, verifier, key);
    if (!note || checkpoint_open(note, verifier, &again, &reason) != 0 || again.size != checkpoint.size)
        abort();
}

static void try_body(const char *text, const struct note_verifier *verifier, const struct key *key)
{
    uint8_t signature[4 + KEY_SIGNATURE_BYTES];
    char *note;

    for (int i = 0; i < 4; i++)
        signature[i] = (uint8_t)(verifier->hash >> (24 - 8 * i));
    key_sign(key, text, strlen(text), signature + 4);
    cleanup_free char *encoded = encode_base64(signature, sizeof signature);
    if (!encoded || asprintf(&note, "%s\n\xe2\x80\x94 %s %s\n", text, verifier->name, encoded) < 0)
        abort();
    try_note(note, verifier, key);
    free(note);
}

/* Whatever is a note can be cosigned; then it has the quorum of that one witness, unless it had a bad line of its name.
 */
static void try_cosign(const char *text, const struct key *key)
{
    struct cosignature_policy policy = { .count = 1, .quorum = 1 };
    struct reason reason = { 0 };
    char *cosigned;

    if (note_witness_make("w", key_public(key), &policy.witnesses[0], &reason) != 0)
        abort();
    int before = cosignature_check(text, &policy, &reason);
    bool spoilt = before && !strstr(reason.text, "is cosigned by 0");
    cleanup_free char *line = cosignature_sign(text, 1700000000, &policy.witnesses[0], key);
    if (!line)
        return;
    if (asprintf(&cosigned, "%s%s", text, line) < 0)
        abort();
    if (cosignature_check(cosigned, &policy, &reason) && !spoilt)
        abort();
    free(cosigned);
}

static void try_verifier(const char *text)
{
    struct note_verifier verifier;
    char again[NOTE_VKEY_BYTES];

    if (note_verifier_parse(text, &verifier, NULL) != 0 && note_witness_parse(text, &verifier, NULL) != 0)
        return;
    note_verifier_format(&verifier, again);
    if (strcmp(again, text) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* RFC 8032's first key, so that the kept corpus is signed by it. */
    static const char seed_hex[] = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    static struct note_verifier verifier;
    static struct key *key;
    uint8_t seed[KEY_SEED_BYTES];
    char *text = malloc(size + 1);

    if (!key && (!decode_hex(seed_hex, seed, sizeof seed) || key_from_seed(seed, &key) < 0 ||
                 note_verifier_make("example.com/log", key_public(key), &verifier, NULL) != 0))
        abort();
    memcpy(text, data, size);
    text[size] = '\0';
    try_note(text, &verifier, key);
    try_body(text, &verifier, key);
    try_cosign(text, key);
    try_verifier(text);
    free(text);
    return 0;
}
