#pragma once

/* Empty disks for tests: loop devices on sparse files below a root of the test's own, in a mount namespace of its own,
 * so that nothing outlives the test. */

#include <stdint.h>

/* Makes the root (a template for mkdtemp, filled) with its dev and sys/block, and names in $ZOS_MKFS the node's
 * mkfs.btrfs unless it is set. NULL, or why this machine can't have such disks. */
const char *loop_disk_begin(char *root);

/* Makes <root>/dev/<name> and <root>/sys/block/<name>, anew if they are there. *ret_fd is the device, the caller's: the
 * disk lives until it is closed and nobody else uses it. NULL, or why it can't be. */
const char *loop_disk_add(const char *root, const char *name, int64_t size_bytes, int *ret_fd);

void loop_disk_end(const char *root);
