/* Orphans. Each that is killed may leave children, which become ours (proc_pid_task(5) lists them): so round after
 * round until there is none. A process that forks faster than it is killed is bounded by the time. */

#include "zinit/orphans.h"

#include "zinit/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_MOST_MS 2000

static void kill_children(void)
{
    char text[8192], *end = text;
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = '\0';
    for (char *from = text;; from = end) {
        long pid = strtol(from, &end, 10);
        if (end == from || (size == sizeof text - 1 && !*end)) /* none, or one that is cut off: next round */
            return;
        if (pid > 1)
            kill((pid_t)pid, SIGKILL);
    }
}

void orphans_kill(void)
{
    uint64_t until = loop_now_ms() + AT_MOST_MS;
    pid_t gone;

    do {
        if (getpid() == 1)
            kill(-1, SIGKILL);
        else
            kill_children();
        while ((gone = waitpid(-1, NULL, WNOHANG)) > 0)
            continue;
        if (gone < 0 && errno == ECHILD)
            return;
        usleep(2000);
    } while (loop_now_ms() < until);
}
