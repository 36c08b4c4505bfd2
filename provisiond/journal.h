#pragma once

/* What must survive: the contracts as the exact envelopes that were accepted, how far each is, the last verified
 * checkpoint with the position in the feed, and the results that the directory doesn't have yet. SQLite with a
 * write-ahead log and synchronous=FULL: what a function has returned 0 for (outside a begin…commit) is on the disk.
 * Used on the loop only. */

#include "lib/encode.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_SCHEMA 1 /* kept in user_version; an older file is brought forward, a newer one is refused */

struct journal;

/* Opens or makes the file. 0, -EPROTO when the file is of a newer schema, or another negative errno; logged. */
int journal_open(const char *path, struct journal **ret_journal);
/* NULL is fine. */
void journal_close(struct journal *journal);
/* Writes a consistent copy to another file, which must not exist yet. 0, or negative errno, logged. */
int journal_copy(struct journal *journal, const char *path);

/* A group of writes that are kept as a whole or not at all. 0, or negative errno, logged; after a failed commit nothing
 * of the group is kept. */
int journal_begin(struct journal *journal);
int journal_commit(struct journal *journal);
void journal_rollback(struct journal *journal);

/* Small things under a name: JOURNAL_CHECKPOINT … A missing one gives *ret_value NULL. The value is the caller's,
 * free(). 0, or negative errno, logged. */
#define JOURNAL_CHECKPOINT "checkpoint" /* the last verified one: the whole signed note */
#define JOURNAL_POSITION "position"     /* log index of the last entry of the feed that was taken, decimal */
#define JOURNAL_TIME "time"             /* the directory's, when it was last heard, unix seconds, decimal */
#define JOURNAL_EVIDENCE "evidence"     /* the signed checkpoint that didn't extend the kept one */
int journal_get(struct journal *journal, const char *name, char **ret_value);
int journal_set(struct journal *journal, const char *name, const char *value);

struct journal_contract {
    char id[HASH_TEXT_BYTES];
    int64_t index;
    const char *envelope;
    size_t envelope_size;
    const char *state; /* as results have it */
    const char *message;
    bool ending;  /* cancelled, expired or refused */
    bool refused; /* it never was accepted */
    bool over;    /* nothing of it is left */
};

/* 0, -EEXIST when the id is known, or another negative errno, logged. */
int journal_add_contract(struct journal *journal, const struct journal_contract *contract);
int journal_set_state(struct journal *journal, const char *id, const char *state, const char *message);
int journal_set_ending(struct journal *journal, const char *id);
int journal_set_over(struct journal *journal, const char *id);
/* Whether a contract of that id was ever added. */
bool journal_has(struct journal *journal, const char *id);
/* Whether it was, and is over. */
bool journal_is_over(struct journal *journal, const char *id);
/* Calls back for every contract that isn't over, in log order. 0, or the first non-zero of the callback. */
int journal_each(struct journal *journal, int (*each)(void *context, const struct journal_contract *contract),
                 void *context);

/* The outbox: payloads of results, unsigned, since a statement's time must be near that of its submission. */
struct journal_result {
    int64_t number;    /* ascending, never used again */
    char *payload;     /* JSON */
    char *envelope;    /* as last signed; NULL when it never was */
    int64_t signed_at; /* unix seconds */
};
int journal_add_result(struct journal *journal, const char *payload);
/* The oldest one; number 0 when the outbox is empty. 0 (journal_result_close), or negative errno, logged. */
int journal_first_result(struct journal *journal, struct journal_result *ret_result);
void journal_result_close(struct journal_result *result);
int journal_set_signed(struct journal *journal, int64_t number, const char *envelope, int64_t signed_at);
int journal_remove_result(struct journal *journal, int64_t number);
