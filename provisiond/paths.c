/* Joins the fixed places to the root. */

#include "provisiond/paths.h"

#include <stdio.h>
#include <string.h>

void paths_set(struct paths *paths, const char *root, bool on_disk)
{
    char copy[sizeof paths->root]; /* `root` may be the struct's own */

    snprintf(copy, sizeof copy, "%s", root);
    *paths = (struct paths){ .on_disk = on_disk };
    memcpy(paths->root, copy, sizeof copy);
    snprintf(paths->state, sizeof paths->state, "%s%s", paths->root, on_disk ? PATHS_DISK : PATHS_MEMORY);
    snprintf(paths->images, sizeof paths->images, "%.230s/images", paths->state);
    snprintf(paths->containers, sizeof paths->containers, "%s%s", paths->root, PATHS_CONTAINERS);
}
