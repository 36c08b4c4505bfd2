#pragma once

/* A log followed from elsewhere into a store of one's own: nothing enters it that isn't in a tree that the log signed,
 * that doesn't extend what is there, or that the rules forbid. Blocking, for a thread of its own. */

#include "contrib/directory/remote.h"

#include "lib/cosignature.h"

/* Conditions of follower_take beside REFUSED (can't be had, or isn't what the checkpoint vouches for: ask again). */
enum {
    FOLLOW_FORKED = 2,    /* signed by the log, and not shown to extend what we have: evidence */
    FOLLOW_FORBIDDEN = 3, /* the log has an entry that its rules forbid */
};

struct follower {
    struct store *store; /* its one writer */
    struct remote *remote;
    const struct note_verifier *verifier;
    struct checkpoint held; /* what is in the store; all of it in a tree that the log signed */
    struct tlog_head head;  /* the newest signed checkpoint of which all is in the store; `note` NULL: none yet */
    void (*progress)(void *context, uint64_t size, uint64_t of); /* after each chunk; may be NULL */
    void *context;
};

/* Reads where the store stands. A new store becomes the log's. 0 (follower_close), REFUSED, or negative errno. */
int follower_open(struct follower *follower, struct reason *reason);
void follower_close(struct follower *follower);

/* Takes over a signed checkpoint and what it vouches for; *next is consumed, but for FOLLOW_FORKED. 0, REFUSED,
 * FOLLOW_…, or negative errno (logged). What was taken over before it failed stays. */
int follower_take(struct follower *follower, struct tlog_head *next, struct reason *reason);
