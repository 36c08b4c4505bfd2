/* The linker turns a call of f into one of __wrap_f, and __real_f is the function itself (ld(1), --wrap). */

#include "tests/unit/failing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

static enum failing_kind failing;
static bool armed, lasts, failed;
static long left;

void failing_begin(enum failing_kind kind, long nth, bool lasting)
{
    failing = kind;
    left = nth;
    lasts = lasting;
    failed = false;
    armed = true;
}

bool failing_end(void)
{
    armed = false;
    return failed;
}

static bool fails(enum failing_kind kind, int error)
{
    if (!armed || kind != failing || left-- > 0)
        return false;
    armed = lasts;
    left = 0;
    failed = true;
    errno = error;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *bytes, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
int __real_scandir(const char *path, struct dirent ***entries, int (*filter)(const struct dirent *),
                   int (*compare)(const struct dirent **, const struct dirent **));
int __real_pipe2(int ends[2], int flags);
int __real_open(const char *path, int flags, ...);
int __real_openat(int folder, const char *path, int flags, ...);
int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
pid_t __real_clone_process(int cgroup_fd, bool shared, void (*function)(void *argument), void *argument);
pid_t __real_fork(void);

void *__wrap_malloc(size_t size)
{
    return fails(FAILING_MEMORY, ENOMEM) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails(FAILING_MEMORY, ENOMEM) ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *bytes, size_t size)
{
    return fails(FAILING_MEMORY, ENOMEM) ? NULL : __real_realloc(bytes, size);
}

char *__wrap_strdup(const char *text)
{
    return fails(FAILING_MEMORY, ENOMEM) ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return fails(FAILING_MEMORY, ENOMEM) ? NULL : __real_strndup(text, size);
}

/* As a failing one does, it leaves *ret_text undefined. */
int __wrap_asprintf(char **ret_text, const char *format, ...)
{
    va_list arguments;
    int size;

    if (fails(FAILING_MEMORY, ENOMEM)) {
        *ret_text = (char *)-1; /* NOLINT */
        return -1;
    }
    va_start(arguments, format);
    size = vasprintf(ret_text, format, arguments);
    va_end(arguments);
    return size;
}

int __wrap_scandir(const char *path, struct dirent ***entries, int (*filter)(const struct dirent *),
                   int (*compare)(const struct dirent **, const struct dirent **))
{
    return fails(FAILING_MEMORY, ENOMEM) ? -1 : __real_scandir(path, entries, filter, compare);
}

int __wrap_pipe2(int ends[2], int flags)
{
    return fails(FAILING_KERNEL, EMFILE) ? -1 : __real_pipe2(ends, flags);
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    int mode;

    va_start(arguments, flags);
    mode = va_arg(arguments, int);
    va_end(arguments);
    return fails(FAILING_KERNEL, EMFILE) ? -1 : __real_open(path, flags, mode);
}

int __wrap_openat(int folder, const char *path, int flags, ...)
{
    va_list arguments;
    int mode;

    va_start(arguments, flags);
    mode = va_arg(arguments, int);
    va_end(arguments);
    return fails(FAILING_KERNEL, EMFILE) ? -1 : __real_openat(folder, path, flags, mode);
}

int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    if (what == EPOLL_CTL_ADD && fails(FAILING_KERNEL, ENOSPC))
        return -1;
    return __real_epoll_ctl(epoll, what, fd, event);
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return fails(FAILING_KERNEL, EMFILE) ? -1 : __real_accept4(fd, address, size, flags);
}

pid_t __wrap_clone_process(int cgroup_fd, bool shared, void (*function)(void *argument), void *argument)
{
    if (fails(FAILING_KERNEL, EAGAIN))
        return -EAGAIN;
    return __real_clone_process(cgroup_fd, shared, function, argument);
}

pid_t __wrap_fork(void)
{
    return fails(FAILING_KERNEL, EAGAIN) ? -1 : __real_fork();
}
