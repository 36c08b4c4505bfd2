/* Runs mkfs.btrfs. posix_spawn and not uv_spawn, since it is called from a thread of the pool, in the middle of the one
 * straight line that makes a pool. */

#include "storaged/mkfs.h"

#include "lib/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MKFS_DEFAULT "/bin/mkfs.btrfs"
#define LOCK_FD_IN_CHILD 3

/* Starts the child with its output on `output` and the lock as descriptor 3. 0 or a positive errno (posix_spawn(3)). */
static int start(char *const *arguments, int output, int lock_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int r;

    r = posix_spawn_file_actions_init(&actions);
    if (r != 0)
        return r;
    r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, lock_fd, LOCK_FD_IN_CHILD);
    if (r == 0)
        r = posix_spawn(ret_pid, arguments[0], &actions, NULL, arguments, (char *[]){ NULL });
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* Keeps the last line that isn't empty of what comes until the end. */
static void read_last_line(int fd, char *line, size_t size)
{
    char text[1024];
    size_t used = 0;
    ssize_t got;

    while ((got = read(fd, text + used, sizeof text - 1 - used)) > 0 || (got < 0 && errno == EINTR)) {
        used += got > 0 ? (size_t)got : 0;
        if (used == sizeof text - 1) { /* keep the second half */
            memmove(text, text + used / 2, used - used / 2);
            used -= used / 2;
        }
    }
    while (used > 0 && text[used - 1] == '\n')
        used--;
    text[used] = '\0';
    snprintf(line, size, "%.200s", strrchr(text, '\n') ? strrchr(text, '\n') + 1 : text);
}

int mkfs_btrfs(const char *device, const char *label, int lock_fd, struct reason *reason)
{
    const char *named = getenv("ZOS_MKFS"), *program = named ? named : MKFS_DEFAULT;
    /* -K: no discard of a disk that is empty anyway. Never -f: it finds data by itself and refuses. */
    const char *arguments[] = { program, "-q",     "-K", "-O",     "squota", "-L", label,
                                "-m",    "single", "-d", "single", device,   NULL };
    cleanup_close int read_fd = -1, write_fd = -1;
    char said[256] = "";
    int pipes[2], status = 0, r;
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return reason_refuse(reason, NULL, "can't be formatted: %s", strerror(errno));
    read_fd = pipes[0];
    write_fd = pipes[1];
    r = start((char *const *)arguments, write_fd, lock_fd, &pid);
    if (r != 0)
        return reason_refuse(reason, NULL, "can't be formatted: %s: %s", program, strerror(r));
    close(steal_fd(&write_fd));
    read_last_line(read_fd, said, sizeof said);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return reason_refuse(reason, NULL, "can't be formatted: %s", *said ? said : "mkfs.btrfs ended without a word");
    return 0;
}
