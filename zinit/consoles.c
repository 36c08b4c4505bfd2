/* /sys/class/tty/console/active names them, e.g. "tty0 ttyS0"; without sysfs /dev/console has to do. */

#include "zinit/consoles.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ACTIVE_CONSOLES "/sys/class/tty/console/active"

size_t consoles_open(int flags, int ret_fds[], size_t max)
{
    char names[256] = "", *rest = names;
    int active = open(ACTIVE_CONSOLES, O_RDONLY | O_CLOEXEC);
    size_t count = 0;

    if (active >= 0) {
        ssize_t size = read(active, names, sizeof names - 1);
        names[size > 0 ? size : 0] = '\0';
        close(active);
    }
    for (char *name = strsep(&rest, " \n"); name && count < max; name = strsep(&rest, " \n")) {
        char path[64];
        if (!*name)
            continue;
        snprintf(path, sizeof path, "/dev/%.50s", name);
        ret_fds[count] = open(path, O_WRONLY | O_NOCTTY | O_CLOEXEC | flags);
        if (ret_fds[count] >= 0)
            count++;
    }
    if (count == 0 && max > 0) {
        ret_fds[0] = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC | flags);
        count = ret_fds[0] >= 0;
    }
    return count;
}
