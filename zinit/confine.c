/* Confining, by capabilities(7), credentials(7) and mount_namespaces(7). The order matters: limits and
 * mounts want privileges, bounding wants CAP_SETPCAP, and a change of user takes the rest away.
 *
 * read_only is systemd's ProtectSystem=strict: every mount is read-only but those of /dev, /proc and /sys, which are
 * guarded by their owners, and what `writable` names. The namespace follows zinit's: what is mounted or unmounted there
 * later is here too, so that a confined service holds no disk busy. */

#include "zinit/confine.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/mount.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define NOFILE_SOFT 1024 /* what programs that use select(2) expect */
#define GROUPS_MAX 256

/* ---- descriptors */

static int limit_nofile(const struct unit *unit)
{
    rlim_t wanted = (rlim_t)unit->limits.nofile;
    struct rlimit limit;

    if (wanted > 0) {
        limit = (struct rlimit){ wanted, wanted };
        return setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > NOFILE_SOFT) {
        limit.rlim_cur = NOFILE_SOFT;
        return setrlimit(RLIMIT_NOFILE, &limit);
    }
    return 0;
}

/* ---- mounts */

static int set_read_only(const char *path, bool read_only)
{
    struct mount_attr attributes = { .attr_set = read_only ? MOUNT_ATTR_RDONLY : 0,
                                     .attr_clr = read_only ? 0 : MOUNT_ATTR_RDONLY };

    return (int)syscall(SYS_mount_setattr, AT_FDCWD, path, AT_RECURSIVE, &attributes, sizeof attributes);
}

/* A path becomes a mount of its own, so that it can be told from what it lies in. */
static int make_mount(const char *path)
{
    return mount(path, path, NULL, MS_BIND | MS_REC, NULL);
}

static int confine_mounts(const struct unit *unit, enum confine_step *ret_step)
{
    static const char *const free_ones[] = { "/dev", "/proc", "/sys" };

    *ret_step = CONFINE_READ_ONLY;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0)
        return -1;
    *ret_step = CONFINE_WRITABLE;
    for (char **path = unit->writable; path && *path; path++)
        if (make_mount(*path) < 0)
            return -1;
    *ret_step = CONFINE_READ_ONLY;
    if (set_read_only("/", true) < 0)
        return -1;
    for (size_t i = 0; i < sizeof free_ones / sizeof free_ones[0]; i++)
        if (set_read_only(free_ones[i], false) < 0 && errno != EINVAL && errno != ENOENT) /* EINVAL: no mount */
            return -1;
    *ret_step = CONFINE_WRITABLE;
    for (char **path = unit->writable; path && *path; path++)
        if (set_read_only(*path, false) < 0)
            return -1;
    return 0;
}

/* ---- user */

struct identity {
    uid_t uid;
    gid_t gid;
    const char *name; /* NULL: it has none, and no further groups */
};

static bool parse_id(const char *text, unsigned *ret_id)
{
    char *end;
    unsigned long id = strtoul(text, &end, 10);

    if (*text < '0' || *text > '9' || *end || id >= UINT32_MAX)
        return false;
    *ret_id = (unsigned)id;
    return true;
}

/* A number needs no file; its group is that of /etc/passwd, or has the same number. */
static int find_user(const char *text, struct identity *ret_identity)
{
    unsigned id;
    const struct passwd *entry = getpwnam(text);

    if (!entry && parse_id(text, &id)) {
        entry = getpwuid(id);
        *ret_identity = (struct identity){ .uid = id, .gid = id };
    } else if (!entry) {
        errno = ENOENT;
        return -1;
    }
    if (entry)
        *ret_identity = (struct identity){ entry->pw_uid, entry->pw_gid, entry->pw_name };
    return 0;
}

static int find_group(const char *text, gid_t *ret_gid)
{
    unsigned id;
    const struct group *entry = getgrnam(text);

    if (!entry && !parse_id(text, &id)) {
        errno = ENOENT;
        return -1;
    }
    *ret_gid = entry ? entry->gr_gid : id;
    return 0;
}

static int find_identity(const char *user, struct identity *ret_identity)
{
    char name[160];
    char *group;

    snprintf(name, sizeof name, "%s", user);
    group = strchr(name, ':');
    if (group)
        *group++ = '\0';
    if (find_user(name, ret_identity) < 0)
        return -1;
    return group ? find_group(group, &ret_identity->gid) : 0;
}

/* So that it can open /dev/stderr, which is the pipe to zinit. */
static int give_output(uid_t uid)
{
    struct stat status;

    if (fstat(STDOUT_FILENO, &status) < 0 || !S_ISFIFO(status.st_mode))
        return 0;
    return fchown(STDOUT_FILENO, uid, (gid_t)-1);
}

static int become_user(const struct identity *identity)
{
    gid_t groups[GROUPS_MAX] = { identity->gid };
    int count = GROUPS_MAX;

    if (!identity->name)
        count = 1;
    else if (getgrouplist(identity->name, identity->gid, groups, &count) < 0)
        count = GROUPS_MAX; /* the first of them */
    if (setgroups((size_t)count, groups) < 0 || setresgid(identity->gid, identity->gid, identity->gid) < 0)
        return -1;
    return setresuid(identity->uid, identity->uid, identity->uid);
}

/* ---- capabilities */

/* What isn't in the bounding set can't come back by executing anything. */
static int bound(uint64_t kept)
{
    for (unsigned number = 0; number < 64; number++) {
        if (prctl(PR_CAPBSET_READ, number) < 0) /* the kernel knows no more */
            break;
        if (!(kept >> number & 1) && prctl(PR_CAPBSET_DROP, number) < 0)
            return -1;
    }
    return 0;
}

/* Root gets at execution what the bounding set holds; another user needs them in the ambient set. */
static int keep(uint64_t kept, bool root)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct sets[2];

    for (int i = 0; i < 2; i++) {
        uint32_t half = (uint32_t)(kept >> (32 * i));
        sets[i] = (struct __user_cap_data_struct){ half, half, root ? 0 : half };
    }
    if (syscall(SYS_capset, &header, sets) < 0)
        return -1;
    for (int number = 0; !root && number < 64; number++)
        if ((kept >> number & 1) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
            return -1;
    return 0;
}

/* The kernel's own reckoning serves when the unit says nothing: root keeps all, another user none. */
static int confine_user(const struct unit *unit, enum confine_step *ret_step)
{
    struct identity identity = { .uid = 0 };

    *ret_step = CONFINE_USER;
    if (unit->user && find_identity(unit->user, &identity) < 0)
        return -1;
    *ret_step = CONFINE_CAPABILITIES;
    if (unit->capabilities_given && (bound(unit->capabilities) < 0 || prctl(PR_SET_KEEPCAPS, 1) < 0))
        return -1;
    *ret_step = CONFINE_USER;
    if (unit->user && (give_output(identity.uid) < 0 || become_user(&identity) < 0))
        return -1;
    *ret_step = CONFINE_CAPABILITIES;
    return unit->capabilities_given ? keep(unit->capabilities, identity.uid == 0) : 0;
}

/* ---- the whole */

int confine(const struct unit *unit, enum confine_step *ret_step)
{
    *ret_step = CONFINE_NOFILE;
    if (limit_nofile(unit) < 0)
        return -1;
    if (unit->read_only && confine_mounts(unit, ret_step) < 0)
        return -1;
    if ((unit->user || unit->capabilities_given) && confine_user(unit, ret_step) < 0)
        return -1;
    *ret_step = CONFINE_NO_NEW_PRIVS;
    if (unit->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -1;
    *ret_step = CONFINE_DIR;
    return chdir(unit->dir ? unit->dir : "/");
}

void confine_describe(const struct unit *unit, const char *program, enum confine_step step, int error, char *text,
                      size_t size)
{
    static const char *const names[] = {
        [CONFINE_OUTPUT] = "its output",
        [CONFINE_NOFILE] = "limits.nofile",
        [CONFINE_READ_ONLY] = "read_only",
        [CONFINE_WRITABLE] = "writable",
        [CONFINE_USER] = "user",
        [CONFINE_CAPABILITIES] = "capabilities",
        [CONFINE_NO_NEW_PRIVS] = "no_new_privs",
        [CONFINE_DIR] = "dir",
    };
    const char *value = step == CONFINE_USER ? unit->user : step == CONFINE_DIR ? unit->dir : NULL;
    const char *what = strerror(error);

    if (step == CONFINE_USER && error == ENOENT)
        what = "there is no such user or group";
    if (step == CONFINE_EXEC)
        snprintf(text, size, "can't execute %.128s: %s", program, what);
    else
        snprintf(text, size, "can't set up %s%s%.100s: %s", names[step], value ? " " : "", value ? value : "", what);
}
