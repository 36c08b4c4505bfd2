#pragma once

/* Checkpoints as C2SP has them (c2sp.org/tlog-checkpoint): a note whose text is origin, tree size in decimal and base64
 * root hash, a line each; and proofs as the directory's HTTP has them. */

#include "lib/merkle.h"
#include "lib/note.h"

#include <cjson/cJSON.h>

struct checkpoint {
    uint64_t size;
    struct merkle_hash root;
};

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
