#pragma once

/* Opened submissions become commits (commit.h): each takes all that wait. While one is applied the next ones queue, so
 * the group grows with the load; and where the store allows it those before are settled meanwhile, so that neither the
 * disk nor the processor waits for the other. All of it belongs to the loop. */

#include "contrib/directory/sequencer.h"
#include "contrib/directory/submission.h"

struct committer;

/* NULL: no memory. Nothing may be under way when it is freed. */
struct committer *committer_new(struct directory *directory);
void committer_free(struct committer *committer);

/* It waits for a commit, begun by committer_begin. */
void committer_queue(struct committer *committer, struct submission *submission);
/* Those of a list that can't be written down: to whoever writes the log now, or answered with 503. */
void committer_fail(struct committer *committer, struct submission *first, int error);
/* Begins a commit for what waits, if none is being applied and this is the log's writer. */
void committer_begin(struct committer *committer);
/* See sequencer_flush. */
void committer_flush(struct committer *committer, enum sequencer_flush flush);

size_t committer_waiting(const struct committer *committer);
bool committer_is_idle(const struct committer *committer);
/* How the last commit ended: 0 or negative errno. */
int committer_error(const struct committer *committer);
