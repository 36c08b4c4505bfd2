/* Pools. The order in which a pool comes to be makes every interruption harmless: a disk is empty until mkfs has
 * written its last block (storaged/probe.c on what lies between); then each thing in it is made if it isn't there.
 *
 * What lies in a pool may have been written by anyone who had the disk in his hands: it is mounted nosuid and nodev,
 * and nothing in it is opened through symbolic links. */

#include "storaged/pool.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "storaged/mkfs.h"
#include "storaged/mounts.h"
#include "storaged/path.h"
#include "storaged/probe.h"
#include "storaged/quota.h"

#include <btrfsutil.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB (INT64_C(1) << 20)
#define CACHE_SHARE_MAX (32 * 1024 * MIB)
#define HELD_TRIES 25
#define HELD_PAUSE_NS 20000000
#define RECORD "pool.json"
#define RECORD_BYTES_MAX 4096
#define CACHE "cache"
#define CACHE_PATH "/var/lib/zos"

int64_t pool_cache_share(int64_t size_bytes)
{
    return size_bytes / 4 < CACHE_SHARE_MAX ? size_bytes / 4 / MIB * MIB : CACHE_SHARE_MAX;
}

int64_t pool_capacity(int64_t size_bytes)
{
    int64_t capacity = size_bytes - 64 * MIB - size_bytes / 16 - pool_cache_share(size_bytes);

    return capacity > 0 ? capacity / MIB * MIB : 0;
}

void pool_new_label(char ret_label[static DISK_LABEL_BYTES])
{
    uint32_t random = 0;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        abort(); /* getrandom(2): up to 256 bytes always come whole */
    snprintf(ret_label, DISK_LABEL_BYTES, "zos-%08x", random);
}

/* The exclusive hold on the device while its edges are looked at once more. It ends before mkfs.btrfs starts, which
 * takes one of its own, asks libblkid, and refuses by itself whatever it finds. */
static int examine_again(const char *root, const struct disk *disk, struct reason *reason)
{
    struct disk again = *disk;
    cleanup_close int fd = -1;
    bool in_use;

    /* A child of another disk's job has a copy of this job's last descriptor until it executes mkfs.btrfs. */
    fd = probe_open(root, disk->name, O_RDWR, &in_use);
    for (int i = 0; fd >= 0 && in_use && i < HELD_TRIES; i++) {
        nanosleep(&(struct timespec){ .tv_nsec = HELD_PAUSE_NS }, NULL);
        close(steal_fd(&fd));
        fd = probe_open(root, disk->name, O_RDWR, &in_use);
    }
    if (fd < 0)
        return reason_refuse(reason, NULL, "can't be opened: %s", strerror(-fd));
    if (in_use)
        return reason_refuse(reason, NULL, "is in use");
    probe_edges(fd, &again);
    if (again.content != DISK_EMPTY && again.content != DISK_UNFINISHED)
        probe_content(fd, &again);
    if (again.content == DISK_EMPTY || again.content == DISK_UNFINISHED)
        return 0;
    return reason_refuse(reason, NULL, "%s", *again.content_text ? again.content_text : "isn't empty any more");
}

int pool_make(const char *root, const struct disk *disk, const char *label, struct reason *reason)
{
    cleanup_close int lock_fd = -1;
    char path[PATH_BYTES];
    int r;

    /* The lock (flock(2)) is passed on to mkfs.btrfs and lives as long as that does: should this daemon die, its
     * successor sees that its predecessor's mkfs still runs. */
    path_under(root, path, "/dev/%s", disk->name);
    lock_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (lock_fd < 0)
        return reason_refuse(reason, NULL, "can't be opened: %s", strerror(errno));
    if (flock(lock_fd, LOCK_EX | LOCK_NB) < 0)
        return reason_refuse(reason, NULL, "is being formatted by an earlier run");
    r = examine_again(root, disk, reason);
    return r != 0 ? r : mkfs_btrfs(path, label, lock_fd, reason);
}

/* Opens a folder in the pool, made if need be. The descriptor, or -1 with the reason. */
static int open_folder(int top_fd, const char *name, struct reason *reason)
{
    int fd = -1;

    if (mkdirat(top_fd, name, 0700) < 0 && errno != EEXIST)
        reason_refuse(reason, NULL, "its folder %s can't be made: %s", name, strerror(errno));
    else if ((fd = openat(top_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        reason_refuse(reason, NULL, "its folder %s can't be opened: %s", name, strerror(errno));
    return fd;
}

/* Reads what the pool tells of its disk's kind and speed. 0, or REFUSED when there is nothing, or nothing of use. */
static int read_record(struct pool *pool)
{
    static const struct json_rule rules[] = {
        { .name = "version", .kind = JSON_INTEGER, .min = 1, .max = 1 },
        { .name = "media", .kind = JSON_STRING, .min = 3, .max = 3 },
        { .name = "read_iops", .kind = JSON_INTEGER },
        { .name = "read_bytes_per_s", .kind = JSON_INTEGER },
        { 0 },
    };
    cleanup_close int fd = openat(pool->top_fd, RECORD, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    cleanup_free char *text = NULL;
    cleanup_json cJSON *record = NULL;
    struct reason reason = { 0 };
    char path[64];
    size_t size;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (fd < 0 || file_read(path, RECORD_BYTES_MAX, &text, &size) < 0)
        return REFUSED;
    if (json_parse(text, size, RECORD_BYTES_MAX, &record, &reason) != 0 ||
        json_check(record, rules, "", &reason) != 0 || !disk_media_parse(json_string(record, "media"), &pool->media)) {
        log_warning("pool %s: its %s is of no use and is made anew: %s", pool->label, RECORD, reason.text);
        return REFUSED;
    }
    pool->measure.read_iops = json_integer(record, "read_iops");
    pool->measure.read_bytes_per_s = json_integer(record, "read_bytes_per_s");
    return 0;
}

/* Written durably: the kind of a disk must never change once volumes of that kind are on it. */
static int write_record(const char *root, const struct pool *pool)
{
    cleanup_free char *text = NULL;
    cleanup_json cJSON *record = cJSON_CreateObject();
    char path[PATH_BYTES];

    json_add_integer(record, "version", 1);
    cJSON_AddStringToObject(record, "media", disk_media_name(pool->media));
    json_add_integer(record, "read_iops", pool->measure.read_iops);
    json_add_integer(record, "read_bytes_per_s", pool->measure.read_bytes_per_s);
    text = json_print(record);
    if (!text)
        return log_fail(-ENOMEM, "pool %s: write %s", pool->label, RECORD);
    path_under(root, path, "/mnt/%s/%s", pool->label, RECORD);
    return file_write(path, text, strlen(text), 0600);
}

struct measure pool_measure(const char *root, const struct disk *disk)
{
    struct measure measure = { 0 };
    cleanup_close int fd = -1;
    bool in_use;

    fd = probe_open(root, disk->name, O_RDONLY | O_DIRECT, &in_use);
    if (fd < 0 || measure_disk(fd, disk->size_bytes, &measure) < 0)
        log_warning("disk %s: its speed isn't known", disk->name);
    return measure;
}

static int settle_media(const char *root, const struct disk *disk, const struct measure *measured, struct pool *pool)
{
    if (read_record(pool) == 0)
        return 0;
    pool->measure = measured ? *measured : pool_measure(root, disk);
    pool->media = measure_media(disk->rotational, pool->measure.best_iops);
    return write_record(root, pool);
}

/* Mounts the top level, unless it is mounted already. 0, or REFUSED. */
static int mount_top(const char *root, const struct disk *disk, bool *ret_mounted_now, struct reason *reason)
{
    char device[PATH_BYTES], target[PATH_BYTES], mounted[PATH_BYTES];

    path_under(root, device, "/dev/%s", disk->name);
    path_under(root, target, "/mnt/%s", disk->label);
    if (mounts_source(target, mounted)) {
        *ret_mounted_now = false;
        if (!strcmp(mounted, device))
            return 0;
        return reason_refuse(reason, NULL, "has the label %s, which %.64s has too", disk->label, mounted);
    }
    if (disk->in_use)
        return reason_refuse(reason, NULL, "is in use");
    if (file_make_folders(target, 0700) < 0)
        return reason_refuse(reason, NULL, "can't be mounted: no folder %s", target);
    /* discard=async needs no naming: since 6.2 btrfs turns it on wherever the disk can do it. */
    if (mount(device, target, "btrfs", MS_NOATIME | MS_NOSUID | MS_NODEV, "subvolid=5") < 0) {
        reason_refuse(reason, NULL, "holds our pool %s, which can't be mounted: %s", disk->label, strerror(errno));
        rmdir(target);
        return REFUSED;
    }
    *ret_mounted_now = true;
    return 0;
}

static bool folder_has_entries(int parent_fd, const char *name)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    int count = 0;

    if (!folder)
        return false;
    while (count <= 2 && readdir(folder))
        count++;
    closedir(folder);
    return count > 2;
}

void pool_sweep(const struct pool *pool)
{
    cleanup_free uint64_t *live = calloc(pool->volume_count + 1, sizeof *live);
    int fd = openat(pool->top_fd, CACHE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    size_t count = 0;

    if (live) {
        for (size_t i = 0; i < pool->volume_count; i++)
            live[count++] = pool->volumes[i].subvolume_id;
        /* The cache's group lives as well. */
        if (fd >= 0 && btrfs_util_subvolume_id_fd(fd, &live[count]) == BTRFS_UTIL_OK)
            count++;
        quota_sweep(pool->top_fd, live, count);
    }
    if (fd >= 0)
        close(fd);
}

/* Checks that the file system is as we make it, and completes what is in it. */
static int complete(const char *root, const struct disk *disk, const struct measure *measured, struct pool *pool,
                    struct reason *reason)
{
    struct btrfs_ioctl_fs_info_args info = { 0 };
    int fd;

    if (ioctl(pool->top_fd, BTRFS_IOC_FS_INFO, &info) < 0 || info.num_devices != 1)
        return reason_refuse(reason, NULL, "holds our pool %s, but of more than one disk", disk->label);
    if (quota_enable(pool->top_fd) < 0)
        return reason_refuse(reason, NULL, "holds our pool %s, but quotas can't be turned on", disk->label);
    fd = open_folder(pool->top_fd, "identity", reason);
    if (fd < 0)
        return REFUSED;
    close(fd);
    pool->volumes_fd = open_folder(pool->top_fd, "volumes", reason);
    if (pool->volumes_fd < 0)
        return REFUSED;
    if (settle_media(root, disk, measured, pool) < 0)
        return reason_refuse(reason, NULL, "holds our pool %s, which can't be written to", disk->label);
    if (volume_scan(pool->volumes_fd, &pool->volumes, &pool->volume_count) < 0)
        return reason_refuse(reason, NULL, "holds our pool %s, whose volumes can't be read", disk->label);
    pool->cache_used = folder_has_entries(pool->top_fd, CACHE);
    pool_sweep(pool);
    return 0;
}

int pool_open(const char *root, const struct disk *disk, struct pool *ret_pool, struct reason *reason)
{
    return pool_open_measured(root, disk, NULL, ret_pool, reason);
}

int pool_open_measured(const char *root, const struct disk *disk, const struct measure *measured, struct pool *ret_pool,
                       struct reason *reason)
{
    struct pool pool = { .size_bytes = disk->size_bytes, .top_fd = -1, .volumes_fd = -1 };
    char target[PATH_BYTES];
    bool mounted_now = false;
    int r;

    memcpy(pool.label, disk->label, sizeof pool.label);
    memcpy(pool.disk, disk->name, sizeof pool.disk);
    r = mount_top(root, disk, &mounted_now, reason);
    if (r != 0)
        return r;
    path_under(root, target, "/mnt/%s", disk->label);
    pool.top_fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = pool.top_fd >= 0 ? complete(root, disk, measured, &pool, reason)
                         : reason_refuse(reason, NULL, "can't be opened: %s", strerror(errno));
    if (r == 0)
        *ret_pool = pool;
    else if (mounted_now)
        pool_drop(root, &pool);
    else
        pool_close(&pool); /* containers may be at work on it */
    return r;
}

int pool_mount_cache(const char *root, const struct pool *pool)
{
    char device[PATH_BYTES], target[PATH_BYTES];
    uint64_t id;
    int r;

    r = volume_make(pool->top_fd, CACHE, pool_cache_share(pool->size_bytes), &id);
    if (r < 0 && r != -EEXIST)
        return r;
    path_under(root, device, "/dev/%s", pool->disk);
    path_under(root, target, CACHE_PATH);
    r = file_make_folders(target, 0755);
    if (r < 0)
        return r;
    if (mount(device, target, "btrfs", MS_NOATIME | MS_NOSUID | MS_NODEV, "subvol=/" CACHE) < 0)
        return log_fail(-errno, "mount the cache of pool %s on %s", pool->label, target);
    return 0;
}

void pool_cache_mounted(const char *root, char ret_disk[static DISK_NAME_BYTES])
{
    char target[PATH_BYTES], source[PATH_BYTES], devices[PATH_BYTES];

    ret_disk[0] = '\0';
    path_under(root, target, CACHE_PATH);
    path_under(root, devices, "/dev/");
    if (mounts_source(target, source) && !strncmp(source, devices, strlen(devices)))
        snprintf(ret_disk, DISK_NAME_BYTES, "%.31s", source + strlen(devices));
}

void pool_close(struct pool *pool)
{
    if (pool->label[0]) {
        if (pool->volumes_fd >= 0)
            close(pool->volumes_fd);
        if (pool->top_fd >= 0)
            close(pool->top_fd);
        free(pool->volumes);
    }
    *pool = (struct pool){ .top_fd = -1, .volumes_fd = -1 };
}

void pool_drop(const char *root, struct pool *pool)
{
    char target[PATH_BYTES];

    path_under(root, target, "/mnt/%s", pool->label);
    pool_close(pool);
    if (umount2(target, MNT_DETACH) == 0)
        rmdir(target);
}
