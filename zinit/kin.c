/* Finding a service's processes. Where there are no control groups this reads /proc: the list of zinit's own children
 * first (proc_pid_task_children(5)), so that nothing is looked at while there is none that zinit doesn't know. */

#include "zinit/kin.h"

#include "zinit/cgroup.h"
#include "zinit/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEPTH_MAX 32 /* of a tree that is stopped before it is killed */
#define CHILDREN_BYTES 2048
#define ENVIRON_BYTES_MAX (128 * 1024) /* of a process's environment that is searched */

/* ---- /proc */

static int open_proc(pid_t pid, const char *file)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* Of NAME=value, NUL and all, in the environment that the process was executed with. It is read in pieces that overlap,
 * so that a hit over their border is found. */
static bool has_variable(pid_t pid, const char *variable)
{
    char piece[4096];
    size_t kept = 0, size = strlen(variable) + 1, total = 0;
    bool found = false;
    int fd = open_proc(pid, "environ");

    while (fd >= 0 && !found && total < ENVIRON_BYTES_MAX) {
        ssize_t count = read(fd, piece + kept, sizeof piece - kept);
        if (count <= 0)
            break;
        total += (size_t)count;
        kept += (size_t)count;
        found = memmem(piece, kept, variable, size) != NULL;
        if (kept >= size) {
            memmove(piece, piece + kept - size + 1, size - 1);
            kept = size - 1;
        }
    }
    if (fd >= 0)
        close(fd);
    return found;
}

static pid_t parent_of(pid_t pid)
{
    char text[512];
    const char *rest;
    int fd = open_proc(pid, "stat"), parent = 0;
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = '\0';
    rest = strrchr(text, ')'); /* behind the name, which may hold anything */
    return rest && sscanf(rest, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* Calls for each child of the process (of the thread that leads it). */
static void each_child(pid_t pid, void (*on_child)(pid_t child, void *context), void *context)
{
    char text[CHILDREN_BYTES], file[40], *from, *end;
    size_t kept = 0;
    ssize_t size;
    int fd;

    snprintf(file, sizeof file, "task/%d/children", (int)pid);
    fd = open_proc(pid, file);
    while (fd >= 0 && (size = read(fd, text + kept, sizeof text - 1 - kept)) > 0) {
        text[kept + (size_t)size] = '\0';
        for (from = text; (end = strchr(from, ' ')); from = end + 1)
            on_child((pid_t)strtol(from, NULL, 10), context);
        kept = strlen(from);
        memmove(text, from, kept + 1);
    }
    if (fd >= 0)
        close(fd);
}

/* ---- without control groups */

static bool is_marked(const struct service *service, pid_t pid)
{
    char variable[sizeof KIN_VARIABLE + UNIT_NAME_BYTES_MAX];

    if (service->session > 0 && (getsid(pid) == service->session || getpgid(pid) == service->session))
        return true;
    snprintf(variable, sizeof variable, KIN_VARIABLE "=%s", service->unit.name);
    return has_variable(pid, variable);
}

struct tree {
    unsigned depth;
};

/* Stopped, it forks no more while its children are looked for. */
static void kill_tree(pid_t pid, void *context)
{
    struct tree below = { ((struct tree *)context)->depth + 1 };

    kill(pid, SIGSTOP);
    if (below.depth < DEPTH_MAX)
        each_child(pid, kill_tree, &below);
    kill(pid, SIGKILL);
}

struct search {
    struct service *service;
    bool found;
};

static void on_own_child(pid_t pid, void *context)
{
    struct search *search = context;
    struct tree root = { 0 };

    if (children_awaits(&search->service->supervisor->children, pid) || !is_marked(search->service, pid))
        return;
    search->found = true;
    kill_tree(pid, &root);
}

/* ---- both ways */

bool kin_kill(struct service *service)
{
    struct search search = { .service = service };

    if (cgroup_is_used()) {
        cgroup_kill(service->unit.name);
        return cgroup_remove(service->unit.name) < 0;
    }
    each_child(getpid(), on_own_child, &search);
    return search.found;
}

void kin_kill_all(struct service *service)
{
    struct tree root = { 0 };

    if (!cgroup_kill(service->unit.name)) {
        if (service->pid > 0)
            kill_tree(service->pid, &root);
        kin_kill(service);
    }
    if (service->pid > 0)
        kill(service->pid, SIGKILL);
}

bool kin_linger(struct service *service)
{
    return cgroup_is_used() ? cgroup_remove(service->unit.name) < 0 : kin_kill(service);
}

bool kin_has(const struct service *service, pid_t pid)
{
    if (cgroup_is_used())
        return cgroup_has(service->unit.name, pid);
    for (int depth = 0; pid > 1 && pid != getpid() && depth < DEPTH_MAX; depth++, pid = parent_of(pid))
        if (pid == service->pid || is_marked(service, pid))
            return true;
    return false;
}
