/* Named network namespaces (ip-netns(8), setns(2), namespaces(7)). A network namespace is a thread's, not a process's,
 * so a short-lived thread is enough to make one, or to open a socket in one: the socket stays in the namespace where it
 * was opened, and the daemon's thread can use it from outside. */

#include "netd/netns.h"

#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/log.h"
#include "netd/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>

struct job {
    int netns_fd; /* -1: a new namespace */
    int (*work)(void *context);
    void *context;
    int result;
};

static void *run_job(void *argument)
{
    struct job *job = argument;
    int entered = job->netns_fd < 0 ? unshare(CLONE_NEWNET) : setns(job->netns_fd, CLONE_NEWNET);
    job->result = entered < 0 ? log_fail(-errno, "enter a network namespace") : job->work(job->context);
    return NULL;
}

static int run_in_thread(struct job *job)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run_job, job);
    if (error)
        return log_fail(-error, "start a thread");
    pthread_join(thread, NULL);
    return job->result;
}

int netns_run(int netns_fd, int (*work)(void *context), void *context)
{
    struct job job = { .netns_fd = netns_fd, .work = work, .context = context };
    return run_in_thread(&job);
}

void netns_path(const char *name, char ret_path[static NETNS_PATH_BYTES])
{
    snprintf(ret_path, NETNS_PATH_BYTES, "%s/%s", NETNS_FOLDER, name);
}

static int mount_own_namespace(void *path)
{
    if (mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL) < 0)
        return log_fail(-errno, "mount a network namespace on %s", (const char *)path);
    return 0;
}

static bool is_namespace(const char *path)
{
    struct statfs about;
    return statfs(path, &about) == 0 && about.f_type == NSFS_MAGIC;
}

int netns_make(const char *name)
{
    char path[NETNS_PATH_BYTES];
    netns_path(name, path);
    if (is_namespace(path))
        return 0;
    int result = file_make_folders(NETNS_FOLDER, 0755);
    if (result < 0)
        return result;
    cleanup_close int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0400);
    if (fd < 0)
        return log_fail(-errno, "make %s", path);
    struct job job = { .netns_fd = -1, .work = mount_own_namespace, .context = path };
    result = run_in_thread(&job);
    if (result < 0)
        unlink(path);
    return result;
}

int netns_remove(const char *name)
{
    char path[NETNS_PATH_BYTES];
    netns_path(name, path);
    while (is_namespace(path))
        if (umount2(path, MNT_DETACH) < 0)
            return log_fail(-errno, "unmount %s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return log_fail(-errno, "remove %s", path);
    return 0;
}

int netns_open(const char *name)
{
    char path[NETNS_PATH_BYTES];
    netns_path(name, path);
    if (!is_namespace(path))
        return -ENOENT;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? log_fail(-errno, "open %s", path) : fd;
}

static int open_netlink(void *protocol)
{
    return netlink_open(*(int *)protocol);
}

int netns_netlink(int netns_fd, int protocol)
{
    return netns_run(netns_fd, open_netlink, &protocol);
}
