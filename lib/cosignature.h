#pragma once

/* Cosignatures (c2sp.org/tlog-cosignature, cosignature/v1 with Ed25519): a witness says that at a time, this was the
 * largest tree of the log that it saw, and that it extends all that it saw before. Who asks for a quorum of witnesses
 * can't be shown another history than they. */

#include "lib/note.h"

#include <cjson/cJSON.h>

#define COSIGNATURE_WITNESSES_MAX 16

/* Whose cosignatures count, and how many of them it takes; quorum 0: none. */
struct cosignature_policy {
    struct note_verifier witnesses[COSIGNATURE_WITNESSES_MAX];
    size_t count;
    unsigned quorum;
};

/* Adds a witness by its verifier key, `name+hash+key`. 0, or REFUSED: malformed, too many, or there already (a key that
 * signs for two witnesses would count twice). */
int cosignature_policy_add(struct cosignature_policy *policy, const char *vkey, struct reason *reason);
/* From the settings `witnesses` (an array of verifier keys) and `witness_quorum` (an integer), either of which may be
 * NULL: absent. 0, or REFUSED. */
int cosignature_policy_from_json(const cJSON *witnesses, const cJSON *quorum, struct cosignature_policy *ret_policy,
                                 struct reason *reason);

/* Adds the two settings to an object. */
void cosignature_policy_to_json(const struct cosignature_policy *policy, cJSON *object);

/* The line with which the witness cosigns the note (of which the signatures are passed over) at a time, unix seconds;
 * the caller's, free(); NULL when memory is out or the text isn't a note. */
char *cosignature_sign(const char *note, int64_t time_s, const struct note_verifier *witness, const struct key *key);

/* Whether this is a good cosignature of the witness whose name and hash it has. *ret_time: its time. */
bool cosignature_verify(const struct note_signature *signature, const struct note_verifier *witness, int64_t *ret_time);

/* Counts the witnesses of the policy that cosigned the note. 0 when they are a quorum; REFUSED when they aren't, or
 * when one of theirs isn't good (c2sp.org/signed-note: then the whole note is refused). The log's own signature isn't
 * looked at. */
int cosignature_check(const char *note, const struct cosignature_policy *policy, struct reason *reason);
