/* Loop devices (loop(4)), set up with LOOP_CONFIGURE and cleared by the kernel at the last close. */

#include "tests/unit/loop_disk.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "storaged/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define MKFS "build/sysroot/sbin/mkfs.btrfs"

const char *loop_disk_begin(char *root)
{
    static bool unshared; /* once: threads that were started since would stay in the former namespace */
    char path[PATH_BYTES], mkfs[PATH_MAX];

    if (!mkdtemp(root))
        return "no temporary folder";
    path_under(root, path, "/dev");
    file_make_folders(path, 0755);
    path_under(root, path, "/sys/block");
    file_make_folders(path, 0755);
    if (!getenv("ZOS_MKFS") && realpath(MKFS, mkfs))
        setenv("ZOS_MKFS", mkfs, 1);
    if (geteuid() != 0)
        return "needs root";
    if (!getenv("ZOS_MKFS"))
        return "needs " MKFS;
    if (!unshared && (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0))
        return "needs a mount namespace";
    unshared = true;
    if (mount("/dev/null", root, "btrfs", 0, "") == 0 || errno == ENODEV)
        return "the kernel has no btrfs";
    if (access("/sys/fs/btrfs/features/simple_quota", F_OK) < 0)
        return "the kernel's btrfs is older than 6.7 and has no simple quotas";
    return NULL;
}

/* Puts a symbolic link where there may be one. */
static int relink(const char *to, const char *path)
{
    unlink(path);
    return symlink(to, path);
}

const char *loop_disk_add(const char *root, const char *name, int64_t size_bytes, int *ret_fd)
{
    struct loop_config config = { .info.lo_flags = LO_FLAGS_AUTOCLEAR };
    cleanup_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), image = -1, device = -1;
    char path[PATH_BYTES], target[64];
    int number = control >= 0 ? ioctl(control, LOOP_CTL_GET_FREE) : -1;

    path_under(root, path, "/%s.img", name);
    image = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    snprintf(target, sizeof target, "/dev/loop%d", number);
    device = open(target, O_RDWR | O_CLOEXEC);
    config.fd = (unsigned)image;
    if (image < 0 || device < 0 || ftruncate(image, size_bytes) < 0 || ioctl(device, LOOP_CONFIGURE, &config) < 0)
        return "needs loop devices";
    path_under(root, path, "/dev/%s", name);
    if (relink(target, path) < 0)
        return "no link in dev";
    snprintf(target, sizeof target, "/sys/block/loop%d", number);
    path_under(root, path, "/sys/block/%s", name);
    if (relink(target, path) < 0)
        return "no link in sys";
    *ret_fd = steal_fd(&device);
    return NULL;
}

void loop_disk_end(const char *root)
{
    file_remove_tree(root);
}
