#pragma once

/* Opened submissions become commits (commit.h): each takes all that wait. While one is applied the next ones queue, so
 * the group grows with the load; and where the store allows it the one before is settled meanwhile, so that neither the
 * disk nor the processor waits for the other. These functions are the loop's. */

#include "contrib/directory/sequencer.h"
#include "contrib/directory/submission.h"

struct committer;

/* NULL: no memory. Without its two threads the process ends. Nothing may be under way when it is freed. */
struct committer *committer_new(struct directory *directory);
void committer_free(struct committer *committer);

/* It waits for a commit, begun by committer_begin. */
void committer_queue(struct committer *committer, struct submission *submission);
/* Those of a list that can't be written down: to whoever writes the log now, or answered with 503. */
void committer_fail(struct committer *committer, struct submission *first, int error);
/* Has a commit begun for what waits, as soon as there is none being applied and this is the log's writer. */
void committer_begin(struct committer *committer);
/* See sequencer_flush. */
void committer_flush(struct committer *committer, enum sequencer_flush flush);

size_t committer_waiting(struct committer *committer);
bool committer_is_idle(struct committer *committer);
/* How the last commit ended: 0 or negative errno. */
int committer_error(const struct committer *committer);
