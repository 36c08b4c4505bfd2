/* What supervisors run while they are measured. Static, so that what is measured is their work and not the dynamic
 * linker's.
 *
 *     actor                       begins: tells so, then sleeps for ever
 *     actor flood LINES BYTES     writes so many lines of 100 bytes to standard output, BYTES in a write (a line at
 *                                 least), and tells when the reader has taken the last
 *     actor loop PROGRAM COUNT    the bare loop that supervisors are measured beside: so many processes, and another
 * for each that ends, with nothing else done
 *
 * It tells by a record to the FIFO `fifo` of its working folder: its pid and CLOCK_MONOTONIC's nanoseconds, two 64-bit
 * numbers; of a flood: the time that it took, and that clock. */

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 100
#define WRITE_BYTES_MAX 65536

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void tell(int64_t first, int64_t now)
{
    int64_t record[2] = { first, now };
    int fd = open("fifo", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, record, sizeof record) != sizeof record)
        exit(111);
    close(fd);
}

static void sleep_for_ever(void)
{
    tell(getpid(), now_ns());
    if (access("notification-fd", F_OK) == 0 && write(3, "\n", 1) != 1) /* s6 has it so */
        exit(111);
    for (;;)
        pause();
}

/* "line 00000001 000…" in the place of an earlier one. */
static void number(char *line, long n)
{
    for (char *digit = line + strlen("line 00000000"); digit-- > line + strlen("line "); n /= 10)
        *digit = (char)('0' + n % 10);
}

static void write_all(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(STDOUT_FILENO, bytes, size);
        if (written < 0)
            exit(111);
        bytes += written;
        size -= (size_t)written;
    }
}

static void flood(long lines, long bytes)
{
    static char buffer[WRITE_BYTES_MAX];
    long at_once = bytes / LINE_BYTES > 0 ? bytes / LINE_BYTES : 1;
    int64_t began;
    int waiting;

    if (bytes > WRITE_BYTES_MAX)
        exit(2);
    for (char *line = buffer; line + LINE_BYTES <= buffer + sizeof buffer; line += LINE_BYTES) {
        memset(line, '0', LINE_BYTES);
        memcpy(line, "line 00000000 ", strlen("line 00000000 "));
        line[LINE_BYTES - 1] = '\n';
    }
    usleep(200000); /* until whoever reads has settled */
    began = now_ns();
    for (long line = 0; line < lines;) {
        char *end = buffer;
        for (; end < buffer + at_once * LINE_BYTES && line < lines; end += LINE_BYTES)
            number(end, ++line);
        write_all(buffer, (size_t)(end - buffer));
    }
    while (ioctl(STDOUT_FILENO, FIONREAD, &waiting) == 0 && waiting > 0)
        usleep(50);
    tell(now_ns() - began, now_ns());
    pause();
}

static pid_t start(const char *program)
{
    char *argv[] = { (char *)program, NULL };
    pid_t pid = fork();

    if (pid == 0) {
        execv(program, argv);
        _exit(127);
    }
    return pid;
}

static void loop(const char *program, long count)
{
    signal(SIGTERM, SIG_DFL);
    while (count-- > 0)
        start(program);
    for (;;)
        if (waitpid(-1, NULL, 0) > 0)
            start(program);
}

int main(int argc, char **argv)
{
    if (argc < 3) /* s6 gives the service's name */
        sleep_for_ever();
    else if (argc == 4 && strcmp(argv[1], "flood") == 0)
        flood(atol(argv[2]), atol(argv[3]));
    else if (argc == 4 && strcmp(argv[1], "loop") == 0)
        loop(argv[2], atol(argv[3]));
    return 2;
}
