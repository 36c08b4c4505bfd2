#pragma once

/* The log that was there at the start, hashed again from its first entry on while it is served: a thread of its own,
 * with a session of its own, which takes the time that nobody else wants. What comes later is checked by the commits as
 * they go (tlog_check_head). When it finds damage it seals the writer (store_seal): nothing more is written or signed,
 * what is there is served on, and /healthz says what to do. These functions are the loop's. */

#include "contrib/directory/directory.h"

struct scrub;

/* Begins with `url`'s log up to the present head. 0, REFUSED, or negative errno. */
int scrub_start(struct directory *directory, const char *url, struct scrub **ret_scrub, struct reason *reason);
/* Ends the thread, within some milliseconds of its time; NULL is passed over. */
void scrub_free(struct scrub *scrub);

/* Entries that were hashed again, and how many are to be; of NULL: 0. */
uint64_t scrub_done(const struct scrub *scrub);
uint64_t scrub_size(const struct scrub *scrub);
/* What is wrong and what to do, or NULL: nothing was found, so far. */
const char *scrub_damage(const struct scrub *scrub);
