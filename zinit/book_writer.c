/* Waits for lines and for changes of the mounts; neither comes on an idle node, which so writes nothing. What is there
 * is written in one go and made durable with one fdatasync; PID 1 hands lines over a second at a time. A disk that
 * hangs holds up this process and nothing else. */

#include "zinit/book_writer.h"

#include "lib/log.h"
#include "zinit/book_file.h"
#include "zinit/book_read.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536
#define AGAIN_MS 10000 /* after a failure to open the folder */

struct writer {
    const char *mount;
    char folder[256];
    int fd;        /* lines come from here */
    int mounts_fd; /* /proc/self/mountinfo: POLLPRI when it changes (proc_pid_mountinfo(5)) */
    struct book_file book;
    bool ended;
    int told;    /* the failure that was logged last; 0: all is well */
    size_t used; /* of `bytes`: the begin of a line whose end hasn't come */
    char bytes[2 * READ_BYTES];
};

/* One line at each change: what is logged here comes back as a line to write. */
static void tell(struct writer *writer, int error)
{
    if (error == writer->told)
        return;
    writer->told = error;
    if (error)
        log_warning("copy of the logs in %s: %s: lines are left out of it", writer->folder, strerror(-error));
    else
        log_info("copy of the logs in %s: goes on", writer->folder);
}

/* What is mounted has another device than the folder it is mounted in. */
static bool is_mounted(const char *path)
{
    char parent[256];
    struct stat here, above;

    snprintf(parent, sizeof parent, "%.250s/..", path);
    return stat(path, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
}

/* A book on a file system that is no longer the one mounted there is closed. */
static bool is_ours(const struct writer *writer)
{
    struct stat there, ours;

    return stat(writer->folder, &there) == 0 && fstat(writer->book.folder_fd, &ours) == 0 &&
           there.st_dev == ours.st_dev && there.st_ino == ours.st_ino;
}

/* Said once a boot, where the page on the consoles shows it too. */
static void tell_last_end(const struct writer *writer)
{
    static struct book_end end;

    if (writer->book.name.file > 0 || book_read_last_end(writer->folder, &end) < 0 || end.boot == 0)
        return;
    if (end.clean)
        log_info("boot %u, the last one, ended in order", end.boot);
    else
        log_warning("boot %u, the last one, ended without a shutdown; its last line: %s", end.boot, end.line);
}

static void look_at_mount(struct writer *writer)
{
    int error;

    if (writer->book.folder_fd >= 0 && !is_ours(writer))
        book_file_close(&writer->book);
    if (writer->book.folder_fd >= 0 || !is_mounted(writer->mount))
        return;
    error = book_file_open(&writer->book, writer->folder);
    if (error)
        book_file_close(&writer->book);
    else
        tell_last_end(writer);
    tell(writer, error);
}

/* Writes the whole lines of what was read. */
static int write_lines(struct writer *writer)
{
    const char *end = memrchr(writer->bytes, '\n', writer->used);
    size_t size = end ? (size_t)(end + 1 - writer->bytes) : 0;
    int error = size ? book_file_add(&writer->book, writer->bytes, size) : 0;

    writer->used -= size;
    memmove(writer->bytes, writer->bytes + size, writer->used);
    if (writer->used > READ_BYTES) /* no line is so long */
        writer->used = 0;
    return error;
}

static void take_lines(struct writer *writer)
{
    int error = 0;

    for (;;) {
        ssize_t size = read(writer->fd, writer->bytes + writer->used, READ_BYTES);
        if (size == 0 || (size < 0 && errno != EINTR && errno != EAGAIN))
            writer->ended = true;
        if (size <= 0)
            break;
        writer->used += (size_t)size;
        error = write_lines(writer);
        if (error)
            break;
    }
    if (!error && writer->ended)
        error = book_file_add(&writer->book, BOOK_END, strlen(BOOK_END));
    if (!error)
        error = book_file_sync(&writer->book);
    tell(writer, error);
    if (error && error != -ENOSPC && error != -EDQUOT) /* the disk itself: what is there may be another one */
        book_file_close(&writer->book);
}

int book_writer_run(const char *mount, int fd)
{
    static struct writer writer;

    writer = (struct writer){ .mount = mount, .fd = fd, .book = { .folder_fd = -1, .fd = -1 } };
    snprintf(writer.folder, sizeof writer.folder, "%.250s/log", mount);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    prctl(PR_SET_NAME, "zinit-log");
    writer.mounts_fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (writer.mounts_fd < 0)
        return log_fail(-errno, "open /proc/self/mountinfo"), 1;
    look_at_mount(&writer);
    while (!writer.ended) {
        bool open = writer.book.folder_fd >= 0;
        struct pollfd fds[] = { { .fd = fd, .events = open ? POLLIN : 0 },
                                { .fd = writer.mounts_fd, .events = POLLPRI } };
        if (poll(fds, 2, !open && writer.told ? AGAIN_MS : -1) < 0 && errno != EINTR)
            return log_fail(-errno, "poll"), 1;
        if (open && fds[0].revents)
            take_lines(&writer);
        else if (fds[0].revents & (POLLHUP | POLLERR))
            writer.ended = true;
        look_at_mount(&writer);
    }
    book_file_close(&writer.book);
    close(writer.mounts_fd);
    return 0;
}
