#pragma once

/* The newest checkpoint that a quorum of witnesses cosigned, kept in the store, so that a restart takes nothing back
 * from those who ask for witnesses, whether these answer or not. The log's writer writes it down with its next commit,
 * or else when who was seen is written (15 s, at the end); a crash before that costs a round of asking. */

#include "contrib/directory/directory.h"

#include "lib/cosignature.h"

/* Takes up what was kept, when it is of this log, part of it, and a quorum by `policy`, which may have changed; else it
 * is left. 0, or negative errno. */
int cosigned_load(struct directory *directory, const struct cosignature_policy *policy);

/* Writes the note down, within a transaction. Failures stick to the store. */
void cosigned_write(struct store *store, const char *note);
