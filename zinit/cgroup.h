#pragma once

/* A control group (v2) per service, /sys/fs/cgroup/zinit/<name>: it holds the limits, and everything that the service
 * forks is found and killed through it. Where there is none, all of this does nothing and the process group serves. */

#include "zinit/unit.h"

#include <sys/types.h>

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CGROUP_ZINIT CGROUP_ROOT "/zinit"

/* Makes the group of groups and hands the controllers down. True when control groups can be used: cgroup_is_used. */
bool cgroup_open_all(void);

bool cgroup_is_used(void);

/* Makes the service's group, sets memory and pids limits, and gives its folder's descriptor (-1 when control groups
 * aren't used), which is the caller's. 0, or negative errno, logged. */
int cgroup_open(const char *name, const struct unit_limits *limits, int *ret_fd);
/* A group for a process whose own group could hold it up until its program begins: a descriptor as cgroup_open's. One
 * process at a time is started there, and cgroup_settle moves it on. */
int cgroup_open_antechamber(int *ret_fd);
/* Moves what is in there, the process and what it forked since, into the service's group, whatever its limits. */
void cgroup_settle(const char *name);
/* Sets the CPU limit: after the process began, since zinit waits for its exec. */
void cgroup_limit_cpu(const char *name, int64_t cpu_milli);
/* Kills all that is in it. False when there is no such group. */
bool cgroup_kill(const char *name);
/* Removes it; 0, or -EBUSY while something still ends in there. */
int cgroup_remove(const char *name);
/* How often its own limit left it without memory, and how many of its processes the kernel has killed for want of
 * memory, its own or the machine's (memory.events of cgroup-v2.rst). */
struct cgroup_ooms {
    int64_t limit, kills;
};
struct cgroup_ooms cgroup_ooms(const char *name);
/* Whether the process is in it, or in a group below it. */
bool cgroup_has(const char *name, pid_t pid);
