#pragma once

/* The log that was there when its writer began, hashed again from its first entry on while it is served: a thread of
 * its own, with a session of its own, which takes the time that nobody else wants. What comes later is checked by the
 * commits as they go (tlog_check_head). When it finds damage it seals the writer (store_seal): nothing more is written
 * or signed, what is there is served on, and /healthz says what to do. These functions are the loop's. */

#include "contrib/directory/directory.h"

struct scrub;

/* Begins with `url`'s log up to the present head, and ends what was begun before. 0 or -ENOMEM. */
int scrub_start(struct directory *directory, const char *url);
/* Ends it without waiting. The loop goes on until the thread saw it: some milliseconds, or what it waits for a
 * database.
 */
void scrub_stop(struct directory *directory);

/* Entries that were hashed again, and how many are to be; of NULL: 0. */
uint64_t scrub_done(const struct scrub *scrub);
uint64_t scrub_size(const struct scrub *scrub);
/* What is wrong and what to do, or NULL: nothing was found, so far. */
const char *scrub_damage(const struct scrub *scrub);
