#pragma once

/* `provisiond launch FOLDER`: what zinit runs as a container's service. Clears what a former run of it has left, mounts
 * the container's root (image below, root volume above) and becomes crun. */

#include "lib/reason.h"
#include "provisiond/paths.h"

/* Doesn't return when all is well; else the exit code. */
int launch(const char *folder);

/* Ends a container at once whose first process ignores SIGTERM anyway (as PID 1 of its namespace it does unless it
 * handles it): waiting for it would be in vain. To be called after the stop was asked for. */
void launch_hasten(const char *root, const char *service);

/* Removes what is left of a container that doesn't run: crun's state, the mounted root, the bundle with its secrets. 0,
 * or REFUSED. */
int launch_clear(const struct paths *paths, const char *service, struct reason *reason);
