/* Control groups, by the files of the kernel's Documentation/admin-guide/cgroup-v2.rst. */

#include "zinit/cgroup.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define CPU_PERIOD_US 100000 /* the kernel's default */
#define ANTECHAMBER ".begin" /* no service's name begins so */
#define LOOKS 16
#define PIDS_BYTES_MAX 65536
#define DEPTH_MAX 8 /* of groups within a service's that are cleared away */

static bool cgroup_used;

static int write_text(const char *path, const char *text)
{
    cleanup_close int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        return -errno;
    return 0;
}

static void make_path(char path[static 256], const char *name, const char *file)
{
    snprintf(path, 256, CGROUP_ZINIT "/%.127s%s%s", name, *file ? "/" : "", file);
}

/* Each by itself: a kernel may lack one. */
static void hand_down(const char *group)
{
    static const char *const controllers[] = { "+cpu", "+memory", "+pids", "+io", "+cpuset" };
    char path[256];

    snprintf(path, sizeof path, "%s/cgroup.subtree_control", group);
    for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++)
        if (write_text(path, controllers[i]) < 0 && i < 3)
            log_warning("%s: controller %s isn't there: its limit isn't kept", group, controllers[i] + 1);
}

bool cgroup_open_all(void)
{
    struct statfs fs;

    if (statfs(CGROUP_ROOT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC)
        return false;
    if (mkdir(CGROUP_ZINIT, 0755) < 0 && errno != EEXIST)
        return false;
    hand_down(CGROUP_ROOT);
    hand_down(CGROUP_ZINIT);
    cgroup_used = true;
    return true;
}

bool cgroup_is_used(void)
{
    return cgroup_used;
}

static int limit(const char *name, const char *file, const char *value)
{
    char path[256];
    int error;

    make_path(path, name, file);
    error = write_text(path, value);
    return error ? log_fail(error, "%s: %s", path, value) : 0;
}

static int limit_number(const char *name, const char *file, int64_t number)
{
    char value[32];

    snprintf(value, sizeof value, "%" PRId64, number);
    return limit(name, file, value);
}

/* One that has ended meanwhile is no error. */
static void move(const char *name, const char *pid)
{
    char path[256];
    int error;

    make_path(path, name, "cgroup.procs");
    error = write_text(path, pid);
    if (error && error != -ESRCH)
        log_fail(error, "%s: %s", path, pid);
}

static int set_limits(const char *name, const struct unit_limits *limits)
{
    int error = 0;

    if (limits->memory_bytes > 0) {
        error = limit_number(name, "memory.max", limits->memory_bytes);
        if (!error)
            error = limit(name, "memory.oom.group", "1"); /* half a service is no service */
    }
    if (!error && limits->pids > 0)
        error = limit_number(name, "pids.max", limits->pids);
    return error;
}

int cgroup_open(const char *name, const struct unit_limits *limits, int *ret_fd)
{
    char path[256];
    int fd, error;

    *ret_fd = -1;
    if (!cgroup_used)
        return 0;
    make_path(path, name, "");
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        return log_fail(-errno, "make %s", path);
    if (limits->cpu_milli > 0)
        limit(name, "cpu.max", "max"); /* of the last process, when what it left behind hasn't ended yet */
    error = set_limits(name, limits);
    if (error)
        return error;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return log_fail(-errno, "open %s", path);
    *ret_fd = fd;
    return 0;
}

int cgroup_open_antechamber(int *ret_fd)
{
    return cgroup_open(ANTECHAMBER, &(struct unit_limits){ 0 }, ret_fd);
}

/* Each look may miss what was forked meanwhile, by a process that has been moved by then: a few looks see all but a
 * bomb, which is killed. */
void cgroup_settle(const char *name)
{
    char path[256];

    make_path(path, ANTECHAMBER, "cgroup.procs");
    for (int i = 0; cgroup_used && i < LOOKS; i++) {
        cleanup_free char *pids = NULL;
        char *pid, *rest;
        if (file_read(path, PIDS_BYTES_MAX, &pids, NULL) || !*pids)
            return;
        rest = pids;
        while ((pid = strsep(&rest, "\n")))
            if (*pid)
                move(name, pid);
    }
    cgroup_kill(ANTECHAMBER);
}

void cgroup_limit_cpu(const char *name, int64_t cpu_milli)
{
    char value[64];

    if (!cgroup_used || cpu_milli <= 0)
        return;
    snprintf(value, sizeof value, "%" PRId64 " %d", cpu_milli * (CPU_PERIOD_US / 1000), CPU_PERIOD_US);
    limit(name, "cpu.max", value);
}

bool cgroup_kill(const char *name)
{
    char path[256];

    if (!cgroup_used)
        return false;
    make_path(path, name, "cgroup.kill");
    return write_text(path, "1") == 0;
}

/* Removes the group of that name in `dir_fd` with those that a container made below it. */
static int remove_below(int dir_fd, const char *name, int depth)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *group = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!group && fd >= 0)
        close(fd);
    while (group && depth > 0 && (entry = readdir(group)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            remove_below(dirfd(group), entry->d_name, depth - 1);
    if (group)
        closedir(group);
    return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_remove(const char *name)
{
    char path[256];

    if (!cgroup_used)
        return 0;
    make_path(path, name, "");
    if (rmdir(path) == 0 || errno == ENOENT)
        return 0;
    return remove_below(AT_FDCWD, path, DEPTH_MAX);
}

static int64_t find_count(const char *text, const char *name)
{
    size_t size = strlen(name);

    for (; text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL)
        if (strncmp(text, name, size) == 0 && text[size] == ' ')
            return strtoll(text + size + 1, NULL, 10);
    return 0;
}

struct cgroup_ooms cgroup_ooms(const char *name)
{
    char path[256];
    cleanup_free char *text = NULL;

    make_path(path, name, "memory.events");
    if (!cgroup_used || file_read(path, 4096, &text, NULL))
        return (struct cgroup_ooms){ 0 };
    return (struct cgroup_ooms){ .limit = find_count(text, "oom"), .kills = find_count(text, "oom_kill") };
}

bool cgroup_has(const char *name, pid_t pid)
{
    char path[64], wanted[UNIT_NAME_BYTES_MAX + 16];
    cleanup_free char *text = NULL;
    size_t size;

    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    if (file_read(path, 4096, &text, NULL))
        return false;
    size = (size_t)snprintf(wanted, sizeof wanted, "0::/zinit/%s", name);
    return strncmp(text, wanted, size) == 0 && (text[size] == '\n' || text[size] == '/');
}
