#pragma once

/* The settings on the medium that the node was booted from. */

/* Mounts the FAT partition read-only, copies its zos/node.json to <root>/run/zos/node.json (at most 64 KiB, mode 0600),
 * and unmounts it. A medium without that file is fine. 0 when there are settings, -ENOENT (told, as info) when there
 * are none, or another negative errno, logged. Blocks: for the thread pool. */
int boot_medium_copy(const char *root, const char *partition);
