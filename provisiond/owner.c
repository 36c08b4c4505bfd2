/* The mark is an extended attribute that only root sees. The order is mode, owner, mark: what is interrupted before the
 * owner is done again, and after it the owner tells. */

#include "provisiond/owner.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define MARK "trusted.zos.given"
#define MODE_BITS 07777

static bool is_empty(int folder)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
    DIR *list = copy >= 0 ? fdopendir(copy) : NULL;

    if (!list) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    while (count <= 2 && readdir(list))
        count++;
    closedir(list);
    return count <= 2;
}

/* The folder that the image has at the target. */
static bool image_folder(int rootfs, const char *target, struct stat *ret_status)
{
    struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                            .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };
    cleanup_close int fd = rootfs < 0 ? -1 : (int)syscall(SYS_openat2, rootfs, target, &how, sizeof how);

    return fd >= 0 && fstat(fd, ret_status) == 0;
}

static int give(int folder, int rootfs, const char *target, const struct user *user)
{
    struct stat own, wanted;

    if (fstat(folder, &own) < 0)
        return -1;
    if (own.st_uid != 0 || own.st_gid != 0 || !is_empty(folder))
        return 0; /* in use, or given */
    if (!image_folder(rootfs, target, &wanted)) {
        wanted = own;
        wanted.st_uid = user->uid;
        wanted.st_gid = user->gid;
    }
    if (fchmod(folder, wanted.st_mode & MODE_BITS) < 0)
        return -1;
    return fchown(folder, wanted.st_uid, wanted.st_gid);
}

int owner_give(const char *volume, int rootfs, const char *target, const struct user *user, struct reason *reason)
{
    cleanup_close int folder = open(volume, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (folder < 0)
        return reason_refuse(reason, "volume", "can't be opened: %s", strerror(errno));
    if (fgetxattr(folder, MARK, NULL, 0) >= 0)
        return 0;
    if (give(folder, rootfs, target, user) < 0)
        return reason_refuse(reason, "volume", "can't be given to its user: %s", strerror(errno));
    /* Without it, owner and emptiness have to tell. */
    if (fsetxattr(folder, MARK, "", 0, 0) < 0)
        log_warning("%s: can't be marked: %s", volume, strerror(errno));
    return 0;
}
