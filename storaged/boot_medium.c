/* The boot medium is read, never written: it may be the farmer's only one. What it holds is judged by whoever reads the
 * settings (lib/settings.h). */

#include "storaged/boot_medium.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/settings.h"
#include "storaged/path.h"

#include <errno.h>
#include <sys/mount.h>
#include <unistd.h>

#define MOUNT_PATH "/run/zos/boot"
#define SETTINGS_ON_MEDIUM "zos/node.json"

static int copy(const char *root, const char *partition)
{
    cleanup_free char *content = NULL;
    char from[PATH_BYTES], to[PATH_BYTES];
    size_t size;
    int r;

    path_under(root, from, MOUNT_PATH "/" SETTINGS_ON_MEDIUM);
    path_under(root, to, SETTINGS_BOOT_MEDIUM);
    r = file_read(from, JSON_SIZE_MAX, &content, &size);
    if (r == -ENOENT) {
        log_info("boot medium %s: has no " SETTINGS_ON_MEDIUM, partition);
        return r;
    }
    if (r < 0)
        return log_fail(r, "boot medium %s: read " SETTINGS_ON_MEDIUM, partition);
    r = file_write(to, content, size, 0600);
    if (r == 0)
        log_info("boot medium %s: settings taken over, %zu bytes", partition, size);
    return r;
}

int boot_medium_copy(const char *root, const char *partition)
{
    char device[PATH_BYTES], target[PATH_BYTES];
    int r;

    path_under(root, device, "/dev/%s", partition);
    path_under(root, target, MOUNT_PATH);
    r = file_make_folders(target, 0700);
    if (r < 0)
        return r;
    if (mount(device, target, "vfat", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "") < 0) {
        r = log_fail(-errno, "boot medium %s: mount it", partition);
    } else {
        r = copy(root, partition);
        umount2(target, MNT_DETACH);
    }
    rmdir(target);
    return r;
}
