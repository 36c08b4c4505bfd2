/* Reads /proc/self/mountinfo (proc_pid_mountinfo(5)): the fifth field is the mount point, and the second one behind the
 * " - " the source; spaces in them are written as \040. Ours have none. */

#include "storaged/mounts.h"

#include <stdio.h>
#include <string.h>

/* Cuts one line into mount point and source; false when it isn't of that form. */
static bool parse_line(char *line, char **ret_target, char **ret_source)
{
    char *tail = strstr(line, " - "), *rest = line, *target = NULL;

    if (!tail)
        return false;
    for (int i = 0; i < 5; i++)
        target = strsep(&rest, " ");
    tail += strlen(" - ");
    if (!target || !rest || !strsep(&tail, " ") || !tail)
        return false;
    *ret_source = strsep(&tail, " \n");
    *ret_target = target;
    return true;
}

bool mounts_source(const char *target, char ret_source[static PATH_BYTES])
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    char line[4096], *at, *source;
    bool found = false;

    if (!file)
        return false;
    while (fgets(line, sizeof line, file)) {
        if (!parse_line(line, &at, &source) || strcmp(at, target) != 0)
            continue;
        snprintf(ret_source, PATH_BYTES, "%s", source);
        found = true;
    }
    fclose(file);
    return found;
}
