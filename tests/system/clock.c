/* For stories: loaded in front of the C library (LD_PRELOAD), it moves a program's wall clock by the seconds that stand
 * in the file ZOS_CLOCK, an int64_t, which the story changes while the program runs. Clocks that only go forward are
 * left alone: what waits by them mustn't notice. */

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *moved_s;

__attribute__((constructor)) static void map_file(void)
{
    const char *path = getenv("ZOS_CLOCK");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *moved_s, PROT_READ, MAP_SHARED, fd, 0);

    if (page == MAP_FAILED)
        abort(); /* a story that believes the clock to be moved mustn't pass */
    close(fd);
    moved_s = page;
}

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    int r = (int)syscall(SYS_clock_gettime, clock, ret_time);

    if (r == 0 && moved_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        ret_time->tv_sec += *moved_s;
    return r;
}

time_t time(time_t *ret_time)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (ret_time)
        *ret_time = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict ret_time, void *restrict zone)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    *ret_time = (struct timeval){ now.tv_sec, now.tv_nsec / 1000 };
    return 0;
}
