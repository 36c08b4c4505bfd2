#pragma once

/* A pool: one btrfs on one whole disk, labelled "zos-" and 8 random hexadecimal digits, its top level mounted on
 * /mnt/<label>. README.md has what lies in it. All here blocks: for the thread pool, apart from pool_capacity. */

#include "lib/reason.h"
#include "storaged/disk.h"
#include "storaged/measure.h"
#include "storaged/volume.h"

struct pool {
    char label[DISK_LABEL_BYTES]; /* "": not open */
    char disk[DISK_NAME_BYTES];
    enum disk_media media;
    int64_t size_bytes;
    struct measure measure;
    bool made_now;   /* in this run, from an empty disk */
    bool cache_used; /* its subvolume `cache` holds something */
    int top_fd, volumes_fd;
    struct volume *volumes; /* sorted by name */
    size_t volume_count;
    unsigned sweeps; /* how often pool_sweep is still to be called: the kernel needs a while to clean a subvolume up */
};

/* What the sizes of a pool's volumes may add up to: its size less 64 MiB and a sixteenth for btrfs's own (system and
 * metadata block groups, which come in pieces of up to a GiB, and the slack between them), less the share of the cache.
 */
int64_t pool_capacity(int64_t size_bytes);
/* The limit of the cache subvolume: a quarter of the disk, 32 GiB at most. Every pool keeps it free, so that what a
 * node offers doesn't depend on which pool has the cache. */
int64_t pool_cache_share(int64_t size_bytes);

/* Writes a fresh random label. */
void pool_new_label(char ret_label[static DISK_LABEL_BYTES]);

/* Formats the disk, which must be empty, or unfinished by an earlier try of ours. Holds it exclusively and examines it
 * once more just before; mkfs.btrfs, which is never forced, looks for itself again. 0, or REFUSED with the reason. */
int pool_make(const char *root, const struct disk *disk, const char *label, struct reason *reason);

/* Mounts the pool of a disk, or takes over the mount of an earlier run, completes what is missing in it, and reads its
 * volumes. The disk's speed is measured when the pool doesn't tell it yet. 0, or REFUSED with the reason. */
int pool_open(const char *root, const struct disk *disk, struct pool *ret_pool, struct reason *reason);

/* The disk's speed; all zero, with a warning, when it can't be measured. */
struct measure pool_measure(const char *root, const struct disk *disk);
/* The same as pool_open, with the speed that was measured before the pool was made, when nothing else was at work. */
int pool_open_measured(const char *root, const struct disk *disk, const struct measure *measured, struct pool *ret_pool,
                       struct reason *reason);

/* Mounts the pool's cache subvolume, made if need be, on <root>/var/lib/zos. 0, or negative errno, logged. */
int pool_mount_cache(const char *root, const struct pool *pool);
/* The disk whose cache is mounted there by an earlier run: its name, or "". */
void pool_cache_mounted(const char *root, char ret_disk[static DISK_NAME_BYTES]);

#define POOL_SWEEPS 4 /* after a volume was removed; one each tick */

/* Removes the quota groups of volumes that are gone. */
void pool_sweep(const struct pool *pool);

/* Closes; the mount stays. Fine with a closed or zeroed one. */
void pool_close(struct pool *pool);
/* Closes and takes the mount away, even if something of it is in use: for a disk that is gone. */
void pool_drop(const char *root, struct pool *pool);
