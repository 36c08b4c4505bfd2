#pragma once

/* What storaged does: looks at the disks, asks the plan, does what it says in the thread pool, and again. */

#include "storaged/state.h"

/* Finds out what an earlier run left mounted, reads the settings, and looks at the disks for the first time. */
void apply_begin(struct state *state);

/* Looks at which disks there are now: new ones are examined, those that are gone are let go. Then plans and acts. */
void apply_scan(struct state *state);

/* A disk that isn't in use changed: what it holds is examined anew. */
void apply_disk_changed(struct state *state, const char *name);
