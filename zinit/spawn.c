/* Spawning: clone3 puts the child into its control group from its first instruction. CLONE_VFORK holds zinit until the
 * child has executed its program or failed at it, so that "can't be executed" is known at once; the error comes over a
 * close-on-exec pipe. Without CLONE_VM the child has memory of its own, so that plain C is safe in it.
 *
 * No pidfd is kept: zinit is the parent, and one waitid loop is the only reaper, so that a pid is valid until that loop
 * says otherwise. */

#include "zinit/spawn.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int place_output(int output_fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return -1;
    if (output_fd < 0)
        output_fd = null;
    if (dup2(null, STDIN_FILENO) < 0 || dup2(output_fd, STDOUT_FILENO) < 0 || dup2(output_fd, STDERR_FILENO) < 0)
        return -1;
    return 0;
}

/* dup2 onto itself would leave close-on-exec set. */
static int place_ready(int ready_fd)
{
    if (ready_fd < 0)
        return 0;
    if (ready_fd == SPAWN_READY_FD)
        return fcntl(ready_fd, F_SETFD, 0);
    return dup2(ready_fd, SPAWN_READY_FD) < 0 ? -1 : 0;
}

static void set_oom_score(int score)
{
    char text[16];
    int fd = score ? open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    snprintf(text, sizeof text, "%d", score);
    if (write(fd, text, strlen(text)) < 0)
        errno = 0; /* it starts all the same */
    close(fd);
}

/* The step that fails leaves errno. */
static enum confine_step prepare(const struct spawn *spawn, int output_fd, int ready_fd)
{
    static const struct unit unconfined;
    const struct unit *unit = spawn->unit ? spawn->unit : &unconfined;
    enum confine_step step = CONFINE_OUTPUT;

    if (place_output(output_fd) == 0 && place_ready(ready_fd) == 0 && confine(unit, &step) == 0) {
        step = CONFINE_EXEC;
        execvpe(spawn->argv[0], spawn->argv, spawn->env);
    }
    return step;
}

/* In the child. The pipe is moved out of the way of descriptors 0 to 3 first, as are the two that come from outside. */
static _Noreturn void become(const struct spawn *spawn, int failure_fd)
{
    int output_fd = spawn->output_fd < 0 ? -1 : fcntl(spawn->output_fd, F_DUPFD_CLOEXEC, 10);
    int ready_fd = spawn->ready_fd < 0 ? -1 : fcntl(spawn->ready_fd, F_DUPFD_CLOEXEC, 10);
    struct spawn_failure failure = { 0 };

    failure_fd = fcntl(failure_fd, F_DUPFD_CLOEXEC, 10);
    reset_signals();
    set_oom_score(spawn->oom_score);
    setsid();
    failure.step = prepare(spawn, output_fd, ready_fd);
    failure.error = errno;
    if (write(failure_fd, &failure, sizeof failure) < 0)
        _exit(126);
    _exit(127);
}

static pid_t clone_into(int cgroup_fd)
{
    struct clone_args arguments = {
        .flags = CLONE_VFORK | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
        .exit_signal = SIGCHLD,
        .cgroup = cgroup_fd >= 0 ? (__u64)cgroup_fd : 0,
    };

    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

/* For kernels without clone3, or that refuse it (seccomp): the child moves itself. */
static pid_t fork_into(int cgroup_fd)
{
    pid_t pid = fork();

    if (pid == 0 && cgroup_fd >= 0) {
        int procs = openat(cgroup_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        if (procs < 0 || write(procs, "0", 1) < 0)
            _exit(126);
        close(procs);
    }
    return pid;
}

/* What went wrong in the child; false when its program began. */
static bool read_failure(int fd, struct spawn_failure *ret_failure)
{
    ssize_t size;

    do {
        size = read(fd, ret_failure, sizeof *ret_failure);
    } while (size < 0 && errno == EINTR);
    return size == sizeof *ret_failure;
}

/* Whether it may work another time. */
static bool is_passing(int error)
{
    return error == ENOMEM || error == EAGAIN || error == EMFILE || error == ENFILE || error == ETXTBSY;
}

int spawn_process(const struct spawn *spawn, pid_t *ret_pid, struct spawn_failure *ret_failure)
{
    cleanup_close int reader = -1, writer = -1;
    struct spawn_failure failure;
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    reader = ends[0];
    writer = ends[1];
    pid = clone_into(spawn->cgroup_fd);
    if (pid < 0 && (errno == ENOSYS || errno == EPERM || errno == EINVAL))
        pid = fork_into(spawn->cgroup_fd);
    if (pid == 0)
        become(spawn, writer);
    if (pid < 0)
        return -errno;
    close(steal_fd(&writer));
    if (!read_failure(reader, &failure)) {
        *ret_pid = pid;
        return 0;
    }
    waitpid(pid, NULL, 0);
    if (is_passing(failure.error))
        return -failure.error;
    *ret_failure = failure;
    return SPAWN_NEVER;
}
