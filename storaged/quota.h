#pragma once

/* btrfs's simple quotas (kernel 6.7; squota): each subvolume gets a group of level 1, "1/<subvolume id>", which has the
 * limit. The subvolume's own group "0/<id>" is in it, and a subvolume that is made inside later joins it by itself, so
 * that nobody gets round his limit by making subvolumes. */

#include <stddef.h>
#include <stdint.h>

/* Turns simple quotas on where they aren't. `fd`: anything on the file system. 0, or negative errno, logged. */
int quota_enable(int fd);

/* Makes the group of a subvolume and sets its limit (bytes, data and metadata); again: changes the limit. 0, or
 * negative errno, logged. */
int quota_limit(int fd, uint64_t subvolume_id, int64_t limit_bytes);

/* Takes a subvolume's limit away: one that is full to the brim couldn't be deleted otherwise. 0, or negative errno,
 * logged. */
int quota_lift(int fd, uint64_t subvolume_id);

/* A subvolume's limit (0: none) and what it uses, as of the last commit (at most 30 s old). 0, or negative errno,
 * logged. */
int quota_read(int fd, uint64_t subvolume_id, int64_t *ret_limit_bytes, int64_t *ret_used_bytes);

/* Removes the level 1 groups whose subvolume isn't among `live`: those of deleted ones, once the kernel has cleaned
 * them up. What it can't remove yet stays until the next time. */
void quota_sweep(int fd, const uint64_t *live, size_t count);
