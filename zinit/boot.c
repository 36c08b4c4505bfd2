/* Booting, in two halves with an exec between: until zinit runs from the tmpfs root, its own pages hold the initramfs's
 * copy of it in memory. */

#include "zinit/boot.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "zinit/loop.h"
#include "zinit/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define MOVED_VARIABLE "ZINIT_MOVED" /* set once on the tmpfs root: when the first half began, in ms */
#define HOSTNAME_BYTES_MAX 64        /* Linux's */

static const struct {
    const char *type, *path, *options;
    unsigned long flags;
    bool optional;
} MOUNTS[] = {
    { "proc", "/proc", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV, false },
    { "sysfs", "/sys", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV, false },
    { "devtmpfs", "/dev", "mode=0755", MS_NOSUID, false },
    { "devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666", MS_NOSUID | MS_NOEXEC, false },
    { "tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, false },
    { "mqueue", "/dev/mqueue", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV, true },
    { "tmpfs", "/run", "mode=0755", MS_NOSUID | MS_NODEV, false },
    { "tmpfs", "/tmp", "mode=1777", MS_NOSUID | MS_NODEV, false },
    { "cgroup2", "/sys/fs/cgroup", "nsdelegate,memory_recursiveprot", MS_NOSUID | MS_NOEXEC | MS_NODEV, false },
    { "bpf", "/sys/fs/bpf", "mode=0700", MS_NOSUID | MS_NOEXEC | MS_NODEV, true },
    { "securityfs", "/sys/kernel/security", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV, true },
    { "efivarfs", "/sys/firmware/efi/efivars", NULL, MS_NOSUID | MS_NOEXEC | MS_NODEV, true },
};

static void mount_all(void)
{
    for (size_t i = 0; i < sizeof MOUNTS / sizeof MOUNTS[0]; i++) {
        mkdir(MOUNTS[i].path, 0755);
        if (mount(MOUNTS[i].type, MOUNTS[i].path, MOUNTS[i].type, MOUNTS[i].flags, MOUNTS[i].options) == 0)
            continue;
        if (errno != EBUSY && !MOUNTS[i].optional)
            log_fail(-errno, "mount %s", MOUNTS[i].path);
    }
    /* So that a service in a mount namespace of its own (read_only) sees what is mounted later, and holds nothing busy
     * that is unmounted. */
    if (mount(NULL, "/", NULL, MS_SHARED | MS_REC, NULL) < 0)
        log_fail(-errno, "share the mounts");
}

static void link_devices(void)
{
    static const char *const links[][2] = {
        { "/proc/self/fd", "/dev/fd" },
        { "/proc/self/fd/0", "/dev/stdin" },
        { "/proc/self/fd/1", "/dev/stdout" },
        { "/proc/self/fd/2", "/dev/stderr" },
    };

    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (symlink(links[i][0], links[i][1]) < 0 && errno != EEXIST)
            log_fail(-errno, "make %s", links[i][1]);
}

/* The initramfs may have had no console node, in which case nothing of this process was heard yet. */
static void open_console(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);

    if (fd < 0)
        return;
    for (int number = 0; number <= 2; number++)
        if (fd != number)
            dup2(fd, number);
    if (fd > 2)
        close(fd);
}

bool boot_word(const char *key, char *ret_word, size_t size)
{
    cleanup_free char *line = NULL;
    const char *found = NULL, *from;
    size_t length;

    if (file_read("/proc/cmdline", 16384, &line, NULL) != 0)
        return false;
    for (from = line; (from = strstr(from, key)); from += strlen(key))
        if (from == line || from[-1] == ' ')
            found = from + strlen(key);
    length = found ? strcspn(found, " \t\r\n") : 0;
    if (!found || length >= size)
        return false;
    memcpy(ret_word, found, length);
    ret_word[length] = '\0';
    return true;
}

/* The word behind zos.hostname= on the kernel's command line, or the content of /etc/hostname. */
static void set_hostname(void)
{
    char word[HOSTNAME_BYTES_MAX + 1];
    cleanup_free char *file = NULL;
    const char *name = NULL;
    size_t size;

    if (boot_word("zos.hostname=", word, sizeof word))
        name = word;
    else if (file_read("/etc/hostname", 4096, &file, NULL) == 0)
        name = file;
    size = name ? strcspn(name, " \t\r\n") : 0;
    if (size > 0 && size <= HOSTNAME_BYTES_MAX && sethostname(name, size) < 0)
        log_fail(-errno, "set the host name");
}

static bool is_initramfs(void)
{
    struct statfs fs;

    return statfs("/", &fs) == 0 && (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC);
}

static void leave_initramfs(char **argv, uint64_t began_ms)
{
    char value[24];

    if (!is_initramfs() || root_move() < 0)
        return;
    snprintf(value, sizeof value, "%llu", (unsigned long long)began_ms);
    setenv(MOVED_VARIABLE, value, 1);
    execv("/init", argv);
    execv("/bin/zinit", argv);
    unsetenv(MOVED_VARIABLE); /* nothing is lost but the memory of one copy */
}

uint64_t boot_machine(char **argv)
{
    const char *moved = getenv(MOVED_VARIABLE);
    uint64_t began_ms = moved ? strtoull(moved, NULL, 10) : loop_now_ms();

    umask(022);
    if (!moved)
        leave_initramfs(argv, began_ms);
    unsetenv(MOVED_VARIABLE);
    prctl(PR_SET_NAME, "zinit"); /* the kernel called it by the link's name, init */
    mount_all();
    open_console();
    link_devices();
    set_hostname();
    setsid();
    if (reboot(RB_DISABLE_CAD) < 0) /* Ctrl-Alt-Del becomes SIGINT: an orderly reboot */
        log_fail(-errno, "take over Ctrl-Alt-Del");
    return began_ms;
}
