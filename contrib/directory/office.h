#pragma once

/* Several directoryds over one database. One of them is in office: it alone writes the log and signs. The others serve
 * reads and feeds by themselves and hand on what is submitted to them; when the one in office is gone, one of them
 * takes office. They meet in the database only:
 *
 *   front end                    database                         in office
 *   submission opened ─────────▶ queue        NOTIFY ───────────▶ taken, opened, committed with its group
 *   answered, with proof ◀────── answers      ◀─ same transaction ┘
 *   feeds wake, head served ◀─── checkpoint   ◀─ NOTIFY ────────── signed, once the commit was durable
 *
 * queue and answers are not worth a disk write: after a crash, or when another takes office, front ends send again what
 * they have no answer to, and a statement that is in the log already is answered with its place. Front ends serve no
 * checkpoint but those that were signed and published: what they see in the tables may not be on the synchronous
 * standby yet, what was signed is. */

#include "contrib/directory/directory.h"

struct office;
struct submission;

/* Opens `directory`'s reader and, if nobody else has it, its writer; waits a while for a checkpoint when another has.
 * 0, REFUSED, or negative errno, logged. */
int office_open(struct directory *directory, const char *url, struct office **ret_office, struct reason *reason);
/* Begins to look after it all, once the rest of `directory` is there. */
void office_start(struct office *office);
/* Ends that; nothing may be under way (office_is_idle). */
void office_stop(struct office *office);
void office_free(struct office *office);

/* Takes an opened submission over until it is answered: by whoever is in office, or with 503 when nobody is for long.
 */
void office_forward(struct office *office, struct submission *submission);
/* Writes down who was seen, soon. */
void office_write_seen(struct office *office);
/* The writer failed: it is given up, and the next one is elected among all. */
void office_leave(struct office *office);
/* Somebody, this one or another, is in office, as far as was seen within some seconds. */
bool office_is_filled(const struct office *office);
bool office_is_idle(const struct office *office);

/* Tells the others of what was committed, and of the signed note when it isn't NULL; in the pool. 0 or negative errno.
 */
int office_publish(struct store *store, const char *note);
