/* Telling an empty disk from one with data. libblkid knows the signatures of file systems, RAID members, encrypted
 * volumes, swap and partition tables. What it doesn't know it can't find, so a disk counts as empty only if its first
 * and last MiB hold nothing but zeros besides: every format keeps something there.
 *
 * One exception, so that a crash within mkfs doesn't lose the disk for good: mkfs.btrfs first writes a superblock that
 * has the label already but a magic number of its own ("!BHRfS_M", BTRFS_MAGIC_TEMPORARY of btrfs-progs'
 * common/defs.h), and the real magic at the very end. A superblock with that magic and a label of ours was written by
 * our mkfs, on a disk that was empty before. Whatever it wrote before that superblock lies outside the first MiB: the
 * disk is empty still. */

#include "storaged/probe.h"

#include "lib/cleanup.h"
#include "storaged/path.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* struct btrfs_super_block of linux/btrfs_tree.h */
#define SUPERBLOCK_OFFSET 65536
#define SUPERBLOCK_MAGIC_OFFSET 64
#define SUPERBLOCK_LABEL_OFFSET 0x12b

bool probe_is_pool_label(const char *label)
{
    return !strncmp(label, "zos-", 4) && strlen(label) == 12 && strspn(label + 4, "0123456789abcdef") == 8;
}

int probe_open(const char *root, const char *name, int flags, bool *ret_in_use)
{
    char path[PATH_BYTES];
    int fd;

    path_under(root, path, "/dev/%s", name);
    for (char *c = path + strlen(root); *c; c++)
        if (*c == '!')
            *c = '/';
    fd = open(path, flags | O_EXCL | O_CLOEXEC);
    *ret_in_use = fd < 0 && errno == EBUSY;
    if (*ret_in_use)
        fd = open(path, flags | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static void set_foreign(struct disk *disk, const char *format, const char *what)
{
    disk->content = DISK_FOREIGN;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(disk->content_text, sizeof disk->content_text, format, what);
#pragma GCC diagnostic pop
}

/* 0 and whether all is zero, or negative errno. */
static int read_zeros(int fd, int64_t offset, int64_t size, bool *ret_zero)
{
    static const uint8_t zeros[65536];
    uint8_t buffer[65536];
    bool zero = true;

    for (int64_t done = 0; zero && done < size;) {
        size_t want = (size_t)(size - done < (int64_t)sizeof buffer ? size - done : (int64_t)sizeof buffer);
        ssize_t got = pread(fd, buffer, want, offset + done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        zero = !memcmp(buffer, zeros, (size_t)got);
        done += got;
    }
    *ret_zero = zero;
    return 0;
}

static bool is_unfinished(int fd, char ret_label[static DISK_LABEL_BYTES])
{
    char block[4096], label[DISK_LABEL_BYTES] = "";

    if (pread(fd, block, sizeof block, SUPERBLOCK_OFFSET) != (ssize_t)sizeof block)
        return false;
    if (memcmp(block + SUPERBLOCK_MAGIC_OFFSET, "!BHRfS_M", 8) != 0)
        return false;
    memcpy(label, block + SUPERBLOCK_LABEL_OFFSET, DISK_LABEL_BYTES - 1);
    if (!probe_is_pool_label(label))
        return false;
    memcpy(ret_label, label, DISK_LABEL_BYTES);
    return true;
}

void probe_edges(int fd, struct disk *disk)
{
    int64_t size = disk->size_bytes, edge = size < PROBE_EDGE_BYTES ? size : PROBE_EDGE_BYTES;
    bool head = false, tail = false;
    int r;

    disk->label[0] = disk->content_text[0] = '\0';
    if ((r = read_zeros(fd, 0, edge, &head)) < 0 || (r = read_zeros(fd, size - edge, edge, &tail)) < 0)
        set_foreign(disk, "can't be read: %s", strerror(-r));
    else if (!head && tail && is_unfinished(fd, disk->label))
        disk->content = DISK_UNFINISHED;
    else if (!head)
        set_foreign(disk, "holds data of an unknown kind in its %s MiB", "first");
    else if (!tail)
        set_foreign(disk, "holds data of an unknown kind in its %s MiB", "last");
    else
        disk->content = DISK_EMPTY;
}

static const char *probe_value(blkid_probe probe, const char *name)
{
    const char *value = NULL;

    return blkid_probe_lookup_value(probe, name, &value, NULL) == 0 && value ? value : "";
}

/* "an ext4", "a vfat" */
static void name_with_article(const char *name, char *text, size_t size)
{
    snprintf(text, size, "%s %.40s", name[0] && strchr("aeiouAEIOU", name[0]) ? "an" : "a", name);
}

/* The disk has a signature: a pool of ours, or something foreign. */
static void judge_known(blkid_probe probe, struct disk *disk)
{
    const char *type = probe_value(probe, "TYPE"), *usage = probe_value(probe, "USAGE");
    const char *label = probe_value(probe, "LABEL"), *table = probe_value(probe, "PTTYPE");
    char named[48];

    name_with_article(*type ? type : "unknown", named, sizeof named);
    if (*table)
        set_foreign(disk, "has %s partition table",
                    !strcmp(table, "gpt") ? "a GPT" : (!strcmp(table, "dos") ? "an MBR" : "some kind of"));
    else if (!strcmp(type, "btrfs") && probe_is_pool_label(label)) {
        disk->content = DISK_POOL;
        snprintf(disk->label, sizeof disk->label, "%s", label);
    } else if (!strcmp(usage, "filesystem"))
        set_foreign(disk, "holds %s file system", named);
    else if (!strcmp(usage, "raid"))
        set_foreign(disk, "is part of a RAID or volume group (%s)", type);
    else if (!strcmp(usage, "crypto"))
        set_foreign(disk, "holds an encrypted volume (%s)", type);
    else if (!strcmp(type, "swap"))
        set_foreign(disk, "holds %s space", "swap");
    else
        set_foreign(disk, "holds data of a known kind (%s)", *type ? type : "unnamed");
}

/* A probe of superblocks and partition tables, or NULL. */
static blkid_probe open_probe(int fd)
{
    blkid_probe probe = blkid_new_probe();

    if (!probe)
        return NULL;
    blkid_probe_enable_superblocks(probe, 1);
    blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_LABEL | BLKID_SUBLKS_TYPE | BLKID_SUBLKS_USAGE);
    blkid_probe_enable_partitions(probe, 1);
    if (blkid_probe_set_device(probe, fd, 0, 0) == 0)
        return probe;
    blkid_free_probe(probe);
    return NULL;
}

void probe_content(int fd, struct disk *disk)
{
    blkid_probe probe = open_probe(fd);
    int found = -1;

    disk->label[0] = disk->content_text[0] = '\0';
    if (probe)
        found = blkid_do_safeprobe(probe);
    /* blkid_do_safeprobe(3): 0 found, 1 nothing found, -2 ambivalent, -1 error. */
    if (found == 0)
        judge_known(probe, disk);
    else if (found == 1)
        probe_edges(fd, disk); /* no signature that libblkid knows */
    else
        set_foreign(disk, "%s", found == -2 ? "holds signatures of several kinds" : "can't be examined");
    blkid_free_probe(probe);
}

struct boot_search {
    const char *root;
    struct disk *disk;
};

static bool on_partition(void *context, const char *partition)
{
    struct boot_search *search = context;
    cleanup_close int fd = -1;
    blkid_probe probe;
    bool in_use;

    fd = probe_open(search->root, partition, O_RDONLY | O_NONBLOCK, &in_use);
    if (fd < 0 || !(probe = open_probe(fd)))
        return true;
    if (blkid_do_safeprobe(probe) == 0 && !strcmp(probe_value(probe, "TYPE"), "vfat") &&
        !strcmp(probe_value(probe, "LABEL"), PROBE_BOOT_LABEL))
        snprintf(search->disk->boot_partition, sizeof search->disk->boot_partition, "%s", partition);
    blkid_free_probe(probe);
    return search->disk->boot_partition[0] == '\0';
}

void probe_disk(const char *root, struct disk *disk)
{
    struct boot_search search = { .root = root, .disk = disk };
    cleanup_close int fd = -1;
    bool in_use;

    disk->boot_partition[0] = '\0';
    if (disk->size_bytes == 0) {
        set_foreign(disk, "holds no %s", "medium");
        return;
    }
    fd = probe_open(root, disk->name, O_RDONLY | O_NONBLOCK, &in_use);
    if (fd < 0) {
        set_foreign(disk, "can't be opened: %s", strerror(-fd));
        return;
    }
    disk->in_use |= in_use;
    probe_content(fd, disk);
    if (disk->content == DISK_FOREIGN) {
        on_partition(&search, disk->name);
        if (!disk->boot_partition[0])
            disk_each_partition(root, disk->name, on_partition, &search);
    }
}
