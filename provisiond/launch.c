/* A container's service from the inside, and what has to be cleared up around it.
 *
 *   PATHS_CONTAINERS/<service>/{config.json, launch.json, rootfs/}      rootfs: overlay of the image (lower) and the
 * root volume <root volume>/{upper, work} /run/crun/<service>/                                               crun's
 * state; stale when zinit had to kill it */

#include "provisiond/launch.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CRUN "/bin/crun"
#define CRUN_ROOT "/run/crun"
#define STATE_BYTES_MAX (256u * 1024)
#define MOUNTS_MAX 16 /* one over the other, after as many crashes at the wrong moment */

static int run_crun_delete(const char *service)
{
    char *const arguments[] = {
        CRUN, "--cgroup-manager=disabled", "--root", CRUN_ROOT, "delete", "--force", (char *)service, NULL
    };
    char *const environment[] = { "PATH=/bin", NULL };
    int status, r;
    pid_t pid;

    r = posix_spawn(&pid, CRUN, NULL, NULL, arguments, environment);
    if (r != 0)
        return log_fail(-r, "run %s", CRUN);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return log_fail(-errno, "wait for %s", CRUN);
    return 0;
}

/* crun's state of a former run. What crun itself can't delete is removed: it is a folder on tmpfs. */
static int clear_crun(const char *root, const char *service)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s%s/%.200s", root, CRUN_ROOT, service);
    if (access(path, F_OK) != 0)
        return 0;
    if (!root[0])
        run_crun_delete(service);
    return file_remove_tree(path);
}

static int clear_mounts(const char *rootfs)
{
    for (int i = 0; i < MOUNTS_MAX; i++)
        if (umount2(rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
            return errno == EINVAL || errno == ENOENT || errno == EPERM ? 0 : log_fail(-errno, "unmount %s", rootfs);
    return log_fail(-EBUSY, "unmount %s", rootfs);
}

static int mount_root(const char *folder, const char *rootfs)
{
    char path[PATH_BYTES], options[3 * PATH_BYTES];
    cleanup_free char *text = NULL;
    cleanup_json cJSON *launch = NULL;
    struct reason reason;
    const char *lower, *volume;
    size_t size;
    int r;

    snprintf(path, sizeof path, "%.400s/launch.json", folder);
    r = file_read(path, JSON_SIZE_MAX, &text, &size);
    if (r < 0)
        return log_fail(r, "read %s", path);
    if (json_parse(text, size, JSON_SIZE_MAX, &launch, &reason) != 0)
        return log_fail(-EINVAL, "%s: %s", path, reason.text);
    lower = json_string(launch, "lower");
    volume = json_string(launch, "volume");
    if (!lower || !volume)
        return log_fail(-EINVAL, "%s", path);
    snprintf(path, sizeof path, "%.400s/upper", volume);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return log_fail(-errno, "make %s", path);
    snprintf(path, sizeof path, "%.400s/work", volume);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return log_fail(-errno, "make %s", path);
    snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, volume, volume);
    if (mkdir(rootfs, 0755) < 0 && errno != EEXIST)
        return log_fail(-errno, "make %s", rootfs);
    if (mount("overlay", rootfs, "overlay", MS_NODEV | MS_NOSUID, options) < 0)
        return log_fail(-errno, "mount the container's root");
    return 0;
}

int launch(const char *folder)
{
    const char *service = strrchr(folder, '/') ? strrchr(folder, '/') + 1 : folder;
    char rootfs[PATH_BYTES];

    log_open("launch");
    snprintf(rootfs, sizeof rootfs, "%.400s/rootfs", folder);
    if (clear_crun("", service) < 0 || clear_mounts(rootfs) < 0 || mount_root(folder, rootfs) < 0)
        return 1;
    if (mkdir(CRUN_ROOT, 0700) < 0 && errno != EEXIST)
        log_fail(-errno, "make %s", CRUN_ROOT);
    execl(CRUN, "crun", "--cgroup-manager=disabled", "--root", CRUN_ROOT, "run", "--bundle", folder, service,
          (char *)NULL);
    log_fail(-errno, "run %s", CRUN);
    return 1;
}

/* ---- its end */

/* The container's first process, by crun's state; 0 when there is none. */
static pid_t first_process(const char *root, const char *service)
{
    char path[PATH_BYTES];
    cleanup_free char *text = NULL;
    cleanup_json cJSON *state = NULL;
    const cJSON *pid;
    size_t size;

    snprintf(path, sizeof path, "%s%s/%.200s/status", root, CRUN_ROOT, service);
    if (file_read(path, STATE_BYTES_MAX, &text, &size) < 0 ||
        json_parse(text, size, STATE_BYTES_MAX, &state, NULL) != 0)
        return 0;
    pid = cJSON_GetObjectItemCaseSensitive(state, "pid");
    return cJSON_IsNumber(pid) && pid->valuedouble > 1 && pid->valuedouble < INT32_MAX ? (pid_t)pid->valuedouble : 0;
}

/* A text in a small file of /proc. */
static char *find_in(pid_t pid, const char *file, const char *what, char **ret_content)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    if (file_read(path, STATE_BYTES_MAX, ret_content, NULL) < 0)
        return NULL;
    return strstr(*ret_content, what);
}

void launch_hasten(const char *root, const char *service)
{
    pid_t pid = first_process(root, service);
    cleanup_close int process = pid ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    cleanup_free char *cgroup = NULL, *status = NULL;
    char *caught;

    /* The number may have been given to another process since: its cgroup tells, and from here on the descriptor holds
     * it. */
    if (process < 0 || !find_in(pid, "cgroup", service, &cgroup))
        return;
    caught = find_in(pid, "status", "SigCgt:", &status);
    if (caught && !(strtoull(caught + strlen("SigCgt:"), NULL, 16) & (1ull << (SIGTERM - 1))))
        syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0);
}

int launch_clear(const struct paths *paths, const char *service, struct reason *reason)
{
    char folder[PATH_BYTES], part[PATH_BYTES], rootfs[PATH_BYTES];

    snprintf(folder, sizeof folder, "%.255s/%.200s", paths->containers, service);
    snprintf(part, sizeof part, "%.255s/.%.200s", paths->containers, service); /* bundle.c's, half written */
    snprintf(rootfs, sizeof rootfs, "%.500s/rootfs", folder);
    if (clear_crun(paths->root, service) < 0 || clear_mounts(rootfs) < 0 || file_remove_tree(part) < 0 ||
        file_remove_tree(folder) < 0)
        return reason_refuse(reason, "container", "what is left of it can't be removed: see the node's log");
    return 0;
}
