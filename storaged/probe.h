#pragma once

/* What lies on a disk. Only reads. */

#include "lib/reason.h"
#include "storaged/disk.h"

#define PROBE_EDGE_BYTES (1 << 20) /* the first and the last MiB must be zero in an empty disk */
#define PROBE_BOOT_LABEL "ZOSBOOT"

/* Whether a label is that of a pool of ours: "zos-" and 8 lower-case hexadecimal digits. */
bool probe_is_pool_label(const char *label);

/* Opens <root>/dev/<name> read-only and, when nobody holds it, exclusively. *ret_in_use tells which. The descriptor
 * (the caller's), or negative errno, silent. */
int probe_open(const char *root, const char *name, int flags, bool *ret_in_use);

/* Examines what an open disk (or image file) of `size_bytes` holds: fills content, content_text and label of `disk`.
 * Empty is what libblkid knows no signature of (superblocks and partition tables) and whose edges are all zero;
 * whatever can't be read or is ambiguous is foreign. */
void probe_content(int fd, struct disk *disk);

/* The half of it that costs little: by its edges alone, without libblkid. */
void probe_edges(int fd, struct disk *disk);

/* The whole: content, in_use, and the boot partition. Blocks: for the thread pool. */
void probe_disk(const char *root, struct disk *disk);
