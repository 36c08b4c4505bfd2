#pragma once

/* What the daemon knows: one struct on the loop, that the modules share. Jobs of the thread pool never touch it; they
 * get copies, and the few things that never change once they are set (key, directory, sealing pair, paths). */

#include "lib/daemon.h"
#include "lib/key.h"
#include "lib/settings.h"
#include "provisiond/directory.h"
#include "provisiond/journal.h"
#include "provisiond/machine.h"
#include "provisiond/paths.h"
#include "provisiond/wanted.h"

#define NODE_HEARTBEAT_S 60 /* until the directory says otherwise */

/* How far the way to the directory is; in this order. */
enum node_step {
    NODE_STORAGE,  /* waiting for storaged's first scan */
    NODE_IDENTITY, /* finding or making the key */
    NODE_SETTINGS, /* directory, its key, an invite */
    NODE_UPLINK,   /* netd has an address */
    NODE_TIME,     /* the directory told the time */
    NODE_REGISTER, /* the node's statement is in the log */
    NODE_CONNECTED,
};

/* A thing that is tried until it works: what it failed with last, and when it may be tried again. */
struct retry {
    unsigned failures;
    const char *what;     /* the step that failed; NULL while all is well */
    struct reason reason; /* "" while all is well */
};

/* Notes a failure of the step `what` (a text that lasts): logs it when it is another one than before, and gives the
 * pause until the next try, which doubles from `base_ms` to `cap_ms`. */
uint64_t retry_failed(struct retry *retry, const char *what, const struct reason *reason, uint64_t base_ms,
                      uint64_t cap_ms);
void retry_done(struct retry *retry);

/* The sealing pair; the secret lies in sodium_malloc'ed memory. */
struct sealing {
    uint8_t public[32];
    uint8_t secret[32];
};

struct node {
    struct daemon daemon;
    struct paths paths;
    struct machine machine;

    /* identity */
    struct key *key;
    struct sealing *sealing;
    struct journal *journal;

    /* directory */
    struct settings settings;
    bool directory_set; /* `directory` is filled, and stays as it is */
    struct directory directory;
    int64_t farm;
    enum node_step step;
    struct retry link;     /* of the steps up to the uplink */
    struct retry remote;   /* of time and registration */
    bool registered;       /* in this run */
    char *registered_text; /* the node statement's payload that the directory has, without times */
    bool reachable;        /* the last exchange worked */
    struct retry contact;  /* why it didn't */

    /* log */
    bool has_checkpoint;
    struct checkpoint checkpoint;
    int64_t position;         /* log index of the last entry taken; -1: none */
    bool rewritten;           /* the last answer didn't extend the log that we know */
    struct reason alert;      /* of that, kept; "" when it never happened */
    struct reason uncosigned; /* the witnesses that we ask for lag behind the log; "" when they don't */

    /* capacity, as registered */
    struct resources capacity;

    /* contracts */
    struct wanted *wanted; /* in log order, those that aren't over */
    unsigned jobs;         /* running ones of the engine */

    /* heartbeat */
    int64_t heartbeat_s;
    uint64_t heartbeat_ms; /* loop time of the last one that was answered; 0: none */
    uint64_t cpu_busy, cpu_total;

    uv_timer_t connect_timer, heartbeat_timer, feed_timer, outbox_timer, engine_timer, observe_timer, tidy_timer;
    bool feed_busy, outbox_busy, heartbeat_busy, observe_busy;
    struct retry feed, outbox, heartbeat;

    /* tidying up */
    bool tidy_busy, tidy_again;
    cJSON *strays; /* {volume: true}: told that its contract isn't known */
};

/* Unix seconds, never before what the directory has told already. */
int64_t node_now(const struct node *node);
/* After an exchange with the directory: whether it worked, for `status`: at which step it failed (directory.h; NULL:
 * the last), and why. `reason` NULL: it did work. */
void node_contact(struct node *node, const char *step, const struct reason *reason);
