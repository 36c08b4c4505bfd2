#pragma once

/* From submitted bytes to the log. Each submission is opened (JSON, signature, rules of its kind) in the thread pool;
 * what is good goes to the committer (committer.h), which takes it in groups through the rules into the log, signs the
 * new head, and hands back the answers. */

#include "contrib/directory/directory.h"

struct sequencer;
struct submission;

int sequencer_new(struct directory *directory, struct sequencer **ret_sequencer);
/* Nothing may be under way: see sequencer_is_idle. */
void sequencer_free(struct sequencer *sequencer);

/* Takes a request whose body is an envelope; it waits, and is answered and resumed. */
void sequencer_submit(struct sequencer *sequencer, struct request *request);
/* The same for a heartbeat of `request->argument`, which is answered with the time. */
void sequencer_beat(struct sequencer *sequencer, struct request *request);

/* Another directoryd's: it is taken over, with its `owned` body, and its answer goes into the store. */
void sequencer_take(struct sequencer *sequencer, struct submission *submission);
/* An opened one that waited for another directoryd, and is ours to write after all. */
void sequencer_queue(struct sequencer *sequencer, struct submission *submission);
/* Whether more of others' may be taken. */
bool sequencer_has_room(const struct sequencer *sequencer);
/* Answers its request, if it has one, by what its status says, and frees it. */
void sequencer_finish(struct submission *submission);

#define SEQUENCER_SEEN_MAX 4096 /* that are written at once: a few hundredths of a second */

/* What a commit is begun for when no submission asks for one. */
enum sequencer_flush {
    SEQUENCER_GROUP, /* nothing else */
    SEQUENCER_SEEN,  /* to write down who was seen, if anyone was */
    SEQUENCER_PROVE, /* to learn whether this is still the log's writer, and, after a failure, whether it can write */
};
/* Does nothing while one such waits to be begun, or when this isn't the log's writer. */
void sequencer_flush(struct sequencer *sequencer, enum sequencer_flush flush);

struct sequencer_load {
    size_t opening; /* submissions whose signature is being checked, or is about to be */
    size_t queued;  /* opened, waiting for a commit */
    size_t bytes;   /* of bodies under way, these and those in a commit */
};
struct sequencer_load sequencer_load(const struct sequencer *sequencer);
/* How the last commit ended: 0 or negative errno. */
int sequencer_error(const struct sequencer *sequencer);
bool sequencer_is_idle(const struct sequencer *sequencer);
