#pragma once

/* A group of submissions through the rules into the log: one durable transaction. It runs in the thread pool, and one
 * runs at a time. */

#include "contrib/directory/submission.h"

struct commit {
    uv_work_t work;
    struct sequencer *sequencer;
    struct store *store; /* the writer */
    const struct tlog_signer *signer;
    struct submission *first; /* a list; the requests' or others' */
    struct seen *seen;
    size_t seen_count;
    char *cosigned; /* a note to be kept (cosigned.h), or NULL; free()d with the commit */
    bool tries;     /* writes something in any case, to learn whether that can be done */

    struct tlog_head head; /* in: the present checkpoint; out: the new one, signed */
    int error;             /* negative errno: nothing of it is in the log, or (store_commit) it isn't known */
    int publish_error;     /* negative errno: it is durable, but others couldn't be told */
    bool grew, others_wait;
    uint64_t duration_ns;
};

/* A uv_work_cb; `work->data` is the commit. */
void commit_run(uv_work_t *work);
