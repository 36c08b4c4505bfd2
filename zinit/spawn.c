/* Spawning: zinit is held until the child has executed its program or failed at it (clone.c), so that "can't be
 * executed" is known at once; the error comes over a close-on-exec pipe. What is confined is set up by plain C, in
 * memory of its own; all else needs system calls alone, and shares zinit's memory until its program begins.
 *
 * No pidfd is kept: zinit is the parent, and one waitid loop is the only reaper, so that a pid is valid until that loop
 * says otherwise. */

#include "zinit/spawn.h"

#include "lib/cleanup.h"
#include "zinit/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a child is told. */
struct birth {
    const struct spawn *spawn;
    int failure_fd;
};

static sigset_t ignored; /* signals that zinit ignores */

/* What is handled has its default action once a program is executed; what is ignored would stay so. */
static void reset_signals(void)
{
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        if (sigismember(&ignored, number) == 1)
            signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Once, since it doesn't change: by zinit itself, and by who started it. */
static void find_ignored(void)
{
    static bool found;
    struct sigaction action;

    for (int number = 1; !found && number < NSIG; number++)
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            sigaddset(&ignored, number);
    found = true;
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

/* Moves a descriptor out of the way of 0 to 3; -1, and nothing to move, stays. */
static bool move_away(int *fd)
{
    int moved = *fd < 0 ? -1 : fcntl(*fd, F_DUPFD_CLOEXEC, 10);

    if (*fd >= 0 && moved < 0)
        return false;
    *fd = moved;
    return true;
}

/* In the child. */
static void become(void *context)
{
    const struct birth *birth = context;
    const struct spawn *spawn = birth->spawn;
    int output_fd = spawn->output_fd, ready_fd = spawn->ready_fd, failure_fd = birth->failure_fd;
    struct spawn_failure failure = { .step = CONFINE_OUTPUT };

    if (move_away(&failure_fd) && move_away(&output_fd) && move_away(&ready_fd)) {
        reset_signals();
        set_oom_score(spawn->oom_score);
        setsid();
        failure.step = prepare(spawn, output_fd, ready_fd);
    }
    failure.error = errno;
    if (write(failure_fd, &failure, sizeof failure) < 0)
        _exit(126);
    _exit(127);
}

/* confine.c's set-up of these allocates. */
static bool is_plain(const struct unit *unit)
{
    return !unit || !(unit->user || unit->capabilities_given || unit->read_only);
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
    find_ignored();
    pid = clone_process(spawn->cgroup_fd, is_plain(spawn->unit), become, &(struct birth){ spawn, writer });
    if (pid < 0)
        return pid;
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
