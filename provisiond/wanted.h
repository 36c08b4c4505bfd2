#pragma once

/* One contract that this node has accepted: what is wanted, and how far it is. Lives on the loop; jobs get copies of
 * what they need. */

#include "lib/contract.h"

enum wanted_state { WANTED_DEPLOYING, WANTED_RUNNING, WANTED_FAILED, WANTED_STOPPED, WANTED_STATES };

/* "deploying", "running", "failed", "stopped": as results have them. */
const char *wanted_state_name(enum wanted_state state);
/* WANTED_STATES when the text is none of them. */
enum wanted_state wanted_state_parse(const char *text);

struct wanted {
    struct wanted *next;
    char id[HASH_TEXT_BYTES];
    int64_t index; /* in the directory's log */
    char bot[ID_TEXT_BYTES];
    uint8_t bot_key[KEY_PUBLIC_BYTES];
    int64_t expires; /* unix seconds */
    struct resources reserves;
    bool private;
    cJSON *workloads;        /* opened and checked; NULL for a refused contract */
    bool ending;             /* cancelled, expired or refused: nothing of it is wanted any more */
    enum wanted_state state; /* the last that was journaled (and put in the outbox) */
    struct reason message;   /* of the last failure; "" when none */
    bool refused;            /* kept until it expires or is cancelled, so that its end is told as well */
    bool open_message;       /* a refusal that tells nothing of a private part */
    /* engine.c's own */
    bool busy;         /* a job works on it */
    uint64_t due_ms;   /* loop time of the next look */
    unsigned failures; /* in a row, for the backoff */
    uint64_t stamp;    /* of the processes that were seen running, and since when */
    uint64_t stamp_ms;
    uint64_t unsettled_ms; /* since when it hasn't been up for long enough; 0: it is */
    uint64_t away_ms;      /* since when a daemon that it needs doesn't answer; 0: they do */
    bool untold;           /* a container was started since the last `running` */
    unsigned tells;        /* results of that run; told again while its first output grows */
    uint64_t told_ms;
    uint64_t told_hash; /* of what was told */
    bool *cancelled;    /* the running job's flag, or NULL */
};

void wanted_free(struct wanted *wanted);

/* Who reads: this node, with the key pair that contracts are sealed to. */
struct wanted_reader {
    const char *node_id;
    const uint8_t *sealing_public; /* 32 bytes each */
    const uint8_t *sealing_secret;
};

/* Opens an envelope that is known to be a well-signed contract for this node (a journal's row, or what verify.c has let
 * through so far): strict schema, private part, workloads' rules, needs within `reserves`. 0 and *ret_wanted
 * (wanted_free), REFUSED, or -ENOMEM. */
int wanted_open(const char *envelope, size_t size, const struct wanted_reader *reader, struct wanted **ret_wanted,
                struct reason *reason);

/* What is known of a contract that was refused: who signed it and when it would have expired (0: it doesn't say).
 * Nothing is checked beyond the envelope's form. 0 and *ret_wanted (refused, ending, failed), REFUSED, or -ENOMEM. */
int wanted_open_refused(const char *envelope, size_t size, struct wanted **ret_wanted, struct reason *reason);
