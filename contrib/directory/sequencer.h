#pragma once

/* From submitted bytes to the log. Each submission is opened (JSON, signature, rules of its kind) in the thread pool;
 * what is good queues, and one commit at a time takes the whole queue through the rules into one durable transaction,
 * signs the new head, and answers. While it runs the next ones queue: the group grows with the load. */

#include "contrib/directory/directory.h"

struct sequencer;

int sequencer_new(struct directory *directory, struct sequencer **ret_sequencer);
/* Nothing may be under way: see sequencer_is_idle. */
void sequencer_free(struct sequencer *sequencer);

/* Takes a request whose body is an envelope; it waits, and is answered and resumed. */
void sequencer_submit(struct sequencer *sequencer, struct request *request);
/* The same for a heartbeat of `request->argument`, which is answered with the time. */
void sequencer_beat(struct sequencer *sequencer, struct request *request);

/* Writes down who was seen, when no commit does so by itself. */
void sequencer_flush(struct sequencer *sequencer);
bool sequencer_is_idle(const struct sequencer *sequencer);
