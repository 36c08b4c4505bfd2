#pragma once

/* Signed notes and checkpoints as C2SP has them (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), signed with Ed25519
 * (algorithm byte 0x01). A checkpoint is a note whose text is origin, tree size in decimal and base64 root hash, a line
 * each. */

#include "lib/key.h"
#include "lib/merkle.h"
#include "lib/reason.h"

#include <cjson/cJSON.h>

#define NOTE_NAME_MAX 127
#define NOTE_BYTES_MAX 4096
#define NOTE_VKEY_BYTES (NOTE_NAME_MAX + 64) /* name+8 hex digits+base64 of 33 bytes, NUL included */

/* A verifier key: `name+hash+base64(0x01 | public key)`. */
struct note_verifier {
    char name[NOTE_NAME_MAX + 1];
    uint32_t hash; /* first 4 bytes, big endian, of SHA-256(name "\n" 0x01 public key) */
    uint8_t public[KEY_PUBLIC_BYTES];
};

struct checkpoint {
    uint64_t size;
    struct merkle_hash root;
};

/* 0, or REFUSED when it isn't a well-formed Ed25519 verifier key or the hash doesn't fit. */
int note_verifier_parse(const char *text, struct note_verifier *ret_verifier, struct reason *reason);
/* Name: 1 to NOTE_NAME_MAX visible ASCII characters, no '+' (C2SP would allow all of Unicode but space). 0, or REFUSED.
 */
int note_verifier_make(const char *name, const uint8_t public[static KEY_PUBLIC_BYTES],
                       struct note_verifier *ret_verifier, struct reason *reason);
void note_verifier_format(const struct note_verifier *verifier, char ret_text[static NOTE_VKEY_BYTES]);

/* The checkpoint as a signed note with origin = the verifier's name; the caller's, free(); NULL when memory is out. */
char *checkpoint_sign(const struct checkpoint *checkpoint, const struct note_verifier *verifier, const struct key *key);
/* Checks form, origin and that one signature is the verifier's (others are passed over). 0, or REFUSED. */
int checkpoint_open(const char *text, const struct note_verifier *verifier, struct checkpoint *ret_checkpoint,
                    struct reason *reason);

/* A JSON array of base64 hashes, as the directory's HTTP has proofs. 0, or REFUSED. */
int merkle_proof_from_json(const cJSON *array, const char *place, struct merkle_proof *ret_proof,
                           struct reason *reason);
/* A new array; NULL when memory is out. */
cJSON *merkle_proof_to_json(const struct merkle_proof *proof);
