#pragma once

/* mkfs.btrfs as a child process. */

#include "lib/reason.h"

/* Formats the device with the label, as one device without redundancy. Runs $ZOS_MKFS, or /bin/mkfs.btrfs, and waits
 * for it. `lock_fd` stays open in the child. 0, or REFUSED with what mkfs.btrfs said. */
int mkfs_btrfs(const char *device, const char *label, int lock_fd, struct reason *reason);
