/* Without CAP_SYS_TIME (a daemon run for a test) the clock stays as it is, and a difference is told. */

#include "provisiond/clock.h"

#include "lib/file.h"
#include "lib/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void mark_path(const char *root, char ret_path[static PATH_BYTES])
{
    snprintf(ret_path, PATH_BYTES, "%s%s", root, PATHS_CLOCK);
}

/* In a test's root the machine's clock isn't ours to set. */
static int step(const char *root, int64_t now)
{
    struct timespec wanted = { .tv_sec = (time_t)now };

    if (root[0])
        return -EPERM;
    return clock_settime(CLOCK_REALTIME, &wanted) == 0 ? 0 : -errno;
}

int clock_set(const char *root, int64_t now)
{
    char path[PATH_BYTES], folder[PATH_BYTES];
    int64_t off = now - (int64_t)time(NULL);
    int r = 0;

    if (llabs(off) > CLOCK_TOLERANCE_S) {
        r = step(root, now);
        if (r < 0)
            return log_fail(r, "clock: it is off by %lld s and can't be set", (long long)off);
        log_info("clock: set by the directory, it was off by %lld s", (long long)off);
    }
    if (clock_is_set(root))
        return 0;
    mark_path(root, path);
    snprintf(folder, sizeof folder, "%s/run/zos", root);
    r = file_make_folders(folder, 0755);
    return r < 0 ? r : file_write(path, "", 0, 0644);
}

void clock_floor(int64_t passed)
{
    struct timespec wanted = { .tv_sec = (time_t)passed };

    if ((int64_t)time(NULL) < passed && clock_settime(CLOCK_REALTIME, &wanted) == 0)
        log_info("clock: it was before the last time that the directory told; moved forward");
}

bool clock_is_set(const char *root)
{
    char path[PATH_BYTES];

    mark_path(root, path);
    return access(path, F_OK) == 0;
}
