#pragma once

/* One contract's work, in a job of the thread pool: observe, plan, apply, until there is nothing left to do or
 * something fails. Every round begins with what is there, so it doesn't matter where the last one was interrupted. */

#include "provisiond/paths.h"
#include "provisiond/plan.h"
#include "provisiond/wanted.h"

enum deploy_outcome {
    DEPLOY_UP,       /* all there, every container runs (or has ended as it may) */
    DEPLOY_WAITING,  /* all there, a container isn't up yet */
    DEPLOY_BROKEN,   /* all there, a container keeps ending */
    DEPLOY_FAILED,   /* an action failed: try again later */
    DEPLOY_AWAY,     /* a daemon of the node doesn't answer, or not yet: no fault of the contract's */
    DEPLOY_GONE,     /* nothing of an ending contract is left */
    DEPLOY_GIVEN_UP, /* cancelled on the way */
};

struct deploy {
    /* in: copies, and things that stay */
    char id[HASH_TEXT_BYTES];
    cJSON *workloads; /* owned; NULL when ending */
    bool ending;
    struct paths paths;
    const struct key *key;
    const uint8_t *sealing_public, *sealing_secret;
    bool cancelled; /* set from the loop, asked from the job (__atomic) */
    /* out */
    enum deploy_outcome outcome;
    struct reason reason; /* FAILED, AWAY, BROKEN */
    cJSON *reports;       /* [{name, state, message, output?}] of each workload; owned */
    uint64_t stamp;       /* of the processes of the containers; 0: there are none */
    bool started;         /* a container was started by this job */
};

void deploy_run(struct deploy *deploy);
/* Asked by long actions. */
bool deploy_cancelled(void *deploy);
void deploy_close(struct deploy *deploy);
