/* Subvolumes through libbtrfsutil. The folder lies on a disk that anybody may have written to: entries are opened
 * without following symbolic links. */

#include "storaged/volume.h"

#include "lib/cleanup.h"
#include "lib/log.h"
#include "storaged/quota.h"

#include <btrfsutil.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUBVOLUME_INODE 256 /* BTRFS_FIRST_FREE_OBJECTID: the inode number of every subvolume's top folder */

bool volume_name_is_valid(const char *name)
{
    size_t size = strlen(name);

    return size > 0 && size < VOLUME_NAME_BYTES && !strchr("._-", name[0]) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") == size;
}

/* libbtrfsutil tells what failed in words, and why in errno. */
static int fail(enum btrfs_util_error error, const char *name)
{
    int r = errno ? -errno : -EIO;

    return log_fail(r, "volume %s: %s", name, btrfs_util_strerror(error));
}

/* The subvolume's top folder, or -ENOENT, -ENOTDIR, -ELOOP; silent. */
static int open_subvolume(int parent_fd, const char *name, uint64_t *ret_id)
{
    cleanup_close int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) < 0)
        return -errno;
    if (status.st_ino != SUBVOLUME_INODE || btrfs_util_subvolume_id_fd(fd, ret_id) != BTRFS_UTIL_OK)
        return -ENOTDIR;
    return steal_fd(&fd);
}

/* Removes a subvolume that is nobody's any more. */
static int destroy(int parent_fd, const char *name)
{
    enum btrfs_util_error error;
    uint64_t id = 0, transaction;
    int fd = open_subvolume(parent_fd, name, &id);

    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return log_fail(fd, "volume %s: open it to remove it", name);
    quota_lift(fd, id);
    close(fd);
    error = btrfs_util_delete_subvolume_fd(parent_fd, name, BTRFS_UTIL_DELETE_SUBVOLUME_RECURSIVE);
    if (error != BTRFS_UTIL_OK)
        return fail(error, name);
    /* Starts the commit that makes it durable, and doesn't wait for it. */
    btrfs_util_start_sync_fd(parent_fd, &transaction);
    return 0;
}

int volume_remove(int parent_fd, const char *name)
{
    char old[VOLUME_NAME_BYTES + sizeof VOLUME_OLD_PREFIX];
    int r;

    snprintf(old, sizeof old, VOLUME_OLD_PREFIX "%s", name);
    r = destroy(parent_fd, old);
    if (r < 0)
        return r;
    if (renameat2(parent_fd, name, parent_fd, old, RENAME_NOREPLACE) < 0)
        return errno == ENOENT ? 0 : log_fail(-errno, "volume %s: rename it", name);
    return destroy(parent_fd, old);
}

int volume_make(int parent_fd, const char *name, int64_t size_bytes, uint64_t *ret_subvolume_id)
{
    char temporary[VOLUME_NAME_BYTES + sizeof VOLUME_NEW_PREFIX];
    enum btrfs_util_error error;
    uint64_t id = 0, transaction;
    int fd, r;

    if (faccessat(parent_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    snprintf(temporary, sizeof temporary, VOLUME_NEW_PREFIX "%s", name);
    r = destroy(parent_fd, temporary);
    if (r < 0)
        return r;
    error = btrfs_util_create_subvolume_fd(parent_fd, temporary, 0, NULL, NULL);
    if (error != BTRFS_UTIL_OK)
        return fail(error, name);
    fd = open_subvolume(parent_fd, temporary, &id);
    if (fd < 0)
        return log_fail(fd, "volume %s: open it", name);
    r = quota_limit(fd, id, size_bytes);
    close(fd);
    if (r == 0 && renameat2(parent_fd, temporary, parent_fd, name, RENAME_NOREPLACE) < 0)
        r = log_fail(-errno, "volume %s: rename it", name);
    if (r < 0) {
        destroy(parent_fd, temporary);
        return r;
    }
    btrfs_util_start_sync_fd(parent_fd, &transaction);
    *ret_subvolume_id = id;
    return 0;
}

/* Reads one entry. 0, 1 when it is no volume, or negative errno. */
static int read_entry(int parent_fd, const char *name, struct volume *ret_volume)
{
    struct volume volume = { 0 };
    int64_t used;
    int fd, r;

    if (!strncmp(name, VOLUME_NEW_PREFIX, strlen(VOLUME_NEW_PREFIX)) ||
        !strncmp(name, VOLUME_OLD_PREFIX, strlen(VOLUME_OLD_PREFIX))) {
        if (destroy(parent_fd, name) == 0)
            log_info("volume %s: removed, an earlier run was interrupted", name);
        return 1;
    }
    fd = volume_name_is_valid(name) ? open_subvolume(parent_fd, name, &volume.subvolume_id) : -EINVAL;
    if (fd < 0) {
        log_warning("%s among the volumes isn't one; it stays as it is", name);
        return 1;
    }
    r = quota_read(fd, volume.subvolume_id, &volume.size_bytes, &used);
    close(fd);
    if (r < 0)
        return r;
    if (volume.size_bytes == 0)
        log_warning("volume %s has no limit", name);
    snprintf(volume.name, sizeof volume.name, "%.128s", name);
    *ret_volume = volume;
    return 0;
}

static int compare_volumes(const void *a, const void *b)
{
    return strcmp(((const struct volume *)a)->name, ((const struct volume *)b)->name);
}

int volume_scan(int parent_fd, struct volume **ret_volumes, size_t *ret_count)
{
    cleanup_free struct volume *volumes = NULL;
    int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    struct dirent *entry;
    size_t count = 0;
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;

    if (!folder)
        return log_fail(-errno, "list the volumes");
    while (r >= 0 && (entry = readdir(folder))) {
        struct volume *more;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        more = reallocarray(volumes, count + 1, sizeof *volumes);
        r = more ? 0 : -ENOMEM;
        volumes = more ? more : volumes;
        if (r == 0)
            r = read_entry(parent_fd, entry->d_name, &volumes[count]);
        count += r == 0;
    }
    closedir(folder);
    if (r < 0)
        return r;
    if (count > 0)
        qsort(volumes, count, sizeof *volumes, compare_volumes);
    *ret_volumes = steal_pointer(volumes);
    *ret_count = count;
    return 0;
}
