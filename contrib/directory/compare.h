#pragma once

/* Whether two stores hold the same log and views, row by row, in bounded memory. */

#include "contrib/directory/store.h"

/* `subject` is the one in question, `truth` the replay. 0; REFUSED with the first difference; or negative errno. What
 * heartbeats said isn't of the log, and not looked at. */
int compare_stores(struct store *subject, struct store *truth, struct reason *reason);
