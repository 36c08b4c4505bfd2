#pragma once

/* What a node believes of what the directory sends: pure, no clock, no descriptor. The order of the checks is fixed:
 *
 *   checkpoint signature → it extends the last one kept → witnesses → inclusion proof → envelope signature → the node
 * is me → times → not seen before → strict schema → capacity
 *
 * The first three are of the whole answer (verify_checkpoint), the others of each entry (verify_entry). */

#include "lib/checkpoint.h"
#include "lib/cosignature.h"
#include "provisiond/wanted.h"

#define VERIFY_CLOCK_SKEW_S 600 /* how far ahead of us a `created` may be: the directory's own rule */

/* Condition of verify_checkpoint beside REFUSED: the signature is the directory's, yet the log isn't the one that we
 * saw. */
enum { VERIFY_REWRITTEN = 2 };

/* `answer` is a parsed feed answer; `witnesses` whose quorum it takes; `kept` the last checkpoint that was kept, NULL
 * at first. 0, REFUSED (form, signature, or too few witnesses), VERIFY_REWRITTEN. */
int verify_checkpoint(const cJSON *answer, const struct note_verifier *verifier,
                      const struct cosignature_policy *witnesses, const struct checkpoint *kept,
                      struct checkpoint *ret_checkpoint, struct reason *reason);

/* What this node is and has, at the moment of the check. */
struct verify_context {
    struct wanted_reader reader;
    struct resources capacity;   /* all that contracts may reserve */
    const struct wanted *wanted; /* the contracts that aren't over yet */
    int64_t now;                 /* unix seconds */
    /* Whether a contract of that id was ever taken up or refused; may be NULL: only `wanted` counts. */
    bool (*seen)(void *context, const char *id);
    void *seen_context;
};

enum verdict_kind {
    VERDICT_UNPROVEN, /* not proven to be in the log: the answer is worth nothing from here on, ask again */
    VERDICT_IGNORED,  /* proven, and refused without a result: not a contract of ours, or one that we know already */
    VERDICT_REFUSED,  /* a contract for us, refused: its bot gets a `failed` result */
    VERDICT_CONTRACT, /* accepted */
    VERDICT_CANCEL,   /* accepted: the contract of `target` is to end */
};

struct verdict {
    enum verdict_kind kind;
    int64_t index;
    const char *envelope;         /* the entry's; stays the answer's */
    char id[HASH_TEXT_BYTES];     /* of the statement; "" when not even that is known */
    char target[HASH_TEXT_BYTES]; /* CANCEL: the contract */
    struct wanted *contract;      /* CONTRACT, and REFUSED (then with what is known of it); the caller's, wanted_free */
    struct reason reason;         /* UNPROVEN, IGNORED, REFUSED */
};

/* 0 and a verdict (verdict_close), or -ENOMEM. */
int verify_entry(const cJSON *entry, const struct checkpoint *checkpoint, const struct verify_context *context,
                 struct verdict *ret_verdict);
void verdict_close(struct verdict *verdict);
