#pragma once

/* A statement and what proves it: the envelope's own signature, and its place in the log under a checkpoint that the
 * directory signed. The steps are a table, so that `3bot verify` shows the very checks that all other commands rest on.
 */

#include "contrib/3bot/client.h"

#include "lib/statement.h"

struct evidence {
    char id[HASH_TEXT_BYTES]; /* asked for, or posted */
    char *envelope;
    char *checkpoint_text;
    uint64_t index;
    struct merkle_proof proof;
    /* filled by the steps */
    struct statement statement;
    struct checkpoint checkpoint;
};

struct evidence_step {
    const char *name; /* "signature" */
    /* 0 and what was found in `found` ("by 7xQ…"), or a condition of client.h. */
    int (*check)(struct client *client, struct evidence *evidence, struct reason *found);
};
/* In their order; ends with a NULL name. */
extern const struct evidence_step EVIDENCE_STEPS[];

/* Asks for a statement and what proves it, checking no more than the answer's form. 0 (evidence_close) or a condition.
 */
int evidence_fetch(struct client *client, const char *id, struct evidence *ret_evidence, struct reason *reason);
/* Posts an envelope of ours; the answer becomes the evidence. */
int evidence_post(struct client *client, const char *envelope, const char *id, struct evidence *ret_evidence,
                  struct reason *reason);
/* All steps; the reason of the first that fails. */
int evidence_check(struct client *client, struct evidence *evidence, struct reason *reason);
void evidence_close(struct evidence *evidence);

/* Fetch and check in one: 0 and a statement of the kind asked for (evidence_close), or a condition. */
int evidence_statement(struct client *client, const char *id, enum statement_kind kind, struct evidence *ret_evidence,
                       struct reason *reason);
/* Post and check in one; the envelope must have been accepted and be in the log. A directory that doesn't answer is
 * asked again a few times. */
int evidence_publish(struct client *client, const char *envelope, const char *id, struct reason *reason);
