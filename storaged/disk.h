#pragma once

/* A disk as it is: what /sys/block tells of it, and what lies on it (storaged/probe.h). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISKS_MAX 128      /* twice the largest common storage server's bays */
#define DISK_NAME_BYTES 32 /* BDEVNAME_SIZE of linux/blkdev.h (DISK_NAME_LEN) */
#define DISK_TEXT_BYTES 160
#define DISK_LABEL_BYTES 16
#define DISK_SIZE_MIN (INT64_C(512) << 20) /* below it btrfs turns to mixed block groups, and nothing useful fits */

enum disk_media { DISK_SSD, DISK_HDD };

enum disk_content {
    DISK_UNKNOWN,    /* not examined yet */
    DISK_EMPTY,      /* no signature of anything, and only zeros in the first and the last MiB */
    DISK_POOL,       /* one of our pools: `label` says which */
    DISK_UNFINISHED, /* a pool that an interrupted mkfs of ours left half made (storaged/probe.h) */
    DISK_FOREIGN,    /* anything else: `content_text` says what */
};

struct disk {
    char name[DISK_NAME_BYTES]; /* as in /dev: "nvme0n1" */
    uint64_t sequence;          /* the kernel's diskseq: another one means another disk or medium under the same name */
    int64_t size_bytes;
    char model[64]; /* printable ASCII, "" when there is none */
    bool rotational, removable, read_only;
    bool in_use; /* mounted, held by another device, or opened exclusively */
    enum disk_content content;
    char content_text[DISK_TEXT_BYTES]; /* of a foreign one: "holds an ext4 file system" */
    char label[DISK_LABEL_BYTES];
    char boot_partition[DISK_NAME_BYTES]; /* the FAT partition (or whole disk) labelled ZOSBOOT, or "" */
};

/* Whether a name in /sys/block is that of a disk, rather than of what the kernel makes up (loop, ram, zram, dm, md,
 * nbd) or of a drive that can't carry a pool (sr, fd). */
bool disk_name_counts(const char *name);

/* The names of the disks below <root>/sys/block, sorted. 0, or negative errno, logged. More than DISKS_MAX are left
 * out, with a warning. */
int disk_list(const char *root, char ret_names[static DISKS_MAX][DISK_NAME_BYTES], size_t *ret_count);

/* What /sys/block tells of the disk; its content stays unknown. 0, or -ENOENT (silent) when it is gone or hidden. */
int disk_observe(const char *root, const char *name, struct disk *ret_disk);

/* Calls `each` with the name of every partition, until it returns false. */
void disk_each_partition(const char *root, const char *name, bool (*each)(void *context, const char *partition),
                         void *context);

/* "ssd" or "hdd", and back. */
const char *disk_media_name(enum disk_media media);
bool disk_media_parse(const char *text, enum disk_media *ret_media);
