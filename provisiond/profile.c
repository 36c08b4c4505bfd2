/* A container is root in its own namespaces, without a user namespace: so what it could reach the kernel or the node
 * with is taken away. Capabilities are Docker's default (docs.docker.com/engine/security) without MKNOD, NET_RAW and
 * SETFCAP: no device nodes, and no forged frames on a bridge that it shares with others. System calls are what Docker's
 * profile denies to such a set of capabilities; anything unknown to libseccomp is passed over by crun. */

#include "provisiond/profile.h"

#include <stddef.h>

#define COUNT(array) (int)(sizeof(array) / sizeof *(array))
#define ENOSYS_NUMBER 38
#define EPERM_NUMBER 1

static const char *const CAPABILITIES[] = {
    "CAP_AUDIT_WRITE",      "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID",     "CAP_KILL",
    "CAP_NET_BIND_SERVICE", "CAP_SETGID", "CAP_SETPCAP",      "CAP_SETUID", "CAP_SYS_CHROOT",
};

static const char *const DENIED_CALLS[] = {
    "_sysctl",
    "acct",
    "add_key",
    "adjtimex",
    "afs_syscall",
    "bdflush",
    "bpf",
    "clock_adjtime",
    "clock_settime",
    "create_module",
    "delete_module",
    "fanotify_init",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "get_kernel_syms",
    "get_mempolicy",
    "init_module",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "ioperm",
    "iopl",
    "kcmp",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "lookup_dcookie",
    "mbind",
    "migrate_pages",
    "mount",
    "mount_setattr",
    "move_mount",
    "move_pages",
    "name_to_handle_at",
    "nfsservctl",
    "open_by_handle_at",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "process_vm_readv",
    "process_vm_writev",
    "query_module",
    "quotactl",
    "quotactl_fd",
    "reboot",
    "request_key",
    "set_mempolicy",
    "setdomainname",
    "sethostname",
    "setns",
    "settimeofday",
    "stime",
    "swapoff",
    "swapon",
    "syslog",
    "umount",
    "umount2",
    "unshare",
    "uselib",
    "userfaultfd",
    "ustat",
    "vhangup",
    "vm86",
    "vm86old",
};

/* clone(2)'s flags that make namespaces: NEWTIME isn't reachable by clone. */
static const double NAMESPACE_FLAGS[] = { 0x00020000, 0x02000000, 0x04000000, 0x08000000,
                                          0x10000000, 0x20000000, 0x40000000 };

static const char *const MASKED[] = { "/proc/acpi",       "/proc/asound",        "/proc/kcore",
                                      "/proc/keys",       "/proc/latency_stats", "/proc/scsi",
                                      "/proc/timer_list", "/proc/timer_stats",   "/proc/sched_debug",
                                      "/proc/interrupts", "/sys/firmware",       "/sys/devices/virtual/powercap" };
static const char *const READONLY[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

static const struct {
    const char *target, *type, *source;
    const char *options[8];
} MOUNTS[] = {
    { "/proc", "proc", "proc", { "nosuid", "noexec", "nodev" } },
    { "/dev", "tmpfs", "tmpfs", { "nosuid", "strictatime", "mode=755", "size=65536k" } },
    { "/dev/pts", "devpts", "devpts", { "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5" } },
    { "/dev/shm", "tmpfs", "shm", { "nosuid", "noexec", "nodev", "mode=1777", "size=65536k" } },
    { "/dev/mqueue", "mqueue", "mqueue", { "nosuid", "noexec", "nodev" } },
    { "/sys", "sysfs", "sysfs", { "nosuid", "noexec", "nodev", "ro" } },
};

cJSON *profile_capabilities(void)
{
    static const char *const SETS[] = { "bounding", "effective", "permitted" };
    cJSON *object = cJSON_CreateObject();

    for (int i = 0; i < COUNT(SETS); i++)
        cJSON_AddItemToObject(object, SETS[i], cJSON_CreateStringArray(CAPABILITIES, COUNT(CAPABILITIES)));
    return object;
}

static cJSON *denied(const char *const *names, int count, int error)
{
    cJSON *rule = cJSON_CreateObject();

    cJSON_AddItemToObject(rule, "names", cJSON_CreateStringArray(names, count));
    cJSON_AddStringToObject(rule, "action", "SCMP_ACT_ERRNO");
    cJSON_AddNumberToObject(rule, "errnoRet", error);
    return rule;
}

cJSON *profile_seccomp(void)
{
    static const char *const ARCHITECTURES[] = { "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32" };
    static const char *const CLONE[] = { "clone" }, *const CLONE3[] = { "clone3" };
    cJSON *object = cJSON_CreateObject(), *rules;

    cJSON_AddStringToObject(object, "defaultAction", "SCMP_ACT_ALLOW");
    cJSON_AddItemToObject(object, "architectures", cJSON_CreateStringArray(ARCHITECTURES, COUNT(ARCHITECTURES)));
    rules = cJSON_AddArrayToObject(object, "syscalls");
    cJSON_AddItemToArray(rules, denied(DENIED_CALLS, COUNT(DENIED_CALLS), EPERM_NUMBER));
    /* Its flags lie in memory, where a filter can't look: the C libraries fall back to clone. */
    cJSON_AddItemToArray(rules, denied(CLONE3, 1, ENOSYS_NUMBER));
    for (int i = 0; i < COUNT(NAMESPACE_FLAGS); i++) {
        cJSON *rule = denied(CLONE, 1, EPERM_NUMBER), *argument = cJSON_CreateObject();
        cJSON_AddNumberToObject(argument, "index", 0);
        cJSON_AddNumberToObject(argument, "value", NAMESPACE_FLAGS[i]);
        cJSON_AddNumberToObject(argument, "valueTwo", NAMESPACE_FLAGS[i]);
        cJSON_AddStringToObject(argument, "op", "SCMP_CMP_MASKED_EQ");
        cJSON_AddItemToArray(cJSON_AddArrayToObject(rule, "args"), argument);
        cJSON_AddItemToArray(rules, rule);
    }
    return object;
}

cJSON *profile_mounts(void)
{
    cJSON *list = cJSON_CreateArray();

    for (int i = 0; i < COUNT(MOUNTS); i++) {
        cJSON *mount = cJSON_CreateObject();
        int count = 0;
        while (count < COUNT(MOUNTS[i].options) && MOUNTS[i].options[count])
            count++;
        cJSON_AddStringToObject(mount, "destination", MOUNTS[i].target);
        cJSON_AddStringToObject(mount, "type", MOUNTS[i].type);
        cJSON_AddStringToObject(mount, "source", MOUNTS[i].source);
        cJSON_AddItemToObject(mount, "options", cJSON_CreateStringArray(MOUNTS[i].options, count));
        cJSON_AddItemToArray(list, mount);
    }
    return list;
}

cJSON *profile_masked_paths(void)
{
    return cJSON_CreateStringArray(MASKED, COUNT(MASKED));
}

cJSON *profile_readonly_paths(void)
{
    return cJSON_CreateStringArray(READONLY, COUNT(READONLY));
}
