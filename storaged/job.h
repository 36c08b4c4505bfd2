#pragma once

/* One action of the plan, in the thread pool: a straight line of blocking calls on a copy of what it needs. */

#include "storaged/state.h"

enum job_kind { JOB_EXAMINE, JOB_READ_MEDIUM, JOB_MAKE_POOL, JOB_MOUNT_POOL, JOB_MOUNT_CACHE };

struct job {
    enum job_kind kind;
    struct state *state;
    const char *root;
    struct disk disk;     /* out, of JOB_EXAMINE: with its content */
    struct pool pool;     /* in, of JOB_MOUNT_CACHE; out, of those that open one */
    struct reason reason; /* why it was refused */
    int result;
    void (*done)(struct job *job); /* called on the loop; the job is freed after it */
};

/* Starts a job on the disk of an entry, which is busy until `done`. Ends the program when it can't be started. */
void job_start(struct state *state, enum job_kind kind, struct state_entry *entry, void (*done)(struct job *job));
