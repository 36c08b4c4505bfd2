#pragma once

/* The folder of images as a whole: what lies in it, how a thing in it goes, and what is said when it is full. What goes
 * is first taken out of sight by a rename, which no container's start comes in between of, and then removed at leisure.
 */

#include "lib/json.h"

#include <stdbool.h>

/* What images/ holds, as a new array of names; what was taken out of sight isn't listed. */
cJSON *cache_list(const char *images);
/* The digests ("sha256:…") of the images below the containers that have a bundle, as a new array. */
cJSON *cache_bundled(const char *containers);
/* Takes an entry out of sight. 0, or negative errno, logged. */
int cache_hide(const char *images, const char *name);
/* Removes what was taken out of sight, in this run or an earlier one. 0, or negative errno, logged. Blocks. */
int cache_sweep(const char *images);

/* Room that a pull must leave, since the journal shares the disk's limit: an open file without a name that holds so
 * much. -1 and errno when there isn't so much left. The caller's, close(). */
#define CACHE_ROOM_BYTES (16ll * 1024 * 1024)
int cache_hold_room(const char *images);
/* Called before the journal is opened: when hardly anything is left, the images that were on their way when the last
 * run ended go; they are fetched again. */
void cache_make_room(const char *images);

/* Refuses with the words for `error` (a positive errno): for a full disk those that say what can be done. */
int cache_refuse(struct reason *reason, const char *place, int error);
/* Whether a reason has those words. */
bool cache_says_full(const struct reason *reason);
