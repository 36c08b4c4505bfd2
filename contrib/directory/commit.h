#pragma once

/* A group of submissions through the rules into the log: one transaction. It is applied, and settled once it is
 * durable; by a thread each (committer.h), and where the store allows it (store_syncs_apart) the next
 * one is applied while this one is settled. */

#include "contrib/directory/submission.h"

struct commit {
    struct commit *next; /* in a list */
    struct store *store; /* the writer */
    const struct tlog_signer *signer;
    struct submission *first; /* a list; the requests' or others' */
    struct seen *seen;
    size_t seen_count;
    char *cosigned; /* a note to be kept (cosigned.h), or NULL; free()d with the commit */
    bool tries;     /* writes something in any case, to learn whether that can be done */

    struct tlog_head head; /* in: the present checkpoint; applied: the new one; settled: with its signature */
    int error;             /* negative errno: nothing of it is in the log, or (store_commit_ahead) it isn't known */
    int publish_error;     /* negative errno: it is durable, but others couldn't be told */
    bool grew, others_wait;
    uint64_t began_ns, duration_ns;
};

/* The transaction. Where the store syncs apart it is only committed ahead: nobody may be told of it yet. */
void commit_apply(struct commit *commit);
/* Makes an applied commit durable, signs its head and writes the answers; in the order in which they were applied. When
 * the disk refuses, nobody knows what is there: it ends the process. */
void commit_settle(struct commit *commit);
